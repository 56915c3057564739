"""`python -m train calibrate`: what it writes, and what it refuses."""

import numpy as np
import pytest
import torch

from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.tumour import REGIONS, TumourSegmenter, read_case, regions
from mckd.tumour.calibration import Calibration, beside
from mckd.tumour.fingerprint import TRAINING_PRINTS, fingerprints
from tests import small_heads, untrained
from train.__main__ import main
from train.tumour import calibrate

pytestmark = pytest.mark.usefixtures("one_thread")


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
        kept = tmp_path / "kept"
        assert self.call(checkpoint, tmp_path / "data", "--report", str(kept)) == 0
        said = capsys.readouterr().out
        assert "40 synthetic cases" in said
        text = (kept / "calibration.md").read_text("utf-8")
        assert said.endswith(text[: text.index("![")].rstrip() + "\n")
        assert (kept / "reliability.png").read_bytes().startswith(b"\x89PNG")
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
