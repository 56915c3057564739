"""What every subset of a case's sequences says, and what each sequence changes.

    compared = Comparison(case, whole.canonical)         # the prediction from all its sequences
    compared.add({"t1", "t2"}, found.canonical)          # any subset, in any order, as they come
    compared.rows                                        # volumes, Dice, HD95, in the paper's order
    compared.votes("et")                                 # (X, Y, Z): how many subsets say ET here
    compared.contributions()                             # Shapley values, once all subsets are in

Masks are (3, X, Y, Z) bool, ET, TC, WT, in canonical orientation; none is kept but that of the
whole set.

Contributions are exact Shapley values. Without a sequence nothing is segmented: volume and Dice of
the empty set are 0. A contribution to Dice exists only where the reference has the region: there
the Dice of every subset exists (0 for a miss), elsewhere it would be undefined for some of them;
one to the agreement with the result from all sequences, where that has the region. A range from no
sequence does not exist: it is taken to be as wide as that from one sequence, on average.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from mckd.shapley import shapley
from mckd.tumour.advice import Advice
from mckd.tumour.calibration import Interval
from mckd.tumour.data import Case, regions
from mckd.tumour.geometry import Bools
from mckd.tumour.metrics import RegionScore, dice, score_region, volume_ml
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES, SEQUENCES, key_of, listed

Bytes = npt.NDArray[np.uint8]
Subset = frozenset[str]

ALIKE = 0.8  # of the largest contribution: a sentence that names one names the other too
SHOWN_ML = 1.0  # what a range has to narrow by to be mentioned
HARDLY = 0.985  # an agreement from which a result hardly changes
NOTHING_TELLS = "Without a reference nothing here says which result is right."
MEANING = (
    "A share is a Shapley value: by how much the volume (or the Dice) changes with a sequence, on "
    "average over every order in which the sequences could be added, starting from none. The "
    "shares add up to the result from all sequences; one may be negative. They describe this model "
    "on this case. More volume is no merit: what a sequence adds may be tissue that is no tumour. "
    "Nor is agreement with the result from all sequences, which may be wrong together. What a "
    "sequence narrows is counted from the range of one sequence, on average, to that of all; a "
    "narrow range holds the truth as often as a wide one."
)
"""What has to stand beside every contribution."""


@dataclass(frozen=True)
class RegionRow:
    """One region of one subset's prediction.

    interval_ml: from and to, see `mckd.tumour.calibration`; None without a calibration. change_ml:
    against the prediction from all sequences. agreement: Dice with that prediction; None if both
    are empty. score: against the reference, by the policy of `metrics`; None without a reference
    that can tell the region. Its hd95_mm is None too if distances were not asked for.
    """

    region: str
    volume_ml: float
    change_ml: float
    agreement: float | None
    score: RegionScore | None
    interval_ml: Interval | None = None


@dataclass(frozen=True)
class Row:
    """One subset; its regions in the order ET, TC, WT.

    advice: which sequence next, best first; none without a calibration.
    """

    subset: Subset
    regions: tuple[RegionRow, ...]
    advice: tuple[Advice, ...] = ()

    @property
    def key(self) -> str:
        """Like `flair+t1c`."""
        return key_of(self.subset)

    def __getitem__(self, region: str) -> RegionRow:
        return self.regions[REGIONS.index(region)]


@dataclass(frozen=True)
class Contribution:
    """What each sequence changes of one region: Shapley values, in the order of SEQUENCES.

    total_ml: the volume from all sequences. volume_ml: {sequence: mL}, adding up to it.
    without_ml: {sequence: the volume from all the others}; 0 if there is no other. agreement:
    {sequence: Dice of the result from all the others with that from all}; None if both are empty.
    dice: {sequence: share of the Dice with the reference}; None without a reference, or if it has
    nothing of the region. shared: {sequence: share of the agreement with the result from all},
    adding up to 1; None if that has nothing of the region. narrowed_ml: {sequence: by how much it
    narrows the range}, adding up to the mean width from one sequence less that from all; None
    without ranges.
    """

    region: str
    total_ml: float
    volume_ml: dict[str, float]
    without_ml: dict[str, float]
    agreement: dict[str, float | None]
    dice: dict[str, float] | None
    shared: dict[str, float] | None = None
    narrowed_ml: dict[str, float] | None = None

    @property
    def sentence(self) -> str:
        """What the region depends on: its Dice, where there is a reference; then the result.

        More volume is never said to be a merit.
        """
        name = REGION_NAMES[self.region].lower()
        if len(self.volume_ml) == 1:
            (only,) = self.volume_ml
            return (
                f"{SEQUENCE_NAMES[only]} is the only sequence: from it {self.total_ml:.1f} mL are "
                f"called {name}."
            )
        if self.dice is None:
            return f"{self._changes(name)}{self._narrows} {NOTHING_TELLS}"
        return f"{self._right}{self._changes(name)}{self._narrows}"

    def _changes(self, name: str) -> str:
        """The sequence whose absence changes the result most, by the agreement with it."""
        known = {s: a for s, a in self.agreement.items() if a is not None}
        if not self.total_ml:
            most = max(self.without_ml, key=lambda s: self.without_ml[s])
            if not self.without_ml[most]:
                return f"No {name} is found, whichever one sequence is left out."
            return (
                f"From all sequences no {name} is found; without {SEQUENCE_NAMES[most]} "
                f"{self.without_ml[most]:.1f} mL are called so."
            )
        least = min(known, key=lambda s: known[s])
        if known[least] >= HARDLY:
            return (
                f"Whichever one sequence is left out, the {name} hardly changes: it agrees with "
                f"the result from all of them by a Dice of {known[least]:.2f} or more."
            )
        return (
            f"Leaving out {SEQUENCE_NAMES[least]} changes the {name} most: what is found from the "
            f"others agrees with the result from all sequences by a Dice of {known[least]:.2f} "
            f"({self.without_ml[least]:.1f} mL instead of {self.total_ml:.1f})."
        )

    @property
    def _narrows(self) -> str:
        """Which sequence narrows the range most, with a space before; "" if none by 1 mL."""
        known = self.narrowed_ml or {}
        most = max(known, key=lambda s: known[s], default="")
        if not most or known[most] < SHOWN_ML:
            return ""
        return (
            f" Of the {sum(known.values()):.0f} mL by which the range of its volume is narrower "
            f"from all sequences than from one, on average, {SEQUENCE_NAMES[most]} accounts for "
            f"{known[most]:.0f}."
        )

    @property
    def _right(self) -> str:
        """The sentence about the Dice, with a space behind; none without a reference."""
        shares = self.dice or {}
        ahead = _leading(shares)
        if not ahead:
            return ""
        one = len(ahead) == 1
        return (
            f"{listed(SEQUENCE_NAMES[s] for s in ahead)} {'matters' if one else 'matter'} most to "
            f"the {REGION_NAMES[self.region].lower()}: of the Dice of {sum(shares.values()):.2f} "
            f"with the reference {'it contributes' if one else 'they contribute'} "
            f"{listed(f'{shares[s]:.2f}' for s in ahead)}. "
        )


class Figures:
    """What was measured of the subsets of one case's sequences, without a voxel of them.

    case, distances: as given.
    """

    def __init__(self, case: Case, rows: Iterable[Row] = (), distances: bool = True) -> None:
        """rows: in any order. distances: whether HD95 was measured where there is a reference."""
        self.case = case
        self.distances = distances
        self._rows = {row.subset: row for row in rows}

    @property
    def rows(self) -> tuple[Row, ...]:
        """One per subset that is in, in the order of the paper: by size, then as in SEQUENCES."""
        return tuple(sorted(self._rows.copy().values(), key=lambda row: _rank(row.subset)))

    @property
    def complete(self) -> bool:
        """Whether all 2^n - 1 subsets are in."""
        return len(self._rows) + 1 == 1 << len(self.case.present)

    def contributions(self) -> dict[str, Contribution]:
        """{region: what each sequence changes of it}.

        Raises:
            ValueError: not all subsets are in.
        """
        if not self.complete:
            raise ValueError("Contributions need every subset of the sequences.")
        return {region: self._contribution(region) for region in REGIONS}

    @property
    def _players(self) -> list[str]:
        return [s for s in SEQUENCES if s in self.case.present]

    def _contribution(self, region: str) -> Contribution:
        rows = {subset: row[region] for subset, row in self._rows.items()}
        volumes = {subset: row.volume_ml for subset, row in rows.items()}
        present = self.case.present
        others = len(present) > 1
        scores = {subset: row.score for subset, row in rows.items()}
        dices = {s: score.dice for s, score in scores.items() if score and score.reference_ml}
        known = {s: value for s, value in dices.items() if value is not None}
        return Contribution(
            region,
            volumes[present],
            shapley(volumes, self._players),
            {s: volumes.get(present - {s}, 0.0) for s in SEQUENCES if s in present},
            {s: rows[present - {s}].agreement for s in SEQUENCES if s in present and others},
            shapley(known, self._players) if known else None,
            self._shared(rows) if volumes[present] else None,
            self._narrowed(rows),
        )

    def _shared(self, rows: Mapping[Subset, RegionRow]) -> dict[str, float]:
        """Shares of the agreement with the result from all, which is not empty."""
        return shapley({s: row.agreement or 0.0 for s, row in rows.items()}, self._players)

    def _narrowed(self, rows: Mapping[Subset, RegionRow]) -> dict[str, float] | None:
        """Shares of what the range narrows by; None where a subset has none."""
        widths = {
            s: row.interval_ml[1] - row.interval_ml[0] for s, row in rows.items() if row.interval_ml
        }
        if len(widths) < len(rows):
            return None
        alone = fmean(width for subset, width in widths.items() if len(subset) == 1)
        less = {subset: alone - width for subset, width in widths.items()}
        return shapley(less, self._players)


class Comparison(Figures):
    """The subsets of one case's sequences, side by side. One thread adds, any may read."""

    def __init__(
        self,
        case: Case,
        whole: Bools,
        distances: bool = True,
        intervals: Mapping[str, Interval] | None = None,
        advice: Sequence[Advice] = (),
    ) -> None:
        """whole: (3, X, Y, Z), the prediction from every sequence that the case has.

        distances: HD95 too where there is a reference; it takes most of the time. intervals: of
        its volumes, advice: for the next sequence, as the prediction has them.
        """
        super().__init__(case, distances=distances)
        self._grid = case.grid.canonical
        self._whole = whole
        self._reference = None if case.labels is None else regions(case.labels)
        self._votes = np.zeros(whole.shape, np.uint8)
        self.add(case.present, whole, intervals, advice)

    def add(
        self,
        subset: Iterable[str],
        found: Bools,
        intervals: Mapping[str, Interval] | None = None,
        advice: Sequence[Advice] = (),
    ) -> Row:
        """Take in what a subset found, (3, X, Y, Z), the intervals of its volumes, and the advice
        for the next sequence. One that is in already stays as it is.

        Raises:
            ValueError: no sequence, or one that the case does not have; a wrong shape.
        """
        names = frozenset(subset)
        if not names or not names <= self.case.present:
            raise ValueError("A subset holds one or more of the sequences that the case has.")
        if names not in self._rows:
            row = Row(
                names,
                tuple(
                    self._row(k, found[k], (intervals or {}).get(region))
                    for k, region in enumerate(REGIONS)
                ),
                tuple(advice),
            )
            self._votes += found
            self._rows[names] = row
        return self._rows[names]

    def votes(self, region: str) -> Bytes:
        """(X, Y, Z) uint8, canonical: how many of the subsets that are in say `region` here."""
        votes: Bytes = self._votes[REGIONS.index(region)]
        return votes

    def _row(self, k: int, found: Bools, interval: Interval | None) -> RegionRow:
        region, whole, reference = REGIONS[k], self._whole[k], self._reference
        volume = volume_ml(found, self._grid)
        return RegionRow(
            region,
            volume,
            change_ml=volume - volume_ml(whole, self._grid),
            agreement=dice(found, whole),
            score=None
            if reference is None or region not in self.case.reference_regions
            else score_region(region, found, reference[k], self._grid, self.distances),
            interval_ml=interval,
        )


def title_of(subset: Iterable[str]) -> str:
    """A subset for people: `FLAIR + T1c`."""
    return " + ".join(SEQUENCE_NAMES[s] for s in sorted(subset, key=_place))


def _leading(shares: Mapping[str, float]) -> list[str]:
    """The sequences whose share is the largest or nearly so; none if no share is positive."""
    most = max(shares.values(), default=0.0)
    return [s for s, share in shares.items() if most > 0 and share >= ALIKE * most]


def _rank(subset: Subset) -> tuple[int, list[int]]:
    return len(subset), sorted(SEQUENCES.index(s) for s in subset)


def _place(player: str) -> tuple[int, str]:
    return (SEQUENCES.index(player) if player in SEQUENCES else len(SEQUENCES)), player
