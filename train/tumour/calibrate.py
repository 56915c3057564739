"""`python -m train calibrate`: measure a checkpoint on cases that it did not see, and say how far
its volumes may be off.

    python -m train calibrate --data data/unseen data/healthy --measured runs/measured

Writes NAME.calibration.json beside the checkpoint (see `mckd.tumour.calibration`), and prints how
often the intervals held the truth of cases that were left out, ten parts in turn. What was measured
of a case stays in `--measured`: a command that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from mckd.conformal import signed_errors, tails_of, upper_quantile
from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import CheckpointError
from mckd.files.manifest import enter, forget
from mckd.files.tables import as_markdown
from mckd.progress import clock
from mckd.tumour import REGIONS, CaseError, find_cases
from mckd.tumour.calibration import (
    LEVEL,
    NEAR_ML,
    PLAIN,
    Calibration,
    Told,
    beside,
    features,
    scale_of,
    written,
)
from mckd.tumour.comparison import title_of
from train.settings import SettingsError
from train.tumour.advice import fit_steps, regret
from train.tumour.measure import PROBABILITIES, SUBSETS, Measured, measured, sign
from train.tumour.reliability import bars, expected_error, fit_curve
from train.tumour.scores import Score, read_scores

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter
    from mckd.tumour.advice import Steps

PARTS = 10
RIDGE = 1.0
FEWEST = 30
"""Cases that have a region, for both ends of an interval to be more than a guess."""

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]


def calibrate(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        SettingsError: too few cases.
        CheckpointError: a checkpoint that cannot be used.
    """
    import torch

    from mckd.tumour import TumourSegmenter

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    path = beside(arguments.checkpoint)
    _forget_damaged(path, arguments.checkpoint)
    segmenter = TumourSegmenter.load(arguments.checkpoint)
    real = [] if arguments.real is None else read_scores(arguments.real)
    arguments.measured.mkdir(parents=True, exist_ok=True)
    cases = measure_all(segmenter, arguments.data, arguments.measured, print)
    calibration = fit(cases, about(cases), real)
    calibration = replace(calibration, steps=fit_steps(cases, calibration))
    data = json.dumps(written(calibration, segmenter.about["sha256"]), indent=1).encode() + b"\n"
    write_atomically(path, data)
    enter(path, hashlib.sha256(data).hexdigest())
    print(report(cases, calibration))
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


# ---- fitting


def fit(
    cases: Sequence[Measured], told_of: str, real: Sequence[Score] = (), curves: bool = True
) -> Calibration:
    """The calibration that these cases give.

    curves: of probabilities too; intervals need none, and they take most of the time. real: scores
    of real cases that their checkpoints did not see; how much larger their errors are than those of
    `cases` is by how much intervals of real cases are stretched.
    """
    weights = {region: _weights(cases, k) for k, region in enumerate(REGIONS)}
    told = {
        subset: {
            region: _told(cases, s, k, weights[region], curves) for k, region in enumerate(REGIONS)
        }
        for s, subset in enumerate(SUBSETS)
    }
    stretch = {
        r: _stretch(cases, k, [s for s in real if s.region == r]) for k, r in enumerate(REGIONS)
    }
    return Calibration(told_of, weights, told, stretch, _shift(real, stretch))


def _weights(cases: Sequence[Measured], k: int) -> tuple[float, ...]:
    """Of the scale of errors of region k: ridge regression of their logarithms, all subsets.

    Only how the scale changes from case to case matters; its level is in the tails.
    """
    here = [(case, s) for case in cases if case.reference_ml[k] for s in range(len(SUBSETS))]
    x = np.array([features(sign(case, s, k)) for case, s in here])
    errors = np.array([abs(case.signs[s, k, 0] - case.reference_ml[k]) for case, s in here])
    y = np.log(errors + NEAR_ML)
    penalty = RIDGE * np.eye(x.shape[1])
    penalty[0, 0] = 0.0
    return tuple(float(w) for w in np.linalg.solve(x.T @ x + penalty, x.T @ y))


def _told(
    cases: Sequence[Measured], s: int, k: int, weights: tuple[float, ...], curves: bool
) -> Told:
    having = [case for case in cases if case.reference_ml[k]]
    signs = [sign(case, s, k) for case in having]
    errors = signed_errors(
        np.array([case.reference_ml[k] for case in having]),
        np.array([one.volume_ml for one in signs]),
        np.array([scale_of(weights, one) for one in signs]),
    )
    tails = tails_of(errors, LEVEL)
    without = [sign(case, s, k).certainty for case in cases if not case.reference_ml[k]]
    least_sure = -upper_quantile([-one.certainty for one in signs], LEVEL)
    least = max(upper_quantile(without, LEVEL), least_sure)
    curve = PLAIN
    if curves:
        voxels, inside = np.sum([case.voxels[s, k] for case in cases], 0)
        curve = fit_curve(PROBABILITIES, voxels, inside)
    return Told(tails.low, tails.high, min(least, 1.0), curve)


def _stretch(cases: Sequence[Measured], k: int, real: Sequence[Score]) -> float:
    """By how much larger the errors of region k are on real cases, never less than 1.

    Compared are the conformal quantiles of |ln((truth + 1) / (drawn + 1))|, volumes in mL, from all
    sequences, over cases that have the region: an error by its size, whatever the size.
    """
    whole = max((s.subset for s in real), key=len, default="")
    there = [
        _by_size(s.reference_ml, s.volume_ml) for s in real if s.subset == whole and s.reference_ml
    ]
    here = [_by_size(c.reference_ml[k], c.signs[-1, k, 0]) for c in cases if c.reference_ml[k]]
    if not there:
        return 1.0
    level = min(LEVEL, len(there) / (len(there) + 1))  # of few, their largest
    return max(1.0, upper_quantile(there, level) / upper_quantile(here, level))


def _by_size(truth_ml: float, drawn_ml: float) -> float:
    return abs(math.log((truth_ml + 1) / (drawn_ml + 1)))


def _shift(real: Sequence[Score], stretch: dict[str, float]) -> str:
    if not real:
        return ""
    words = ", ".join(f"{region.upper()} {by:.1f}" for region, by in stretch.items())
    return (
        f"On {len({s.case for s in real})} real cases, each by a model that did not see it, errors "
        f"from all sequences were larger than on the synthetic ones, by a factor of {words}: "
        "ranges of real cases are stretched by it."
    )


# ---- judging


def held_out(cases: Sequence[Measured]) -> Array:
    """(cases, S, 3, 2): both ends of each interval, by a calibration without that case.

    Every PARTS-th case is left out, in turn.
    """
    ends = np.zeros((len(cases), len(SUBSETS), len(REGIONS), 2))
    for part in range(PARTS):
        calibration = fit([c for i, c in enumerate(cases) if i % PARTS != part], "", curves=False)
        for i in range(part, len(cases), PARTS):
            for s, subset in enumerate(SUBSETS):
                for k, region in enumerate(REGIONS):
                    ends[i, s, k] = calibration.interval(
                        subset, region, sign(cases[i], s, k), synthetic=True
                    )
    return ends


def held_out_steps(cases: Sequence[Measured]) -> list[Steps]:
    """For each case what sequences add, learned without it; parts as of `held_out`."""
    found = []
    for part in range(PARTS):
        others = [c for i, c in enumerate(cases) if i % PARTS != part]
        found.append(fit_steps(others, fit(others, "", curves=False)))
    return [found[i % PARTS] for i in range(len(cases))]


def report(cases: Sequence[Measured], calibration: Calibration) -> str:
    """How often the intervals of left-out cases hold the truth, how wide they are, and how far
    probabilities are from what comes of them, as Markdown: a row per subset."""
    ends = held_out(cases)
    truth = np.stack([case.reference_ml for case in cases])[:, None]
    held = (ends[..., 0] <= truth + 1e-9) & (truth <= ends[..., 1] + 1e-9)
    ill = truth[:, 0].any(1)
    widths = np.median((ends[..., 1] - ends[..., 0])[ill], 0)
    errors = _errors(cases, calibration)
    head = ["sequences", "held"]
    head += [f"{r.upper()} {what}" for r in REGIONS for what in ("held", "width, mL", "ECE")]
    rows = []
    for s, subset in enumerate(SUBSETS):
        cells = [title_of(subset), _share(held[ill][:, s])]
        for k in range(len(REGIONS)):
            before, after = errors[s, k]
            cells += [
                _share(held[ill][:, s, k]),
                f"{widths[s, k]:.1f}",
                f"{before:.3f} → {after:.3f}",
            ]
        rows.append(cells)
    healthy = held[~ill]
    lines = [
        f"{calibration.about}. 90 % intervals of the {int(ill.sum())} cases with a tumour, each by "
        "a calibration that left it out. Held: how many hold the truth (with the exact 95 % "
        "interval of the share, as if regions of a case were independent). Width: the median. ECE: "
        "of voxels that may be in a region, as the network has them and calibrated (by all cases).",
        calibration.shift,
        "",
        *as_markdown(head, rows),
        "",
        f"Of {len(healthy)} heads without a tumour, intervals that hold 0: "
        f"{int(healthy.sum())} of {healthy.size}.",
        "",
        _regrets([case for case in cases if case.reference_ml.any()]),
    ]
    return "\n".join(lines)


def _regrets(cases: Sequence[Measured]) -> str:
    lost = regret(cases, held_out_steps(cases))
    return (
        "The next sequence, of two or more that are absent: mean Dice lost against the best "
        f"choice, cases left out: {lost['advice']:.3f} by advice, {lost['fixed']:.3f} by a fixed "
        f"order (T1c, FLAIR, T2, T1), {lost['random']:.3f} at random."
    )


def _share(held: npt.NDArray[np.bool_]) -> str:
    """`92 % (88 to 95)`."""
    exact = binomtest(int(held.sum()), held.size).proportion_ci(0.95, "exact")
    return f"{held.mean():.0%} ({exact.low:.0%} to {exact.high:.0%})".replace("%", " %")


def _errors(cases: Sequence[Measured], calibration: Calibration) -> Array:
    """(S, 3, 2): ECE as the network has the probabilities, and calibrated."""
    errors = np.zeros((len(SUBSETS), len(REGIONS), 2))
    for s, subset in enumerate(SUBSETS):
        for k, region in enumerate(REGIONS):
            n, inside = np.sum([case.voxels[s, k] for case in cases], 0)
            after = calibration.told[subset][region].curve(PROBABILITIES)
            for column, q in enumerate((PROBABILITIES, after)):
                errors[s, k, column] = expected_error(bars(q, n, inside))
    return errors
