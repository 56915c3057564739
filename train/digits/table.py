"""The paper's Table 2 anew: `python -m train table --data DIR --out runs/table`.

Every cell is a set of ordinary runs, so an interrupted table goes on where it was. The weight
decay of each system is chosen on validation accuracy over the first seeds, for all alike; the
test part is read once per run, at its end, and decides nothing.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.method import importance
from train.digits.protocol import PaperTask
from train.digits.settings import as_system, paper
from train.loop import clock, train
from train.settings import override
from train.workers import join_workers

RATES = (0.05, 0.10, 0.15, 0.20)
WEIGHT_DECAYS = (1e-2, 1e-3, 1e-4)
SELECTION_SEEDS = 3

# Per cent, arXiv 2405.07155, Table 2; single runs on another draw of pictures.
PAPER = {
    "Lower bound, picture only": 92.35,
    "Lower bound, sound only": 80.44,
    "Upper bound, both": 98.22,
    "MCKD, audio rate 5%": 93.56,
    "MCKD, audio rate 10%": 94.22,
    "MCKD, audio rate 15%": 94.89,
    "MCKD, audio rate 20%": 95.11,
    "MCKD, visual rate 5%": 84.67,
    "MCKD, visual rate 10%": 85.56,
    "MCKD, visual rate 15%": 86.89,
    "MCKD, visual rate 20%": 88.44,
}


@dataclass(frozen=True)
class Cell:
    """One row: `tested` is the subset whose test accuracy counts, `bound` the row it must beat.

    like: the row whose weight decay it shares; its own by default.
    """

    title: str
    tested: str
    changes: dict[str, Any] = field(hash=False)
    bound: str = ""
    like: str = ""

    @property
    def learns_weights(self) -> bool:
        return bool(self.bound) and not {"meta_every", "alone"} & set(self.changes)


def cells() -> list[Cell]:
    """Bounds, MCKD at every rate, and the ablations at 20 %."""
    visual = Cell("Lower bound, picture only", "visual", {"system": "visual-only"})
    audio = Cell("Lower bound, sound only", "audio", {"system": "audio-only"})
    rows = [visual, audio, Cell("Upper bound, both", "both", {"system": "upper-bound"})]
    ablations = []
    for name, tested, bound in (("audio", "visual", visual), ("visual", "audio", audio)):
        like = f"MCKD, {name} rate {RATES[-1]:.0%}"
        rows += [
            Cell(f"MCKD, {name} rate {r:.0%}", tested, {f"{name}_rate": r}, bound.title, like)
            for r in RATES
        ]
        rate = {f"{name}_rate": RATES[-1]}
        for title, change in (
            ("no distillation (alpha 0)", {"alpha": 0.0}),
            ("equal weights (no meta step)", {"meta_every": 0}),
            ("same network, tested modality alone", {"drop": "never", "alone": tested}),
        ):
            ablations.append(Cell(f"{like}, {title}", tested, rate | change, bound.title, like))
    return rows + ablations


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of Audiovision-MNIST")
    parser.add_argument("--out", type=Path, required=True, help="folder of the table and its runs")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--features", default="paper", choices=("paper", "mfcc"))
    parser.add_argument("--threads", type=int, default=1)
    parser.set_defaults(action=make_table)


def make_table(arguments: argparse.Namespace) -> int:
    """Train what is missing, then write table.csv and table.md."""
    import torch

    torch.set_num_threads(arguments.threads)
    rows = cells()
    bench = _Bench(arguments)
    decay = {row.title: bench.choose_decay(row) for row in rows if row.like in ("", row.title)}
    scores: dict[str, list[float]] = {}
    weights: dict[str, list[float]] = {}
    for done, row in enumerate(rows):
        seeds = range(arguments.seeds)
        chosen = decay[row.like or row.title]
        scores[row.title] = [bench.metrics(row, chosen, s)["test"][row.tested] * 100 for s in seeds]
        mean, sd = np.mean(scores[row.title]), np.std(scores[row.title], ddof=1)
        print(f"[{done + 1}/{len(rows)}] {row.title}: {mean:.2f} +- {sd:.2f}", flush=True)
    _write(arguments.out, rows, decay, scores, weights, arguments)
    return 0


class _Bench:
    """Trains one run per (cell, weight decay, seed), or reads it where it is finished."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.started, self.trained = time.monotonic(), 0

    def choose_decay(self, row: Cell) -> float:
        """The weight decay with the best mean validation accuracy over the first seeds."""
        seeds = range(min(SELECTION_SEEDS, self.arguments.seeds))
        means = {
            d: np.mean([self.metrics(row, d, s)["validation"][row.tested] for s in seeds])
            for d in WEIGHT_DECAYS
        }
        best = max(means, key=lambda d: means[d])
        listed = ", ".join(f"{d:g}: {m:.4f}" for d, m in means.items())
        print(f"{row.title}: weight decay {best:g} (validation {listed})", flush=True)
        return best

    def metrics(self, row: Cell, decay: float, seed: int) -> dict[str, dict[str, float]]:
        words = "".join(c if c.isalnum() else "-" for c in row.title.lower())
        run = RunFolder(self.arguments.out / "runs" / f"{words}-wd{decay:g}-seed{seed}")
        model = run.checkpoints / MODEL
        if not model.is_file():
            self._train(row, decay, seed, run)
        checkpoint = load_checkpoint(model)
        metrics: dict[str, dict[str, float]] = checkpoint.header["metrics"]
        names = checkpoint.header["modalities"]
        w = importance(checkpoint.tensors["iwv"], checkpoint.header["normalisation"]).tolist()
        return metrics | {"iwv": dict(zip(names, w, strict=True))}

    def _train(self, row: Cell, decay: float, seed: int, run: RunFolder) -> None:
        changes = dict(row.changes)
        alone = changes.pop("alone", "")
        common = {
            "seed": seed,
            "weight_decay": decay,
            "features": self.arguments.features,
            "validate_every": paper().epochs,
        }
        settings = as_system(override(paper(), common | changes))
        task = PaperTask(settings, self.arguments.data, alone=alone)
        with join_workers() as workers:
            state = train(
                task,
                settings,
                run,
                workers,
                name="digits",
                preset="paper",
                command="python -m train table",
                resume=bool(run.config()),
                say=lambda line: None,
            )
        if state != "finished":
            raise KeyboardInterrupt
        self.trained += 1
        each = (time.monotonic() - self.started) / self.trained
        print(f"  {run.name} ({each:.0f} s a run, {clock(each * self.trained)} so far)", flush=True)


def _write(
    out: Path,
    rows: Iterable[Cell],
    decay: dict[str, float],
    scores: dict[str, list[float]],
    weights: dict[str, list[float]],
    arguments: argparse.Namespace,
) -> None:
    header = [
        "system",
        "tested on",
        "mean",
        "sd",
        "over its bound",
        "p",
        "paper",
        "visual weight",
        "decay",
    ]
    lines = []
    for row in rows:
        mine = np.array(scores[row.title])
        gain, p = "", ""
        if row.bound:
            bound = np.array(scores[row.bound])
            gain = f"{(mine - bound).mean():+.2f}"
            p = f"{ttest_rel(mine, bound, alternative='greater').pvalue:.2g}"
        known, w = PAPER.get(row.title), weights.get(row.title)
        lines.append(
            [
                row.title,
                {"visual": "picture only", "audio": "sound only", "both": "both"}[row.tested],
                f"{mine.mean():.2f}",
                f"{mine.std(ddof=1):.2f}",
                gain,
                p,
                "" if known is None else f"{known:.2f}",
                f"{np.mean(w):.2f} +- {np.std(w, ddof=1):.2f}" if w else "",
                f"{decay[row.like or row.title]:g}",
            ]
        )
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *lines])
    text = [
        f"Test accuracy in per cent, {arguments.seeds} seeds, MFCC variant `{arguments.features}`. "
        "p: one-sided paired t-test over seeds against the lower bound of the tested modality. "
        "Visual weight: the IWV's visual component at the end of training.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
    ]
    write_atomically(out / "table.md", "\n".join(text).encode())
    print("\n".join(text))
