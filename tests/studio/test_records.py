"""What of a run reaches the browser: rows after a cursor, names, facts, files."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mckd.studio.services.records import MAX_SERIES, names_of, system_of, thin, tidy_row
from mckd.studio.services.training import Training
from tests.studio.written import HOSTILE, row, write_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project root with nothing in it."""
    return tmp_path


@pytest.mark.parametrize(
    "cursor", [*HOSTILE, "5", "5:", "-1:0", "1:1", "99999999:12345", "9" * 40 + ":0"]
)
def test_a_cursor_that_is_not_ours_starts_from_the_beginning(project: Path, cursor: Any) -> None:
    write_run(project)
    reply = Training(project).since("one", cursor)
    assert [r["step"] for r in reply["rows"]] == [1, 2, 3]
    assert reply["reset"] is True


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_however_the_file_grows_each_row_arrives_once(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("grow")
    steps = data.draw(st.integers(1, 30))
    lines = b"".join(json.dumps(row(s)).encode() + b"\n" for s in range(1, steps + 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=8)))
    folder = root / "runs" / "one"
    folder.mkdir(parents=True)
    training, cursor, seen, written = Training(root), None, [], 0
    for cut in [*cuts, len(lines)]:
        with (folder / "records.jsonl").open("ab") as file:
            file.write(lines[written:cut])
        written = cut
        reply = training.since("one", cursor)
        cursor = reply["cursor"]
        if reply["reset"]:
            seen = []
        seen += [r["step"] for r in reply["rows"]]
    assert seen == list(range(1, steps + 1))


def test_nothing_new_is_an_empty_answer(project: Path) -> None:
    write_run(project)
    training = Training(project)
    first = training.since("one")
    again = training.since("one", first["cursor"])
    assert again["rows"] == []
    assert again["reset"] is False


def test_a_file_replaced_by_a_longer_one_starts_anew(project: Path) -> None:
    run = write_run(project, rows=3)
    training = Training(project)
    cursor = training.since("one")["cursor"]
    records = run.path / "records.jsonl"
    records.write_text("".join(json.dumps(row(s)) + "\n" for s in range(100, 120)))
    reply = training.since("one", cursor)
    assert reply["reset"] is True
    assert reply["rows"][0]["step"] == 100
    assert len(reply["rows"]) == 20


def test_broken_lines_and_odd_numbers_are_tolerated(project: Path) -> None:
    run = write_run(project, rows=0)
    (run.path / "records.jsonl").write_text(
        '{"step": 1, "task_loss": NaN, "iwv": {"visual": Infinity, "audio": null}}\n'
        "not json\n"
        "[1, 2]\n"
        '{"no": "step"}\n'
        '{"step": "three"}\n'
        '{"step": 4, "iwv": 7, "validation": {"visual": "high", "both": 0.123456789}}\n'
        '{"step": 5, "task_lo'
    )
    reply = Training(project).since("one")
    assert reply["rows"] == [
        {"step": 1, "task_loss": None, "iwv": {"visual": None, "audio": None}},
        {"step": 4, "validation": {"visual": None, "both": 0.12346}},
    ]
    json.dumps(reply, allow_nan=False)


def test_a_row_has_the_losses_of_its_system_and_no_others() -> None:
    losses = {"task_loss": 1.0, "domain_loss": 0.5, "alignment_loss": None}
    other = {"loss": 2.0, "x" * 99 + "_loss": 3.0, "<b>_loss": 4.0}
    assert tidy_row({"step": 1, **losses, **other}) == {"step": 1, **losses}
    many = {f"{a}{b}_loss": 0.0 for a in string.ascii_lowercase for b in string.ascii_lowercase}
    assert len(tidy_row({"step": 1, **many}) or {}) <= MAX_SERIES + 1


def test_a_row_names_a_bounded_number_of_series() -> None:
    filled = {"fill_l1": {"t1": 0.25}, "fill_cosine": {"t1": 0.75}}  # paper, Fig. 5
    filled["feature_std"] = {"1": 0.5}
    assert tidy_row({"step": 1, **filled}) == {"step": 1, **filled}
    tidy = tidy_row({"step": 1, "iwv": {f"m{i}": 0.0 for i in range(1000)}})
    assert tidy is not None
    assert len(tidy["iwv"]) <= MAX_SERIES


def test_long_runs_are_thinned_but_keep_their_ends_and_validations(project: Path) -> None:
    rows = [{"step": s} for s in range(10_000)]
    for s in range(0, 10_000, 100):
        rows[s]["validation"] = {"both": 0.5}
    kept = thin(rows, 1500)
    steps = [r["step"] for r in kept]
    assert len(kept) <= 1500
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, 9999)
    assert sum("validation" in r for r in kept) == 100
    assert thin(rows[:7], 1500) == rows[:7]


def test_facts_are_short_plain_text_without_the_path_of_the_project(project: Path) -> None:
    write_run(project)
    facts = dict(Training(project).facts("one"))
    assert facts["Preset"] == "smoke"
    assert facts["method: alpha"] == "0.1"
    assert facts["index"].endswith("(900 in all)")
    assert str(project) not in str(facts)


def test_records_can_be_taken_home(project: Path) -> None:
    write_run(project)
    training = Training(project)
    lines = training.export("one", "csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["step", "epoch", "task_loss"]
    assert "iwv.visual" in lines[0]
    assert len(lines) == 4
    rows = [json.loads(line) for line in training.export("one", "jsonl").read_text().splitlines()]
    assert rows == [row(1), row(2), row(3)]
    with pytest.raises(ValueError, match="csv or jsonl"):
        training.export("one", "../x")


def test_names_of_curves_are_of_the_run_and_its_task(project: Path) -> None:
    write_run(project)
    names = Training(project).since("one")["names"]
    assert names["audio"] == {"label": "Voice", "colour": "--mk-digits-audio"}
    assert list(names) == ["visual", "audio", "both"]


def test_the_system_of_a_run_is_named_or_left_out(project: Path) -> None:
    write_run(project)
    assert Training(project).since("one")["system"] == ""
    assert system_of({"config": {"system": "shaspec"}}) == "ShaSpec"
    for odd in ({}, {"config": []}, {"config": {"system": "x"}}, {"config": {"system": ["mckd"]}}):
        assert system_of(odd) == ""


def test_modalities_that_only_the_data_knows_are_drawn_too() -> None:
    own = {"task": "digits", "modalities": ["visual", "touch"]}
    assert names_of(own)["touch"] == {"label": "touch", "colour": ""}
    assert names_of({"task": "gone", "modalities": ["a"]}) == {"a": {"label": "a", "colour": ""}}
    assert names_of({"task": ["digits"], "modalities": "ab"}) == {}
