"""How often ranges hold the truth of cases that were left out, how far off probabilities are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from mckd.files.tables import as_markdown
from mckd.tumour import REGIONS
from mckd.tumour.calibration import Calibration
from mckd.tumour.comparison import title_of
from train.reliability import Bar, bars, expected_error
from train.tumour.advice import fit_steps, regret
from train.tumour.fit import fit
from train.tumour.measure import PROBABILITIES, SUBSETS, Measured, sign

PARTS = 10

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def by_parts(cases: Sequence[Measured]) -> list[Calibration]:
    """For each case a calibration without it: every PARTS-th case is left out, in turn."""
    found = []
    for part in range(min(PARTS, len(cases))):
        others = [case for i, case in enumerate(cases) if i % PARTS != part]
        calibration = fit(others, "")
        found.append(replace(calibration, steps=fit_steps(others, calibration)))
    return [found[i % PARTS] for i in range(len(cases))]


def ranges(cases: Sequence[Measured], calibrations: Sequence[Calibration]) -> Array:
    """(cases, S, 3, 2): both ends of each interval, of each case by its calibration, mL."""
    return np.array(
        [
            [
                [
                    calibration.interval(subset, region, sign(case, s, k), bool(case.synthetic))
                    for k, region in enumerate(REGIONS)
                ]
                for s, subset in enumerate(SUBSETS)
            ]
            for case, calibration in zip(cases, calibrations, strict=True)
        ]
    )


def holds(cases: Sequence[Measured], ends: Array) -> Bools:
    """(cases, S, 3): whether each of these `ranges` holds the truth."""
    truth = np.stack([case.reference_ml for case in cases])[:, None]
    return (ends[..., 0] <= truth + 1e-9) & (truth <= ends[..., 1] + 1e-9)


def diagram(
    cases: Sequence[Measured],
    subsets: Iterable[int],
    k: int,
    calibrations: Sequence[Calibration] = (),
) -> list[Bar]:
    """Of region k from these subsets together: as the network has the probabilities, or as each
    case's calibration has them."""
    q, voxels = [], []
    for s in subsets:
        for case, calibration in zip_longest(cases, calibrations):
            told = calibration and calibration.measured(SUBSETS[s], bool(case.synthetic))
            q.append(told[REGIONS[k]].curve(PROBABILITIES) if told else PROBABILITIES)
            voxels.append(case.voxels[s, k])
    return bars(np.concatenate(q), *np.concatenate(voxels, -1))


def table(cases: Sequence[Measured], calibrations: Sequence[Calibration]) -> list[str]:
    """A row per subset, as Markdown, of each case by its calibration: how many ranges of those with
    a tumour hold the truth, their median width, and the ECE before and after of all cases."""
    ends = ranges(cases, calibrations)
    ill = np.array([bool(case.reference_ml.any()) for case in cases])
    held, widths = holds(cases, ends)[ill], np.median((ends[..., 1] - ends[..., 0])[ill], 0)
    head = ["sequences", "held"]
    head += [f"{r.upper()} {what}" for r in REGIONS for what in ("held", "width, mL", "ECE")]
    rows = []
    for s, subset in enumerate(SUBSETS):
        cells = [title_of(subset), share(held[:, s])]
        for k in range(len(REGIONS)):
            before, after = (
                expected_error(diagram(cases, [s], k, by)) for by in ((), calibrations)
            )
            width = f"{widths[s, k]:.1f}"
            cells += [share(held[:, s, k]), width, f"{before:.3f} → {after:.3f}"]
        rows.append(cells)
    return as_markdown(head, rows)


HEADS = (
    "Held: how many hold the truth (with the exact 95 % interval of the share, as if regions of a "
    "case were independent). Width: the median. ECE: of voxels that may be in a region, as the "
    "network has them and calibrated."
)
"""What the columns of `table` are."""


def report(cases: Sequence[Measured], left_out: Sequence[Calibration], about: str) -> str:
    """Ranges, probabilities and advice of cases that were left out, as Markdown.

    left_out: for each of them, see `by_parts`. about: what they are, see `Calibration`.
    """
    held = holds(cases, ranges(cases, left_out))
    ill = np.array([bool(case.reference_ml.any()) for case in cases])
    healthy = held[~ill]
    lines = [
        f"{about}. 90 % ranges of the {int(ill.sum())} cases with a tumour, each by a calibration "
        f"that left it out. {HEADS}",
        "",
        *table(cases, left_out),
        "",
        f"Of {len(healthy)} heads without a tumour, ranges that hold 0: {int(healthy.sum())} of "
        f"{healthy.size}.",
        "",
        regrets(cases, left_out),
    ]
    return "\n".join(lines)


def regrets(cases: Sequence[Measured], calibrations: Sequence[Calibration]) -> str:
    """What advice is worth in cases with a tumour, of each by its calibration."""
    ill = [(c, by.steps) for c, by in zip(cases, calibrations, strict=True) if c.reference_ml.any()]
    lost = regret([case for case, _ in ill], [steps for _, steps in ill])
    return (
        "The next sequence, of two or more that are absent: mean Dice lost against the best choice "
        f"in {len(ill)} cases with a tumour: {lost['advice']:.3f} by advice, {lost['fixed']:.3f} "
        f"by a fixed order (T1c, FLAIR, T2, T1), {lost['random']:.3f} at random."
    )


def share(held: Bools) -> str:
    """`92 % (88 % to 95 %)`."""
    exact = binomtest(int(held.sum()), held.size).proportion_ci(0.95, "exact")
    return f"{held.mean():.0%} ({exact.low:.0%} to {exact.high:.0%})".replace("%", " %")
