"""Table 1: from lines of scores to means and tests, and a whole small one from its command."""

import csv
import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL
from mckd.tumour.outline import Credible
from tests.conftest import ROOT
from tests.train.tumour.test_task import write_case
from train.__main__ import main
from train.settings import SettingsError
from train.tumour.compare import Job, Plan, Variant, jobs_of, last_records, lines_of, run_all
from train.tumour.lines import Line, read_lines, write_lines
from train.tumour.settings import PRESETS
from train.tumour.table import TABLES
from train.tumour.tabulate import DICE, MEASURES, cells, compared, values_of

ET, TC, WT = DICE
BY_KEY = {measure.key: measure for measure in MEASURES}


def line(case, subset, dice, region="wt", outcome="found", hd95_mm=1.0):
    return Line(case, subset, region, outcome, dice, hd95_mm)


def lines(dice, subsets=("t1", "t2")):
    """One region: {case: dice per subset}."""
    return [
        line(case, s, d) for case, row in dice.items() for s, d in zip(subsets, row, strict=True)
    ]


class TestLines:
    def test_are_read_as_they_were_written(self, tmp_path):
        given = [
            line("a", "flair+t1", 0.25),
            line("a", "t2", None, "et", "correctly empty", None),
        ]
        write_lines(tmp_path / "x.csv", given)
        assert read_lines(tmp_path / "x.csv") == given


class TestValues:
    def test_seeds_cases_subsets_in_their_places_whatever_the_order_of_lines(self):
        one = lines({"a": [0.1, 0.2], "b": [0.3, 0.4]})
        two = lines({"b": [0.7, 0.8], "a": [0.5, 0.6]})[::-1]
        expected = [[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]]
        assert values_of([one, two], WT).tolist() == expected

    def test_a_region_that_the_reference_lacks_counts_by_one_rule_and_not_by_the_other(self):
        given = [
            line("a", "t1", 0.5, "et"),
            line("b", "t1", None, "et", "correctly empty", None),
            line("c", "t1", 0.0, "et", "invented"),
            line("d", "t1", 0.0, "et", "missed"),
        ]
        assert values_of([given], ET).flatten().tolist() == [0.5, 0.0]
        assert values_of([given], BY_KEY["et_brats"]).flatten().tolist() == [0.5, 1.0, 0.0, 0.0]

    def test_a_gap_says_where_it_is(self):
        whole = lines({"a": [0.1, 0.2], "b": [0.3, 0.4]})
        with pytest.raises(ValueError, match="no score of b with t2"):
            values_of([whole, whole[:-1]], WT)


class TestCells:
    def test_means_of_subsets_and_of_cases_over_subsets(self):
        found = cells([lines({"a": [0.0, 0.4], "b": [0.2, 1.0]})], WT)
        assert {name: c.mean for name, c in found.items()} == pytest.approx(
            {"t1": 0.1, "t2": 0.7, "mean": 0.4}
        )
        # Cases have .2 and .6 as their means: that is as far as resampling two of them goes.
        assert (found["mean"].low, found["mean"].high) == pytest.approx((0.2, 0.6))

    def test_no_case_with_the_region_gives_none(self):
        given = [line("a", "t1", None, "et", "correctly empty", None)]
        assert cells([given], ET) == {}


def test_a_comparison_is_paired_by_case_and_corrected_for_all():
    """Six cases, all better by .1: two-sided p is 2 / 2^6; Holm doubles the smaller of two."""
    worse = {f"c{k}": [k / 10, k / 10] for k in range(6)}
    better = {case: [x + 0.1 + 0.01 * x for x in row] for case, row in worse.items()}
    runs = {"ours": [lines(better)], "theirs": [lines(worse)], "same": [lines(worse)]}
    first, second = compared(runs, [("ours", "theirs"), ("theirs", "same")], [WT])
    assert first.difference.mean == pytest.approx(0.1 + 0.01 * 0.25)
    assert first.p == pytest.approx(2 / 64)
    assert first.p_holm == pytest.approx(4 / 64)
    assert (second.difference.mean, second.p, second.p_holm) == (0.0, 1.0, 1.0)


class TestVariants:
    @pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
    def test_pairs_are_of_rows_that_are_there_and_changes_are_settings(self, table, tmp_path):
        keys = [row.key for row in table().rows]
        assert len(set(keys)) == len(keys)
        for one, other in table().pairs:
            assert one != other
            assert {one, other} <= set(keys)
        plan = Plan(tmp_path, "table", {}, tmp_path)
        made = {row.key: plan.settings(Job(row, 2)) for row in table().rows}
        theirs = {row.key: row.run for row in table().rows if row.run}
        assert all(made[key] == made[run] for key, run in theirs.items())
        assert len({repr(settings) for settings in made.values()}) == len(keys) - len(theirs)
        assert {settings.seed for settings in made.values()} == {2}

    def test_the_first_seed_is_whole_before_the_next_begins(self):
        a, b = Variant("a", "A", {}), Variant("b", "B", {})
        names = [job.name for job in jobs_of([a, b], 2, [-1])]
        assert names == ["a-seed0", "b-seed0", "a-seed1", "b-seed1"]
        assert Job(a, 1, 3).name == "a-seed1-fold3"


@pytest.mark.parametrize("scored", [["--test", "unseen"], ["--folds", "2"], []], ids=str)
def test_the_whole_command(scored, tmp_path, monkeypatch, capsys):
    """Two rows, one seed; run again it trains nothing and writes the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("train.tumour.task.TumourTask.steps_per_epoch", 2)
    monkeypatch.setattr("train.tumour.compare.work_off", here)
    for number in range(4):
        write_case(tmp_path / "cases", number)
    for number in (7, 8):
        write_case(tmp_path / "unseen", number)
    words = ["table", "--which", "1", "--data", "cases", "--out", "out", "--preset", "smoke"]
    words += ["--epochs", "1", "--seeds", "1", "--only", "mckd", "baseline", *scored]
    assert main(words) == 0
    said = capsys.readouterr().out
    scores = {path.name: path.read_bytes() for path in (tmp_path / "out/scores").iterdir()}
    table = (tmp_path / "out/table.csv").read_bytes()
    assert main(words) == 0
    assert capsys.readouterr().out == said
    assert (tmp_path / "out/table.csv").read_bytes() == table
    assert len(scores) == (4 if "--folds" in scored else 2)
    cases = {row.case for name in scores for row in read_lines(tmp_path / "out/scores" / name)}
    assert len(cases) == {"--test": 2, "--folds": 4}.get(scored[0] if scored else "", 1)
    if "--test" in scored:
        assert cases == {"case_007", "case_008"}
    rows = list(csv.DictReader(table.decode().splitlines()))
    whole = [r for r in rows if r["measure"] == "wt" and r["subset"] == "mean"]
    assert [r["variant"] for r in whole] == ["mckd", "baseline"]
    for row in rows:
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
    assert "| Dice, WT | MCKD | Baseline |" in said


class TestResultsOfBefore:
    """Scores that are there are taken for those of the command that finds them: are they?"""

    WORDS = ("table", "--which", "1", "--preset", "smoke", "--seeds", "1", "--only", "baseline")

    @pytest.fixture
    def command(self, tmp_path, monkeypatch):
        """`train table` with words, in a folder whose table is of `cases` and `unseen`."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("train.tumour.task.TumourTask.steps_per_epoch", 1)
        monkeypatch.setattr("train.tumour.compare.work_off", here)
        for folder, numbers in (("cases", range(3)), ("unseen", (7,)), ("others", (8,))):
            for number in numbers:
                write_case(tmp_path / folder, number)

        def command(data="cases", test="unseen", epochs="1"):
            words = ["--data", data, "--test", test, "--epochs", epochs, "--out", "out"]
            return main([*self.WORDS, *words])

        assert command() == 0
        return command

    def test_of_other_settings_or_cases_they_are_refused(self, command, capsys):
        table = Path("out/table.csv").read_bytes()
        others = {"epochs": "2", "test": "others", "data": "unseen"}
        for name, value in others.items():
            assert command(**{name: value}) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"The results in out were made with another --{name}" in line
            assert Path("out/table.csv").read_bytes() == table
        shutil.move("unseen", "elsewhere")  # the same cases, though
        assert command(test="elsewhere") == 0
        Path("out/told.json").write_text("{")
        assert command(test="elsewhere") == 2
        assert "told.json in out cannot be read" in capsys.readouterr().err

    def test_those_that_do_not_say_are_taken_and_say_it_from_then_on(self, command):
        """As scores are kept without their runs; what only runs know is left out then."""
        told = "The most that distillation could give"
        table, text = Path("out/table.csv").read_bytes(), Path("out/table.md")
        assert told in text.read_text()
        Path("out/told.json").unlink()
        shutil.rmtree("out/runs")
        assert command() == 0
        assert told not in text.read_text()
        assert Path("out/table.csv").read_bytes() == table
        assert command(test="others") == 2


@pytest.mark.parametrize(
    ("place", "test", "fold"),
    [("unseen", "unseen", -1), ("cases", None, 0), ("cases", None, -1)],
    ids=["a test case", "a fold's", "a validation case"],
)
def test_a_case_to_score_that_lacks_a_sequence_is_refused_before_anything_is_trained(
    place, test, fold, tmp_path, monkeypatch
):
    """Case 0 has no enhancing tumour, so it is the first to validate by."""
    monkeypatch.setattr("train.tumour.compare.work_off", here)
    write_case(tmp_path / place, 0, sequences=("flair", "t1", "t2"))
    for number in (1, 2, 4):
        write_case(tmp_path / "cases", number)
    test = test and tmp_path / test
    plan = Plan(tmp_path / "out", "smoke", {"folds": 2}, tmp_path / "cases", test=test)
    with pytest.raises(SettingsError, match="case_000 lacks t1c"):
        run_all(plan, jobs_of([Variant("a", "A", {})], 1, [fold]), 1)
    assert not (tmp_path / "out" / "runs").exists()


def test_runs_go_on_from_those_of_another_table(tmp_path, monkeypatch):
    """Each from its own row and seed: a rate too small to move a weight leaves it where it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("train.tumour.task.TumourTask.steps_per_epoch", 1)
    monkeypatch.setattr("train.tumour.compare.work_off", here)
    for number in range(4):
        write_case(tmp_path / "cases", number)
    rows = [row for row in TABLES["1"]().rows if row.key == "baseline"]
    changes = {"epochs": 1}
    first = Plan(tmp_path / "first", "smoke", changes, tmp_path / "cases")
    run_all(first, jobs_of(rows, 2, [-1]), 1)
    still = changes | {"lr": 1e-20, "weight_decay": 0.0, "folds": 2}
    then = Plan(tmp_path / "then", "smoke", still, tmp_path / "cases", start=first.out)
    run_all(then, jobs_of(rows, 2, [0]), 1)
    for job in jobs_of(rows, 2, [0]):
        before = load_checkpoint(then.before(job)).part("network")
        after = load_checkpoint(then.run(job).checkpoints / MODEL).part("network")
        for name, value in before.items():
            torch.testing.assert_close(after[name], value)


def test_a_row_of_another_outline_trains_nothing_and_is_drawn_as_prediction_draws(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("train.tumour.task.TumourTask.steps_per_epoch", 2)
    monkeypatch.setattr("train.tumour.compare.work_off", here)
    for number in range(3):
        write_case(tmp_path / "cases", number)
    plain = Variant("plain", "Plain", {})
    none = dataclasses.replace(plain, key="none", run="plain", credible=Credible(et_min_ml=1e6))
    plan = Plan(tmp_path / "out", "smoke", {"epochs": 1, "fold": -1}, tmp_path / "cases")
    jobs = jobs_of([none, plain], 1, [-1])
    run_all(plan, jobs, 1)
    assert [path.name for path in (plan.out / "runs").iterdir()] == ["plain-seed0"]
    assert list(last_records(plan, jobs)) == ["plain"]
    scored = lines_of(plan, jobs)
    of_et = [row for row in scored["none"][0] if row.region == "et"]
    assert {row.outcome for row in of_et} <= {"missed", "correctly empty"}
    assert len(of_et) == 15
    assert len(scored["plain"][0]) == len(scored["none"][0]) == 45


def here(jobs, work, processes, finished):
    """In this process: what is patched for the test is patched for the work too."""
    for job in jobs:
        finished(work(job))


def test_scores_are_those_of_the_command_that_scores_a_checkpoint(tmp_path, monkeypatch):
    """Dice and HD95 of a run's lines, against `evaluate` on the same checkpoint and cases."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("train.tumour.task.TumourTask.steps_per_epoch", 2)
    monkeypatch.setattr("train.tumour.compare.work_off", here)
    for number in range(3):
        write_case(tmp_path / "cases", number)
    write_case(tmp_path / "unseen", 7)
    words = ["--data", "cases", "--test", "unseen", "--out", "out", "--preset", "smoke"]
    words += ["--epochs", "1", "--seeds", "1", "--only", "mckd"]
    assert main(["table", "--which", "1", *words]) == 0
    model = "out/runs/mckd-seed0/checkpoints/model.safetensors"
    words = ["--data", "unseen", "--checkpoint", model, "--out", "scores", "--hd95", "--plain"]
    assert main(["evaluate", *words]) == 0
    with (tmp_path / "scores/cases.csv").open(encoding="utf-8") as file:
        theirs = {
            (r["subset"], r["region"]): (r["dice"], r["hd95_mm"]) for r in csv.DictReader(file)
        }
    ours = read_lines(tmp_path / "out/scores/mckd-seed0.csv")
    assert len(ours) == len(theirs) == 15 * 3
    for x in ours:  # of images in float16 here, in float32 there
        dice, hd95_mm = (float(v) if v else None for v in theirs[x.subset, x.region])
        assert x.dice == pytest.approx(dice, abs=0.03)
        assert x.hd95_mm == pytest.approx(hd95_mm, abs=1.5)


@pytest.mark.parametrize(
    ("name", "preset"), [("recipe-tumour", "table"), ("recipe-tumour-real", "table-real")]
)
def test_the_recipe_is_the_one_that_was_frozen(name, preset):
    """Settings that did not exist then may have been added; none that it names may differ."""
    text = (ROOT / "checkpoints" / "tables" / f"{name}.md").read_text(encoding="utf-8")
    (frozen,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert hashlib.sha256(frozen.encode()).hexdigest() in text
    now = dataclasses.asdict(PRESETS[preset]())
    for name, value in json.loads(frozen).items():
        if name == "method":
            assert value.items() <= now["method"].items()
        else:
            assert now[name] == value, name
