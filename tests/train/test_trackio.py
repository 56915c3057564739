"""`--trackio` of a run that was resumed: every step once. Needs the package, which is optional."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mckd.files.runs import RunFolder
from train.__main__ import main

ROOT = Path(__file__).parents[2]
SESSION = """
import sys
from pathlib import Path
from mckd.files.runs import RunFolder
from train.trackio import Track
run = RunFolder(Path(sys.argv[1]))
track = Track(run, "digits")
for step in map(int, sys.argv[3:]):
    row = {"step": step, "loss": float(sys.argv[2]), "iwv": {"visual": 0.5}}
    run.append(row)
    track(row)
"""


def test_a_resumed_run_shows_every_step_once(tmp_path, monkeypatch):
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    run = RunFolder(tmp_path / "one")
    run.path.mkdir()
    run.write_config({"config": {"lr": 0.1}})
    for loss, steps in (("1", "2 4 6 8"), ("2", "6 8 10")):  # killed at 8, resumed from 4
        words = [sys.executable, "-c", SESSION, str(run.path), loss, *steps.split()]
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
        run.rewind(4)
    data = sqlite3.connect(tmp_path / "trackio" / "mckd-digits.db")
    shown = data.execute("SELECT run_name, step FROM metrics ORDER BY step").fetchall()
    assert shown == [("one", step) for step in (2, 4, 6, 8, 10)]


def test_without_the_package_it_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "trackio", None)
    monkeypatch.delitem(sys.modules, "train.trackio", raising=False)
    words = ["digits", "--preset", "smoke", "--out", str(tmp_path / "run"), "--trackio"]
    assert main(words) == 2
    assert capsys.readouterr().err == (
        "Error: --trackio needs the package trackio: pip install trackio\n"
    )
