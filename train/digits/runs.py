"""The runs of Table 2: what each is told, what it found, and the file that keeps both.

A run is a line of `runs.csv`: what it was told, its accuracy, and which test samples it answered
rightly, so that every number of the table can be worked out again without training.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mckd.files.atomic import write_atomically
from mckd.files.runs import RunError
from train.digits.rows import Row
from train.digits.settings import DigitSettings, paper
from train.settings import override

WEIGHT_DECAYS = (1e-2, 1e-3, 1e-4)
SELECTION_SEEDS = 3
FIRST = ((3, 1), (3, 3))
"""Designs (seeds, draws) that are complete before a larger one is begun."""
Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, order=True)
class Run:
    """What a run is told, and what its line is found by."""

    variant: str
    tested: str
    rate: float
    weight_decay: float
    seed: int
    draw: int
    order: str
    features: str
    epochs: int

    @property
    def row(self) -> Row:
        return Row(self.variant, self.tested, self.rate)

    def settings(self) -> DigitSettings:
        common = {
            "seed": self.seed,
            "draw": self.draw,
            "order": self.order,
            "features": self.features,
            "epochs": self.epochs,
            "validate_every": self.epochs,
            "weight_decay": self.weight_decay,
        }
        return override(paper(), common | self.row.changes)


@dataclass(frozen=True)
class Result:
    """Of a finished run.

    validation, test: accuracy of the tested subset, 0..1. visual_weight: the IWV's visual
    component at the end; None where the system learns none. seconds: of the run. right: (n,) which
    test samples were answered rightly.
    """

    validation: float
    test: float
    visual_weight: float | None
    seconds: float
    right: Right


@dataclass(frozen=True)
class Plan:
    """What the command was asked for.

    draws: by number; 0 is the order of the files itself. selection_seeds: how many choose the
    weight decays, however many `seeds` the rows have.
    """

    rows: tuple[Row, ...]
    seeds: int
    draws: tuple[int, ...]
    order: str
    features: str
    epochs: int
    selection_seeds: int = SELECTION_SEEDS

    def run(self, row: Row, decay: float, seed: int, draw: int) -> Run:
        told = (self.order, self.features, self.epochs)
        return Run(row.variant, row.tested, row.rate, decay, seed, draw, *told)

    def selection(self) -> Iterator[Run]:
        """The runs whose validation chooses the weight decays."""
        for row in dict.fromkeys(row.selects for row in self.rows):
            for decay in WEIGHT_DECAYS:
                for seed in range(self.selection_seeds):
                    yield self.run(row, decay, seed, self.draws[0])

    def all_runs(self, decays: dict[Row, float]) -> Iterator[Run]:
        """Each once: those of FIRST designs, then a seed after the other with every draw, so that
        what is there early is a complete smaller table."""
        designs = [(min(s, self.seeds), self.draws[:d]) for s, d in FIRST]
        placed = [
            place
            for seeds, draws in (*designs, (self.seeds, self.draws))
            for place in product(range(seeds), draws)
        ]
        for seed, draw in dict.fromkeys(placed):
            for row in self.rows:
                yield self.run(row, decays[row.selects], seed, draw)

    def complete(self, decays: dict[Row, float], results: dict[Run, Result]) -> Plan:
        """The part of the plan with most runs that has all of them: seeds 0 to n - 1 with the
        first draws.

        Raises:
            RunError: not even the first draw of the first seed is complete.
        """
        for smaller in self._smaller():
            if all(run in results for run in smaller.all_runs(decays)):
                return smaller
        first = replace(self, seeds=1, draws=self.draws[:1]).all_runs(decays)
        missing = sum(run not in results for run in first)
        raise RunError(
            f"{missing} runs of the first seed are missing. Train them, or name --systems that "
            "are complete."
        )

    def _smaller(self) -> Iterator[Plan]:
        """This plan and all its parts, those with most runs first; of equals more seeds first."""
        sizes = product(range(self.seeds, 0, -1), range(len(self.draws), 0, -1))
        for seeds, draws in sorted(sizes, key=lambda size: size[0] * size[1], reverse=True):
            yield replace(self, seeds=seeds, draws=self.draws[:draws])

    def scores(self, row: Row, decay: float, results: dict[Run, Result]) -> Right:
        """(S, U) who is right, as `train.statistics` takes it.

        Of pictures U are those of all draws. Recordings are the same in all draws, so wherever
        they are heard a draw is one more run (S) on the same samples.
        """
        right = np.array(
            [
                [results[self.run(row, decay, seed, draw)].right for draw in self.draws]
                for seed in range(self.seeds)
            ]
        )
        return right.reshape((len(right), -1) if row.tested == "visual" else (-1, right.shape[2]))


class RunsFile:
    """`runs.csv`: the finished runs and what they found; a line is appended as each finishes.

    Raises:
        RunError: a file that is none of this version.
    """

    FIELDS = (
        *Run.__dataclass_fields__,
        "validation",
        "test",
        "visual_weight",
        "seconds",
        "samples",
        "right",
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        # Of a command that was killed the last line may be half there.
        whole = text[: text.rfind("\n") + 1]
        lines = csv.DictReader(io.StringIO(whole))
        if whole and tuple(lines.fieldnames or ()) != self.FIELDS:
            raise RunError(
                f"{path.name} in {path.parent.name} is of another version. Choose another --out."
            )
        self.results = dict(_parsed(line) for line in lines)
        header = ",".join(self.FIELDS) + "\n"
        if whole != text or not text:
            write_atomically(path, (whole or header).encode())

    def add(self, run: Run, result: Result) -> None:
        self.results[run] = result
        weight = "" if result.visual_weight is None else f"{result.visual_weight:.4f}"
        line = [
            *(f"{x:g}" if isinstance(x, float) else str(x) for x in vars(run).values()),
            f"{result.validation:.6f}",
            f"{result.test:.6f}",
            weight,
            f"{result.seconds:.1f}",
            str(len(result.right)),
            np.packbits(result.right).tobytes().hex(),
        ]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(",".join(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _parsed(line: dict[str, str]) -> tuple[Run, Result]:
    kinds = {"float": float, "int": int, "str": str}
    run = Run(**{n: kinds[str(f.type)](line[n]) for n, f in Run.__dataclass_fields__.items()})
    bits = np.frombuffer(bytes.fromhex(line["right"]), np.uint8)
    return run, Result(
        float(line["validation"]),
        float(line["test"]),
        float(line["visual_weight"]) if line["visual_weight"] else None,
        float(line["seconds"]),
        np.unpackbits(bits, count=int(line["samples"])).astype(bool),
    )
