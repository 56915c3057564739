"""Calibration: what is measured of a case, what comes of many, and what the command refuses."""

import dataclasses

import numpy as np
import pytest
import torch

from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.tumour import REGIONS, SEQUENCES, TumourSegmenter, read_case, regions
from mckd.tumour.advice import advise
from mckd.tumour.calibration import Calibration, beside
from mckd.tumour.fingerprint import TRAINING_PRINTS, fingerprints
from mckd.tumour.signs import Signs
from tests import small_heads, untrained
from train.__main__ import main
from train.tumour import calibrate
from train.tumour.advice import fit_steps, regret
from train.tumour.calibrate import fit, held_out, report
from train.tumour.measure import BINS, SUBSETS, Measured, dice, measured, sign
from train.tumour.scores import Score

pytestmark = pytest.mark.usefixtures("one_thread")


def made_up(random, healthy=False) -> Measured:
    """A case whose volumes are drawn a third too small or too large, as often as not; where there
    is nothing, a little is drawn, and looks unsure."""
    truth = np.zeros(3) if healthy else np.cumsum(random.uniform(2, 40, 3))
    if not healthy and random.random() < 0.3:
        truth[0] = 0.0
    shape = (len(SUBSETS), 3)
    drawn = np.where(
        truth > 0, truth * random.lognormal(0, 0.3, shape), random.uniform(0, 3, shape)
    )
    certainty = np.where(
        truth > 0, random.uniform(0.8, 0.95, shape), random.uniform(0.5, 0.7, shape)
    )
    signs = np.stack([drawn, drawn, drawn / 5, 1.2 * drawn, 0.7 * drawn, certainty], -1)
    voxels = np.zeros((*shape, 2, len(BINS)))
    voxels[..., 0, 20:40], voxels[..., 1, 20:40] = 100, 60
    return Measured(signs, truth, np.zeros((3, 16, 16)), voxels, np.zeros(shape), np.array(1.0))


@pytest.fixture(scope="module")
def cases():
    random = np.random.default_rng(2)
    return [made_up(random, healthy=i % 4 == 3) for i in range(80)]


class TestFit:
    def test_left_out_cases_are_held_as_often_as_promised(self, cases):
        """60 tumours, 15 subsets, 3 regions: 90 % or a little more, as ranks are rounded up."""
        ends = held_out(cases)
        truth = np.stack([case.reference_ml for case in cases])[:, None]
        held = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
        ill = truth[:, 0].any(1)
        assert 0.87 < held[ill].mean() < 0.96
        assert held[~ill].mean() > 0.88

    def test_a_case_that_looks_unsure_may_have_nothing(self, cases):
        calibration = fit(cases, "made up", curves=False)
        sure, unsure = (Signs(20, 20, 4, 24, 14, certainty) for certainty in (0.9, 0.55))
        assert calibration.interval({"t2"}, "wt", sure, synthetic=True)[0] > 0
        assert calibration.interval({"t2"}, "wt", unsure, synthetic=True)[0] == 0

    def test_errors_of_real_cases_stretch(self, cases):
        """Real volumes three times too large: ln 3, against the quantile of made-up errors."""
        real = [
            Score(str(i), "c", False, False, "+".join(SEQUENCES), region, "found", 0.5, 0.5, None,
                  3 * 41.0 + 2, 41.0, 41_000)
            for i in range(15) for region in REGIONS
        ]  # fmt: skip
        calibration = fit(cases, "made up", real, curves=False)
        errors = [
            abs(np.log((c.reference_ml[2] + 1) / (c.signs[-1, 2, 0] + 1)))
            for c in cases if c.reference_ml[2]
        ]  # fmt: skip
        wanted = np.log(3) / np.sort(errors)[int(np.ceil(61 * 0.9)) - 1]
        assert calibration.stretch["wt"] == pytest.approx(wanted)
        assert "15 real cases" in calibration.shift
        assert fit(cases, "made up", curves=False).stretch["wt"] == 1

    def test_the_report_has_a_row_per_subset(self, cases):
        text = report(cases, fit(cases, calibrate.about(cases)))
        assert "80 synthetic cases that the model did not see, 20 of them without" in text
        rows = [line for line in text.splitlines() if line.startswith(("| FLAIR", "| T"))]
        assert len(rows) == 15
        assert "Of 20 heads without a tumour" in text


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    untrained.save_tumour(path)
    return TumourSegmenter.load(path)


class TestAdvice:
    @pytest.fixture
    def helpful(self, cases):
        """Cases in which each sequence adds .1 to the Dice of what is drawn, T1c .4."""
        found = []
        for case in (c for c in cases if c.reference_ml.all()):
            overlap = np.zeros((3, 16, 16))
            overlap[:, -1, -1] = 100
            for s, subset in enumerate(SUBSETS):
                overlap[:, s, s] = 100
                overlap[:, s, -1] = 10 * len(subset) + 30 * ("t1c" in subset)
            found.append(dataclasses.replace(case, overlap_ml=overlap))
        return found

    def test_learns_what_each_sequence_adds(self, cases, helpful):
        calibration = fit(cases, "made up", curves=False)
        steps = fit_steps(helpful, calibration)
        signs = {region: sign(helpful[0], 0, k) for k, region in enumerate(REGIONS)}
        named = advise(steps, SUBSETS[0], signs, dict.fromkeys(REGIONS, 10.0))
        assert named[0].sequence == "t1c"
        assert named[0].dice_gain == pytest.approx(dict.fromkeys(REGIONS, 0.4))
        assert named[1].dice_gain == pytest.approx(dict.fromkeys(REGIONS, 0.1))

    def test_regret_is_none_where_t1c_is_best_and_advised(self, cases, helpful):
        """At random, of the subsets that lack two or three sequences, T1c among them: lacking three
        1 - 1/3 chances of .3, two 1 - 1/2; 3 subsets of one sequence, 3 of two; of those that have
        T1c nothing is lost, whatever comes. So (3 * .2 + 3 * .15) / 10."""
        steps = fit_steps(helpful, fit(cases, "made up", curves=False))
        lost = regret(helpful, [steps] * len(helpful))
        assert lost["advice"] == pytest.approx(0, abs=1e-9)
        assert lost["fixed"] == pytest.approx(0, abs=1e-9)
        assert lost["random"] == pytest.approx((3 * 0.2 + 3 * 0.15) / 10)


class TestMeasure:
    @pytest.fixture
    def folder(self, tmp_path):
        return small_heads.save_case(tmp_path / "head")

    def test_overlaps_and_voxels_are_those_of_the_outlines(self, segmenter, folder, tmp_path):
        found = measured(segmenter, folder, tmp_path)
        case = read_case(folder)
        truth = regions(case.labels)
        segmenter.set_case(case)
        prediction = segmenter.predict({"t1", "t2"})
        s = SUBSETS.index(frozenset({"t1", "t2"}))
        shared = np.count_nonzero(prediction.canonical & truth, axis=(1, 2, 3)) * case.voxel_ml
        assert found.overlap_ml[:, s, -1] == pytest.approx(shared)
        assert found.reference_ml == pytest.approx(truth.sum((1, 2, 3)) * case.voxel_ml)
        assert sign(found, s, 2) == prediction.signs["wt"]
        assert found.voxels[s, :, 1].sum(-1) + found.missed[s] == pytest.approx(
            truth.sum((1, 2, 3))
        )
        assert dice(found, -1, -1, 2) == 1

    def test_what_was_measured_once_is_not_measured_again(self, segmenter, folder, tmp_path):
        first = measured(segmenter, folder, tmp_path)
        for file in folder.iterdir():
            file.unlink()
        again = measured(segmenter, folder, tmp_path)
        for one, other in zip(dataclasses.astuple(first), dataclasses.astuple(again), strict=True):
            np.testing.assert_array_equal(one, other)


class TestCommand:
    @pytest.fixture
    def checkpoint(self, tmp_path):
        path = tmp_path / "model" / "model.safetensors"
        untrained.save_tumour(path)
        return path

    def call(self, checkpoint, data, *words):
        return main(
            ["calibrate", "--checkpoint", str(checkpoint), "--data", str(data),
             "--measured", str(data.parent / "measured"), *words]
        )  # fmt: skip

    def test_writes_a_file_that_the_segmenter_reads(
        self, checkpoint, tmp_path, monkeypatch, capsys
    ):
        """Forty heads that are one head; what is drawn of it is always as much too large."""
        small_heads.save_case(tmp_path / "data" / "head")
        monkeypatch.setattr(calibrate, "find_cases", lambda folder: 40 * [folder / "head"])
        assert TumourSegmenter.load(checkpoint).calibration is None
        assert self.call(checkpoint, tmp_path / "data") == 0
        assert "40 synthetic cases" in capsys.readouterr().out
        segmenter = TumourSegmenter.load(checkpoint)
        assert isinstance(segmenter.calibration, Calibration)
        case = read_case(tmp_path / "data" / "head")
        segmenter.set_case(case)
        found = segmenter.predict({"t1", "t2"})
        for k, region in enumerate(REGIONS):
            low, high = found.intervals_ml[region]
            truth = np.count_nonzero(regions(case.labels)[k]) * case.voxel_ml
            assert low <= truth <= high + 1e-9
            assert low <= found.volumes_ml[region] <= high

    def test_a_damaged_one_is_made_anew(self, checkpoint, tmp_path, monkeypatch):
        small_heads.save_case(tmp_path / "data" / "head")
        monkeypatch.setattr(calibrate, "find_cases", lambda folder: 40 * [folder / "head"])
        beside(checkpoint).write_text("rubbish")
        with pytest.raises(CheckpointError):
            TumourSegmenter.load(checkpoint)
        assert self.call(checkpoint, tmp_path / "data") == 0
        assert TumourSegmenter.load(checkpoint).calibration is not None

    def test_needs_more_than_a_few_cases(self, checkpoint, tmp_path, capsys):
        small_heads.save_case(tmp_path / "data" / "head")
        assert self.call(checkpoint, tmp_path / "data") == 2
        assert "Only 1 of the cases have one of the regions." in capsys.readouterr().err
        assert not beside(checkpoint).exists()

    def test_leaves_out_what_was_seen_in_training(self, tmp_path, capsys):
        case = read_case(small_heads.save_case(tmp_path / "data" / "head"))
        path = tmp_path / "model" / "model.safetensors"
        untrained.save_tumour(path)
        checkpoint = load_checkpoint(path)
        prints = torch.from_numpy(fingerprints(case.volumes))[None]
        save_checkpoint(path, {**checkpoint.tensors, TRAINING_PRINTS: prints}, checkpoint.header)
        assert self.call(path, tmp_path / "data") == 2
        assert "head was seen in training" in capsys.readouterr().out

    def test_tables_of_real_cases_are_read(self, checkpoint, tmp_path, capsys):
        small_heads.save_case(tmp_path / "data" / "head")
        (tmp_path / "empty").mkdir()
        assert self.call(checkpoint, tmp_path / "data", "--real", str(tmp_path / "empty")) == 2
        assert "holds no cases.csv" in capsys.readouterr().err
