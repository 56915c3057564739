"""`python -m train calibrate`: measure a checkpoint on cases that it did not see, and say how far
its volumes may be off.

    python -m train calibrate --data data/unseen data/healthy --measured runs/measured \
        --real data/brats --folds fold0.safetensors fold1.safetensors fold2.safetensors

Writes NAME.calibration.json beside the checkpoint (see `mckd.tumour.calibration`), and prints how
often the intervals held the truth of cases that were left out, ten parts in turn; of real cases
(`train.tumour.real`) one in turn. What was measured of a case stays in `--measured`: a command that
was stopped goes on where it was. With `--report`, a folder keeps what is printed, and a reliability
diagram.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import CheckpointError
from mckd.files.manifest import forget, put
from mckd.progress import clock
from mckd.tumour import REGIONS, CaseError, find_cases
from mckd.tumour.calibration import Calibration, beside, written
from train.charts import as_matplotlib, save_figure
from train.settings import SettingsError
from train.tumour.advice import fit_steps
from train.tumour.coverage import by_parts, report
from train.tumour.diagrams import NAME as PICTURE
from train.tumour.diagrams import Group, reliability
from train.tumour.evaluate import BUDGET_BYTES
from train.tumour.fit import fit
from train.tumour.measure import Measured, measured
from train.tumour.real import by_the_others, measure_folds, report_real, with_real

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter

REPORT = "calibration.md"
SHOWN = f"![Reliability diagrams of ET, TC and WT, before and after]({PICTURE}.png)"
DPI = 90  # for a page: a third of the bytes that print takes
FEWEST = 30
"""Cases that have a region, for both ends of an interval to be more than a guess."""

Say = Callable[[str], None]


def calibrate(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        SettingsError: too few cases, or one of --real and --folds without the other.
        CheckpointError: a checkpoint that cannot be used.
    """
    import torch

    from mckd.tumour import TumourSegmenter

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if bool(arguments.folds) != bool(arguments.real):
        raise SettingsError(
            "--folds and --real need each other: checkpoints of a cross-validation, and the folder "
            "of the real cases that they leave out in turn."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    path = beside(arguments.checkpoint)
    _forget_damaged(path, arguments.checkpoint)
    segmenter = TumourSegmenter.load(arguments.checkpoint, budget=BUDGET_BYTES, device=device)
    kept = arguments.measured
    kept.mkdir(parents=True, exist_ok=True)
    real = []
    if arguments.folds:
        real = measure_folds(arguments.folds, arguments.real, kept, device, print)
    cases = measure_all(segmenter, arguments.data, kept, print)
    calibration = fit(cases, about(cases))
    calibration = replace(calibration, steps=fit_steps(cases, calibration))
    without, without_real = by_parts(cases), by_the_others(calibration, real)
    groups: list[Group] = [("synthetic cases", cases, without)]
    if real:
        calibration = with_real(calibration, real, without_real)
        groups.append((f"{len(real)} real cases", real, without_real))
    data = json.dumps(written(calibration, segmenter.about["sha256"]), indent=1).encode() + b"\n"
    put(path, data)
    text = report(cases, without, calibration.about)
    if real:
        text += f"\n\n{report_real(calibration, real, without_real)}"
    print(text)
    if arguments.report:
        arguments.report.mkdir(parents=True, exist_ok=True)
        figure = as_matplotlib(reliability(groups))
        figure.set_dpi(DPI)
        save_figure(arguments.report, PICTURE, figure, ["png"])
        write_atomically(arguments.report / REPORT, f"{text}\n\n{SHOWN}\n".encode())
    return 0


def _forget_damaged(path: Path, checkpoint: Path) -> None:
    """One that cannot be read must not keep its checkpoint from being calibrated anew."""
    try:
        Calibration.beside(checkpoint, "")
    except CheckpointError:
        forget(path)


def measure_all(
    segmenter: TumourSegmenter, folders: Sequence[Path], kept: Path, say: Say
) -> list[Measured]:
    """Every usable case below the folders that the checkpoint did not see.

    Raises:
        SettingsError: too few of them.
    """
    paths = [path for folder in folders for path in find_cases(folder)]
    cases = []
    started = time.monotonic()
    for number, path in enumerate(paths, start=1):
        try:
            cases.append(measured(segmenter, path, kept))
        except CaseError as error:
            say(f"Left out: {error}")
        left = (time.monotonic() - started) / number * (len(paths) - number)
        say(f"[{number}/{len(paths)}] {path.name}, {clock(left)} left")
    few = min(int(np.sum([c.reference_ml[k] > 0 for c in cases])) for k in range(len(REGIONS)))
    if few < FEWEST:
        raise SettingsError(
            f"Only {few} of the cases have one of the regions. Give at least {FEWEST} with each: "
            "python -m train data phantoms."
        )
    return cases


def about(cases: Sequence[Measured]) -> str:
    """What a calibration was measured on."""
    empty = sum(not case.reference_ml.any() for case in cases)
    synthetic = sum(bool(case.synthetic) for case in cases)
    real = len(cases) - synthetic
    kinds = [f"{synthetic} synthetic" * bool(synthetic), f"{real} real" * bool(real)]
    return (
        f"{' and '.join(filter(None, kinds))} cases that the model did not see, {empty} of them "
        "without a tumour"
    )
