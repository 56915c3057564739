"""python -m mckd follow: visits from folders, their dates, what is written, what is refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mckd.__main__ import main
from tests import small_heads


@pytest.fixture
def follow(tmp_path: Path, checkpoint: Path):
    """follow(visit, ...): the exit status and the folder of the tables."""

    def follow(*words: Path | str) -> tuple[int, Path]:
        out = tmp_path / "out"
        options = ["--out", str(out), "--checkpoint", str(checkpoint), "--anyway"]
        return main(["follow", *map(str, words), *options]), out

    return follow


@pytest.fixture
def visits(tmp_path: Path) -> list[Path]:
    """Of the same head, the later one first, in folders whose names hold dates."""
    days = {"20240428": ("flair", "t1"), "20240131": ("flair", "t2")}
    return [
        small_heads.save_case(tmp_path / "in" / f"Meier_{day}", words=words, reference=False)
        for day, words in days.items()
    ]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_two_visits_are_compared_by_what_both_have(follow, visits, capsys) -> None:
    code, out = follow(*visits)
    assert code == 0
    assert {path.name for path in out.iterdir()} == {
        "changes.csv", "visits.csv", "followup.json", "followup.pdf",
    }  # fmt: skip
    changes = rows(out / "changes.csv")
    assert [row["region"] for row in changes] == ["et", "tc", "wt"]
    for row in changes:
        assert (row["from"], row["to"], row["days"]) == ("1", "2", "88")
        assert (row["subset_from"], row["subset_to"]) == ("flair+t2", "flair+t1")
        assert row["compared_by"] == "flair"
        parts = float(row["growth_ml"]) + float(row["protocol_ml"])
        assert float(row["plain_ml"]) == pytest.approx(parts, abs=0.002)
    # The head is the same, so from the same sequence nothing has grown.
    assert {row["growth_ml"] for row in changes} == {"0.0"}
    dates = {row["visit"]: row["date"] for row in rows(out / "visits.csv")}
    assert dates == {"1": "2024-01-31", "2": "2024-04-28"}
    said = capsys.readouterr().out
    assert "Meier_20240131 to Meier_20240428, 88 days: Compared from FLAIR, the" in said
    names_nobody_and_says_what_it_means(out)


def names_nobody_and_says_what_it_means(out: Path) -> None:
    for path in out.iterdir():
        assert b"Meier" not in path.read_bytes()
    told = json.loads((out / "followup.json").read_text())
    assert "no growth" in told["meaning"]["growth_ml"]
    assert "not a medical device" in told["purpose"]
    assert told["common_to_all"] == ["flair"]


def test_a_folder_of_cases_is_its_visits_and_dates_that_are_given_count(follow, visits) -> None:
    """They are those of the visits in the order of their names."""
    code, out = follow(visits[0].parent, "--dates", "2023-01-11,2023-01-01")
    assert code == 0
    row = rows(out / "changes.csv")[0]
    assert (row["days"], row["subset_from"]) == ("10", "flair+t1")


def test_a_date_in_the_name_of_what_holds_all_visits_is_of_none(follow, visits) -> None:
    """It may be the day of a birth. In a visit's own name the deepest folder tells."""
    patient = visits[0].parent.rename(visits[0].parent.with_name("Meier_20010712"))
    for visit, name in zip(visits, ("t1", "t0"), strict=True):
        (patient / visit.name).rename(patient / name)
    code, out = follow(patient)
    assert code == 0
    assert {row["date"] for row in rows(out / "visits.csv")} == {""}


def test_a_day_of_birth_in_the_names_of_all_visits_is_the_date_of_none(
    follow, visits, capsys
) -> None:
    for place, visit in enumerate(visits, start=1):
        visit.rename(visit.with_name(f"MUELLER_19850312_v{place}"))
    code, out = follow(visits[0].parent)
    assert code == 0
    assert {row["date"] for row in rows(out / "visits.csv")} == {""}
    assert not any(b"1985" in path.read_bytes() for path in out.iterdir())
    said = capsys.readouterr()
    assert "MUELLER_19850312_v1: The date in its name is in that of another visit too" in said.err
    assert "of one day" not in said.out


def test_visits_of_two_heads_are_said_to_be_of_two_people(follow, tmp_path, capsys) -> None:
    """The same outline and tumour, other tissue."""
    one = small_heads.save_case(tmp_path / "a", words=("t1",), reference=False)
    noise = np.random.default_rng(7).integers(0, 40, small_heads.SHAPE)
    head = np.where(small_heads.brain(), 340 + noise, 0).astype(np.int16)
    other = small_heads.save(tmp_path / "b" / "b_t1.nii.gz", head, about=b"MCKD synthetic case")
    code, out = follow(one, other.parent)
    assert code == 0
    assert "a to b: These visits may be of two people: the folds" in capsys.readouterr().out
    assert {row["verdict"] for row in rows(out / "changes.csv")} == {"two people?"}
    code, out = follow(one, other.parent, "--one-patient", "--replace")
    assert code == 0
    assert "although the folds of their brains do not fit" in capsys.readouterr().out
    assert {row["verdict"] for row in rows(out / "changes.csv")} == {"no ranges"}


def test_visits_without_a_common_sequence_are_said_not_to_compare(follow, tmp_path, capsys) -> None:
    one = small_heads.save_case(tmp_path / "a", words=("t1",), reference=False)
    other = small_heads.save_case(tmp_path / "b", words=("t2",), reference=False)
    code, out = follow(one, other)
    assert code == 0
    assert "no sequence in common" in capsys.readouterr().out
    assert {row["verdict"] for row in rows(out / "changes.csv")} == {"not comparable"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "only one visit"),
        (("--dates", "2024-01-01"), "1 dates, but there are 2 visits"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(follow, visits, capsys, words, why) -> None:
    given = visits if words else visits[:1]
    code, out = follow(*given, *words)
    assert code == 2
    assert why in capsys.readouterr().err
    assert not out.exists()


def test_a_visit_that_cannot_be_read_ends_it(follow, visits, capsys) -> None:
    (visits[0] / f"{visits[0].name}_t1.nii.gz").write_bytes(b"no image")
    code, out = follow(*visits)
    assert code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("Error: Meier_20240428: ")
    assert not out.exists()


def test_earlier_results_stay(follow, visits, capsys) -> None:
    out = visits[0].parents[1] / "out"
    out.mkdir()
    (out / "visits.csv").write_text("mine")
    assert follow(*visits)[0] == 2
    assert "--replace" in capsys.readouterr().err
    assert (out / "visits.csv").read_text() == "mine"
    assert follow(*visits, "--replace")[0] == 0
    assert rows(out / "visits.csv")[0]["visit"] == "1"


def test_dates_that_are_none_are_refused(follow, visits, capsys) -> None:
    with pytest.raises(SystemExit):
        follow(*visits, "--dates", "31.1.2024,28.4.2024")
    assert "no date. Write it like 2024-01-31." in capsys.readouterr().err
    with pytest.raises(SystemExit):
        follow(*visits, "--dates", "2024-01-31,9999-04-28")
    assert "lies in the future" in capsys.readouterr().err


def test_the_same_images_are_no_two_visits(follow, visits, tmp_path, capsys) -> None:
    """Told apart by other names, they would be a tumour that has not changed in a year."""
    copy = tmp_path / "in" / "Meier_20250428"
    shutil.copytree(visits[0], copy)
    code, out = follow(*visits, copy)
    assert code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "Error: Meier_20240428 and Meier_20250428 are the same images: give each visit once."
    )
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(
    follow, visits, tmp_path, capsys
) -> None:
    (tmp_path / "out").write_text("mine")
    assert follow(*visits)[0] == 2
    (said,) = capsys.readouterr().err.splitlines()  # no line of a visit before it
    assert said.startswith(f"Error: {tmp_path / 'out'} is no folder")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_told_before_anything_is_read(
    follow, visits, tmp_path, capsys
) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    assert follow(*visits)[0] == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"Error: Nothing may be written to {tmp_path / 'out'}.")
