"""`python -m train bundle` on small real runs, with the folds that left something out."""

import csv
import dataclasses

import pytest
import torch

from mckd.digits import DigitClassifier
from mckd.files.checkpoint import load_checkpoint
from mckd.files.eight_bits import widened
from mckd.files.runs import MODEL, RunError, RunFolder
from mckd.method import predict
from mckd.systems import system_class
from mckd.systems.system import named, part
from mckd.tumour import TumourSegmenter, find_cases, read_case
from mckd.tumour.designs import DESIGNS
from mckd.tumour.evidence import cautioned, unseen_dice
from mckd.tumour.parts import TumourParts
from tests.train.tumour.test_task import write_case
from train.__main__ import main
from train.bundle import for_pane
from train.digits import studio
from train.tumour import task as tumours
from train.tumour.scores import CASES, Score


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch, one_thread):
    monkeypatch.setattr(tumours, "BRAIN", (32, 32, 32))
    for kind in (tumours.TumourTask, studio.StudioTask):
        monkeypatch.setattr(kind, "steps_per_epoch", 2)


def bundle(tmp_path, run, folds, name, *more):
    words = ["--run", run, "--folds", *folds, "--name", name, "--into", tmp_path / "made"]
    words += more
    return main(["bundle", *map(str, words)])


def write_scores(folder):
    """Tables as `evaluate` writes them: TC of .2 and .4 in two unseen cases, .9 in a seen one."""
    rows = [
        Score(
            case=case, checkpoint="c", seen=seen, synthetic=False, subset="t1+t2", region="tc",
            outcome="found", dice=dice, brats_dice=dice, hd95_mm=None, volume_ml=1.0,
            reference_ml=1.0, reference_voxels=1000,
        )
        for case, seen, dice in (("a", False, 0.2), ("b", False, 0.4), ("c", True, 0.9))
    ]  # fmt: skip
    folder.mkdir()
    with (folder / CASES).open("w", newline="") as file:
        lines = [dataclasses.asdict(row) for row in rows]
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def scores(run):
    return load_checkpoint(run / "checkpoints" / MODEL).header["metrics"]["test"]


def test_tumours(tmp_path, capsys):
    for number in range(3):
        write_case(tmp_path / "cases", number)
    for fold in (-1, 0, 2):
        words = ["--preset", "smoke", "--data", tmp_path / "cases", "--crop", 0, "--epochs", 1]
        words += ["--threads", 1, "--fold", fold, "--out", tmp_path / f"run{fold}"]
        assert main(["tumour", *map(str, words)]) == 0
    killed = tmp_path / "made" / ".tumour.safetensors.99999999"
    killed.parent.mkdir()
    killed.write_bytes(b"half")
    run, *folds = (tmp_path / f"run{fold}" for fold in (-1, 0, 2))
    tables = tmp_path / "scores"
    write_scores(tables)
    assert bundle(tmp_path, run, folds, "tumour", "--scores", tables) == 0
    assert not killed.exists()
    made = TumourSegmenter.load(tmp_path / "made" / "tumour.safetensors")
    wanted = {"fold 0 of 3": scores(folds[0]), "fold 2 of 3": scores(folds[1])}
    assert made.about["left_out"] == wanted
    assert all(len(left) >= 15 for left in wanted.values())
    assert unseen_dice(made.about, {"t1", "t2"}, "tc") == pytest.approx(0.3)  # of the unseen two
    assert cautioned(made.about, {"t1", "t2"}, "tc") == "rough: Dice .30 on unseen cases"
    saw = {made.saw(read_case(case)) for case in find_cases(tmp_path / "cases")}
    assert saw == {"training", "validation"}
    record = RunFolder(tmp_path / "made" / "tumour-run")
    assert record.records() == RunFolder(run).records()
    assert record.status()["state"] == "finished"
    assert bundle(tmp_path, run, [], "pane", "--pane") == 0
    assert not (tmp_path / "made" / "pane-run").exists()
    pane = TumourSegmenter.load(tmp_path / "made" / "pane.safetensors")
    assert pane.saw(read_case(next(iter(find_cases(tmp_path / "cases"))))) is not None
    for wrong, said in (([folds[0], folds[0]], "Give each fold once"), ([run], "left nothing out")):
        capsys.readouterr()
        assert bundle(tmp_path, run, wrong, "other") == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "made" / "other.safetensors").exists()


def test_digits(tmp_path, capsys):
    speakers = ("synthetic-a", "synthetic-b")
    for speaker in ("", *speakers):
        words = ["--preset", "studio", "--epochs", 1, "--batch-size", 8, "--leave-out", speaker]
        words += ["--threads", 1, "--out", tmp_path / f"run{speaker}"]
        assert main(["digits", *map(str, words)]) == 0
    folds = [tmp_path / f"run{speaker}" for speaker in speakers]
    assert bundle(tmp_path, tmp_path / "run", folds, "digits", "--scores", tmp_path) == 2
    assert "A model of digits has no tables of cases" in capsys.readouterr().err
    assert bundle(tmp_path, tmp_path / "run", folds, "digits") == 0
    made = DigitClassifier.load(tmp_path / "made" / "digits.safetensors")
    assert made.about["left_out"] == dict(zip(speakers, map(scores, folds), strict=True))


def test_a_run_that_is_not_finished(tmp_path, capsys):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write_status(state="stopped", step=1, steps=2, eta_s=None, message="")
    assert bundle(tmp_path, run.path, [], "x") == 2
    assert "is not finished" in capsys.readouterr().err


@pytest.mark.parametrize(("key", "kind"), [("mckd", torch.float16), ("shaspec", torch.int8)])
def test_a_system_of_table_1_fits_into_a_pane_and_answers_nearly_the_same(key, kind):
    """ShaSpec's 3.24 million parameters take 6.5 MB in 16 bits, MCKD's 1.87 million 3.7 MB."""
    torch.manual_seed(0)
    parts, system = TumourParts(DESIGNS["compact"]), system_class(key)
    network = system.build(parts, system.Options()).eval()
    kept = for_pane(named("network", network.state_dict()))
    largest = max(kept.values(), key=torch.numel)
    assert largest.dtype == kind
    assert sum(t.nbytes for t in kept.values()) < 4e6
    volumes = [torch.randn(1, 1, 16, 16, 16) for _ in parts.modalities]
    present = torch.tensor([[True, False, True, False]])
    before = predict(network, volumes, present)
    network.load_state_dict(part(widened(kept), "network"))
    changed = predict(network, volumes, present) - before
    assert changed.std() < 0.03 * before.std()


def test_what_is_too_large_for_a_pane_is_refused():
    with pytest.raises(RunError, match="over 4 MB"):
        for_pane({"w": torch.zeros(2100, 2000)})
