"""The form of the Training tab as a command of `python -m train`, and a run's own command again.

Everything a browser sends is a row of a list or a number, never a path or a piece of a command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mckd.studio.services.records import number
from mckd.systems import SYSTEMS, fitting
from mckd.tasks import TASKS, About, Choice, about

MCKD = "mckd"
COMPLETE = "none"  # the choice "nothing is missing"
SMALL_SET, GIVEN_FOLDER = "bundled", "given"

_FLAG = re.compile(r"--[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Choices:
    """What the form holds. Values come from a browser, so nothing here is trusted yet."""

    task: str
    preset: str = "smoke"
    scarce: str = COMPLETE
    rate: float = 0.10
    seed: int | float | None = 0
    epochs: int | float | None = 0
    data: str = SMALL_SET
    system: str = MCKD


def offered(task: About) -> tuple[Choice, ...]:
    """The systems of the form; that of one modality is trained from a shell, which says which."""
    return tuple(
        Choice(key, SYSTEMS[key].label, SYSTEMS[key].note)
        for key in fitting(task.features)
        if not SYSTEMS[key].of_one
    )


def words_of(choices: Choices, data: str | None) -> list[str]:
    """The words after `python` that train what a form holds; without the run's folder.

    data: the folder that was given when the app was started, if any.

    Raises:
        ValueError: a choice that the form does not have; a sentence.
    """
    if not isinstance(choices.task, str) or choices.task not in TASKS:
        raise ValueError(f"There is no such task. Choose one of: {', '.join(TASKS)}.")
    task = about(choices.task)
    if choices.preset not in [preset.key for preset in task.presets]:
        presets = ", ".join(preset.key for preset in task.presets)
        raise ValueError(f"There is no such preset. Choose one of: {presets}.")
    words = ["-m", "train", task.key, "--preset", choices.preset]
    if choices.system not in [system.key for system in offered(task)]:
        raise ValueError("Choose one of the systems in the list.")
    if choices.system != MCKD:
        words += ["--system", choices.system]
    if task.scarce and choices.scarce != COMPLETE:
        if choices.scarce not in [modality.key for modality in task.scarce]:
            raise ValueError("Choose which modality is rare, or that none is.")
        if not isinstance(choices.rate, (int, float)) or choices.rate not in task.rates:
            shown = ", ".join(f"{rate:.0%}" for rate in task.rates)
            raise ValueError(f"Choose how much of it is left: {shown}.")
        words += [f"--{choices.scarce.replace('_', '-')}-rate", f"{choices.rate:.2f}"]
    words += ["--seed", str(_whole(choices.seed, "The seed", 0, 2**31 - 1))]
    if choices.epochs:  # 0 or nothing: the preset's own
        words += ["--epochs", str(_whole(choices.epochs, "Epochs", 1, 10_000))]
    if choices.data == GIVEN_FOLDER:
        if data is None:
            raise ValueError("No folder was named when the app was started: use bundled data.")
        words += ["--data", data]
    elif choices.data != SMALL_SET:
        raise ValueError("Choose one of the data sources in the list.")
    return words


def saved_words(config: Mapping[str, Any], out: str) -> list[str]:
    """The words of the command in a run's config.json, checked flag by flag.

    out: the run's folder, wherever it lay when it was started.

    Raises:
        ValueError: there is none, or it is damaged; a sentence.
    """
    try:
        words = shlex.split(str(config.get("command", "")))
    except ValueError:
        words = []
    if "-m" in words:
        words = words[words.index("-m") :]
    if len(words) < 3 or words[:2] != ["-m", "train"] or words[2] not in TASKS:
        raise ValueError("The run left no command behind, so it cannot be resumed. Start anew.")
    kept, position = words[:3], 3
    while position < len(words):
        flag, _, value = words[position].partition("=")
        position += 1
        if not _FLAG.fullmatch(flag):
            raise ValueError("The run's saved command is damaged. Start a new run.")
        if not value and position < len(words) and not words[position].startswith("--"):
            value, position = words[position], position + 1
        if flag in ("--resume", "--out"):
            continue
        kept += [flag, value] if value else [flag]
    return [*kept, "--out", out]


def new_name(choices: Choices, now: datetime | None = None) -> str:
    """A folder name from checked choices and the time: digits-smoke-20260131-142500."""
    moment = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
    return f"{choices.task}-{choices.preset}-{moment}"


def _whole(value: object, what: str, low: int, high: int) -> int:
    given = number(value)
    if given is None or given != int(given) or not low <= given <= high:
        raise ValueError(f"{what} must be a whole number from {low} to {high}.")
    return int(given)
