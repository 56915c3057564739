"""Table 2: its rows, its runs, and a whole one of the bundled set."""

import csv
from typing import ClassVar

import numpy as np
import pytest

from mckd.files.runs import RunError
from train.__main__ import main
from train.digits.report import compared, write_report
from train.digits.rows import PAPER, RATES, TABLES, VARIANTS, Row, rows
from train.digits.runs import WEIGHT_DECAYS, Plan, Result, Run, RunsFile
from train.digits.settings import paper
from train.digits.table import choose_decays
from train.statistics import mcnemar

RUN = Run("mckd", "visual", 0.05, 1e-4, 3, 1, "file", "paper", 60)


def result(right, validation=0.5):
    right = np.array(right, bool)
    return Result(validation, float(right.mean()), 0.7, 12.3, right)


class TestRows:
    def test_both_tables_have_every_rated_system_at_every_rate(self):
        found = rows(TABLES["2"])
        assert len(found) == len(set(found))
        for name in TABLES["2"].variants:
            variant = VARIANTS[name]
            mine = [(row.tested, row.rate) for row in found if row.variant == name]
            if variant.rated and not variant.ablation:
                assert mine == [(t, r) for t in ("visual", "audio") for r in RATES]
            else:
                assert mine == [(t, RATES[-1] if variant.rated else 1) for t in variant.tested]

    def test_the_scarce_modality_is_the_one_that_is_not_tested(self):
        assert Row("mckd", "visual", 0.05).changes == {"audio_rate": 0.05}
        assert Row("shaspec", "audio", 0.2).changes == {"system": "shaspec", "visual_rate": 0.2}

    def test_a_lower_bound_is_trained_on_what_it_is_tested_on(self):
        assert Row("lower-bound", "audio").changes == {"system": "lower-bound", "only": "audio"}
        fifth = Row("lower-bound-fifth", "audio")
        assert fifth.changes == {"system": "lower-bound", "only": "audio", "audio_rate": 0.2}
        assert fifth.selects == Row("lower-bound", "audio")
        assert (Row("alone", "audio").alone, Row("mckd", "audio", 0.05).alone) == ("audio", "")

    def test_the_paper_s_rows_are_rows_of_ours(self):
        of_ours = [row for row in PAPER if row.variant in VARIANTS]
        assert set(of_ours) <= set(rows(TABLES["2"]))
        assert len(of_ours) == 3 + 9 * 4  # single rows; three systems on sound and six on pictures

    def test_table_3_changes_the_normalisation_alone(self):
        norms = {row.variant: row.changes.get("normalisation") for row in rows(TABLES["3"])}
        assert norms == {"mckd": None, "mckd-sigmoid": "sigmoid", "mckd-relu": "relu"}
        assert paper().method.normalisation == "softmax"

    def test_figure_3_has_each_strength_with_each_norm(self):
        """The paper's alpha 0, .01, .1, .5, 1 by L1 and L2; without distillation they are one."""
        plan = Plan(tuple(rows(TABLES["ablation"])), 1, (1,), "file", "paper", 60)
        for tested in ("visual", "audio"):
            mine = [row for row in plan.rows if row.tested == tested]
            methods = [plan.run(row, 1e-3, 0, 1).settings().method for row in mine]
            strengths = [(m.alpha, m.p) for m in methods if m.alpha]
            assert sorted(strengths) == [(a, p) for a in (0.01, 0.1, 0.5, 1.0) for p in (1, 2)]
            assert len(methods) == len(strengths) + 1
            assert {row.rate for row in mine} == {0.2}

    def test_rows_can_be_named_by_system_and_by_what_is_tested(self):
        assert rows(TABLES["3"], ["mckd-relu"], ["audio"]) == [Row("mckd-relu", "audio", 0.2)]
        assert rows(TABLES["2"], ["mckd"], ["both"]) == []

    def test_what_differs_from_mckd_in_one_option_has_its_weight_decay(self):
        for word in ("3", "ablation"):
            selects = {row.selects for row in rows(TABLES[word])}
            assert selects == {Row("mckd", "visual", 0.2), Row("mckd", "audio", 0.2)}

    @pytest.mark.parametrize("word", TABLES)
    def test_every_run_is_one_that_the_trainer_takes(self, word):
        plan = Plan(tuple(rows(TABLES[word])), 1, (1,), "file", "paper", 60)
        for row in plan.rows:
            settings = plan.run(row, 1e-3, 0, 1).settings()
            assert (settings.weight_decay, settings.draw, settings.epochs) == (1e-3, 1, 60)


class TestRunsFile:
    def test_what_was_added_is_read_again(self, tmp_path):
        right = np.random.default_rng(0).random(45) < 0.7
        file = RunsFile(tmp_path / "runs.csv")
        file.add(RUN, result(right))
        again = RunsFile(tmp_path / "runs.csv").results
        assert list(again) == [RUN]
        assert np.array_equal(again[RUN].right, right)
        assert again[RUN].test == pytest.approx(right.mean(), abs=1e-6)
        assert (again[RUN].visual_weight, again[RUN].seconds) == (0.7, 12.3)

    def test_half_a_line_of_a_killed_command_goes(self, tmp_path):
        path = tmp_path / "runs.csv"
        file = RunsFile(path)
        file.add(RUN, result([1, 0]))
        whole = path.read_text()
        path.write_text(whole + "mckd,visual,0.05,0.0001,4,1,fi")
        assert list(RunsFile(path).results) == [RUN]
        assert path.read_text() == whole

    def test_a_file_with_other_columns_is_refused(self, tmp_path):
        (tmp_path / "runs.csv").write_text("system,mean\nmckd,93\n")
        with pytest.raises(RunError, match=r"runs\.csv .* another version"):
            RunsFile(tmp_path / "runs.csv")


def test_the_weight_decay_is_the_one_that_validates_best():
    """By the mean over seeds; test accuracy, here the other way round, has no say."""
    plan = Plan((Row("mckd", "visual", 0.05),), 5, (1, 2), "file", "paper", 60, selection_seeds=2)
    validation = dict(zip(WEIGHT_DECAYS, ((0.9, 0.1), (0.6, 0.7), (0.5, 0.5)), strict=True))
    results = {
        run: Result(validation[run.weight_decay][run.seed], 1 - run.weight_decay, None, 1, None)
        for run in plan.selection()
    }
    assert len(results) == 6
    assert choose_decays(plan, results) == {Row("mckd", "visual", 0.2): WEIGHT_DECAYS[1]}
    results.popitem()
    with pytest.raises(RunError, match=r"1 runs that choose weight decays are missing.* mckd"):
        choose_decays(plan, results)


def test_equals_are_chosen_alike_before_and_after_they_are_written(tmp_path):
    """137, 137, 137 and 135, 139, 137 of 150 right: one mean, which six digits tear apart."""
    plan = Plan((Row("mckd", "audio", 0.2),), 1, (1,), "file", "paper", 60)
    of_150 = dict(zip(WEIGHT_DECAYS, ((137, 137, 137), (135, 139, 137), (0, 0, 0)), strict=True))
    file = RunsFile(tmp_path / "runs.csv")
    for run in plan.selection():
        file.add(run, result([1, 0], of_150[run.weight_decay][run.seed] / 150))
    for results in (file.results, RunsFile(file.path).results):
        assert choose_decays(plan, results) == {Row("mckd", "audio", 0.2): WEIGHT_DECAYS[0]}


def test_three_seeds_choose_however_many_the_rows_have():
    """As the frozen recipe says; a table of one seed is a part of the table of ten."""
    one, ten = (Plan((Row("mckd", "visual", 0.05),), s, (1,), "file", "paper", 60) for s in (1, 10))
    assert {run.seed for run in one.selection()} == {0, 1, 2}
    assert list(one.selection()) == list(ten.selection())


class TestComplete:
    """The largest part of a plan that has all its runs, in a table that was stopped."""

    plan = Plan(
        (Row("alone", "visual"), Row("mckd", "visual", 0.2)), 5, (1, 2, 3), "file", "paper", 60
    )
    decays: ClassVar = {row.selects: 1e-4 for row in plan.rows}

    def trained(self, count):
        """The first runs in the order of training."""
        runs = list(self.plan.all_runs(self.decays))
        assert len(runs) == len(set(runs)) == 5 * 3 * 2
        return {run: result([1, 0]) for run in runs[:count]}

    @pytest.mark.parametrize(
        ("runs", "seeds", "draws"),
        [
            *((3, 1, (1,)), (6, 3, (1,)), (9, 3, (1,)), (14, 2, (1, 2, 3)), (16, 3, (1, 2))),
            *((18, 3, (1, 2, 3)), (23, 3, (1, 2, 3)), (24, 4, (1, 2, 3)), (30, 5, (1, 2, 3))),
        ],
    )
    def test_three_seeds_come_first_with_one_draw_then_with_three(self, runs, seeds, draws):
        found = self.plan.complete(self.decays, self.trained(runs))
        assert (found.seeds, found.draws) == (seeds, draws)

    def test_half_of_the_first_draw_is_no_table(self):
        with pytest.raises(RunError, match="1 runs of the first seed are missing"):
            self.plan.complete(self.decays, self.trained(1))

    def test_the_report_says_what_it_is_of(self, tmp_path):
        said = write_report(tmp_path, TABLES["2"], self.plan, self.decays, self.trained(20))
        assert "mean of 3 seeds (of 5 seeds with 3 draws each, as far as" in said
        with (tmp_path / "table.csv").open(encoding="utf-8") as file:
            assert {(x["seeds"], x["draws"]) for x in csv.DictReader(file)} == {("3", "3")}


class TestReport:
    def plan_of(self, tested, draws=(1, 2)):
        rows_ = (Row("lower-bound", tested), Row("mckd", tested, 0.2))
        return Plan(rows_, 1, draws, "file", "paper", 60)

    def lines(self, plan, right):
        """right: by variant, a row per draw."""
        decays = {row.selects: 1e-4 for row in plan.rows}
        results = {run: result(right[run.variant][run.draw - 1]) for run in plan.all_runs(decays)}
        return {line.row.variant: line for line in compared(plan, decays, results)}

    def test_pictures_of_two_draws_are_different_samples(self):
        right = {"lower-bound": [[1, 0, 0], [1, 0, 1]], "mckd": [[1, 1, 1], [1, 1, 0]]}
        lines = self.lines(self.plan_of("visual"), right)
        bound, ours = lines["lower-bound"], lines["mckd"]
        assert (bound.samples, bound.rate) == (6, 0.2)
        assert bound.accuracy.mean == pytest.approx(50)
        assert ours.accuracy.mean == pytest.approx(100 * 5 / 6)
        assert bound.gain.mean == pytest.approx(100 / 3)
        assert bound.p == mcnemar([[1, 1, 1, 1, 1, 0]], [[1, 0, 0, 1, 0, 1]])
        assert bound.p_holm == bound.p  # the only test
        assert ours.gain is None

    def test_recordings_are_the_same_in_both_draws(self):
        right = {"lower-bound": [[1, 0, 0], [1, 0, 1]], "mckd": [[1, 1, 1], [1, 1, 0]]}
        bound = self.lines(self.plan_of("audio"), right)["lower-bound"]
        assert bound.samples == 3
        assert bound.p == mcnemar(right["mckd"], right["lower-bound"])


def test_a_table_at_one_rate_has_a_line_per_row(tmp_path):
    plan = Plan(tuple(rows(TABLES["3"])), 1, (1, 2), "file", "paper", 60)
    decays = {row.selects: 1e-4 for row in plan.rows}
    right = {"mckd": [1, 1, 1, 0], "mckd-sigmoid": [1, 0, 1, 0], "mckd-relu": [1, 1, 1, 0]}
    results = {run: result(right[run.variant]) for run in plan.all_runs(decays)}
    said = write_report(tmp_path, TABLES["3"], plan, decays, results).splitlines()
    head = "| system | accuracy | MCKD minus it | p (Holm) | visual weight |"
    assert said.count(head) == 2  # pictures and sounds
    mine = said[said.index(head) + 2 :][:3]
    assert [line.split(" | ")[0] for line in mine] == ["| MCKD", "| sigmoid of v", "| relu of v"]
    assert mine[0].endswith("[95.11] |  |  | 0.70 |")
    assert "| +25.00 (" in mine[1]
    assert "| +0.00 (+0.00 to +0.00) | 1 | 0.70 |" in mine[2]


def test_the_whole_command_on_the_bundled_set(tmp_path, bundled, capsys):
    """One epoch of two systems; run or reported again, it trains nothing and says the same."""
    words = ["table", "--which", "2", "--data", str(bundled), "--out", str(tmp_path)]
    words += ["--systems", "lower-bound", "mckd", "--seeds", "1", "--draws", "0", "--epochs", "1"]
    words += ["--selection-seeds", "1", "--tested", "visual"]
    assert main([*words, "--report-only"]) == 2
    assert "choose weight decays are missing" in capsys.readouterr().err
    said = []
    for more in ([], [], ["--report-only"]):
        assert main([*words, *more]) == 0
        said.append(capsys.readouterr().out)
    assert "[3/3] " in said[0]  # after the 6 that choose the weight decays
    assert "left" not in said[1] + said[2]
    table = (tmp_path / "table.md").read_text()
    assert all(table in words for words in said)
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4 + 4  # MCKD, and the bound against MCKD, at four rates each
    for line in lines:
        assert 0 <= float(line["low"]) <= float(line["mean"]) <= float(line["high"]) <= 100
        assert (line["p_holm"] == "") == (line["variant"] == "mckd")
        assert line["samples"] == "60"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs.csv", "table.csv", "table.md"]
