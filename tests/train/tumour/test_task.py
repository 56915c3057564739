"""Training on brain tumours: what a sample is made of, and that a run learns and resumes."""

import shutil

import nibabel
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.method import predict, presence_mask
from mckd.systems import rebuild
from mckd.tumour import SEQUENCES, TumourSegmenter, find_cases, read_case
from mckd.tumour.designs import DESIGNS
from mckd.tumour.fingerprint import Known
from mckd.tumour.parts import TumourParts
from mckd.tumour.windows import sliding_windows
from train.loop import train
from train.settings import SettingsError, override
from train.tumour import augment, task
from train.tumour.cases import load_cases
from train.tumour.loss import plain_segmentation_loss, segmentation_loss
from train.tumour.settings import PRESETS
from train.workers import join_workers

SHAPE = (30, 34, 28)
COMPACT = TumourParts(DESIGNS["compact"])


def write_case(folder, number, sequences=("flair", "t1", "t1ce", "t2"), with_labels=True):
    """A head with a bright ball: core inside oedema, and a rim that only T1c shows."""
    random = np.random.default_rng(number)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"))
    head = ((grid - np.reshape(SHAPE, (3, 1, 1, 1)) / 2) ** 2).sum(0) < 13**2
    centre = random.uniform(11, 17, (3, 1, 1, 1))
    r = np.sqrt(((grid - centre) ** 2).sum(0))
    labels = np.select([r < 2, r < 3.5, r < 5.5], [1, 4 if number % 3 else 1, 2], 0) * head
    case = folder / f"case_{number:03}"
    case.mkdir(parents=True)
    for sequence in sequences:
        volume = 100 + random.normal(0, 8, SHAPE) + 60 * (labels > 0)
        volume += 90 * (labels == 4) if sequence == "t1ce" else 0
        image = nibabel.Nifti1Image((volume * head).astype(np.int16), np.eye(4))
        nibabel.save(image, case / f"{case.name}_{sequence}.nii.gz")
    if with_labels:
        image = nibabel.Nifti1Image(labels.astype(np.uint8), np.eye(4))
        nibabel.save(image, case / f"{case.name}_seg.nii.gz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for number in range(6):
        write_case(folder, number)
    return folder


@pytest.fixture(autouse=True)
def small_brains(monkeypatch, one_thread):
    monkeypatch.setattr(task, "BRAIN", (32, 32, 32))
    monkeypatch.setattr(task, "STEPS_PER_EPOCH", 10)
    monkeypatch.setattr(task.TumourTask, "steps_per_epoch", 10)


def settings_of(**changes):
    return override(PRESETS["smoke"](), {"folds": 3, "epochs": 2, "crop": 0} | changes)


def run_here(folder, out, resume=False, start=None, **changes):
    settings = settings_of(**changes)
    with join_workers() as workers:
        train(
            task.TumourTask(settings, folder, start=start),
            settings,
            RunFolder(out),
            workers,
            name="tumour",
            preset="smoke",
            command="python -m train tumour",
            resume=resume,
            say=lambda line: None,
        )
    return load_checkpoint(out / "checkpoints" / MODEL)


class TestAugmentation:
    def sample(self, folder):
        case = load_cases(folder)[1]
        return case.images.float(), case.labels

    def test_images_and_labels_move_together(self, folder):
        _, labels = self.sample(folder)
        g = torch.Generator().manual_seed(1)
        stacked = torch.stack([(labels > 0).float()] * 4)
        for change in (augment.mirror, augment.deform):
            moved, drawn = change(stacked, labels, g)
            agree = ((moved[0] > 0.5) == (drawn > 0)).float().mean()
            assert agree > 0.99
            assert (drawn > 0).any()

    def test_a_turn_changes_the_image_and_no_change_keeps_it(self, folder, monkeypatch):
        images, labels = self.sample(folder)
        g = torch.Generator().manual_seed(1)
        assert not torch.allclose(augment.deform(images, labels, g)[0], images)
        for name in ("TURN", "SCALE", "BEND_VOXELS"):
            monkeypatch.setattr(augment, name, 0)
        same, drawn = augment.deform(images, labels, g)
        assert torch.allclose(same, images, atol=1e-3)
        assert torch.equal(drawn, labels)

    def test_outside_the_head_stays_zero(self, folder):
        images, labels = self.sample(folder)
        g = torch.Generator().manual_seed(2)
        for changed in (
            augment.change_intensities(images, 1.0, g),
            augment.vary_tumour(images, labels, g),
        ):
            assert not changed[images == 0].any()
            assert not torch.allclose(changed, images)

    def test_a_tumour_is_varied_and_nothing_else(self, folder):
        images, labels = self.sample(folder)
        changed = augment.vary_tumour(images, labels, torch.Generator().manual_seed(2)) - images
        edge = F.max_pool3d((labels > 0).float()[None], 3, 1, 1)[0] > 0
        assert not changed[:, ~edge].any()
        inside = changed[:, labels == 2].mean(1)  # of each sequence, apart from the others
        assert len({round(float(x), 3) for x in inside}) == len(images)
        none = torch.zeros_like(labels)
        assert augment.vary_tumour(images, none, torch.Generator()) is images

    @pytest.mark.parametrize("place", [0, -1])
    def test_a_tumour_of_one_voxel_at_the_edge_of_a_crop_is_varied(self, place):
        images, labels = torch.ones(4, 9, 8, 7), torch.zeros(9, 8, 7, dtype=torch.uint8)
        labels[place, place, place] = 2
        changed = augment.vary_tumour(images, labels, torch.Generator().manual_seed(2)) != images
        assert changed[:, place, place, place].all()
        assert changed.sum() == 4 * 8

    def test_a_tumour_is_transplanted_with_its_labels(self, folder):
        here, there = load_cases(folder)[:2]
        before = here.images.clone(), here.labels.clone()
        moved = 0
        for seed in range(6):
            g = torch.Generator().manual_seed(seed)
            images, labels = augment.transplant(
                here.images, here.labels, there.images, there.labels, g
            )
            new = (labels != here.labels) & (labels > 0)
            moved += int(new.sum())
            assert new.sum() <= (there.labels > 0).sum()
            assert not images[:, (here.images == 0).all(0)].any()  # nothing outside this head
            far = F.max_pool3d(new.float()[None], 2 * 9 + 1, 1, 9)[0] == 0
            assert torch.equal(images[:, far], here.images[:, far])
            brighter = (images - here.images)[:, new].float().median(1).values
            assert brighter[0] > 0.3 if new.any() else True
            assert (brighter > 2).sum() >= 3 if new.any() else True  # one sequence may be faint
        assert moved > 50
        assert torch.equal(here.images, before[0])
        assert torch.equal(here.labels, before[1])
        g = torch.Generator().manual_seed(0)
        healthy = torch.zeros_like(there.labels)
        same = augment.transplant(here.images, here.labels, there.images, healthy, g)
        assert torch.equal(same[0], here.images)
        assert torch.equal(same[1], here.labels)

    @pytest.mark.parametrize("rim", augment.RIM_VOXELS)
    def test_a_soft_edge_is_the_same_on_either_device(self, rim):
        mask = torch.zeros(20, 18, 16)
        mask[2:9, 4:8, 0:7] = mask[15, 12, 9] = 1
        soft, pooled = augment._soft(mask, rim), augment._soft_by_pooling(mask, rim)
        torch.testing.assert_close(pooled, soft, atol=1e-6, rtol=0)
        assert ((soft > 0) & (soft < 1)).any()

    def test_one_sequence_of_some_transplants_hardly_shows_the_tumour(self):
        labels = torch.zeros(24, 24, 24, dtype=torch.uint8)
        donor = labels.clone()
        donor[8:16, 8:16, 8:16] = 2
        dark, bright = torch.ones(4, 24, 24, 24), torch.full((4, 24, 24, 24), 2.0)
        faint = []
        for seed in range(60):
            g = torch.Generator().manual_seed(seed)
            images, _ = augment.transplant(dark, labels, bright, donor, g)
            shown = images.amax((1, 2, 3)) - 1  # 0 not at all, 1 as in the donor
            less = (shown < 0.999).nonzero().flatten().tolist()
            assert len(less) <= 1
            faint += [(m, float(shown[m])) for m in less]
        assert 0.3 < len(faint) / 60 < 0.7
        assert {m for m, _ in faint} == {0, 1, 2, 3}
        assert min(s for _, s in faint) < 0.2
        assert max(s for _, s in faint) > 0.8

    def test_a_transplant_has_the_sequences_that_both_have(self, folder, tmp_path):
        write_case(tmp_path, 1, sequences=("flair", "t2"))
        (few,) = load_cases(tmp_path)
        whole = load_cases(folder)[0]
        case = task.with_tumour_of(few, whole, torch.Generator().manual_seed(0))
        assert case.present.tolist() == [True, False, False, True]
        assert not case.images[1:3].any()
        assert case.images[0].any()


class TestLoss:
    def test_is_dice_plus_cross_entropy_and_has_its_gradient(self):
        g = torch.Generator().manual_seed(0)
        logits = torch.randn(2, 3, 4, 5, 6, generator=g, requires_grad=True)
        target = torch.rand(2, 3, 4, 5, 6, generator=g) > 0.7
        fast, plain = segmentation_loss(logits, target), plain_segmentation_loss(logits, target)
        assert fast.item() == pytest.approx(plain.item(), rel=1e-6)
        (a,), (b,) = (torch.autograd.grad(loss, logits) for loss in (fast, plain))
        assert torch.allclose(a, b, atol=1e-7)

    def test_a_perfect_answer_costs_nothing(self):
        target = torch.zeros(1, 3, 4, 4, 4, dtype=torch.bool)
        target[:, :, :2] = True
        logits = torch.where(target, 50.0, -50.0)
        assert segmentation_loss(logits, target).item() < 1e-3
        assert segmentation_loss(-logits, target).item() > 10


class TestTask:
    def test_no_case_is_in_two_parts(self, folder):
        parts = task.TumourTask(settings_of(fold=1), folder).provenance["cases"]
        names = [name for part in parts.values() for name in part]
        assert len(names) == len(set(names)) == 6
        assert len(parts["test"]) == 2

    def test_every_case_is_tested_in_one_fold(self, folder):
        tested = [
            name
            for fold in range(3)
            for name in task.TumourTask(settings_of(fold=fold), folder).provenance["cases"]["test"]
        ]
        assert sorted(tested) == [f"case_{n:03}" for n in range(6)]

    def test_the_mix_is_trained_on_and_never_tested(self, folder, tmp_path):
        for number in range(20, 24):
            write_case(tmp_path, number)
        parts = task.TumourTask(settings_of(fold=0), folder, mix=tmp_path).provenance["cases"]
        assert parts["validation"] == ["case_023"]
        assert {"case_020", "case_021", "case_022"} <= set(parts["train"])
        assert not set(parts["test"]) & {f"case_{n:03}" for n in range(20, 24)}

    def test_a_mix_that_is_all_for_validation_is_refused(self, folder, tmp_path):
        write_case(tmp_path / "mix", 20)
        with pytest.raises(SettingsError, match="mix leaves no case to train on"):
            task.TumourTask(settings_of(validation=1), folder, mix=tmp_path / "mix")

    @pytest.mark.parametrize("mixed", [False, True])
    def test_no_patient_is_in_two_parts(self, mixed, tmp_path):
        """Both heads have a week-000 and a week-001, whose labels differ; two more are mixed in."""
        for folder, numbers in (("data", (0, 1, 2, 3)), ("mix", (4, 5, 6, 7))):
            for place, number in enumerate(numbers):
                write_case(tmp_path, number)
                patient = tmp_path / folder / f"P{numbers[place - place % 2]}"
                patient.mkdir(parents=True, exist_ok=True)
                (tmp_path / f"case_{number:03}").rename(patient / f"week-00{place % 2}")
        settings = settings_of(fold=-1, folds=2, validation=1)
        mix = tmp_path / "mix" if mixed else None
        parts = task.TumourTask(settings, tmp_path / "data", mix=mix).provenance["cases"]
        patients = {part: {n.split("/")[0] for n in names} for part, names in parts.items()}
        assert patients["validation"] == {"P6" if mixed else "P0"}
        assert patients["train"] == ({"P0", "P2", "P4"} if mixed else {"P2"})
        assert len(parts["validation"]) == 2

    def test_what_it_saw_is_told_by_the_labels_wherever_they_lie(self, tmp_path):
        """Other heads under the same names are other data; the same ones elsewhere are not."""
        for number in range(3):
            write_case(tmp_path / "a", number)
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        given = [task.TumourTask(settings_of(fold=-1), tmp_path / f).provenance for f in "ab"]
        assert given[0] == given[1]
        first, second = (
            tmp_path / "b" / name / f"{name}_seg.nii.gz" for name in ("case_001", "case_002")
        )
        shutil.copy(second, first)
        other = task.TumourTask(settings_of(fold=-1), tmp_path / "b").provenance
        assert [key for key in other if other[key] != given[0][key]] == ["content"]

    def test_too_few_cases_are_an_error(self, folder):
        with pytest.raises(SettingsError, match="--validation"):
            task.TumourTask(settings_of(validation=4), folder)

    def test_batches_are_functions_of_the_step(self, folder):
        made = task.TumourTask(settings_of(deform=1.0), folder)
        again = task.TumourTask(settings_of(deform=1.0), folder)
        a, b = made.training_batch(3, 0, 1), again.training_batch(3, 0, 1)
        c = made.training_batch(4, 0, 1)
        assert torch.equal(a.inputs[0], b.inputs[0])
        assert torch.equal(a.target, b.target)
        assert not torch.equal(a.inputs[0], c.inputs[0])

    def test_whole_brains_of_a_batch_have_one_size(self, folder):
        made = task.TumourTask(settings_of(batch_size=2), folder)
        shapes = {tuple(made.training_batch(step, 0, 1).target.shape) for step in range(20)}
        assert shapes == {(2, 3, 32, 32, 32), (2, 3, 48, 48, 48)}

    def test_samples_can_be_crops_that_seek_the_tumour(self, folder):
        made = task.TumourTask(settings_of(crop=16), folder)
        batches = [made.training_batch(step, 0, 1) for step in range(40)]
        assert {tuple(b.target.shape[2:]) for b in batches} == {(16, 16, 16)}
        middle = [bool(b.target[0, 2, 8, 8, 8]) for b in batches]
        assert 12 < sum(middle) < 40  # half of them, and some of the others by chance

    def test_some_batches_can_be_whole_brains_all_the_same(self, folder):
        made = task.TumourTask(settings_of(crop=16, whole=0.4), folder)
        sizes = [made.training_batch(step, 0, 1).target.shape[-1] for step in range(60)]
        assert set(sizes) == {16, 32, 48}
        assert 36 - 14 < sizes.count(16) < 36 + 14

    @pytest.mark.parametrize("crop", [-16, 8, 20])
    def test_a_crop_that_the_network_cannot_halve_is_an_error(self, crop):
        with pytest.raises(SettingsError, match="multiple of 16"):
            settings_of(crop=crop)


class TestRun:
    def test_learns_and_scores_every_subset(self, folder, tmp_path):
        checkpoint = run_here(folder, tmp_path / "run", epochs=8, validate_every=8)
        scores = checkpoint.header["metrics"]["test"]
        assert len(scores) == 4 + 15
        assert scores["wt"] > 0.5
        rows, _ = RunFolder(tmp_path / "run").records()
        assert rows[-1]["loss"] < rows[0]["loss"]
        assert set(rows[-1]["fill_l1"]) == {"flair", "t1", "t1c", "t2"}
        assert list(rows[-1]["feature_std"]) == ["1", "2", "3"]
        assert all(0 < x < 10 for x in rows[-1]["feature_std"].values())
        assert all(-1 <= c <= 1 for c in rows[-1]["fill_cosine"].values())

    def test_the_compact_network_is_trained_on_what_it_is_applied_to(
        self, folder, tmp_path, monkeypatch
    ):
        """Crops of the size of its windows; from its checkpoint comes the network's own answer."""
        settings = override(PRESETS["compact"](), {"validation": 1, "fold": -1, "bf16": False})
        shape = task.TumourTask(settings, folder).training_batch(0, 0, 1).target.shape[2:]
        windows = sliding_windows((140, 170, 140), DESIGNS["compact"])
        assert {box.shape for box in windows.boxes} == {tuple(shape)} == {(96, 96, 96)}

        monkeypatch.setattr(task.TumourTask, "steps_per_epoch", 2)
        out = tmp_path / "run"
        same = {"network": "compact", "epochs": 1, "fold": -1, "ema": 0.0, "validate_every": 1}
        run_here(folder, out, **same)
        segmenter = TumourSegmenter.load(out / "checkpoints" / MODEL, bf16=False)
        case = read_case(folder / "case_001")
        found = segmenter.decide(segmenter.encode(case), {"flair", "t1c"})
        (window,) = sliding_windows(case.brain.shape, DESIGNS["compact"]).boxes
        assert window.shape == (96, 96, 96)
        prepared = case.prepared()
        room = [96 - n for n in case.brain.shape]
        pad = [side for r in room[::-1] for side in (r // 2, r - r // 2)]
        inputs = [F.pad(torch.from_numpy(prepared[s])[None, None], pad) for s in SEQUENCES]
        network, _ = rebuild(load_checkpoint(out / "checkpoints" / MODEL), COMPACT)
        present = presence_mask({"flair", "t1c"}, SEQUENCES, 1, "cpu")
        inside = [slice(r // 2, r // 2 + n) for r, n in zip(room, case.brain.shape, strict=True)]
        expected = predict(network, inputs, present)[(0, slice(None), *inside)].sigmoid()
        assert np.allclose(found.cropped_probabilities, expected, atol=1e-5)

    def test_can_begin_with_another_run_s_weights(self, folder, tmp_path):
        first = run_here(folder, tmp_path / "first")
        path = tmp_path / "first" / "checkpoints" / MODEL
        second = run_here(folder, tmp_path / "second", start=path, lr=1e-12, iwv_lr=1e-12)
        assert second.header["provenance"]["start"] == first.sha256
        for name, tensor in first.part("network").items():
            assert torch.allclose(tensor, second.part("network")[name], atol=1e-5), name

    def test_a_checkpoint_knows_what_it_saw_and_what_the_one_before_it_saw(self, folder, tmp_path):
        others = tmp_path / "others"
        for number in range(20, 24):
            write_case(others, number)
        run_here(folder, tmp_path / "first", epochs=1)
        path = tmp_path / "first" / "checkpoints" / MODEL
        second = run_here(others, tmp_path / "second", start=path, epochs=1, folds=2)
        dealt = [RunFolder(tmp_path / name).config()["provenance"] for name in ("first", "second")]
        where = {}
        for part in ("test", "validation", "train"):  # who trained on it says more
            where |= dict.fromkeys([n for d in dealt for n in d["cases"][part]], part)
        known = Known.of(second)
        assert known.whole
        says = {"test": "no", "validation": "validation", "train": "training"}
        for case in (*find_cases(folder), *find_cases(others)):
            assert known.where(read_case(case)) == says[where[case.name]], case.name
        assert sorted(set(where.values())) == ["test", "train", "validation"]

    def test_beginning_with_a_checkpoint_that_does_not_say_leaves_it_open(self, folder, tmp_path):
        first = run_here(folder, tmp_path / "first", epochs=1)
        old = tmp_path / "old.safetensors"
        tensors = {n: t for n, t in first.tensors.items() if not n.startswith("seen/")}
        save_checkpoint(old, tensors, {k: v for k, v in first.header.items() if k != "seen"})
        known = Known.of(run_here(folder, tmp_path / "second", epochs=1, start=old))
        assert not known.whole
        places = {known.where(read_case(case)) for case in find_cases(folder)}
        assert places == {"training", "validation", "unknown"}

    def test_refuses_weights_of_another_network(self, folder, tmp_path):
        path = tmp_path / "first" / "checkpoints" / MODEL
        run_here(folder, tmp_path / "first")
        with pytest.raises(CheckpointError, match="another network"):
            run_here(folder, tmp_path / "second", start=path, network="studio")

    def test_the_least_enhancing_volume_is_kept_in_the_checkpoint(self, folder, tmp_path):
        made = run_here(folder, tmp_path / "run", epochs=1, et_min_ml=0.5, least_part=0.25)
        assert (made.header["et_min_ml"], made.header["least_part"]) == (0.5, 0.25)

    def test_filling_with_zeros_is_kept_in_the_checkpoint(self, folder, tmp_path):
        checkpoint = run_here(folder, tmp_path / "zero", fill="zero", epochs=1)
        assert checkpoint.header["settings"]["method"]["fill"] == "zero"
