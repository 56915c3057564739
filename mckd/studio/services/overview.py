"""All runs in one table: what each was told, where it stands, how it scored."""

from __future__ import annotations

import html
from typing import Any

from mckd.files.runs import RunFolder
from mckd.progress import clock
from mckd.studio.services.records import NAMED, RECORDS_NAME, number, tidy_row
from mckd.studio.services.runs import Run
from mckd.studio.services.training import Training
from mckd.tasks import TASKS, about

COLUMNS = ("Run", "Task", "System", "Preset", "Seed", "Epochs", "State", "Time", "Last validation")
MOST = 100  # runs; the oldest are left out
TAIL = 2**16  # bytes of the records that are looked at for the last validation
SHOWN = 4  # scores of it
VALIDATION = NAMED[1]


def compared(training: Training) -> list[dict[str, str]]:
    """A row per run as text by column, "" where a run does not say; own runs first, newest first.

    Never raises for what a folder may hold.
    """
    return [_row(training, run) for run in training.runs()[:MOST]]


def table(rows: list[dict[str, str]]) -> str:
    """The rows as an HTML table; whatever a run folder holds is text."""
    head = "".join(f"<th scope='col'>{name}</th>" for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(row[name])}</td>" for name in COLUMNS) + "</tr>"
        for row in rows
    )
    return (
        f"<table class='mckd-runs'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        if rows
        else "<p>There is no run yet.</p>"
    )


def _row(training: Training, run: Run) -> dict[str, str]:
    folder = RunFolder(run.path)
    config, last = folder.config(), _last_validation(folder)
    told = config.get("config")
    settings: dict[str, Any] = told if isinstance(told, dict) else {}
    task, seconds = str(config.get("task", "")), number(last.get("time_s"))
    words = {
        "Run": run.label,
        "Task": about(task).name if task in TASKS else task,
        "System": settings.get("system", ""),
        "Preset": config.get("preset", ""),
        "Seed": settings.get("seed", ""),
        "Epochs": settings.get("epochs", ""),
        "State": training.state(run.id)["state"],
        "Time": "" if seconds is None else clock(seconds),
        "Last validation": _scores(last.get(VALIDATION) or {}),
    }
    return {name: str(value)[:100] for name, value in words.items()}


def _scores(values: dict[str, Any]) -> str:
    told = [f"{name} {value:.4f}" for name, value in values.items() if value is not None]
    return ", ".join(told[:SHOWN])


def _last_validation(folder: RunFolder) -> dict[str, Any]:
    """The last record with scores, {} where the end of the records has none."""
    try:
        size = (folder.path / RECORDS_NAME).stat().st_size
    except OSError:
        return {}
    rows, _ = folder.records(max(0, size - TAIL))
    tidy = (tidy_row(row) for row in reversed(rows))
    return next((row for row in tidy if row and row.get(VALIDATION)), {})
