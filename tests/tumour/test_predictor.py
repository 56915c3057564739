"""The segmenter: kept features, padding and windows, what it may read, what it gives back."""

import dataclasses
import pickle
import subprocess
import sys
import threading

import nibabel
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from mckd import precision
from mckd.files.checkpoint import CheckpointError, save_checkpoint
from mckd.method import predict, presence_mask, subsets
from mckd.tumour import SEQUENCES, TumourSegmenter, predictor, read_case
from mckd.tumour.network import DESIGNS, Design, TumourNetwork
from mckd.tumour.outline import most_overlap

TINY = Design(2, (4, 8), (0, 1), conditional=True)
WINDOWED = Design(1, (4, 8), (0, 1), window=(8, 12, 4))
ROUTES = {"tiny": TINY, "windowed": WINDOWED}
HEADER = {"modalities": list(SEQUENCES), "normalisation": "softmax"}
ALL = frozenset(SEQUENCES)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def load(tmp_path, monkeypatch):
    """load("tiny" or "windowed", header=..., **options): a segmenter with random weights."""
    for name, design in ROUTES.items():
        monkeypatch.setitem(DESIGNS, name, design)

    def load(name="tiny", header=None, **options):
        torch.manual_seed(3)
        network = TumourNetwork(DESIGNS[name])
        for weights in network.parameters():  # scales and shifts would be 1 and 0 for all
            weights.data += 0.1 * torch.randn(weights.shape)
        path = tmp_path / "checkpoint" / f"{name}.safetensors"
        tensors = {f"network/{k}": v for k, v in network.state_dict().items()}
        iwv = torch.tensor([0.0, 1.0, 0.0, 0.0])
        save_checkpoint(path, {**tensors, "iwv": iwv}, HEADER | {"network": name} | (header or {}))
        return TumourSegmenter.load(path, **options)

    return load


@pytest.fixture
def case(heads, tmp_path):
    return read_case(heads.write_case(tmp_path / "one"))


def only(case, *sequences):
    return dataclasses.replace(case, volumes={s: case.volumes[s] for s in sequences})


def same(a, b):
    return np.array_equal(a.cropped, b.cropped) and np.array_equal(
        a.cropped_probabilities, b.cropped_probabilities
    )


class Count:
    """How often the encoder ran."""

    def __init__(self, segmenter):
        self.calls = 0
        segmenter._network.encoder.register_forward_hook(self.add)

    def add(self, *_):
        self.calls += 1


class TestPrediction:
    def test_is_the_network_s_own_forward_pass(self, load, case):
        """Padding, kept features and the way back change nothing: all 15 subsets, by hand."""
        segmenter = load(bf16=False)
        encoded = segmenter.encode(case)
        (a, b, c), m = case.brain.shape, TINY.multiple
        room = [(-n) % m for n in (a, b, c)]
        assert any(room), "this head would not need any padding"
        before = [r // 2 for r in room]
        last_first = zip(room[::-1], before[::-1], strict=True)
        pad = [side for r, lo in last_first for side in (lo, r - lo)]
        prepared = case.prepared()
        inputs = [F.pad(torch.from_numpy(prepared[s])[None, None], pad) for s in SEQUENCES]
        inside = tuple(slice(lo, lo + n) for lo, n in zip(before, (a, b, c), strict=True))
        different = set()
        for subset in subsets(SEQUENCES):
            mask = presence_mask(subset, SEQUENCES, 1, "cpu")
            expected = predict(segmenter._network, inputs, mask)[(0, slice(None), *inside)]
            found = segmenter.decide(encoded, subset)
            assert found.cropped_probabilities == pytest.approx(expected.sigmoid().numpy())
            et, tc, wt = expected
            assert np.array_equal(found.cropped[2], (wt > 0).numpy())
            for region, logits, outer in ((1, tc, wt > 0), (0, et, found.cropped[1])):
                outer = torch.as_tensor(outer)
                drawn = torch.zeros_like(outer)
                drawn[outer] = most_overlap(logits[outer])
                assert np.array_equal(found.cropped[region], drawn)
            different.add(found.cropped.tobytes())
        assert len(different) == 15

    def test_progress_counts_windows_and_can_end_the_work(self, load, case):
        segmenter, told = load("windowed", budget=0), []
        encoded = segmenter.encode(case)
        whole = segmenter.decide(encoded, {"t1"}, progress=told.append)
        n = len(encoded.windows.boxes)
        assert n > 1
        assert told == [k / n for k in range(1, n + 1)]
        assert same(whole, segmenter.decide(encoded, {"t1"}))

        def enough(share):
            raise InterruptedError

        with pytest.raises(InterruptedError):
            segmenter.decide(encoded, {"t1"}, progress=enough)

    def test_grids(self, load, case):
        found = load().decide(load().encode(case), {"t1"})
        assert found.regions.shape == (3, *case.grid.shape)
        assert found.regions.dtype == bool
        assert found.probabilities.dtype == np.float32
        assert np.array_equal(found.canonical, case.grid.to_canonical(found.regions))
        assert np.array_equal(case.brain.crop(found.canonical), found.cropped)
        inside = case.brain.uncrop(np.ones(case.brain.shape, bool), case.grid.shape)
        assert not found.regions[:, ~inside].any()
        assert not found.probabilities[:, ~inside].any()
        assert (found.probabilities[:, inside] > 0).all()
        assert found.present == frozenset({"t1"})

    def test_same_head_in_another_axis_order(self, load, heads, tmp_path):
        """The same voxels at the same places of the world, and the same millilitres to the bit."""
        segmenter = load()
        first = heads.write_case(tmp_path / "one")
        turned = tmp_path / "two"
        turned.mkdir()
        for path in first.iterdir():
            image = nibabel.load(path)
            order = nibabel.orientations.axcodes2ornt("SLA")
            now = nibabel.orientations.io_orientation(image.affine)
            turn = nibabel.orientations.ornt_transform(now, order)
            nibabel.save(image.as_reoriented(turn), turned / path.name)
        a, b = (read_case(folder) for folder in (first, turned))
        assert a.grid.axes != b.grid.axes
        found = [segmenter.decide(segmenter.encode(c), {"t2", "flair"}) for c in (a, b)]
        assert found[0].volumes_ml == pytest.approx(found[1].volumes_ml)
        assert np.array_equal(found[0].canonical, found[1].canonical)
        places = [
            np.argwhere(p.regions[2]) @ c.affine[:3, :3].T + c.affine[:3, 3]
            for c, p in zip((a, b), found, strict=True)
        ]
        assert len(places[0]) == len(places[1]) > 9
        apart_mm = np.linalg.norm(places[0][:, None] - places[1][None], axis=-1)
        assert apart_mm.min(0).max() < 1e-3
        assert apart_mm.min(1).max() < 1e-3

    def test_regions_lie_within_each_other(self, load, case):
        segmenter = load()
        segmenter.set_case(case)
        cut_off = 0
        for _, p in segmenter.sweep():
            et, tc, wt = p.cropped
            assert not (et & ~tc).any()
            assert not (tc & ~wt).any()
            likely_et, likely_tc, _ = p.cropped_probabilities > 0.5
            cut_off += np.count_nonzero(likely_tc & ~wt) * np.count_nonzero(likely_et & ~tc)
        assert cut_off, "the random network was nested by itself: nothing was tested"

    def test_volumes(self, load, case):
        found = load().decide(load().encode(case), ALL)
        ml = abs(np.linalg.det(case.affine[:3, :3])) / 1000
        expected = {r: found.regions[k].sum() * ml for k, r in enumerate(("et", "tc", "wt"))}
        assert found.volumes_ml == pytest.approx(expected)
        assert found.volumes_ml["et"] > 0

    def test_a_copy_elsewhere_finds_the_same(self, load, case):
        segmenter = load()
        before = segmenter.decide(segmenter.encode(case), {"t1"})
        other = pickle.loads(pickle.dumps(segmenter)).on("cpu")
        assert other._kept.used == 0 < segmenter._kept.used
        assert same(other.decide(other.encode(case), {"t1"}), before)
        assert other.importance == segmenter.importance

    def test_little_enhancement_is_none(self, load, case):
        """Counted is what is more likely enhancing than not, not all that is drawn."""
        plain = load().decide(load().encode(case), ALL)
        likely = plain.cropped[1] & (plain.cropped_probabilities[0] > 0.5)
        et_ml = np.count_nonzero(likely) * case.voxel_ml
        assert 0 < et_ml < plain.volumes_ml["et"]
        kept = load(header={"et_min_ml": et_ml * 0.999})
        assert same(kept.decide(kept.encode(case), ALL), plain)
        strict = load(header={"et_min_ml": et_ml * 1.001})
        found = strict.decide(strict.encode(case), ALL)
        assert found.volumes_ml == {**plain.volumes_ml, "et": 0.0}
        assert np.array_equal(found.cropped[1:], plain.cropped[1:])
        assert np.array_equal(found.cropped_probabilities, plain.cropped_probabilities)

    def test_a_small_part_far_from_the_large_one_is_dropped(self, load, case):
        loose = load().decide(load().encode(case), ALL)
        strict = load(header={"least_part": 1.0})
        found = strict.decide(strict.encode(case), ALL)
        _, before = ndimage.label(loose.cropped[2])
        _, after = ndimage.label(found.cropped[2], np.ones((3, 3, 3)))
        assert (before > 1, after) == (True, 1)
        assert not (found.cropped & ~loose.cropped).any()
        assert np.array_equal(found.cropped_probabilities, loose.cropped_probabilities)

    @pytest.mark.parametrize("route", ROUTES)
    def test_an_absent_sequence_is_never_read(self, load, case, route):
        spoilt = dict(case.volumes)
        spoilt["t2"] = np.full_like(spoilt["t2"], np.nan)
        spoilt = dataclasses.replace(case, volumes=spoilt)
        segmenter = load(route)
        clean, dirty = segmenter.encode(case), segmenter.encode(spoilt)
        for subset in subsets(SEQUENCES)[::2]:
            a, b = segmenter.decide(clean, subset), segmenter.decide(dirty, subset)
            assert np.isfinite(a.cropped_probabilities).all()
            assert same(a, b) == ("t2" not in subset)

    def test_an_absent_sequence_need_not_exist(self, load, case):
        segmenter = load()
        few = only(case, "t1", "t2")
        for subset in ({"t1"}, {"t2"}, {"t1", "t2"}):
            alone = segmenter.decide(segmenter.encode(few), subset)
            assert same(alone, segmenter.decide(segmenter.encode(case), subset))


class TestRefusals:
    def test_nothing(self, load, case):
        segmenter = load()
        with pytest.raises(ValueError, match="at least one sequence"):
            segmenter.decide(segmenter.encode(case), set())

    def test_a_sequence_that_the_case_has_not(self, load, case):
        segmenter = load()
        encoded = segmenter.encode(only(case, "t1", "t2"))
        with pytest.raises(ValueError, match=r"one has no sequence 'flair'\. It has t1, t2\."):
            segmenter.decide(encoded, {"flair", "t1"})

    def test_a_word_that_is_no_sequence(self, load, case):
        segmenter = load()
        with pytest.raises(ValueError, match="no sequence 'pet'"):
            segmenter.decide(segmenter.encode(case), {"t1", "pet"})

    def test_no_case(self, load):
        with pytest.raises(ValueError, match="set_case"):
            load().predict({"t1"})
        with pytest.raises(ValueError, match="set_case"):
            next(load().sweep())


class TestSweep:
    def test_fifteen_in_the_order_of_the_paper(self, load, case):
        segmenter = load()
        segmenter.set_case(case)
        order = []
        for subset, found in segmenter.sweep():
            assert found.present == subset
            assert same(found, segmenter.predict(subset))
            order.append("+".join(s for s in SEQUENCES if s in subset))
        assert order[:5] == ["flair", "t1", "t1c", "t2", "flair+t1"]
        assert order[-2:] == ["t1+t1c+t2", "flair+t1+t1c+t2"]
        assert len(order) == 15

    def test_of_what_there_is(self, load, case):
        segmenter = load()
        segmenter.set_case(only(case, "flair", "t2"))
        assert [s for s, _ in segmenter.sweep()] == [{"flair"}, {"t2"}, {"flair", "t2"}]


class TestDecideEach:
    @pytest.mark.parametrize("at_once", [4, 15])
    @pytest.mark.parametrize("route", ROUTES)
    def test_in_batches_as_one_by_one(self, load, case, route, at_once):
        segmenter, wanted = load(route), subsets(SEQUENCES)
        encoded = segmenter.encode(case)
        batched = segmenter.decide_each(encoded, wanted, at_once)
        for subset, found in zip(wanted, batched, strict=True):
            expected = segmenter.decide(encoded, subset).cropped_probabilities
            assert found.present == subset
            assert found.cropped_probabilities == pytest.approx(expected, abs=1e-5)

    def test_refuses_before_it_begins(self, load, case):
        encoded = load().encode(only(case, "flair", "t2"))
        with pytest.raises(ValueError, match="has no sequence 't1c'"):
            load().decide_each(encoded, [{"flair"}, {"t1c"}])


@pytest.mark.parametrize("name", ROUTES)
def test_bfloat16_finds_what_float32_finds(load, case, name, monkeypatch):
    exact = load(name, bf16=False)
    for module in (precision, predictor):  # this processor may have to imitate it
        monkeypatch.setattr(module, "has_bfloat16", lambda device: True)
    coarse = load(name)
    assert (exact.dtype, coarse.dtype) == (torch.float32, torch.bfloat16)
    sizes = {}
    for segmenter in (exact, coarse):
        segmenter.set_case(case)
        sizes[segmenter] = segmenter._kept.used
    assert sizes[coarse] * 2 == sizes[exact]
    for (subset, a), (_, b) in zip(exact.sweep(), coarse.sweep(), strict=True):
        apart = np.abs(a.cropped_probabilities - b.cropped_probabilities)
        assert 0 < apart.max() < 0.03
        assert b.cropped_probabilities.dtype == np.float32
        again = coarse.decide(dataclasses.replace(coarse._current, kept=False), subset)
        assert same(again, b)


class TestKeptFeatures:
    @pytest.mark.parametrize("route", ROUTES)
    def test_equal_computed_ones_to_the_bit(self, load, case, route):
        keeps, forgets = load(route), load(route, budget=0)
        counts = Count(keeps), Count(forgets)
        kept, forgotten = keeps.encode(case), forgets.encode(case)
        windows = len(kept.windows.boxes)
        assert (windows > 1) == (route == "windowed")
        assert (kept.kept, forgotten.kept) == (True, False)
        wanted = subsets(SEQUENCES)[::2]
        for subset in wanted:
            assert same(keeps.decide(kept, subset), forgets.decide(forgotten, subset))
        assert counts[0].calls == 4 * windows  # each sequence once
        assert counts[1].calls == sum(map(len, wanted)) * windows
        assert forgets._kept.used == 0

    def test_a_sequence_added_later_costs_itself_alone(self, load, case):
        segmenter = load()
        count = Count(segmenter)
        segmenter.encode(only(case, "t1", "t2"))
        assert count.calls == 2
        encoded = segmenter.encode(only(case, "t1", "t2", "t1c"))
        assert count.calls == 3
        assert same(
            segmenter.decide(encoded, {"t1c", "t1"}),
            load().decide(load().encode(case), {"t1c", "t1"}),
        )
        assert count.calls == 3

    def test_found_by_content_and_not_by_name(self, load, heads, tmp_path, case):
        segmenter = load()
        count = Count(segmenter)
        segmenter.encode(case)
        segmenter.encode(read_case(heads.write_case(tmp_path / "elsewhere")))
        assert count.calls == 4
        changed = dict(case.volumes)
        changed["t1"] = changed["t1"].copy()
        changed["t1"][4, 4, 4] += 1
        segmenter.encode(dataclasses.replace(case, volumes=changed))
        assert count.calls == 5

    def test_one_image_for_two_sequences_is_encoded_as_each(self, load, case):
        """The encoder is told which sequence it sees."""
        twice = dataclasses.replace(case, volumes=dict.fromkeys(("t1", "t2"), case.volumes["t1"]))
        segmenter = load()
        count = Count(segmenter)
        encoded = segmenter.encode(twice)
        assert count.calls == 2
        a, b = (segmenter.decide(encoded, {s}) for s in ("t1", "t2"))
        assert not same(a, b)

    def test_only_what_the_budget_allows(self, load, heads, tmp_path, case):
        size = load().encode(case).windows.feature_bytes(TINY, load().dtype)
        segmenter = load(budget=6 * size)
        count = Count(segmenter)
        one = segmenter.encode(case)
        assert segmenter._kept.used == 4 * size  # what `feature_bytes` says is what they take
        expected = segmenter.decide(one, ALL)
        for seed, word in enumerate(("flair", "t1", "t1ce", "t2")):
            heads.write(tmp_path / "other" / f"other_{word}.nii.gz", heads.head(seed + 9))
        other = segmenter.encode(read_case(tmp_path / "other"))
        assert segmenter._kept.used == 6 * size
        assert count.calls == 8
        segmenter.decide(other, ALL)
        assert count.calls == 8
        assert same(segmenter.decide(one, ALL), expected)
        assert 10 <= count.calls <= 12
        assert segmenter._kept.used == 6 * size

    def test_many_threads_at_once(self, load, case):
        segmenter, tight = load(), load(budget=1)
        wanted = subsets(SEQUENCES)
        expected = [load().decide(load().encode(case), s) for s in wanted[::3]]
        results = {}

        def work(model, k):
            results[model, k] = model.decide(model.encode(case), wanted[3 * k])

        threads = [
            threading.Thread(target=work, args=(m, k)) for m in (segmenter, tight) for k in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 10
        assert all(same(result, expected[k]) for (_, k), result in results.items())


class TestProgress:
    @pytest.mark.parametrize("route", ROUTES)
    def test_rises_to_one(self, load, case, route):
        told = []
        encoded = load(route).encode(case, told.append)
        assert len(told) == 4 * len(encoded.windows.boxes)
        assert told == sorted(set(told))
        assert told[-1] == 1.0

    def test_ends_the_work(self, load, case):
        segmenter = load()
        count = Count(segmenter)

        def stop(share):
            raise InterruptedError

        with pytest.raises(InterruptedError):
            segmenter.encode(case, stop)
        assert count.calls == 1
        segmenter.encode(case)  # nothing of the first attempt was kept
        assert count.calls == 1 + 4


class TestLoading:
    def test_importance_and_about(self, load):
        segmenter = load()
        assert segmenter.importance["t1"] == pytest.approx(np.e / (np.e + 3))
        assert sum(segmenter.importance.values()) == pytest.approx(1.0)
        assert segmenter.about["network"] == "tiny"
        assert len(segmenter.about["sha256"]) == 64

    def test_the_fill_it_was_trained_with(self, load, case):
        """A network trained with zeros for missing features is not asked to live with means."""
        zero = load(header={"settings": {"method": {"fill": "zero"}}})
        mean = load()
        a, b = (m.decide(m.encode(case), {"t1"}) for m in (zero, mean))
        assert not same(a, b)
        a, b = (m.decide(m.encode(case), ALL) for m in (zero, mean))
        assert same(a, b)

    def test_another_network(self, load):
        for header in ({"network": "studio-digits"}, {"modalities": ["visual", "audio"]}):
            with pytest.raises(CheckpointError, match="finds brain tumours"):
                load(header=header)

    def test_weights_that_do_not_fit(self, load):
        with pytest.raises(CheckpointError, match="does not fit"):
            load("tiny", header={"network": "windowed"})

    def test_no_file(self, tmp_path):
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            TumourSegmenter.load(tmp_path / "none.safetensors")

    def test_cases_can_be_read_without_torch(self):
        code = "import mckd.tumour, sys; print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "False"


class TestRealCase:
    def test_end_to_end(self, load, brats):
        """The bundled design with random weights: files to regions on the grid of the files."""
        case = read_case(sorted(brats.iterdir())[0])
        segmenter = load("smoke")
        encoded = segmenter.encode(case)
        found = segmenter.decide(encoded, {"t1", "flair"})
        assert found.regions.shape == (3, 240, 240, 155)
        assert np.array_equal(case.grid.to_canonical(found.regions), found.canonical)
        assert found.regions[2].sum() * case.voxel_ml == pytest.approx(found.volumes_ml["wt"])
        assert 0 < found.regions.sum() < found.regions.size
