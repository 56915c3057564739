"""What is predicted: one of K classes, or a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mckd.tables.data import Bools
from mckd.tables.files import TableError, Words, number_in

MOST_CLASSES = 100
MOST_WHOLE = 20
"""Labels that are all whole numbers are classes up to this many different ones."""

_WHOLE = re.compile(r"0|-?[1-9]\d{0,99}", re.ASCII)
"""A whole number as Python writes it, and no longer than it reads."""


@dataclass(frozen=True)
class Target:
    """name: of the labels' column. classes: (K,), as they are written; none of a number.

    mean, std: of the training part's numbers, by which they are standardised.
    """

    name: str
    classes: tuple[str, ...]
    mean: float = 0.0
    std: float = 1.0

    @property
    def is_number(self) -> bool:
        return not self.classes

    @property
    def outputs(self) -> int:
        """Values that a network gives: K logits, or one standardised number."""
        return len(self.classes) or 1

    @property
    def labels(self) -> tuple[str | int, ...]:
        """The classes, whole numbers where all of them are."""
        plain = all(map(_WHOLE.fullmatch, self.classes))
        return tuple(int(c) for c in self.classes) if plain else self.classes

    def spelled(self, label: str) -> str | int | float:
        """One label of the data as predictions spell it."""
        if self.is_number:
            return number_in(label)
        return self.labels[self.classes.index(label)] if label in self.classes else label

    def encode(self, labels: Words) -> Tensor:
        """(n,) int64, the place of each class and -1 where it is none of them; or (n,) float32,
        standardised, NaN where it is no number."""
        if self.is_number:
            return torch.tensor([(number_in(v) - self.mean) / self.std for v in labels]).float()
        place = {c: k for k, c in enumerate(self.classes)}
        return torch.tensor([place.get(v, -1) for v in labels], dtype=torch.int64)

    def known(self, labels: Words) -> Bools:
        """(n,): which labels can be scored."""
        if self.is_number:
            return np.array([np.isfinite(number_in(v)) for v in labels], bool)
        return np.array([v is not None for v in labels], bool)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "classes": [*self.classes], "mean": self.mean, "std": self.std}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Target:
        return cls(said["name"], tuple(said["classes"]), said["mean"], said["std"])

    @classmethod
    def fit(cls, name: str, labels: Words, training: Words, problem: str = "auto") -> Target:
        """Of all labels, and the statistics of those of the training part.

        problem: `classification`, `regression`, or `auto`, which takes numbers for classes if they
        are whole and few.

        Raises:
            TableError: fewer than two different labels, too many classes, words for a regression.
        """
        different = sorted({str(v) for v in labels}, key=_in_order)
        if len(different) < 2:
            raise TableError(f"All labels {name!r} are alike. There is nothing to learn.")
        numbers = [number_in(v) for v in different]
        numeric = bool(np.isfinite(numbers).all())
        whole = numeric and all(v == int(v) for v in numbers) and len(different) <= MOST_WHOLE
        if problem == "regression" and not numeric:
            odd = next(v for v, n in zip(different, numbers, strict=True) if not np.isfinite(n))
            raise TableError(f"The label {odd!r} is no number, so {name!r} is no regression.")
        if problem == "regression" or (problem == "auto" and numeric and not whole):
            values = np.array([number_in(v) for v in training])
            return cls(name, (), float(values.mean()), float(values.std()) or 1.0)
        if len(different) > MOST_CLASSES:
            raise TableError(
                f"{name!r} has {len(different):,} different labels; at most {MOST_CLASSES} classes "
                "can be told apart. Numbers are predicted with --problem regression."
            )
        return cls(name, tuple(different))


def _in_order(label: str) -> tuple[float, str]:
    """Numbers by size, then words by the alphabet."""
    number = number_in(label)
    return (number, label) if np.isfinite(number) else (float("inf"), label)
