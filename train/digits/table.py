"""The paper's Table 2 anew: `python -m train table --data DIR --out runs/table`.

Every cell is a set of ordinary runs, so an interrupted table goes on where it was. The weight
decay of each system is chosen on validation accuracy over the first seeds, for all alike; the
test part is read once per run, at its end, and decides nothing.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

from mckd.files.atomic import sweep, write_atomically
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunError, RunFolder
from mckd.progress import clock
from train.digits.protocol import PaperTask
from train.digits.settings import paper
from train.loop import train
from train.pool import pool
from train.settings import override
from train.workers import join_workers

RATES = (0.05, 0.10, 0.15, 0.20)
WEIGHT_DECAYS = (1e-2, 1e-3, 1e-4)
SELECTION_SEEDS = 3
LOWER = {"system": "lower-bound"}

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
    ablation: explains another row; half of the seeds must do.
    """

    title: str
    tested: str
    changes: dict[str, Any] = field(hash=False)
    bound: str = ""
    like: str = ""
    ablation: bool = False

    def seeds(self, count: int) -> range:
        return range((count + 1) // 2 if self.ablation else count)

    @property
    def learns_weights(self) -> bool:
        return bool(self.bound) and not {"meta_every", "alone"} & set(self.changes)


def cells() -> list[Cell]:
    """Bounds, MCKD at every rate, and the ablations at 20 %."""
    visual = Cell("Lower bound, picture only", "visual", LOWER | {"only": "visual"})
    audio = Cell("Lower bound, sound only", "audio", LOWER | {"only": "audio"})
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
            ("random weights (no meta step)", {"meta_every": 0}),
            ("unrolled meta gradient", {"meta_gradient": "unrolled"}),
            ("same network, tested modality alone", {"drop": "never", "alone": tested}),
        ):
            cell = Cell(f"{like}, {title}", tested, rate | change, bound.title, like, True)
            ablations.append(cell)
    # Is the paper's bound for sound one of a fifth of the sound? Does a better teacher help?
    scarce = LOWER | {"only": "audio", "audio_rate": RATES[-1]}
    ablations += [
        Cell(f"{audio.title}, {RATES[-1]:.0%} of it", "audio", scarce, "", audio.title, True),
        Cell("MCKD, all pairs", "audio", {}, audio.title, rows[-1].title, True),
    ]
    return rows + ablations


def make_table(arguments: argparse.Namespace) -> int:
    """Train what is missing, then write table.csv and table.md."""
    sweep(arguments.out)
    rows, count = cells(), arguments.seeds
    selected = [row for row in rows if row.like in ("", row.title)]
    first = range(min(SELECTION_SEEDS, arguments.seeds))
    _train_missing(arguments, [(r, d, s) for r in selected for d in WEIGHT_DECAYS for s in first])
    decay = {row.title: _choose_decay(arguments.out, row, first) for row in selected}
    chosen = {row.title: decay[row.like or row.title] for row in rows}
    _train_missing(arguments, [(r, chosen[r.title], s) for r in rows for s in r.seeds(count)])
    results = {
        row.title: [
            _result(_run_of(arguments.out, row, chosen[row.title], s)) for s in row.seeds(count)
        ]
        for row in rows
    }
    _write(arguments, rows, chosen, results)
    return 0


Job = tuple[Cell, float, int]
"""A cell, its weight decay, a seed."""


def _run_of(out: Path, row: Cell, decay: float, seed: int) -> RunFolder:
    words = "".join(c if c.isalnum() else "-" for c in row.title.lower())
    return RunFolder(out / "runs" / f"{words}-wd{decay:g}-seed{seed}")


def _result(run: RunFolder) -> dict[str, dict[str, float]]:
    """Validation and test accuracy per subset, and the IWV, of a finished run."""
    checkpoint = load_checkpoint(run.checkpoints / MODEL)
    return {**checkpoint.header["metrics"], "iwv": checkpoint.header["weights"] or {}}


def _choose_decay(out: Path, row: Cell, seeds: Sequence[int]) -> float:
    """The weight decay with the best mean validation accuracy."""
    means = {
        d: np.mean([_result(_run_of(out, row, d, s))["validation"][row.tested] for s in seeds])
        for d in WEIGHT_DECAYS
    }
    best = max(means, key=lambda d: means[d])
    listed = ", ".join(f"{d:g}: {m:.4f}" for d, m in means.items())
    print(f"{row.title}: weight decay {best:g} (validation {listed})", flush=True)
    return best


def _train_missing(arguments: argparse.Namespace, jobs: Iterable[Job]) -> None:
    missing = [
        job for job in jobs if not (_run_of(arguments.out, *job).checkpoints / MODEL).is_file()
    ]
    started = time.monotonic()
    try:
        # Leaving the pool ends its processes; each saves a checkpoint and goes on next time.
        with pool(arguments.processes) as workers:
            trained = [workers.submit(_train, arguments, job) for job in missing]
            for done, run in enumerate(as_completed(trained), start=1):
                left = (time.monotonic() - started) / done * (len(missing) - done)
                print(f"[{done}/{len(missing)}] {run.result()}, {clock(left)} left", flush=True)
    except BrokenProcessPool:
        raise RunError("A process was killed. Run the same command to go on.") from None


def _train(arguments: argparse.Namespace, job: Job) -> str:
    """Train one run in a process of the pool; returns its name."""
    import torch

    torch.set_num_threads(1)
    row, decay, seed = job
    run = _run_of(arguments.out, row, decay, seed)
    changes = dict(row.changes)
    alone = changes.pop("alone", "")
    common = {
        "seed": seed,
        "weight_decay": decay,
        "features": arguments.features,
        "epochs": arguments.epochs,
        "validate_every": arguments.epochs,
    }
    settings = override(paper(), common | changes)
    task = PaperTask(settings, arguments.data, alone=alone)
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
        raise RunError("The table was stopped. Run the same command to go on.")
    return run.name


def _write(
    arguments: argparse.Namespace,
    rows: Iterable[Cell],
    decay: dict[str, float],
    results: dict[str, list[dict[str, dict[str, float]]]],
) -> None:
    scores = {
        row.title: np.array([r["test"][row.tested] * 100 for r in results[row.title]])
        for row in rows
    }
    header = [
        "system",
        "tested on",
        "seeds",
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
        mine = scores[row.title]
        gain, p = "", ""
        if row.bound:
            bound = scores[row.bound][: len(mine)]
            gain = f"{(mine - bound).mean():+.2f}"
            p = f"{ttest_rel(mine, bound, alternative='greater').pvalue:.2g}"
        known = PAPER.get(row.title)
        w = [r["iwv"]["visual"] for r in results[row.title]] if row.learns_weights else []
        lines.append(
            [
                row.title,
                {"visual": "picture only", "audio": "sound only", "both": "both"}[row.tested],
                str(len(mine)),
                f"{mine.mean():.2f}",
                f"{mine.std(ddof=1):.2f}" if len(mine) > 1 else "",
                gain,
                p,
                "" if known is None else f"{known:.2f}",
                f"{np.mean(w):.2f} +- {np.std(w, ddof=1):.2f}" if len(w) > 1 else "",
                f"{decay[row.title]:g}",
            ]
        )
    with (arguments.out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *lines])
    text = [
        f"Test accuracy in per cent, MFCC variant `{arguments.features}`. "
        "p: one-sided paired t-test over seeds against the lower bound of the tested modality. "
        "Visual weight: the IWV's visual component at the end of training.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
    ]
    write_atomically(arguments.out / "table.md", "\n".join(text).encode())
    print("\n".join(text))
