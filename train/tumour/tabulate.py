"""From the scores of runs to a table: means with intervals, and tests over cases.

The unit is the case. A mean over subsets is taken within each case and run first; intervals are of
the hierarchical bootstrap over seeds and cases; only these means are tested, never single subsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mckd.files.tables import as_markdown
from mckd.method import subsets
from mckd.tumour import SEQUENCES
from mckd.tumour.metrics import FOUND, MISSED
from mckd.tumour.naming import key_of
from train.statistics import Floats, Interval, bootstrap, holm, wilcoxon
from train.tumour.lines import Line

SUBSETS = [key_of(subset) for subset in subsets(SEQUENCES)]
CELL_REPLICATES = 2_000
Runs = Mapping[str, Sequence[Sequence[Line]]]
"""{variant: lines per seed}."""


@dataclass(frozen=True)
class Measure:
    """A number of each case and subset.

    everywhere: also of cases whose reference has no such region.
    """

    key: str
    title: str
    region: str
    value: Callable[[Line], float | None]
    everywhere: bool = False
    digits: int = 3


def _dice(line: Line) -> float | None:
    return line.dice


def _brats_dice(line: Line) -> float | None:
    return 1.0 if line.dice is None else line.dice


def _hd95_mm(line: Line) -> float | None:
    return line.hd95_mm


DICE = (
    Measure("et", "Dice, ET", "et", _dice),
    Measure("tc", "Dice, TC", "tc", _dice),
    Measure("wt", "Dice, WT", "wt", _dice),
)
BESIDE = (
    Measure("et_brats", "Dice, ET, 1 where rightly nothing is found", "et", _brats_dice, True),
    Measure("et_hd95_mm", "HD95 in mm, ET", "et", _hd95_mm, digits=1),
    Measure("tc_hd95_mm", "HD95 in mm, TC", "tc", _hd95_mm, digits=1),
    Measure("wt_hd95_mm", "HD95 in mm, WT", "wt", _hd95_mm, digits=1),
)
MEASURES = (*DICE, *BESIDE)


@dataclass(frozen=True)
class Comparison:
    """One variant against another: the mean over cases of the difference in a measure."""

    measure: Measure
    variant: str
    against: str
    difference: Interval
    p: float
    p_holm: float


def values_of(runs: Sequence[Sequence[Line]], measure: Measure) -> Floats:
    """(S seeds, N cases, K subsets), cases by name, subsets in the paper's order.

    Raises:
        ValueError: a seed lacks a case or a case a subset that others have.
    """
    tables = [
        {(x.case, x.subset): x for x in lines if x.region == measure.region} for lines in runs
    ]
    cases = sorted(
        {x.case for x in tables[0].values() if measure.everywhere or x.outcome in (FOUND, MISSED)}
    )
    present = {x.subset for x in tables[0].values()}
    columns = [subset for subset in SUBSETS if subset in present]
    try:
        rows = [
            [[measure.value(t[case, subset]) for subset in columns] for case in cases]
            for t in tables
        ]
    except KeyError as error:
        case, subset = error.args[0]
        raise ValueError(f"A run has no score of {case} with {subset}; score it anew.") from None
    return np.array(rows, float).reshape(len(tables), len(cases), len(columns))


def cells(runs: Sequence[Sequence[Line]], measure: Measure) -> dict[str, Interval]:
    """Per subset, and `mean` over them; {} where no case has the region."""
    values = values_of(runs, measure)
    if not values.shape[1]:
        return {}
    present = {x.subset for x in runs[0]}
    columns = [subset for subset in SUBSETS if subset in present]
    found = {
        subset: bootstrap(values[:, :, k], replicates=CELL_REPLICATES)
        for k, subset in enumerate(columns)
    }
    return found | {"mean": bootstrap(values.mean(2))}


def compared(
    runs: Runs, pairs: Sequence[tuple[str, str]], measures: Sequence[Measure] = DICE
) -> list[Comparison]:
    """Each pair by each measure; two-sided Wilcoxon over cases, Holm over all of them."""
    found: list[tuple[Measure, str, str, Interval, float]] = []
    for measure in measures:
        for variant, against in pairs:
            a, b = (values_of(runs[key], measure).mean(2) for key in (variant, against))
            if a.size:
                found.append((measure, variant, against, bootstrap(a - b), wilcoxon(a, b)))
    adjusted = holm([p for *_, p in found])
    return [Comparison(*one, p_holm) for one, p_holm in zip(found, adjusted, strict=True)]


def as_text(
    labels: Mapping[str, str], runs: Runs, comparisons: Sequence[Comparison], about: str
) -> str:
    """A table per measure, a column per variant; then the comparisons."""
    text = [about]
    for measure in MEASURES:
        columns = {key: cells(lines, measure) for key, lines in runs.items()}
        rows = next(iter(columns.values()))
        if not rows:
            continue
        shown = list(rows) if measure in DICE else ["mean"]
        cases = values_of(next(iter(runs.values())), measure).shape[1]
        text += ["", f"**{measure.title}** ({cases} cases)", ""]
        text += as_markdown(
            ["sequences", *(labels[key] for key in columns)],
            [[row, *(_cell(c[row], measure.digits) for c in columns.values())] for row in shown],
        )
    if comparisons:
        text += [
            "",
            "**Differences** of the mean over the subsets; p two-sided Wilcoxon over cases",
            "",
        ]
        text += as_markdown(
            ["measure", "of", "minus", "difference", "p", "p (Holm)"],
            [
                [
                    c.measure.title,
                    labels[c.variant],
                    labels[c.against],
                    _signed(c.difference),
                    f"{c.p:.2g}",
                    f"{c.p_holm:.2g}",
                ]
                for c in comparisons
            ],
        )
    return "\n".join([*text, ""])


def as_rows(runs: Runs) -> list[dict[str, Any]]:
    """A row per measure, variant and subset, for CSV."""
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        for key, lines in runs.items():
            seeds, cases, _ = values_of(lines, measure).shape
            about = {"measure": measure.key, "variant": key, "seeds": seeds, "cases": cases}
            for subset, interval in cells(lines, measure).items():
                rows.append(about | {"subset": subset} | interval._asdict())
    return rows


def _cell(interval: Interval, digits: int) -> str:
    mean, low, high = (f"{x:.{digits}f}" for x in interval)
    return f"{mean} ({low} to {high})"


def _signed(interval: Interval) -> str:
    mean, low, high = (f"{x:+.3f}" for x in interval)
    return f"{mean} ({low} to {high})"
