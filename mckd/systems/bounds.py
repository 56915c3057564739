"""The bounds of the paper's tables: the same training with the method taken out.

Upper bound: the task's own network with every modality, always. Lower bound: a network of its own
for one modality and nothing else. What lies between them is what a method can win.
"""

from __future__ import annotations

from dataclasses import dataclass

from mckd.method import MissingModalityNetwork
from mckd.systems.blocks import descend, task_alone
from mckd.systems.system import Moment, Parts, System


@dataclass(frozen=True)
class NoOptions:
    """There is nothing to choose."""


class UpperBound(System):
    """The task loss alone, and nothing is dropped."""

    Options = NoOptions
    drops = False

    @classmethod
    def build(cls, parts: Parts, options: NoOptions) -> MissingModalityNetwork:
        return parts.network()

    def step(self, now: Moment) -> dict[str, float]:
        return descend(self, now, task_alone(self))


class LowerBound(UpperBound):
    """One modality (`--only`), which the task's parts are then of."""

    @classmethod
    def build(cls, parts: Parts, options: NoOptions) -> MissingModalityNetwork:
        if len(parts.modalities) != 1:
            raise ValueError("A lower bound sees one modality. Say which: --only NAME.")
        return parts.network()
