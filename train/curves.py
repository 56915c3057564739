"""The paper's Fig. 4 and 5 from run folders: importance weights and losses, filled features."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckd.files.runs import RunError, RunFolder
from mckd.tasks import TASKS, Series, about
from train.charts import COLOURS, Chart, Curve, Panel, save_chart

LOSS = "_loss"


@dataclass(frozen=True)
class Recorded:
    """What a run has written. series: what its task draws by name."""

    name: str
    series: dict[str, Series]
    records: Sequence[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Recorded:
        """A run folder; one that is still being written will do.

        Raises:
            RunError: it holds no record, or none that can be read.
        """
        run = RunFolder(path)
        records, _ = run.records()
        if not records:
            raise RunError(run.trouble() or f"{path.name} is no run folder: it holds no record.")
        task = run.config().get("task")
        return cls(run.name, about(task).series if task in TASKS else {}, records)

    def named(self, part: str) -> list[Curve]:
        """Of each name in a part of the records, such as `iwv`; those of the task in its order."""
        rows = [(record["step"], record[part]) for record in self.records if part in record]
        found = dict.fromkeys(name for _, values in rows for name in values)
        names = [
            *(n for n in self.series if n in found),
            *(n for n in found if n not in self.series),
        ]
        return [
            self._curve(name, place, ((step, values.get(name)) for step, values in rows))
            for place, name in enumerate(names)
        ]

    def losses(self) -> list[Curve]:
        """The terms of the loss, and that of the meta passes."""
        names = dict.fromkeys(k for record in self.records for k in record if k.endswith(LOSS))
        return [
            self._curve(
                name, place, ((record["step"], record.get(name)) for record in self.records)
            )
            for place, name in enumerate(names)
        ]

    def _curve(self, name: str, place: int, points: Iterable[tuple[int, float | None]]) -> Curve:
        there = [(x, y) for x, y in points if y is not None and math.isfinite(y)]
        known = self.series.get(name)
        return Curve(
            known.label if known else name.removesuffix(LOSS),
            known.colours[0] if known else COLOURS[place % len(COLOURS)],
            [x for x, _ in there],
            [y for _, y in there],
        )


def weights_and_losses(arguments: argparse.Namespace) -> int:
    """Fig. 4: what Eq. 6 learned, beside the losses of Eq. 3 and 4; a row per run."""
    said = (
        "From the records of one run each; another seed may end elsewhere. A weight says what the\n"
        "loss of the meta passes gained by, not what a modality is worth to a patient."
    )
    panels = _panels(
        arguments.runs,
        lambda run: [
            _panel(f"{run.name}: importance weights", "w", run.named("iwv")),
            _panel(f"{run.name}: losses", "loss", run.losses(), logarithmic=True),
        ],
    )
    _save(arguments.out, "fig4", Chart("Fig. 4: importance weights and losses", said, panels, 2))
    return 0


def fill_distances(arguments: argparse.Namespace) -> int:
    """Fig. 5: how far the deepest feature that Eq. 2 fills is from the true one; a row per run."""
    said = (
        "On validation samples, each modality taken for missing in turn. The distance also falls\n"
        "where features shrink: alone it does not show that anything is taught."
    )
    panels = _panels(
        arguments.runs,
        lambda run: [
            _panel(f"{run.name}: L1 distance", "mean |filled - true|", run.named("fill_l1")),
            _panel(f"{run.name}: cosine", "cosine similarity", run.named("fill_cosine")),
        ],
    )
    _save(arguments.out, "fig5", Chart("Fig. 5: filled and true features", said, panels, 2))
    return 0


def _panels(paths: Iterable[Path], row: Callable[[Recorded], list[Panel]]) -> list[Panel]:
    """A row of each run that has recorded something of it."""
    rows = [row(Recorded.read(path)) for path in paths]
    return [panel for row in rows if any(panel.curves for panel in row) for panel in row]


def _panel(title: str, up: str, curves: Sequence[Curve], logarithmic: bool = False) -> Panel:
    shown = title if curves else f"{title} (not recorded)"
    return Panel(shown, "training step", up, curves, logarithmic=logarithmic)


def _save(out: Path, name: str, chart: Chart) -> None:
    """
    Raises:
        RunError: no run has recorded what it would show.
    """
    if not chart.panels:
        raise RunError(f"None of these runs has recorded what {name} shows. Name others by --runs.")
    save_chart(out, name, chart)
