"""The form of the Training tab as a command of `python -m train`, and a run's own command again.

Everything a browser sends is a row of a list or a number, never a path or a piece of a command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
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
    like: str = ""  # a run whose further options are taken over


def offered(task: About) -> tuple[Choice, ...]:
    """The systems of the form; that of one modality is trained from a shell, which says which."""
    return tuple(
        Choice(key, SYSTEMS[key].label, SYSTEMS[key].note)
        for key in fitting(task.features)
        if not SYSTEMS[key].of_one
    )


def words_of(choices: Choices, data: Mapping[str, str], further: Sequence[str] = ()) -> list[str]:
    """The words after `python` that train what a form holds; without the run's folder.

    data: folders of the user's own by what the form calls them. further: options that the form
    has not; see `further_of`.

    Raises:
        ValueError: a choice that the form does not have; a sentence.
    """
    if not isinstance(choices.task, str) or choices.task not in TASKS:
        raise ValueError(f"There is no such task. Choose one of: {', '.join(TASKS)}.")
    task = about(choices.task)
    if choices.preset not in [preset.key for preset in task.presets]:
        presets = ", ".join(preset.key for preset in task.presets)
        raise ValueError(f"There is no such preset. Choose one of: {presets}.")
    words = ["-m", "train", task.key, *further, "--preset", choices.preset]
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
    if choices.data == GIVEN_FOLDER and GIVEN_FOLDER not in data:
        raise ValueError("No folder was named when the app was started: use bundled data.")
    if choices.data != SMALL_SET:
        if not isinstance(choices.data, str) or choices.data not in data:
            raise ValueError("Choose one of the data sources in the list.")
        words += ["--data", data[choices.data]]
    return words


def choices_of(config: Mapping[str, Any], data: Mapping[str, str]) -> Choices:
    """The form as it would have to be filled to train a run once more; see `further_of`.

    data: as for `words_of`.

    Raises:
        ValueError: it left no command behind, or a damaged one; a sentence.
    """
    words = saved_words(config, "")
    task, said = about(words[2]), dict(_flags(words[3:]))
    rare = [one.key for one in task.scarce if f"--{one.key.replace('_', '-')}-rate" in said]
    said_rate = said.get(f"--{rare[0].replace('_', '-')}-rate") if rare else None
    numbers = [said_rate or task.rate or 0.0, said.get("--seed") or 0, said.get("--epochs") or 0]
    try:
        rate, seed, epochs = float(numbers[0]), int(numbers[1]), int(numbers[2])
    except ValueError:
        raise ValueError("The run's saved command is damaged. Fill in the form by hand.") from None
    return Choices(
        task=task.key,
        preset=said.get("--preset") or "paper",  # what the command takes where none is named
        scarce=rare[0] if rare else COMPLETE,
        rate=rate,
        seed=seed,
        epochs=epochs,
        data=next((key for key, path in data.items() if path == said.get("--data")), SMALL_SET),
        system=said.get("--system") or MCKD,
    )


def further_of(config: Mapping[str, Any], task: object, data: Mapping[str, str]) -> list[str]:
    """The options of a run that the form has not, such as `--lr 0.001`, as words.

    data: as for `words_of`.

    Raises:
        ValueError: it left no command behind, or is of another task; a sentence.
    """
    words = saved_words(config, "")
    if words[2] != task:
        raise ValueError("The run whose further options are taken over is of another task.")
    rates = {f"--{one.key.replace('_', '-')}-rate" for one in about(words[2]).scarce}
    ours = {"--preset", "--system", "--seed", "--epochs", "--out", *rates}
    kept = [
        (flag, value)
        for flag, value in _flags(words[3:])
        if flag not in ours and not (flag == "--data" and value in data.values())
    ]
    return [word for flag, value in kept for word in (flag, value) if word]


def longer_words(config: Mapping[str, Any], out: str, more: object) -> list[str]:
    """The words of a run's command for `more` epochs beyond its end.

    Raises:
        ValueError: see `saved_words`; or no whole number of epochs.
    """
    settings = config.get("config")
    before = number(settings.get("epochs")) if isinstance(settings, dict) else None
    if before is None:
        raise ValueError("The run does not say how long it was, so it cannot be extended.")
    total = int(before) + _whole(more, "More epochs", 1, 10_000)
    words = saved_words(config, out)
    kept = [w for f, v in _flags(words[3:]) if f != "--epochs" for w in (f, v) if w]
    return [*words[:3], *kept, "--epochs", str(total), "--resume"]


def _flags(words: Sequence[str]) -> list[tuple[str, str]]:
    """Words as `saved_words` gives them, each flag with its value; "" where it has none."""
    found: list[tuple[str, str]] = []
    for word in words:
        if _FLAG.fullmatch(word):
            found.append((word, ""))
        elif found:
            found[-1] = found[-1][0], word
    return found


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


def said_of(choices: Choices) -> str:
    """Checked choices in a few words: Digits, Smoke test, MCKD, seed 1, 30 epochs."""
    task = about(choices.task)
    preset = next(one.label for one in task.presets if one.key == choices.preset)
    words = [task.name, preset, SYSTEMS[choices.system].label, f"seed {choices.seed or 0}"]
    if choices.epochs:
        words.append(f"{choices.epochs} epochs")
    if choices.like:
        words.append(f"like {choices.like}")
    return ", ".join(words)


def new_name(choices: Choices, now: datetime | None = None) -> str:
    """A folder name from checked choices and the time: digits-smoke-20260131-142500."""
    moment = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
    return f"{choices.task}-{choices.preset}-{moment}"


def _whole(value: object, what: str, low: int, high: int) -> int:
    given = number(value)
    if given is None or given != int(given) or not low <= given <= high:
        raise ValueError(f"{what} must be a whole number from {low} to {high}.")
    return int(given)
