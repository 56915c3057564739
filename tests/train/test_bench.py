"""`python -m train bench` runs through on real calls; how long they take is not tested."""

import json

import pytest

from tests import small_heads, untrained
from train.__main__ import main

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "model.safetensors"
    untrained.save_tumour(path)
    return path


def last_json(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_digits(capsys):
    assert main(["bench", "digits", "--repeats", "2", "--threads", "1"]) == 0
    timed = last_json(capsys)
    assert len(timed) == 4
    assert all(0 < t["p50_ms"] <= t["p95_ms"] for t in timed.values())


def test_tumour(checkpoint, tmp_path, capsys):
    case = small_heads.save_case(tmp_path / "head")
    words = ["--checkpoint", str(checkpoint), "--case", str(case), "--rounds", "1"]
    assert main(["bench", "tumour", "--threads", "1", *words]) == 0
    timed = last_json(capsys)
    seconds = timed["seconds"]
    assert seconds["15 subsets without kept features"] > seconds["decode 1 subset"] > 0
    assert seconds["all 15 subsets (encode 4, decode 15)"] == pytest.approx(
        seconds["encode 4 sequences"] + seconds["decode 15 subsets"], abs=0.002
    )
    assert timed["peak_mb"] > 50


def test_training(tmp_path, capsys):
    for name in ("a", "b"):
        small_heads.save_case(tmp_path / name)
    words = ["--case", str(tmp_path / "a"), "--crop", "16", "--rounds", "1", "--threads", "1"]
    assert main(["bench", "training", *words]) == 0
    timed = last_json(capsys)
    assert len(timed["seconds"]) == 1 + 3 * 4
    assert all(seconds > 0 for seconds in timed["seconds"].values())


def test_a_case_without_all_sequences_is_refused(checkpoint, tmp_path, capsys):
    case = small_heads.save_case(tmp_path / "head", words=("flair", "t2"))
    words = ["--checkpoint", str(checkpoint), "--case", str(case)]
    assert main(["bench", "tumour", *words]) == 2
    assert "has not all four sequences" in capsys.readouterr().err


def test_no_checkpoint_is_said(tmp_path, capsys):
    assert main(["bench", "tumour", "--checkpoint", str(tmp_path / "no.safetensors")]) == 0
    assert "there is no no.safetensors" in capsys.readouterr().out
