"""A model that finds the reference, and what tests of open cases do again and again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk, Update
from mckd.studio.tasks.tumour.presentation import findings
from mckd.tumour import regions
from mckd.tumour.advice import Advice
from tests.patience import PATIENCE_S


class Found(SimpleNamespace):
    """A prediction that is certain of all that it found."""

    @property
    def calibrated(self) -> Any:
        return self.case.brain.crop(self.canonical).astype(np.float32)

    cropped_probabilities = calibrated


class Stub:
    """Finds the reference, without enhancing tumour when T1c is missing."""

    def __init__(self) -> None:
        self.importance = {"flair": 0.4, "t1": 0.1, "t1c": 0.3, "t2": 0.2}
        self.about = {"data": {"name": "two stubs"}}
        self.encoded: list[str] = []
        self.decided: list[frozenset[str]] = []
        self.forgotten: list[str] = []
        self.before = "no"
        self.intervals: dict[str, tuple[float, float]] = {}
        self.advice: list[Advice] = []
        self.pause = threading.Event()
        self.pause.set()

    def encode(self, case: Any, progress: Any) -> Any:
        self.encoded.append(case.name)
        progress(0.5)
        assert self.pause.wait(PATIENCE_S)
        progress(1.0)
        return case

    def saw(self, case: Any) -> str:
        return self.before

    def forget(self, encoded: Any) -> None:
        self.forgotten.append(encoded.name)

    def decide(self, encoded: Any, used: frozenset[str]) -> Any:
        self.decided.append(used)
        labels = encoded.labels
        if labels is None:
            labels = np.zeros(encoded.grid.canonical.shape, np.uint8)
        found = regions(labels)
        if "t1c" not in used:
            found[0] = False
        return Found(
            case=encoded, canonical=found, present=used, intervals_ml=self.intervals,
            advice=self.advice,
        )  # fmt: skip


def last(updates: Iterator[Update]) -> Update:
    return list(updates)[-1]


def opened(service: CaseService, key: str = "phantom_a") -> Desk:
    desk = Desk()
    assert last(service.open(desk, service.sources.bundled(key))).answer is not None
    return desk


def upload(service: CaseService, file: Path) -> str:
    """The ticket of a file that a browser sent."""
    with file.open("rb") as data:
        return service.folders.receive("a browser", file.name, data)


def shown(service: CaseService, update: Update | None) -> dict[str, Any]:
    assert update is not None
    return findings(service.segmentation, update)
