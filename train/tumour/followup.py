"""`python -m train follow`: how right growth is told between visits of unequal sequences.

    python -m train data phantoms --cases 30 --seed 31 --share 0.6 --out data/earlier
    python -m train data phantoms --cases 30 --seed 31 --out data/later
    python -m train follow --earlier data/earlier --later data/later --measured runs/visits

Both folders hold the same heads at the same places, such as P1/week-000. For every pair of
protocols, the error of the growth from the sequences that both have (see `mckd.tumour.followup`) is
set against that of the plain difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mckd.files.tables import as_markdown
from mckd.tumour import REGIONS, SEQUENCES, find_cases
from mckd.tumour.comparison import Subset, title_of
from mckd.tumour.followup import GROWN, SHRUNK, Change
from train.settings import SettingsError
from train.tumour.measure import SUBSETS, Measured, measured, sign

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter
    from mckd.tumour.calibration import Calibration, Interval
    from mckd.tumour.signs import Signs

ALL = frozenset(SEQUENCES)
SHOWN = (
    (ALL, ALL - {"t1c"}),
    (ALL - {"t1"}, ALL),
    (frozenset({"flair", "t1c"}), ALL),
    (frozenset({"t1c"}), ALL),
    (frozenset({"flair", "t1c"}), frozenset({"flair", "t2"})),
)
"""Protocols of the earlier and the later visit, a line each."""
SLACK_ML = 1e-9

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """The same head, earlier and later."""

    earlier: Measured
    later: Measured

    def true_ml(self, k: int) -> float:
        """By how much region k has grown."""
        return float(self.later.reference_ml[k] - self.earlier.reference_ml[k])

    def change(self, calibration: Calibration, a: Subset, b: Subset, k: int) -> Change:
        """What is told of region k between a visit with the sequences a and one with b."""

        def told(subset: Subset, signs: Signs) -> Interval:
            return calibration.interval(subset, REGIONS[k], signs, synthetic=True)

        visits = ((self.earlier, a), (self.later, b))
        common = SUBSETS.index(a & b)
        own = [sign(v, SUBSETS.index(s), k) for v, s in visits]
        alike = [sign(v, common, k) for v, _ in visits]
        return Change(
            REGIONS[k],
            (own[0].volume_ml, own[1].volume_ml),
            (alike[0].volume_ml, alike[1].volume_ml),
            (told(a, own[0]), told(b, own[1])),
            (told(a & b, alike[0]), told(a & b, alike[1])),
        )


def follow(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        SettingsError: heads that are not in both folders, a checkpoint without a calibration.
        CaseError: a case that cannot be measured.
    """
    import torch

    from mckd.tumour import TumourSegmenter

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    segmenter = TumourSegmenter.load(arguments.checkpoint)
    if segmenter.calibration is None:
        raise SettingsError(
            f"{arguments.checkpoint.name} has no calibration: python -m train calibrate."
        )
    pairs = measure_pairs(segmenter, arguments.earlier, arguments.later, arguments.measured, print)
    print(report(pairs, segmenter.calibration))
    return 0


def measure_pairs(
    segmenter: TumourSegmenter,
    earlier: Path,
    later: Path,
    kept: Path,
    say: Callable[[str], None],
) -> list[Pair]:
    """Every head of both folders; what was measured stays in two folders below `kept`."""
    first, then = (
        {path.relative_to(folder).as_posix(): path for path in find_cases(folder)}
        for folder in (earlier, later)
    )
    if alone := sorted({*first} ^ {*then}):
        raise SettingsError(f"{alone[0]} is in one of the folders only. Give the same heads twice.")
    for name in ("earlier", "later"):
        (kept / name).mkdir(parents=True, exist_ok=True)
    pairs = []
    for number, (name, path) in enumerate(first.items(), start=1):
        pairs.append(
            Pair(
                measured(segmenter, path, kept / "earlier"),
                measured(segmenter, then[name], kept / "later"),
            )
        )
        say(f"[{number}/{len(first)}] {name}")
    return pairs


def report(pairs: Sequence[Pair], calibration: Calibration) -> str:
    """As Markdown: errors of both ways, per protocol and over all of them; then the ranges."""
    different = [(a, b) for a in SUBSETS for b in SUBSETS if a != b and a & b]
    head = ["earlier", "later", "compared by"]
    head += [f"{r.upper()} {way}" for r in REGIONS for way in ("growth", "plain", "nearer")]
    rows = [
        [title_of(a), title_of(b), title_of(a & b), *_errors(pairs, calibration, [(a, b)])]
        for a, b in SHOWN
    ]
    rows.append([f"all {len(different)}", "", "", *_errors(pairs, calibration, different)])
    grown = np.mean([[pair.true_ml(k) for k in range(len(REGIONS))] for pair in pairs], 0)
    told = ", ".join(f"{r.upper()} {ml:.1f}" for r, ml in zip(REGIONS, grown, strict=True))
    return "\n".join(
        [
            f"{len(pairs)} pairs; mean true growth, mL: {told}. Mean absolute error in mL of the "
            "growth from the common sequences, of the plain difference of both visits, and of "
            "the one of the two that is said to be likely nearer.",
            "",
            *as_markdown(head, rows),
            "",
            _ranges(pairs, calibration),
        ]
    )


def _errors(
    pairs: Sequence[Pair], calibration: Calibration, protocols: Iterable[tuple[Subset, Subset]]
) -> list[str]:
    """Of each region: the mean |error| of growth, of the plain difference, and of what is said to
    be likely nearer, mL."""
    given = [*protocols]
    cells = []
    for k in range(len(REGIONS)):
        off = []
        for pair in pairs:
            true = pair.true_ml(k)
            for a, b in given:
                change = pair.change(calibration, a, b, k)
                nearer = change.whole_ml if change.blurred else change.growth_ml
                told = change.growth_ml, change.whole_ml, nearer
                off.append([abs(ml - true) for ml in told])
        cells += [f"{mean:.1f}" for mean in np.mean(off, 0)]
    return cells


def _ranges(pairs: Sequence[Pair], calibration: Calibration) -> str:
    """How often ranges of growth hold the true one, and what is called grown, per region."""
    head = ["region", "true growth held", "called grown", "from all four", "wrong"]
    rows = []
    for k, region in enumerate(REGIONS):
        told = [
            (subset, pair.change(calibration, subset, subset, k), pair.true_ml(k))
            for subset in SUBSETS
            for pair in pairs
        ]
        grown = [(subset, true) for subset, change, true in told if change.verdict == GROWN]
        wrong = sum(true <= 0 for _, true in grown)
        wrong += sum(change.verdict == SHRUNK and true >= 0 for _, change, true in told)
        whole = sum(subset == ALL for subset, _ in grown)
        held = sum(_holds(change.growth_range_ml, true) for _, change, true in told)
        rows.append(
            [
                region.upper(),
                f"{held} of {len(told)}",
                f"{len(grown)} of {len(told)}",
                f"{whole} of {len(pairs)}",
                str(wrong),
            ]
        )
    lines = as_markdown(head, rows)
    return "\n".join(["Ranges of growth, over the 15 common subsets.", "", *lines])


def _holds(interval: Interval | None, true_ml: float) -> bool:
    return interval is not None and interval[0] - SLACK_ML <= true_ml <= interval[1] + SLACK_ML
