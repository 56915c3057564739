"""`python -m train bundle` on small real runs, with the folds that left something out."""

import pytest
import torch

from mckd.digits import DigitClassifier
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.tumour import TumourSegmenter
from tests.train.test_tumour_task import write_case
from train.__main__ import main
from train.digits import studio
from train.tumour import task as tumours


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    monkeypatch.setattr(tumours, "BRAIN", (32, 32, 32))
    for kind in (tumours.TumourTask, studio.StudioTask):
        monkeypatch.setattr(kind, "steps_per_epoch", 2)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def bundle(tmp_path, run, folds, name):
    words = ["--run", run, "--folds", *folds, "--name", name, "--into", tmp_path / "made"]
    return main(["bundle", *map(str, words)])


def scores(run):
    return load_checkpoint(run / "checkpoints" / MODEL).header["metrics"]["test"]


def test_tumours(tmp_path, capsys):
    for number in range(3):
        write_case(tmp_path / "cases", number)
    for fold in (-1, 0, 2):
        words = ["--preset", "smoke", "--data", tmp_path / "cases", "--crop", 0, "--epochs", 1]
        words += ["--threads", 1, "--fold", fold, "--out", tmp_path / f"run{fold}"]
        assert main(["tumour", *map(str, words)]) == 0
    run, *folds = (tmp_path / f"run{fold}" for fold in (-1, 0, 2))
    assert bundle(tmp_path, run, folds, "tumour") == 0
    made = TumourSegmenter.load(tmp_path / "made" / "tumour.safetensors")
    wanted = {"fold 0 of 3": scores(folds[0]), "fold 2 of 3": scores(folds[1])}
    assert made.about["left_out"] == wanted
    assert all(len(left) >= 15 for left in wanted.values())
    record = RunFolder(tmp_path / "made" / "tumour-run")
    assert record.records() == RunFolder(run).records()
    assert record.status()["state"] == "finished"
    for wrong, said in (([folds[0], folds[0]], "Give each fold once"), ([run], "left nothing out")):
        capsys.readouterr()
        assert bundle(tmp_path, run, wrong, "other") == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "made" / "other.safetensors").exists()


def test_digits(tmp_path):
    speakers = ("synthetic-a", "synthetic-b")
    for speaker in ("", *speakers):
        words = ["--preset", "studio", "--epochs", 1, "--batch-size", 8, "--leave-out", speaker]
        words += ["--threads", 1, "--out", tmp_path / f"run{speaker}"]
        assert main(["digits", *map(str, words)]) == 0
    folds = [tmp_path / f"run{speaker}" for speaker in speakers]
    assert bundle(tmp_path, tmp_path / "run", folds, "digits") == 0
    made = DigitClassifier.load(tmp_path / "made" / "digits.safetensors")
    assert made.about["left_out"] == dict(zip(speakers, map(scores, folds), strict=True))


def test_a_run_that_is_not_finished(tmp_path, capsys):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write_status(state="stopped", step=1, steps=2, eta_s=None, message="")
    assert bundle(tmp_path, run.path, [], "x") == 2
    assert "is not finished" in capsys.readouterr().err
