import csv
import re
import subprocess
import sys

from tests.conftest import ROOT
from train.digits.table import PAPER, RATES, cells


def test_rows_are_the_paper_s_then_the_ablations():
    titles = [row.title for row in cells()]
    assert titles[: len(PAPER)] == list(PAPER)
    assert len(titles) == len(set(titles)) == len(PAPER) + 10


def test_every_row_is_compared_with_the_bound_of_its_tested_modality():
    bounds = {row.title: row.tested for row in cells() if not row.bound}
    for row in cells():
        if row.bound:
            assert bounds[row.bound] == row.tested


def test_the_whole_command_on_the_bundled_set(tmp_path, bundled):
    """Every row trained for one epoch with three seeds; run again, it trains nothing."""
    words = ["table", "--data", str(bundled), "--out", str(tmp_path), "--seeds", "3"]
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "train", *words, "--epochs", "1"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    assert "seed1, 0:00 left" in outputs[0]
    assert " left" not in outputs[1]
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert list(rows) == [row.title for row in cells()]
    learned = rows[f"MCKD, audio rate {RATES[-1]:.0%}"]
    assert 0 <= float(learned["mean"]) <= 100
    assert re.fullmatch(r"0\.\d\d \+- 0\.\d\d", learned["visual weight"])
    assert 0 <= float(learned["p"]) <= 1
    assert rows["Lower bound, picture only"]["p"] == ""
