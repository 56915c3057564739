"""Table 2, Table 3 and the runs of Fig. 3: `python -m train table --which 2 --data DIR --out OUT`.

A run that has its line in `runs.csv` is not trained again, so an interrupted table goes on where
it was; two commands may not use one folder at once (`--report-only` of a copy says how far a table
is that is still being trained). The weight decay of each system is chosen on validation accuracy
over the first seeds, for all alike; the test part is read once per run, at its end, and decides
nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mckd.files.atomic import sweep
from mckd.files.runs import MODEL, RunError, RunFolder
from train.digits.report import write_report
from train.digits.rows import TABLES, VARIANTS, Row, rows
from train.digits.runs import Plan, Result, Run, RunsFile
from train.jobs import work_off

if TYPE_CHECKING:
    from train.digits.protocol import PaperTask

RUNS = "runs.csv"


def make_table(arguments: argparse.Namespace) -> int:
    """Train what is missing, then write table.csv and table.md; the latter alone if so told."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    sweep(arguments.out)
    plan = _plan(arguments)
    file = RunsFile(arguments.out / RUNS)
    if not arguments.report_only:
        _train_missing(arguments, file, plan.selection())
    decays = choose_decays(plan, file.results)
    for row, decay in decays.items():
        print(f"{VARIANTS[row.variant].label}, {row.tested}: weight decay {decay:g}", flush=True)
    if not arguments.report_only:
        _train_missing(arguments, file, plan.all_runs(decays))
    print(write_report(arguments.out, TABLES[arguments.which], plan, decays, file.results))
    return 0


def choose_decays(plan: Plan, results: dict[Run, Result]) -> dict[Row, float]:
    """By row that selects: the weight decay with the best mean validation accuracy.

    Of equals the first; runs.csv rounds accuracies, and a resumed table must choose as before.

    Raises:
        RunError: a run that it takes is missing.
    """
    missing = [run for run in plan.selection() if run not in results]
    if missing:
        raise RunError(
            f"{len(missing)} runs that choose weight decays are missing, the first of "
            f"{missing[0].variant}. Train them, or name --systems that are complete."
        )
    scores: dict[Row, dict[float, list[float]]] = {}
    for run in plan.selection():
        of_decay = scores.setdefault(run.row, {}).setdefault(run.weight_decay, [])
        of_decay.append(results[run].validation)
    return {row: max(s, key=lambda d: round(float(np.mean(s[d])), 4)) for row, s in scores.items()}


def _plan(arguments: argparse.Namespace) -> Plan:
    draws = tuple(range(1, arguments.draws + 1)) or (0,)
    told = (arguments.order, arguments.features, arguments.epochs, arguments.selection_seeds)
    wanted = rows(TABLES[arguments.which], arguments.systems, arguments.tested)
    if not wanted:
        raise RunError("No row of these --systems is tested on that. Name others.")
    return Plan(tuple(wanted), arguments.seeds, draws, *told)


def _train_missing(arguments: argparse.Namespace, file: RunsFile, runs: Iterable[Run]) -> None:
    missing = [run for run in dict.fromkeys(runs) if run not in file.results]

    def keep(finished: tuple[Run, Result]) -> str:
        run, result = finished
        file.add(run, result)
        return f"{run.variant}, {run.tested}, rate {run.rate:g}, seed {run.seed}"

    work_off(missing, partial(_train, arguments.data), arguments.jobs, keep)


def _train(data: Path, run: Run) -> tuple[Run, Result]:
    """Train one run in a process of the pool, in a folder that is not kept."""
    import torch

    from train.digits.protocol import PaperTask
    from train.loop import train
    from train.workers import join_workers

    torch.set_num_threads(1)
    started = time.monotonic()
    settings = run.settings()
    task = PaperTask(settings, data, alone=run.row.alone)
    with tempfile.TemporaryDirectory() as folder, join_workers() as workers:
        kept = RunFolder(Path(folder) / "run")
        state = train(
            task,
            settings,
            kept,
            workers,
            name="digits",
            preset="paper",
            command="python -m train table",
            say=lambda line: None,
        )
        if state != "finished":
            raise RunError("The table was stopped. Run the same command to go on.")
        return run, _examined(task, run, kept.checkpoints / MODEL, started)


def _examined(task: PaperTask, run: Run, checkpoint: Path, started: float) -> Result:
    """What the run's checkpoint answers, as anybody who loads it finds."""
    from mckd.digits.parts import parts_of
    from mckd.files.checkpoint import load_checkpoint
    from mckd.systems import rebuild

    loaded = load_checkpoint(checkpoint)
    header: dict[str, Any] = loaded.header
    network, weights = rebuild(loaded, parts_of(header))
    subset = network.modalities if run.tested == "both" else (run.tested,)
    right = task.right(network, frozenset(subset)).numpy()
    return Result(
        validation=header["metrics"]["validation"][run.tested],
        test=float(right.mean()),
        visual_weight=weights["visual"] if weights else None,
        seconds=time.monotonic() - started,
        right=right,
    )
