"""Whether data can be trained on, and what is in it: `python -m train TASK ... --check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train.task import Task


def report(task: Task) -> list[str]:
    """Lines about data that a task has read: how much of each part there is, not what it is called.

    What cannot be trained on has ended in an error before.
    """
    lines = ["These data can be trained on.", f"Steps in an epoch: {task.steps_per_epoch}."]
    for name, value in task.provenance.items():
        if said := _said(value):
            lines.append(f"{name.replace('_', ' ').capitalize()}: {said}.")
    return lines


def _said(value: Any) -> str:
    """A value in few words; of a list, how long it is."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said}" for name, part in value.items() if (said := _said(part)))
    if isinstance(value, (list, tuple)):
        return str(len(value))
    return "" if value is None else str(value).rstrip(".")
