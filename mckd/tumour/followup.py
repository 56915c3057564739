"""Visits of one patient, compared although not every sequence was taken at each.

    visits = [read_visit(segmenter, case, day) for case, day in ...]
    followed = FollowUp.of(visits)
    for step in followed.steps:                       # from each visit to the next
        step.changes["et"].growth_ml, step.changes["et"].protocol_ml, step.changes["et"].verdict

Volumes from different sequences differ although nothing has grown. So visits A and B are compared
at the sequences that both have, C; with v(X, S) the volume at visit X from the sequences S,

    v(B, S_B) - v(A, S_A)  =  v(B, C) - v(A, C)                              growth
                            + (v(B, S_B) - v(B, C)) - (v(A, S_A) - v(A, C))  change of protocol

Where C is empty nothing can be compared, nor where the visits may be of two people: where their
headers name two (see `persons`), or their heads do not fit onto each other (see `heads`), and
nobody has said that they are of one (`Visit.vouched`).

What is called growth. Each v(X, C) has a range that holds the truth in 90 % of cases (see
`calibration`). The range of a difference is drawn around it as errors add up that are independent,
by the root of the sum of their squares:

    from  growth - hypot(v(B) - low(B), high(A) - v(A))
    to    growth + hypot(high(B) - v(B), v(A) - low(A))

The errors of two visits of one head tend to be alike, so it is rather too wide: of synthetic pairs
it held the true growth in more than 90 % (RESULTS.md); real pairs were not measured. "Grown" and
"shrunk" are said only where it leaves 0 out. It says little about small changes: what is not called
grown may have grown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from mckd.method import subsets
from mckd.tumour.calibration import Interval
from mckd.tumour.comparison import Subset, title_of
from mckd.tumour.diameters import Lesion, lesions_of, product_mm2
from mckd.tumour.geometry import Bools
from mckd.tumour.heads import LEAST_AGREEMENT, Head
from mckd.tumour.metrics import volumes_ml
from mckd.tumour.naming import REGIONS, SEQUENCES
from mckd.tumour.persons import NOBODY, Person
from mckd.tumour.rano import Assessment, assessed

if TYPE_CHECKING:
    from mckd.tumour.data import Case
    from mckd.tumour.predictor import TumourSegmenter

Progress = Callable[[float], None]

GROWN, SHRUNK, OPEN = "grown", "shrunk", "within the ranges"
UNTOLD = "no ranges"
BLURRED = 2.0
"""Of synthetic pairs, growths whose ranges were wider than this many plain ones were further off
than the plain differences (RESULTS.md)."""
NOTHING_COMMON = "The two visits have no sequence in common, so they cannot be compared."
STRANGERS = (
    "These visits may be of two people: {}. So nothing is told to have grown, unless you say that "
    "they are of one patient."
)
VOUCHED = "Compared because they are said to be of one patient, although {}."
SAME_DAY = (
    "Both are of one day, in the order in which they were given: what differs is the scan or its "
    "sequences, hardly the tumour."
)
NAMED_APART = "their DICOM headers name different patients"
UNLIKE = (
    "the folds of their brains do not fit onto each other "
    f"(agreement {{:.2f}}; visits of one head {LEAST_AGREEMENT} or more)"
)
MEANING = (
    "Growth is told from the sequences that both visits have; what the other sequences add is the "
    "change of protocol, and no growth. The range of a growth adds up the 90 % ranges of both "
    "volumes as independent errors add up; it held the true growth of at least 90 % of synthetic "
    "pairs, and was not measured on real ones. Grown or shrunk is said only where it leaves 0 out; "
    "'within the ranges' does not say that nothing has changed. The model was "
    "made for glioma before surgery: after an operation or radiation what it outlines was never "
    "checked. That visits are of one patient is checked by DICOM's patient ID, name and date of "
    "birth and by the folds of the brain, as far as they are there: whoever compares them has to "
    "know it."
)
"""What has to stand beside every comparison."""
DIAMETERS = (
    "Diameters are those of enhancing tumour on the axial slice where it is longest, with the "
    "longest distance at right angles to it, necrosis inside included; products of lesions of at "
    "least 10 mm x 10 mm on two slices are summed (RANO), from the sequences that all visits with "
    "T1c have. Slices are those of the T1c as it was given; where they lie more than 5 mm apart, "
    "twice that is asked for in place of 10 mm. Images that were resampled before they came here "
    "no longer tell how thick their slices were: there the rule for thick slices is not applied. "
    "To RANO (Wen 2010, 2023) 25 % or more above the smallest sum so far is one sign of "
    "progression, 50 % or less of that at the baseline one of response; here the first visit is "
    "taken for the baseline. Treatment, steroids and the patient's state count too: none is known "
    "here."
)


@dataclass(frozen=True)
class Reading:
    """What some sequences of a visit say.

    volumes_ml: {region: mL}. intervals_ml: {region: (low, high)} at 90 %, empty without a
    calibration. lesions: of enhancing tumour; None where T1c was not used, without which none is
    seen.
    """

    volumes_ml: Mapping[str, float]
    intervals_ml: Mapping[str, Interval]
    lesions: tuple[Lesion, ...] | None

    @classmethod
    def of(
        cls, used: Subset, masks: Bools, case: Case, intervals_ml: Mapping[str, Interval]
    ) -> Reading:
        """masks: (3, X, Y, Z) in canonical orientation, of the whole image or cropped, as a
        prediction of the case from the sequences `used` has them."""
        lesions = None
        if "t1c" in used:
            enhancing = masks[REGIONS.index("et")]
            lesions = lesions_of(enhancing, case.spacing_mm, case.given_mm["t1c"])
        return cls(volumes_ml(masks, case.grid.canonical), intervals_ml, lesions)

    @property
    def largest(self) -> str:
        """Both diameters of the largest lesion: `41 x 32 mm`; `none` without one."""
        if not self.lesions:
            return "none"
        return f"{self.lesions[0].longest_mm:.0f} x {self.lesions[0].across_mm:.0f} mm"

    @property
    def product_mm2(self) -> float | None:
        """RANO's sum of products; None without T1c."""
        return None if self.lesions is None else product_mm2(self.lesions)


@dataclass(frozen=True)
class Visit:
    """One examination: numbers, and a rough pattern of its brain, no image.

    name: for people. present: the sequences that belong to it. readings: of every subset of them.
    day: None where it is not known. synthetic: whether no patient was there. head, person: to tell
    whether other visits can be of the same one; nothing shows them. vouched: whether somebody who
    knows it said that it is of one patient with the others of which that was said. by_name: whether
    nothing but its name tells the day, against which those of other visits may speak.
    """

    name: str
    present: Subset
    readings: Mapping[Subset, Reading]
    day: date | None = None
    synthetic: bool = False
    head: Head | None = field(default=None, repr=False)
    person: Person = field(default=NOBODY, repr=False)
    vouched: bool = False
    by_name: bool = False

    @property
    def own(self) -> Reading:
        """From all its sequences."""
        return self.readings[self.present]

    def repeats(self, other: Visit) -> bool:
        """Whether both are of the same images: no two examinations agree to the last bit."""
        return self.present == other.present and self.readings == other.readings

    def of_one_scan(self, other: Visit) -> bool:
        """Whether both are of the same images, as far as they have sequences in common."""
        common = self.readings.keys() & other.readings.keys()
        return bool(common) and all(self.readings[s] == other.readings[s] for s in common)

    def doubt(self, other: Visit) -> str:
        """Why both may be of two people; "" where nothing speaks for it."""
        if self.person.differs(other.person):
            return NAMED_APART
        if self.head is None or other.head is None:
            return ""
        agreement = self.head.agreement(other.head)
        unlike = agreement is not None and agreement < LEAST_AGREEMENT
        return UNLIKE.format(agreement) if unlike else ""


def read_visit(
    segmenter: TumourSegmenter,
    case: Case,
    day: date | None = None,
    name: str = "",
    progress: Progress = lambda share: None,
    person: Person = NOBODY,
) -> Visit:
    """Segment a case from every subset of its sequences: which of them another visit will share
    nobody knows yet.

    person: whom its headers name. progress: told the share that is done, 0..1, rising.
    """
    encoded = segmenter.encode(case)
    given = subsets([s for s in SEQUENCES if s in case.present])
    readings = {}
    each = zip(given, segmenter.decide_each(encoded, given), strict=True)
    for count, (subset, found) in enumerate(each, start=1):
        readings[subset] = Reading.of(subset, found.cropped, case, found.intervals_ml)
        progress(count / len(given))
    segmenter.forget(encoded)
    head = Head.of(case)
    return Visit(name or case.name, case.present, readings, day, case.synthetic, head, person)


@dataclass(frozen=True)
class Change:
    """One region from one visit to another; mL, the earlier visit first.

    own_ml: the volume from all sequences of each visit. common_ml: from those that both have.
    own_ranges_ml, ranges_ml: at 90 % of these; None without a calibration.
    """

    region: str
    own_ml: tuple[float, float]
    common_ml: tuple[float, float]
    own_ranges_ml: tuple[Interval, Interval] | None
    ranges_ml: tuple[Interval, Interval] | None

    @property
    def whole_ml(self) -> float:
        """The plain difference of both visits, whatever their sequences."""
        return self.own_ml[1] - self.own_ml[0]

    @property
    def growth_ml(self) -> float:
        """The part of it that the same sequences show."""
        return self.common_ml[1] - self.common_ml[0]

    @property
    def protocol_ml(self) -> float:
        """The rest: what the visits' other sequences change."""
        return self.whole_ml - self.growth_ml

    @property
    def growth_range_ml(self) -> Interval | None:
        """From and to, see the module."""
        return self.ranges_ml and difference(self.common_ml, self.ranges_ml)

    @property
    def plain_range_ml(self) -> Interval | None:
        """The same of the plain difference."""
        return self.own_ranges_ml and difference(self.own_ml, self.own_ranges_ml)

    @property
    def blurred(self) -> bool:
        """Whether the common sequences tell the region so roughly that the plain difference is
        likely nearer to the true growth: the range is BLURRED times as wide, or wider."""
        if self.growth_range_ml is None or self.plain_range_ml is None:
            return False
        (low, high), (least, most) = self.growth_range_ml, self.plain_range_ml
        return high - low > BLURRED * (most - least)

    @property
    def verdict(self) -> str:
        """GROWN, SHRUNK, OPEN, or UNTOLD without ranges."""
        if self.growth_range_ml is None:
            return UNTOLD
        low, high = self.growth_range_ml
        return GROWN if low > 0 else SHRUNK if high < 0 else OPEN


@dataclass(frozen=True)
class Step:
    """From one visit to a later one. assessment: RANO's of the later one against all before it;
    None where it, or all of them, have no T1c. measured_by: the sequences that it is made from."""

    earlier: Visit
    later: Visit
    assessment: Assessment | None = None
    measured_by: Subset = frozenset()

    @property
    def days(self) -> int | None:
        """Between them, where both dates are known."""
        if self.earlier.day is None or self.later.day is None:
            return None
        return (self.later.day - self.earlier.day).days

    @property
    def span(self) -> str:
        """The days for people: `88 days`, `1 day`, `the same day`; "" where they are not known."""
        if self.days is None:
            return ""
        return f"{self.days} day{'s' * (self.days != 1)}" if self.days else "the same day"

    @property
    def common(self) -> Subset:
        """The sequences that both have; empty: they cannot be compared."""
        return self.earlier.present & self.later.present

    @property
    def same(self) -> bool:
        """Whether both have the same sequences: then there is no change of protocol."""
        return self.earlier.present == self.later.present

    @property
    def vouched(self) -> bool:
        """Whether somebody said that both are of one patient."""
        return self.earlier.vouched and self.later.vouched

    @cached_property
    def doubt(self) -> str:
        """That the visits may be of two people, a sentence; "" where nothing speaks for it, or
        somebody knows better."""
        why = "" if self.vouched else self.earlier.doubt(self.later)
        return STRANGERS.format(why) if why else ""

    @cached_property
    def changes(self) -> dict[str, Change]:
        """{region: its change}; empty where the visits cannot be compared, or may be of two
        people."""
        if self.doubt or not self.common:
            return {}
        return {region: self._change(region) for region in REGIONS}

    @property
    def rano(self) -> str:
        """The largest lesion of both visits, and RANO's assessment of the later one, in a sentence;
        "" without it."""
        if self.assessment is None:
            return ""
        largest = ", then ".join(
            visit.readings[self.measured_by].largest
            for visit in (self.earlier, self.later)
            if self.measured_by <= visit.present
        )
        by = title_of(self.measured_by)
        return f"RANO, from {by}: largest enhancing lesion {largest}; {self.assessment.words}."

    @property
    def sentence(self) -> str:
        """What they were compared by, and what became of it."""
        if self.doubt:
            return self.doubt
        if not self.common:
            return NOTHING_COMMON
        told = [
            f"{region.upper()} {change.verdict}"
            for region, change in self.changes.items()
            if change.verdict in (GROWN, SHRUNK)
        ]
        ranged = any(change.ranges_ml for change in self.changes.values())
        nothing = "no change that exceeds the ranges" if ranged else "no ranges to judge it by"
        more = "" if self.same else ", the sequences that both have"
        day = f" {SAME_DAY}" if self.days == 0 else ""
        why = self.earlier.doubt(self.later)
        although = f" {VOUCHED.format(why)}" if why else ""
        told_as = ", ".join(told) or nothing
        return f"Compared from {title_of(self.common)}{more}: {told_as}.{day}{although}"

    def _change(self, region: str) -> Change:
        common = self.earlier.readings[self.common], self.later.readings[self.common]
        own = self.earlier.own, self.later.own
        return Change(
            region,
            (own[0].volumes_ml[region], own[1].volumes_ml[region]),
            (common[0].volumes_ml[region], common[1].volumes_ml[region]),
            _ranges(*own, region),
            _ranges(*common, region),
        )


def difference(volumes_ml: tuple[float, float], ranges_ml: tuple[Interval, Interval]) -> Interval:
    """The range of the second volume less the first, as errors add up that are independent."""
    (a, b), ((low_a, high_a), (low_b, high_b)) = volumes_ml, ranges_ml
    below, above = math.hypot(b - low_b, high_a - a), math.hypot(high_b - b, a - low_a)
    return b - a - below, b - a + above


def _ranges(earlier: Reading, later: Reading, region: str) -> tuple[Interval, Interval] | None:
    a, b = earlier.intervals_ml.get(region), later.intervals_ml.get(region)
    return None if a is None or b is None else (a, b)


@dataclass(frozen=True)
class FollowUp:
    """Visits in the order of time; two or more to have a step."""

    visits: tuple[Visit, ...]

    @classmethod
    def of(cls, visits: Iterable[Visit]) -> FollowUp:
        """By their dates; one without a date keeps the place that it was given at. So of two
        dated visits the later never comes first: growth would be told as shrinking."""
        given = tuple(visits)
        dated = [visit for visit in given if visit.day is not None]
        in_time = iter(sorted(dated, key=lambda visit: visit.day or date.min))
        return cls(tuple(visit if visit.day is None else next(in_time) for visit in given))

    @cached_property
    def steps(self) -> list[Step]:
        """From each visit to the next."""
        found, by = self._assessments, _shared(self._measured)
        return [
            Step(a, b, found.get(k), by if k in found else frozenset())
            for k, (a, b) in enumerate(pairwise(self.visits), start=1)
        ]

    @cached_property
    def whole(self) -> Step | None:
        """From the first to the last, where there are visits between them."""
        return Step(self.visits[0], self.visits[-1]) if len(self.visits) > 2 else None

    @property
    def common(self) -> Subset:
        """The sequences of every visit, by which all can be put on one line; empty where there are
        none, or where some may be of other people."""
        return _shared(self.visits) if self._of_one else frozenset()

    def line(self, region: str) -> list[tuple[float, Interval | None]]:
        """Volume and range of a region at each visit from `common`; empty where that is."""
        return [
            (reading.volumes_ml[region], reading.intervals_ml.get(region))
            for reading in self._alike
        ]

    @property
    def _alike(self) -> list[Reading]:
        return [visit.readings[self.common] for visit in self.visits if self.common]

    @cached_property
    def _of_one(self) -> bool:
        """Whether nothing speaks for two people among the visits."""
        return not any(Step(a, b).doubt for a, b in combinations(self.visits, 2))

    @property
    def _measured(self) -> list[Visit]:
        """Those with T1c, without which nothing enhances."""
        return [visit for visit in self.visits if "t1c" in visit.present]

    @property
    def _assessments(self) -> dict[int, Assessment]:
        """RANO's, by the place of the visit, from what all visits with T1c have."""
        if not self._of_one:
            return {}
        common = _shared(self._measured)
        sums = [product_mm2(visit.readings[common].lesions or ()) for visit in self._measured]
        places = [k for k, visit in enumerate(self.visits) if "t1c" in visit.present]
        return dict(zip(places[1:], assessed(sums), strict=True))


def _shared(visits: Collection[Visit]) -> Subset:
    """The sequences that all of them have."""
    return frozenset.intersection(*(visit.present for visit in visits)) if visits else frozenset()
