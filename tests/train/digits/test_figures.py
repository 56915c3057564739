"""Fig. 3: from the table of the ablation to points and lines."""

import json
from argparse import Namespace

import numpy as np
import pytest

from mckd.files.runs import RunError
from train.digits.figures import APART, read_points, strengths
from train.digits.report import write_report
from train.digits.rows import TABLES, Row, rows
from train.digits.runs import Plan, Result


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """One seed; the k-th row has k of 20 right."""
    folder = tmp_path_factory.mktemp("ablation")
    plan = Plan(tuple(rows(TABLES["ablation"])), 1, (0,), "file", "paper", 60)
    decays = {row.selects: 1e-4 for row in plan.rows}
    right = {row: np.arange(20) < k for k, row in enumerate(plan.rows)}
    results = {
        run: Result(0.5, 0.5, 0.7, 1.0, right[Row(run.variant, run.tested, run.rate)])
        for run in plan.all_runs(decays)
    }
    write_report(folder, TABLES["ablation"], plan, decays, results)
    return folder / "table.csv"


def test_a_point_is_a_row_with_its_options_and_interval(table):
    points = read_points(table)
    assert len(points) == 2 * 9
    first = points[0]
    assert (first.tested, first.alpha, first.p, first.accuracy.mean) == ("visual", 0.1, 1, 0.0)
    found = {(x.tested, x.alpha, x.p): x.accuracy.mean for x in points}
    assert found["visual", 0.0, 1] == pytest.approx(5)  # 1 of 20
    assert all(x.accuracy.low <= x.accuracy.mean <= x.accuracy.high for x in points)


def test_both_norms_begin_where_nothing_is_distilled(table, tmp_path):
    strengths(Namespace(ablation=table, out=tmp_path))
    lines = json.loads((tmp_path / "fig3.json").read_text())["data"]
    assert len(lines) == 4  # two norms, pictures and sounds
    for line, aside in zip(lines, [-APART, APART] * 2, strict=True):
        assert line["x"] == pytest.approx([k + aside for k in range(5)])
    assert lines[0]["y"][0] == lines[1]["y"][0]
    assert lines[0]["y"][2] == 0.0  # MCKD itself: alpha .1, L1
    assert lines[1]["y"][2] != 0.0


@pytest.mark.parametrize("text", ["", "system,mean\nmckd,93\n", "variant,mean\nmckd,93\n"])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=r"other\.csv is no table of the ablation"):
        read_points(path)
