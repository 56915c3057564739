"""Ranges of real cases by folds: how far they reach by hand, and who measures which case."""

import dataclasses

import numpy as np
import pytest
import torch

from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.tumour import REGIONS, SEQUENCES, TumourSegmenter, read_case
from mckd.tumour.calibration import Calibration, Curve, Told, beside
from mckd.tumour.fingerprint import TRAINING_PRINTS, fingerprints
from mckd.tumour.signs import Signs
from tests import small_heads, untrained
from tests.train.tumour.made_up import made_up, of
from train.__main__ import main
from train.tumour import calibrate, real
from train.tumour.coverage import holds, ranges
from train.tumour.measure import SUBSETS
from train.tumour.real import by_the_others, fit_real, report_real, with_real

pytestmark = pytest.mark.usefixtures("one_thread")

SYNTHETIC = Told(low=-0.5, high=1.0, certain=0.6, curve=Curve(1.0, 1.0, 0.0))
SCALE_1 = Calibration(
    "made-up cases",
    dict.fromkeys(REGIONS, (0.0,) * 5),
    dict.fromkeys(SUBSETS, dict.fromkeys(REGIONS, SYNTHETIC)),
)
"""Where 10 mL are drawn, 9.5 to 11."""


def drawn_10(truths, certainty=0.9):
    """Real cases whose regions are each so large, mL, of which 10 are drawn from every subset."""
    return [
        of(np.full(3, truth), np.full((15, 3), 10.0), np.full((15, 3), certainty), synthetic=False)
        for truth in truths
    ]


class TestFit:
    def test_reaches_as_far_as_the_truth_of_19_cases_did(self):
        """Too little by 1, ..., 19 mL: 1 to 19 ends of a synthetic range, of which the 18th counts,
        for 20 * .9 is 18."""
        told = fit_real(SCALE_1, drawn_10(10 + np.arange(1.0, 20)))[SUBSETS[3]]["tc"]
        assert (told.low, told.high) == pytest.approx((-9, 18))

    def test_a_side_counts_in_its_own_unit(self):
        """Too much by .5 to 9.5 is as far as too little by 1 to 19; with five unsure cases without
        an error the 40th of 43 counts: 18."""
        truths = [*(10 - np.arange(0.5, 10, 0.5)), *(10 + np.arange(1.0, 20))]
        cases = drawn_10(truths) + drawn_10([10.0] * 5, certainty=0.7)
        told = fit_real(SCALE_1, cases)[SUBSETS[3]]["tc"]
        assert told.certain == 0.7
        assert (told.low, told.high) == pytest.approx((-9, 18))

    def test_what_a_range_from_0_holds_anyway_does_not_stretch_it(self):
        """All look as unsure as the least sure of them: their ranges begin at 0."""
        told = fit_real(SCALE_1, drawn_10(10 - np.arange(0.5, 10, 0.5)))[SUBSETS[3]]["tc"]
        assert (told.low, told.high) == (0, 0)
        told = fit_real(SCALE_1, drawn_10([*[1.0] * 17, 12.0, 13.0]))[SUBSETS[3]]["tc"]
        assert told.high == pytest.approx(2)

    def test_nothing_is_surer_than_what_was_invented(self):
        """Cases that have the region look at least .85 sure, one without it .95."""
        without = drawn_10([0.0], certainty=0.95)
        told = fit_real(SCALE_1, drawn_10([12.0] * 11, certainty=0.85) + without)[SUBSETS[0]]["et"]
        assert told.certain == 0.95
        told = fit_real(SCALE_1, drawn_10([12.0] * 11, certainty=0.85))[SUBSETS[0]]["et"]
        assert told.certain == 0.85

    def test_its_curve_is_that_of_real_voxels(self):
        """Of every bin 60 % are in the region."""
        told = fit_real(SCALE_1, drawn_10([12.0] * 11))[SUBSETS[0]]["et"]
        q = told.curve(np.array([0.8, 0.95, 0.99], np.float32))
        np.testing.assert_allclose(q, 0.6, atol=0.01)

    def test_counts_for_real_cases_alone(self):
        whole = with_real(SCALE_1, drawn_10(10 + np.arange(1.0, 20)), [SCALE_1] * 19)
        sure = Signs(10, 10, 2, certainty=0.95)
        assert whole.interval({"t2"}, "wt", sure, synthetic=False) == pytest.approx((1, 28))
        assert whole.interval({"t2"}, "wt", sure, synthetic=True) == pytest.approx((9.5, 11))
        p = np.full((3, 1), 0.95, np.float32)
        np.testing.assert_allclose(whole.probabilities({"t2"}, p, synthetic=True), p, atol=1e-6)
        np.testing.assert_allclose(whole.probabilities({"t2"}, p, synthetic=False), 0.6, atol=0.01)


class TestJudging:
    cases = drawn_10(10 + np.arange(1.0, 13))

    def test_the_largest_error_of_twelve_is_held_by_the_others_only_if_there_is_a_larger(self):
        ends = ranges(self.cases, by_the_others(SCALE_1, self.cases))
        assert holds(self.cases, ends)[:, 4, 1].tolist() == 11 * [True] + [False]

    def test_the_sentence_tells_both_shares(self):
        """Synthetic ranges reach to 11 mL and hold the first of twelve; its factor is 12."""
        left_out = by_the_others(SCALE_1, self.cases)
        told = with_real(SCALE_1, self.cases, left_out).shift
        assert "of 12, each segmented by a model that did not see it" in told
        assert "held 8 % of the true volumes" in told
        assert "ET 12.0, TC 12.0, WT 12.0 times as wide (median over subsets)" in told
        assert "they held 92 % where each case was left out" in told

    def test_the_report_has_cases_with_and_without_a_region(self):
        random = np.random.default_rng(4)
        cases = [made_up(random, synthetic=False) for _ in range(12)]
        without_et = sum(not case.reference_ml[0] for case in cases)
        left_out = by_the_others(SCALE_1, cases)
        lines = report_real(with_real(SCALE_1, cases, left_out), cases, left_out).splitlines()
        assert sum(line.startswith(("| FLAIR", "| T")) for line in lines) == 15 + 1
        [et] = [line for line in lines if line.startswith("| ET |")]
        assert et.split(" | ")[1] == str(12 - without_et)
        [wt] = [line for line in lines if line.startswith("| WT |")]
        assert wt.endswith("| none |")


class TestCommand:
    """Two heads, twelve times the one and forty the other, as none has ten of its own."""

    def checkpoint(self, path, saw, seed):
        """One that learned from these cases; it says so."""
        untrained.save_tumour(path, seed=seed, seen="all")
        plain = load_checkpoint(path)
        prints = torch.stack([torch.from_numpy(fingerprints(case.volumes)) for case in saw])
        save_checkpoint(path, {**plain.tensors, TRAINING_PRINTS: prints}, plain.header)
        return path

    @pytest.fixture
    def heads(self, tmp_path):
        first = small_heads.save_case(tmp_path / "real" / "first", synthetic=False)
        other = tmp_path / "real" / "other"
        field = np.cos(np.indices(small_heads.SHAPE).sum(0) / 5) * 200
        for word in small_heads.WORDS:
            voxels = small_heads.volume(word)
            voxels = np.where(voxels > 0, voxels + field, 0).astype(np.int16)
            small_heads.save(other / f"other_{word}.nii.gz", voxels)
        small_heads.save(other / "other_seg.nii.gz", small_heads.labels())
        return first, other

    @pytest.fixture
    def folds(self, heads, tmp_path):
        cases = [read_case(path) for path in heads]
        return [
            self.checkpoint(tmp_path / "folds" / f"{i}.safetensors", [case], seed=i + 1)
            for i, case in enumerate(cases)
        ]

    def call(self, folder, folds, *words):
        untrained.save_tumour(folder / "model.safetensors")
        small_heads.save_case(folder / "synthetic" / "head")
        return main(
            ["calibrate", "--checkpoint", str(folder / "model.safetensors"),
             "--data", str(folder / "synthetic"), "--measured", str(folder / "measured"),
             *(["--folds", *map(str, folds)] if folds else []), *words]
        )  # fmt: skip

    def test_each_case_is_measured_by_the_fold_that_did_not_see_it(
        self, tmp_path, heads, folds, monkeypatch, capsys
    ):
        monkeypatch.setattr(calibrate, "find_cases", lambda folder: 40 * [folder / "head"])
        monkeypatch.setattr(real, "find_cases", lambda folder: 6 * list(heads))
        assert self.call(tmp_path, folds, "--real", str(tmp_path / "real")) == 0
        shas = [load_checkpoint(path).sha256[:12] for path in folds]
        kept = {path.name for path in (tmp_path / "measured").iterdir()}
        measured = {name.rpartition("-")[0] for name in kept}
        assert {f"{shas[1]}-first", f"{shas[0]}-other"} < measured
        assert not measured & {f"{shas[0]}-first", f"{shas[1]}-other"}
        assert "Real cases differ: of 12" in capsys.readouterr().out

        segmenter = TumourSegmenter.load(tmp_path / "model.safetensors")
        assert set(segmenter.calibration.real) == set(SUBSETS)
        case = read_case(heads[0])
        ends = {}
        for synthetic in (False, True):
            segmenter.set_case(dataclasses.replace(case, synthetic=synthetic))
            ends[synthetic] = segmenter.predict(SEQUENCES).intervals_ml["wt"]
        assert ends[False] != ends[True]
        assert "Real cases differ" in segmenter.about["intervals"]

    def test_few_real_cases_are_refused(self, tmp_path, folds, capsys):
        assert self.call(tmp_path, folds, "--real", str(tmp_path / "real")) == 2
        assert "Only 2 of the real cases have one of the regions." in capsys.readouterr().err
        assert not beside(tmp_path / "model.safetensors").exists()

    def test_cases_that_every_fold_saw_or_are_synthetic_are_left_out(self, tmp_path, folds, capsys):
        small_heads.save_case(tmp_path / "real" / "drawn")
        assert self.call(tmp_path, folds[:1], "--real", str(tmp_path / "real")) == 2
        said = capsys.readouterr().out
        assert "first was, or may have been, seen by every fold given." in said
        assert "drawn is synthetic" in said

    def test_folds_without_cases_are_refused(self, tmp_path, folds, capsys):
        assert self.call(tmp_path, folds) == 2
        assert "--folds and --real need each other" in capsys.readouterr().err

    def test_cases_without_folds_are_refused(self, tmp_path, heads, capsys):
        assert self.call(tmp_path, [], "--real", str(tmp_path / "real")) == 2
        assert "--folds and --real need each other" in capsys.readouterr().err
