"""The tables of `python -m train evaluate`: means by hand, who may score what, what is left out."""

import csv
import dataclasses
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from scipy.stats import wilcoxon

from mckd.files.checkpoint import save_checkpoint
from mckd.method import subsets
from mckd.tumour import SEQUENCES, read_case, regions
from mckd.tumour.fingerprint import TRAINING_PRINTS, fingerprints
from mckd.tumour.metrics import score
from tests import untrained
from train.__main__ import main
from train.tumour import evaluate, scores
from train.tumour.report import report
from train.tumour.scores import DICE, LAYOUT, Score, comparison, read_scores, subset_rows

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
SHAPE = (9, 10, 8)
ALL_15 = subsets(SEQUENCES)


def write_case(folder, enhancing=True, labelled=True, words=("flair", "t1", "t1ce", "t2")):
    """10 voxels of core, 20 of oedema, 5 enhancing (or 15 of core)."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 2:7, 2], labels[4:8, 2:7, 2], labels[2, 2:7, 4] = 1, 2, 4 if enhancing else 1
    volumes = {w: np.random.default_rng(k).integers(1, 500, SHAPE) for k, w in enumerate(words)}
    folder.mkdir(parents=True)
    for word, volume in {**volumes, **({"seg": labels} if labelled else {})}.items():
        image = nibabel.Nifti1Image(volume.astype(np.int16), AFFINE)
        nibabel.save(image, folder / f"{folder.name}_{word}.nii.gz")
    return folder


def write_checkpoint(path, train=(), validation=(), provenance=True):
    cases = {"train": list(train), "validation": list(validation), "test": []}
    header = {"data": "2 toys"} | ({"provenance": {"cases": cases}} if provenance else {})
    save_checkpoint(path, {"x": torch.zeros(1)}, header)
    return path


class Oracle:
    """Finds everything where there is T1c, and one voxel of ET too many; else nothing."""

    loaded = ()

    @classmethod
    def load(cls, path, **options):
        Oracle.loaded = (*Oracle.loaded, path.name)
        return cls()

    def encode(self, case):
        return case

    def decide(self, case, present):
        found = regions(case.labels)
        if "t1c" in present:
            found[:, 0, 0, 0] = True
        else:
            found[:] = False
        return SimpleNamespace(canonical=found)

    def decide_each(self, case, wanted):
        return (self.decide(case, present) for present in wanted)


@pytest.fixture
def oracle(monkeypatch):
    Oracle.loaded = ()
    monkeypatch.setattr("mckd.tumour.predictor.TumourSegmenter", Oracle)
    monkeypatch.setattr(scores, "ENOUGH_ET", 5)


@pytest.fixture
def data(tmp_path):
    write_case(tmp_path / "data" / "one")
    write_case(tmp_path / "data" / "two", enhancing=False)
    return tmp_path / "data"


def scores_of(checkpoints, data, **options):
    told = []
    found, notes = evaluate.evaluate(checkpoints, data, ALL_15, say=told.append, **options)
    return found, notes, told


class TestMeans:
    def test_by_hand(self, oracle, data, tmp_path):
        found, _, _ = scores_of([write_checkpoint(tmp_path / "c.safetensors")], data)
        assert len(found) == 2 * 15 * 3
        rows = subset_rows(found)
        assert [row["subset"] for row in rows[:6]] == [
            *SEQUENCES,
            "flair+t1",
            "flair+t1c",
        ]
        assert len(rows) == 16
        flair, t1c, mean = rows[0], rows[2], rows[-1]
        # FLAIR finds nothing: one's ET is missed, two is right to have none.
        assert (flair["et_1000"], flair["et_1000_n"]) == (0, 1)
        assert (flair["et"], flair["et_n"]) == (0, 1)
        assert (flair["et_brats"], flair["et_brats_n"]) == (0.5, 2)
        assert (flair["tc"], flair["tc_n"]) == (0, 2)
        assert [flair[f"et_{w}"] for w in ("invented", "missed", "correctly_empty")] == [0, 1, 1]
        # T1c: 5 of 6 voxels of ET are right, 2 * 5 / (6 + 5); in two the one voxel is invented.
        assert t1c["et_1000"] == pytest.approx(10 / 11)
        assert (t1c["et"], t1c["et_n"]) == (pytest.approx(5 / 11), 2)
        assert t1c["tc"] == pytest.approx(30 / 31)
        assert t1c["wt"] == pytest.approx(70 / 71)
        assert [t1c[f"et_{w}"] for w in ("invented", "missed", "correctly_empty")] == [1, 0, 0]
        # T1c is in 8 of the 15 subsets.
        assert mean["et_1000"] == pytest.approx(10 / 11 * 8 / 15)
        assert mean["et_invented"] == 8
        assert mean["et_n"] == 8 * 2 + 7

    def test_a_case_scored_twice_counts_once(self, oracle, data, tmp_path):
        both = [
            write_checkpoint(tmp_path / "a.safetensors", train=["one"]),
            write_checkpoint(tmp_path / "b.safetensors"),
        ]
        found, _, _ = scores_of(both, data)
        assert len(found) == 3 * 15 * 3
        t1c = subset_rows(found)[2]
        assert (t1c["tc"], t1c["tc_n"]) == (pytest.approx(30 / 31), 2)

    def test_a_mask_is_scored_as_the_whole_tumour_only(self, oracle, data, tmp_path):
        """Its other regions are in no mean, and the tables say why."""
        path = data / "two" / "two_seg.nii.gz"
        image = nibabel.load(path)
        mask = (np.asarray(image.dataobj) > 0).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(mask, image.affine), path)
        found, notes, _ = scores_of([write_checkpoint(tmp_path / "c.safetensors")], data)
        assert {s.region for s in found if s.case == "two"} == {"wt"}
        last = subset_rows(found)[-2]
        assert (last["et_n"], last["tc_n"], last["wt_n"]) == (1, 1, 2)
        assert any(note.startswith("two: two_seg.nii.gz has one label") for note in notes)
        (line,) = (s for s in report(found, notes, DICE).splitlines() if "| two " in s)
        assert line.count("n/a") == 6

    def test_without_distances_the_rest_is_the_same(self, oracle, data, tmp_path):
        checkpoint = [write_checkpoint(tmp_path / "c.safetensors")]
        quick, _, _ = scores_of(checkpoint, data)
        whole, _, _ = scores_of(checkpoint, data, distances=True)
        assert all(s.hd95_mm is None for s in quick)
        for a, b in zip(quick, whole, strict=True):
            assert a == dataclasses.replace(b, hd95_mm=None)
        case = read_case(data / "one")
        found = Oracle().decide(case, {"t1c"}).canonical
        expected = score(found, regions(case.labels), case.grid.canonical)
        mine = [s for s in whole if (s.case, s.subset) == ("one", "t1c")]
        assert [s.hd95_mm for s in mine] == [s.hd95_mm for s in expected]
        assert [s.dice for s in mine] == [s.dice for s in expected]
        assert subset_rows(whole)[2]["wt_hd95_mm"] is not None


class TestWhoMayScore:
    def test_only_who_did_not_see_the_case(self, oracle, data, tmp_path):
        a = write_checkpoint(tmp_path / "a.safetensors", train=["one"])
        b = write_checkpoint(tmp_path / "b.safetensors", validation=["two"])
        found, _, _ = scores_of([a, b], data)
        assert Oracle.loaded == ("b.safetensors", "a.safetensors")
        assert {(s.case, s.checkpoint) for s in found} == {
            ("one", b.as_posix()),
            ("two", a.as_posix()),
        }
        assert not any(s.seen for s in found)

    def test_a_case_that_all_saw(self, oracle, data, tmp_path):
        checkpoint = write_checkpoint(tmp_path / "a.safetensors", train=["one"])
        found, notes, told = scores_of([checkpoint], data)
        assert {s.case for s in found} == {"two"}
        assert any("one was seen in training by every checkpoint" in line for line in told)
        assert any("one was seen" in note for note in notes)

    def test_seen_ones_are_marked(self, oracle, data, tmp_path):
        checkpoint = write_checkpoint(tmp_path / "a.safetensors", train=["one"])
        found, notes, _ = scores_of([checkpoint], data, seen=True)
        assert {s.case for s in found if s.seen} == {"one"}
        assert {s.case for s in found if not s.seen} == {"two"}
        text = report(found, notes, DICE)
        assert "Seen in training, so no measure of what is new: one." in text

    def test_a_renamed_case_is_known_by_its_voxels_and_a_namesake_is_not(
        self, oracle, data, tmp_path
    ):
        """A checkpoint with fingerprints saw `one`; `two` is other voxels under a name it saw."""
        saw = torch.from_numpy(fingerprints(read_case(data / "one").volumes)[None])
        for seed, path in enumerate(sorted((data / "two").glob("*[!g].nii.gz")), start=9):
            voxels = np.random.default_rng(seed).integers(1, 500, SHAPE).astype(np.int16)
            nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), path)
        (data / "one").rename(data / "another")
        path = tmp_path / "a.safetensors"
        cases = {"train": ["one", "two"], "validation": [], "test": []}
        header = {"seen": "all", "provenance": {"cases": cases}}
        save_checkpoint(path, {TRAINING_PRINTS: saw}, header)
        found, _, told = scores_of([path], data)
        assert {s.case for s in found} == {"two"}
        assert any("another was seen in training by every checkpoint" in line for line in told)
        found, notes, _ = scores_of([path], data, seen=True)
        assert {s.case for s in found if s.seen} == {"another"}
        text = report(found, notes, DICE)
        assert "| another (seen in training) |" in text
        assert "| two |" in text

    def test_a_checkpoint_that_does_not_say(self, oracle, data, tmp_path):
        checkpoint = write_checkpoint(tmp_path / "a.safetensors", provenance=False)
        with pytest.raises(ValueError, match="two may have been seen in training"):
            scores_of([checkpoint], data)
        found, _, _ = scores_of([checkpoint], data, seen=True)
        assert all(s.seen for s in found)


class TestWhatIsLeftOut:
    def test_is_named(self, oracle, data, tmp_path):
        write_case(data / "three", labelled=False)
        write_case(data / "four" / "one")  # a second `one`
        (data / "five").mkdir()
        (data / "five" / "five_t1.nii.gz").write_bytes(b"nothing")
        found, notes, _ = scores_of([write_checkpoint(tmp_path / "c.safetensors")], data)
        assert {s.case for s in found} == {"one", "two"}
        text = report(found, notes, DICE)
        assert "Left out: three has no reference labels." in text
        assert "another case is called one too" in text
        assert "five_t1.nii.gz" in text
        assert len(subset_rows(found)) == 16

    def test_subsets_that_a_case_has_not(self, oracle, data, tmp_path):
        write_case(data / "three", words=("flair", "t2"))
        found, notes, _ = scores_of([write_checkpoint(tmp_path / "c.safetensors")], data)
        rows = {row["subset"]: row for row in subset_rows(found)}
        assert [rows[s]["wt_n"] for s in ("flair", "t1", "t2", "flair+t2", "t1+t2")] == [
            3,
            2,
            3,
            3,
            2,
        ]
        text = report(found, notes, DICE)
        assert "(n 3)" in next(
            line for line in text.splitlines() if line.startswith("| ● | ○ | ○ | ○")
        )


@pytest.mark.usefixtures("one_thread")
class TestCommand:
    def run(self, tmp_path, data, *more):
        path = tmp_path / "model.safetensors"
        provenance = {"cases": {"train": [], "validation": []}}
        untrained.save_tumour(path, data="toys", provenance=provenance)
        out = tmp_path / "out"
        words = ["--checkpoint", str(path), "--data", str(data), "--out", str(out)]
        words += ["--threads", "1", *more]
        assert main(["evaluate", *words]) == 0
        return out

    def test_writes_the_tables_and_prints_one(self, data, tmp_path, capsys):
        out = self.run(tmp_path, data, "--hd95")
        told = capsys.readouterr().out
        text = (out / "subsets.md").read_text()
        assert text in told
        assert "[2/2] two" in told
        table = [line for line in text.splitlines() if line.startswith(("| ●", "| ○"))]
        assert len(table) == 15
        assert table[0].startswith("| ● | ○ | ○ | ○ |")
        assert table[9].startswith("| ○ | ○ | ● | ● |")
        assert table[14].startswith("| ● | ● | ● | ● |")
        assert "HD95" in text
        with (out / "subsets.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["subset"] for row in rows] == [*LAYOUT.subsets, "mean"]
        scores = read_scores(out)
        assert len(scores) == 2 * 15 * 3
        dice = [s.dice for s in scores if (s.region, s.subset) == ("wt", "t2")]
        assert float(rows[3]["wt"]) == pytest.approx(np.mean(dice), abs=1e-5)
        assert any(0 < s.dice < 1 for s in scores if s.dice is not None)

    def test_all_sequences_of_the_first_case_only(self, data, tmp_path):
        out = self.run(tmp_path, data, "--subsets", "full", "--limit", "1")
        assert {(s.case, s.subset) for s in read_scores(out)} == {("one", "flair+t1+t1c+t2")}

    def test_needs_something_to_do(self, capsys):
        assert main(["evaluate"]) == 2
        assert "Give --checkpoint and --data" in capsys.readouterr().err

    def test_no_such_tables(self, tmp_path, capsys):
        assert main(["evaluate", "--compare", str(tmp_path), str(tmp_path)]) == 2
        assert "holds no cases.csv" in capsys.readouterr().err


def made_up(case, subset, region, dice, checkpoint="c", voxels=9):
    return Score(
        case,
        checkpoint,
        False,
        True,
        subset,
        region,
        "found",
        dice,
        dice or 1.0,
        None,
        1,
        1,
        voxels,
    )


class TestComparison:
    def test_by_hand(self):
        before, after = [], []
        for k, gain in enumerate((0.1, 0.2, -0.05, 0.3, 0.15)):
            for subset in ("flair", "flair+t1"):
                before.append(made_up(f"c{k}", subset, "wt", 0.5))
                after.append(made_up(f"c{k}", subset, "wt", 0.5 + gain))
        before.append(made_up("c0", "flair", "et", 0.2))
        after.append(made_up("c0", "flair", "et", 0.1, checkpoint="a"))
        after.append(made_up("c0", "flair", "et", 0.3, checkpoint="b"))
        # An empty reference has no Dice to compare; a case that only one scored is left out.
        before.append(made_up("c1", "flair", "et", 0.0, voxels=0))
        after.append(made_up("c1", "flair", "et", None, voxels=0))
        after.append(made_up("c9", "flair", "wt", 1.0))
        text = comparison(before, after, ("plain", "mckd"))
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if line.startswith("|")
        ]
        # Means of regions: (0.2 + 0.5) / 2 and (0.2 + 0.64) / 2.
        assert rows[2][4:] == [
            *("0.350", "0.420", "+0.070"),
            *("0.200", "0.200", "+0.000"),
            *("n/a", "n/a", "n/a"),
            *("0.500", "0.640", "+0.140"),
        ]
        assert rows[-1][0] == "mean"
        assert len(rows) == 2 + 2 + 1
        assert "c9" in text
        expected = wilcoxon([0.1, 0.2, -0.05, 0.3, 0.15]).pvalue
        assert f"WT: better in 4 of 5 cases, p {expected:.2g}" in text
        assert "ET: better in 0 of 1 case, p 1" in text

    def test_with_itself(self):
        scores = [made_up(f"c{k}", "t1", "tc", k / 10) for k in range(4)]
        text = comparison(scores, scores, ("a", "b"))
        assert "+0.000" in text
        assert "p 1\n" in text
        assert "nan" not in text

    def test_nothing_in_common(self):
        with pytest.raises(ValueError, match="no case in common"):
            comparison([made_up("a", "t1", "wt", 1)], [made_up("b", "t1", "wt", 1)], ("x", "y"))
