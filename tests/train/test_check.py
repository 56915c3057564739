"""`--check`: what is in data, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.__main__ import main


def test_it_counts_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["digits", "--preset", "smoke", "--out", str(out), "--check"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "These data can be trained on."
    assert any(line.startswith("Steps in an epoch: ") for line in said)
    assert not out.exists()


def test_what_cannot_be_trained_on_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("id,label\na,1\n")
    words = ["tables", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--check"]
    assert main(words) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("Error: ")
