"""Figures as CSV and JSON: right, complete, safe in a spreadsheet, and with their meaning."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from mckd.report.tables import contributions_csv, figures_csv, figures_json


def lines(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_a_line_per_subset_and_region(subject) -> None:
    rows = lines(figures_csv(subject))
    assert len(rows) == 15 * 3
    assert [row["subset"] for row in rows[::3]] == [row.key for row in subject.compared.rows]
    last = rows[-1]
    found = subject.compared.rows[-1]["wt"]
    assert float(last["volume_ml"]) == pytest.approx(found.volume_ml, abs=1e-3)
    assert (last["region"], last["dice"], last["change_ml"]) == ("wt", "1.0", "0.0")
    assert (last["outcome"], last["hd95_mm"]) == ("found", "0.0")


def test_a_number_that_does_not_exist_is_empty(blind, make, case) -> None:
    row = lines(figures_csv(blind))[0]
    assert (row["dice"], row["hd95_mm"], row["outcome"]) == ("", "", "")
    assert row["agreement_dice"] != ""
    no_et = dataclasses.replace(case, labels=np.where(case.labels == 4, 1, case.labels))
    row = lines(figures_csv(make(no_et)))[0]
    assert (row["region"], row["outcome"]) == ("et", "correctly empty")
    assert (row["dice"], row["agreement_dice"], row["brats_dice"]) == ("", "", "1.0")


def test_contributions_add_up(subject) -> None:
    rows = lines(contributions_csv(subject))
    assert len(rows) == 3 * 4
    for region in ("et", "tc", "wt"):
        mine = [row for row in rows if row["region"] == region]
        total = sum(float(row["contribution_ml"]) for row in mine)
        assert total == pytest.approx(float(mine[0]["total_ml"]), abs=0.01)
        assert sum(float(row["contribution_dice"]) for row in mine) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "name", ['=HYPERLINK("http://x")', "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1"]
)
def test_no_cell_is_a_formula(make, case, name) -> None:
    subject = make(dataclasses.replace(case, name=name))
    for table in (figures_csv(subject), contributions_csv(subject)):
        for row in csv.reader(io.StringIO(table.decode(), newline="")):
            for cell in row:
                try:
                    float(cell)
                except ValueError:
                    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


def test_json_holds_every_figure_and_what_it_means(subject) -> None:
    whole = json.loads(figures_json(subject))
    assert whole["purpose"].startswith("Research only, not a medical device.")
    assert whole["synthetic"] is True
    assert whole["case"] == "Anna_b_Example"
    assert whole["date"] == "2026-11-02"
    assert whole["model"]["sha256"] == "0123456789abcdef" * 4
    assert whole["model"]["data"] == "7 invented cases"
    assert whole["model"]["importance"]["flair"] == 0.4
    assert {"mckd", "python", "torch", "numpy"} <= set(whole["versions"])
    assert whole["geometry"]["axes"] == "PSL"
    assert len(whole["subsets"]) == 15
    assert whole["subsets"][0]["sequences"] == ["flair"]
    assert set(whole["contributions"]) == {"et", "tc", "wt"}
    assert "Shapley" in whole["meaning"]["contributions"]
    assert "diagonal" in whole["meaning"]["empty_masks"]


def test_json_without_a_reference_and_with_subsets_missing(blind) -> None:
    whole = json.loads(figures_json(blind))
    assert (whole["reference"], whole["hd95"], whole["contributions"]) == (False, False, None)
    assert whole["geometry"]["sides_known"] is False
    assert whole["geometry"]["axes"] == "PS?"
    assert whole["notes"] == [
        "One of the files: 3 voxels were no numbers (NaN or infinite); taken as 0."
    ]


class TestRanges:
    def test_are_figures_with_a_meaning(self, ranged) -> None:
        row = lines(figures_csv(ranged))[-1]
        assert (row["volume_low_ml"], row["volume_high_ml"]) == ("0.0", "20.5")
        whole = json.loads(figures_json(ranged))
        assert whole["subsets"][-1]["regions"]["tc"]["volume_low_ml"] == 2
        assert whole["subsets"][-1]["no_tumour"].startswith("No tumour found that is certain")
        assert whole["meaning"]["volume_low_ml"] == "Measured on invented cases."

    def test_are_empty_without_a_calibration(self, subject) -> None:
        row = lines(figures_csv(subject))[-1]
        assert (row["volume_low_ml"], row["volume_high_ml"]) == ("", "")
        assert json.loads(figures_json(subject))["subsets"][-1]["no_tumour"] is None


class TestAdvice:
    def test_is_of_each_subset_and_region(self, ranged) -> None:
        et, _, wt = lines(figures_csv(ranged))[:3]
        told = [
            (row["next_sequence"], row["next_dice_gain"], row["next_narrowing_ml"])
            for row in (et, wt)
        ]
        assert told == [("t1c", "0.31", "1.5"), ("t1c", "0.0", "-0.5")]
        whole = json.loads(figures_json(ranged))
        assert whole["subsets"][0]["advice"] == [
            {
                "sequence": "t1c",
                "dice_gain": {"et": 0.31, "tc": 0.2, "wt": 0.0},
                "narrowing_ml": {"et": 1.5, "tc": 2.25, "wt": -0.5},
            }
        ]
        assert "can only be expected" in whole["meaning"]["advice"]

    def test_of_all_sequences_is_none(self, ranged) -> None:
        assert lines(figures_csv(ranged))[-1]["next_sequence"] == ""
        assert json.loads(figures_json(ranged))["subsets"][-1]["advice"] == []

    def test_is_unknown_without_a_calibration(self, subject) -> None:
        assert lines(figures_csv(subject))[0]["next_sequence"] == ""
        whole = json.loads(figures_json(subject))
        assert whole["subsets"][0]["advice"] is None
        assert whole["meaning"]["advice"] is None
