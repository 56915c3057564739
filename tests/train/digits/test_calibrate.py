"""Temperatures: by hand, of samples left out, and by the command on small real runs."""

import math

import numpy as np
import pytest
import torch

from mckd.digits import DigitClassifier
from mckd.digits.likeness import likenesses
from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.files.runs import MODEL
from train.__main__ import main
from train.digits import likeness, studio
from train.digits.calibrate import (
    COLDEST,
    HOTTEST,
    Rows,
    diagram,
    fit_temperature,
    judged,
    left_out,
)
from train.digits.commands import BUNDLED
from train.digits.synthetic import SPEAKERS
from train.reliability import expected_error


def rows(right, wrong, apart, groups=2):
    """Two classes `apart` in their logits; the first is answered, `right` of them rightly."""
    labels = torch.tensor([0] * right + [1] * wrong)
    logits = torch.tensor([apart, 0.0], dtype=torch.double).expand(len(labels), 2)
    return Rows(logits, labels, torch.arange(len(labels)) % groups)


def test_a_temperature_by_hand():
    """7 of 8 right, by Laplace's rule (7 + 1) / (8 + 2) = .8; log(.8 / .2) = 3 / T."""
    assert fit_temperature(rows(7, 1, 3.0)) == pytest.approx(3 / math.log(4), rel=1e-3)


def test_all_right_is_not_certainty():
    """8 of 8: 9 / 10, never 1."""
    temperature = fit_temperature(rows(8, 0, 3.0))
    assert temperature == pytest.approx(3 / math.log(9), rel=1e-3)
    assert temperature > COLDEST


def test_a_sample_has_no_say_in_its_own_temperature():
    """One group is all right, the other all wrong; each is said to be what the other is."""
    together = rows(8, 8, 3.0)
    apart = Rows(together.logits, together.labels, together.labels)
    p = left_out(apart)
    assert p[apart.group == 1, 0].tolist() == pytest.approx([0.9] * 8, abs=1e-3)
    surest = 1 / (1 + math.exp(-3 / HOTTEST))
    assert p[apart.group == 0, 0].tolist() == pytest.approx([surest] * 8, abs=1e-3)


def test_the_error_of_what_was_said_by_hand():
    """.8 said, 3 of 4 right."""
    p = torch.tensor([[0.8, 0.2]]).expand(4, 2).double()
    assert expected_error(diagram(p, torch.tensor([0, 0, 0, 1]))) == pytest.approx(0.05)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on everything and one without a speaker, of two steps each."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio.StudioTask, "steps_per_epoch", 2)
        for name, more in (("all", []), ("without", ["--leave-out", SPEAKERS[0]])):
            words = ["digits", "--preset", "studio", "--data", BUNDLED, "--epochs", 1, *more]
            words += ["--batch-size", 16, "--threads", 1, "--out", folder / name]
            assert main([*map(str, words)]) == 0
    return folder


def model(run):
    return run / "checkpoints" / MODEL


def test_the_command(runs, tmp_path, capsys, monkeypatch):
    """Weights and answers stay; probabilities are the softmax of logits / T, and say so."""
    before = load_checkpoint(model(runs / "all"))
    path = tmp_path / "digits.safetensors"
    save_checkpoint(path, before.tensors, before.header)
    words = ["calibrate-digits", "--checkpoint", path, "--data", BUNDLED, "--threads", 1]
    words += ["--folds", runs / "without", "--report", tmp_path / "report"]
    plain = DigitClassifier.load(path)
    monkeypatch.setattr(likeness, "LEVEL", 0.9)  # of 40 unseen pictures; .98 takes 49
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr().out
    assert f"speakers who were left out of it: {SPEAKERS[0]}" in said
    assert said in (tmp_path / "report" / "calibration.md").read_text()
    assert (tmp_path / "report" / "reliability.png").is_file()
    assert "digits that were left out, pictures | 40 |" in said
    after = load_checkpoint(path)
    found = likenesses(after)
    assert found.keys() == {"visual", "audio"}
    (fold,) = judged(after, [load_checkpoint(model(runs / "without"))], BUNDLED)[1]
    by_fold = fold.unseen("audio", fold.directions(BUNDLED, "audio"))
    assert found["audio"].limit == likeness.limit_of(by_fold)
    assert all(torch.equal(after.tensors[name], t) for name, t in before.tensors.items())
    calibrated = DigitClassifier.load(path)
    assert calibrated.temperatures.keys() == {"visual", "audio", "both"}
    drawn = np.full((64, 64), 255, np.uint8)
    drawn[10:54, 28:36] = 0
    hum = (8000 * np.sin(np.arange(8000) * 0.3)).astype(np.int16), 16000
    for given, key in (((drawn, None), "visual"), ((None, hum), "audio"), ((drawn, hum), "both")):
        old, new = plain.predict(*given), calibrated.predict(*given)
        assert (old.calibrated, new.calibrated) == (False, True)
        powers = old.probabilities ** (1 / calibrated.temperatures[key])
        assert new.probabilities == pytest.approx(powers / powers.sum())
        assert new.label == old.label


def test_a_speaker_who_is_left_out_twice_is_refused(runs, capsys):
    words = ["calibrate-digits", "--checkpoint", model(runs / "all"), "--data", BUNDLED]
    folds = [runs / "without", runs / "without"]
    before = model(runs / "all").read_bytes()
    assert main([*map(str, words), "--folds", *map(str, folds)]) == 2
    assert f"Two of --folds left out {SPEAKERS[0]}" in capsys.readouterr().err
    assert model(runs / "all").read_bytes() == before


@pytest.mark.parametrize(
    ("folds", "told"),
    [
        ("all", "left no speaker out"),
        ("nothing", "no checkpoint model.safetensors"),
    ],
)
def test_what_is_no_fold_is_refused(runs, capsys, folds, told):
    words = ["calibrate-digits", "--checkpoint", model(runs / "all"), "--data", BUNDLED]
    assert main([*map(str, words), "--folds", str(runs / folds)]) == 2
    assert told in capsys.readouterr().err


def test_other_pictures_are_refused(runs, tmp_path, capsys):
    """Which of them a model saw nobody knows."""
    checkpoint = load_checkpoint(model(runs / "all"))
    seen = checkpoint.header["provenance"]["pictures"] | {"test": 1}
    header = checkpoint.header | {"provenance": {"pictures": seen}}
    save_checkpoint(tmp_path / "m.safetensors", checkpoint.tensors, header)
    words = ["calibrate-digits", "--checkpoint", tmp_path / "m.safetensors", "--data", BUNDLED]
    assert main([*map(str, words), "--folds", str(runs / "without")]) == 2
    assert "not those that the models were trained on" in capsys.readouterr().err
