"""Ranges and probabilities of real cases, from the folds of a cross-validation.

A model that is trained on every real case there is has none left to be calibrated on. The models of
the folds have: each real case is measured by one that did not see it, and stands for a new case of
the model that saw all. Scores are split conformal: by how much the range made from synthetic cases
would have to be stretched to hold the truth (`reach`). Its size and shape, which few cases could
not teach, so come from synthetic ones, and how far it has to go from real ones, for every subset
and region. Of nine to eighteen cases that is their largest: such ranges are wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mckd.conformal import in_units, upper_quantile
from mckd.files.tables import as_markdown
from mckd.tumour import REGIONS, CaseError, TumourSegmenter, find_cases, read_case
from mckd.tumour.calibration import LEVEL, Calibration, Told
from train.settings import SettingsError
from train.tumour.coverage import HEADS, holds, ranges, regrets, share, table
from train.tumour.evaluate import BUDGET_BYTES, Fold
from train.tumour.fit import curve_of, errors_of, least_sure
from train.tumour.measure import SUBSETS, Measured, measured, sign

if TYPE_CHECKING:
    import torch

FEWEST = 10
"""Real cases that have a region: one less is left when one is left out, and at 90 % it takes 9."""

Say = Callable[[str], None]


def measure_folds(
    checkpoints: Sequence[Path], folder: Path, kept: Path, device: torch.device | str, say: Say
) -> list[Measured]:
    """Every usable real case below a folder, by the first checkpoint that did not see it.

    Raises:
        SettingsError: too few of them.
        CheckpointError: a checkpoint that cannot be used.
    """
    folds = [Fold.of(path) for path in checkpoints]
    segmenters = {
        path: TumourSegmenter.load(path, budget=BUDGET_BYTES, device=device) for path in checkpoints
    }
    cases = []
    paths = find_cases(folder)
    for number, path in enumerate(paths, start=1):
        try:
            case = read_case(path)
            if case.synthetic:
                raise CaseError(f"{case.name} is synthetic. Give it with --data.")
            fresh = [fold.path for fold in folds if fold.is_new(case, {case.name, path.name})]
            if not fresh:
                raise CaseError(f"{case.name} was, or may have been, seen by every fold given.")
            cases.append(measured(segmenters[fresh[0]], path, kept))
            say(f"[{number}/{len(paths)}] {path.name}, by {fresh[0].as_posix()}")
        except CaseError as error:
            say(f"Left out: {error}")
    few = min(sum(bool(case.reference_ml[k]) for case in cases) for k in range(len(REGIONS)))
    if few < FEWEST:
        raise SettingsError(
            f"Only {few} of the real cases have one of the regions. Ranges by folds need at least "
            f"{FEWEST} with each: leave out --folds and --real."
        )
    return cases


def fit_real(
    calibration: Calibration, real: Sequence[Measured]
) -> dict[frozenset[str], dict[str, Told]]:
    """{subset: {region: what counts for real cases}}; calibration: by synthetic ones."""
    return {
        subset: {region: _told(calibration, real, s, k) for k, region in enumerate(REGIONS)}
        for s, subset in enumerate(SUBSETS)
    }


def _told(calibration: Calibration, real: Sequence[Measured], s: int, k: int) -> Told:
    synthetic = calibration.told[SUBSETS[s]][REGIONS[k]]
    by, certain = reach(calibration, real, s, k), _certain(synthetic, real, s, k)
    return Told(synthetic.low * by, synthetic.high * by, certain, curve_of(real, s, k))


def _certain(synthetic: Told, real: Sequence[Measured], s: int, k: int) -> float:
    """0 is in a range unless what is drawn looks surer than any real case without the region."""
    without = [sign(case, s, k).certainty for case in real if not case.reference_ml[k]]
    return max([synthetic.certain, least_sure(real, s, k), *without])


def reach(calibration: Calibration, real: Sequence[Measured], s: int, k: int) -> float:
    """By how much a synthetic range has to be stretched to hold the truth of a new real case.

    A range that begins at 0 holds whatever is less than what is drawn, stretched or not.
    """
    told = calibration.told[SUBSETS[s]][REGIONS[k]]
    errors = errors_of(real, s, k, calibration.weights[REGIONS[k]])
    certainties = [sign(case, s, k).certainty for case in real if case.reference_ml[k]]
    from_0 = np.array(certainties) <= _certain(told, real, s, k)
    scores = np.where(from_0 & (errors < 0), 0.0, in_units(errors, -told.low, told.high))
    return upper_quantile(scores, LEVEL)


def by_the_others(calibration: Calibration, real: Sequence[Measured]) -> list[Calibration]:
    """For each real case the calibration without it."""
    return [
        replace(calibration, real=fit_real(calibration, [*real[:i], *real[i + 1 :]]))
        for i in range(len(real))
    ]


def with_real(
    calibration: Calibration, real: Sequence[Measured], left_out: Sequence[Calibration]
) -> Calibration:
    """A calibration by synthetic cases, and by these real ones for real cases.

    left_out: for each of these, see `by_the_others`.
    """
    before = holds(real, ranges(real, [calibration] * len(real))).mean()
    after = holds(real, ranges(real, left_out)).mean()
    wide = ", ".join(f"{r.upper()} {by:.1f}" for r, by in _reaches(calibration, real).items())
    shift = (
        f"Real cases differ: of {len(real)}, each segmented by a model that did not see it, ranges "
        f"by synthetic cases held {before:.0%} of the true volumes. Ranges of real cases are made "
        f"from these {len(real)}, {wide} times as wide (median over subsets); they held "
        f"{after:.0%} where each case was left out."
    )
    shift = shift.replace("%", " %")
    return replace(calibration, real=fit_real(calibration, real), shift=shift)


def _reaches(calibration: Calibration, real: Sequence[Measured]) -> dict[str, float]:
    """{region: the median of `reach` over subsets}."""
    return {
        region: float(np.median([reach(calibration, real, s, k) for s in range(len(SUBSETS))]))
        for k, region in enumerate(REGIONS)
    }


def report_real(
    calibration: Calibration, real: Sequence[Measured], left_out: Sequence[Calibration]
) -> str:
    """Ranges, probabilities and advice of real cases, each left out in turn, as Markdown; as of
    `with_real`."""
    synthetic = [replace(calibration, real={})] * len(real)
    before, after = (holds(real, ranges(real, by)) for by in (synthetic, left_out))
    rows = []
    for k, region in enumerate(REGIONS):
        having = np.array([bool(case.reference_ml[k]) for case in real])
        cells = [region.upper(), str(int(having.sum()))]
        cells += [share(held[having][..., k]) for held in (before, after)]
        cells += [share(after[~having][..., k]) if not having.all() else "none"]
        rows.append(cells)
    lines = [
        f"{calibration.shift} {HEADS} Of nine to eighteen cases the largest error decides, so of "
        "cases left out in turn hardly more than the one with the largest is missed, by "
        "construction: what is measured are the widths that it takes.",
        "",
        *table(real, left_out),
        "",
        "All subsets together; those of a case are alike, so the interval of the share is too "
        "narrow:",
        "",
        *as_markdown(
            ["region", "cases with it", "held by synthetic ranges", "held", "held 0 without it"],
            rows,
        ),
        "",
        regrets(real, [calibration] * len(real)),
    ]
    return "\n".join(lines)
