"""Visits of one patient compared: the tables, as CSV for a spreadsheet and as JSON with meaning.

Visits are called by their number: the names of their files may be a person's. Their dates are told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mckd.report.subject import PURPOSE
from mckd.report.tables import as_bytes, rounded
from mckd.tumour.comparison import Subset
from mckd.tumour.evidence import caution
from mckd.tumour.followup import DIAMETERS, MEANING, FollowUp, Reading, Step, Visit
from mckd.tumour.naming import REGIONS, key_of
from mckd.tumour.rano import Assessment
from mckd.tumour.scope import SCOPE

NOT_COMPARABLE, TWO_PEOPLE = "not comparable", "two people?"


@dataclass(frozen=True)
class Followed:
    """What an export of a follow-up is made from. about: the checkpoint's header with its `sha256`.
    day: of the report."""

    visits: FollowUp
    about: Mapping[str, Any]
    day: date

    @property
    def steps(self) -> list[Step]:
        """From each visit to the next, then from the first to the last where that is another."""
        whole = self.visits.whole
        return [*self.visits.steps, *([whole] if whole else [])]

    @property
    def intervals(self) -> str:
        """What the ranges of volumes mean; "" without them."""
        return str(self.about.get("intervals", ""))

    def number(self, visit: Visit) -> int:
        """Of a visit, from 1."""
        return 1 + next(k for k, other in enumerate(self.visits.visits) if other is visit)

    def compared(self, visit: Visit) -> list[Subset]:
        """The subsets of a visit's sequences by which it is told or compared, its own first."""
        steps = [step for step in self.steps if visit in (step.earlier, step.later)]
        wanted = [visit.present, *(step.common for step in steps), self.visits.common]
        return list(dict.fromkeys(filter(None, wanted)))

    def caution(self, subset: Subset, region: str) -> str:
        """`unreliable`, `rough` or "": of a region from these sequences."""
        return caution(self.about, subset, region)


def visits_csv(followed: Followed) -> bytes:
    """A line per visit, subset and region."""
    return as_bytes(
        {
            "visit": followed.number(visit),
            "date": visit.day,
            "synthetic": visit.synthetic,
            "subset": key_of(subset),
            "all_of_the_visit": subset == visit.present,
            "region": region,
            **_figures(visit.readings[subset], region),
            "caution": followed.caution(subset, region),
        }
        for visit in followed.visits.visits
        for subset in followed.compared(visit)
        for region in REGIONS
    )


def changes_csv(followed: Followed) -> bytes:
    """A line per step and region; one that cannot be compared has no figures."""
    return as_bytes(
        {
            "from": followed.number(step.earlier),
            "to": followed.number(step.later),
            "days": step.days,
            "subset_from": key_of(step.earlier.present),
            "subset_to": key_of(step.later.present),
            "compared_by": key_of(step.common),
            "region": region,
            **_change(followed, step, region),
        }
        for step in followed.steps
        for region in REGIONS
    )


def followup_json(followed: Followed) -> bytes:
    """Everything, and what it means."""
    whole: dict[str, Any] = {
        "purpose": PURPOSE,
        "made_for": SCOPE,
        "date": followed.day.isoformat(),
        "model": {"sha256": followed.about.get("sha256"), "data": followed.about.get("data")},
        "visits": [
            {
                "visit": followed.number(visit),
                "date": None if visit.day is None else visit.day.isoformat(),
                "synthetic": visit.synthetic,
                "sequences": key_of(visit.present).split("+"),
                "subsets": {
                    key_of(subset): {
                        region: _figures(visit.readings[subset], region)
                        | {"caution": followed.caution(subset, region) or None}
                        for region in REGIONS
                    }
                    for subset in followed.compared(visit)
                },
            }
            for visit in followed.visits.visits
        ],
        "changes": [
            {
                "from": followed.number(step.earlier),
                "to": followed.number(step.later),
                "days": step.days,
                "compared_by": sorted(step.common),
                "may_be_two_people": bool(step.doubt),
                "said_to_be_one": step.vouched,
                "sentence": step.sentence,
                "regions": {region: _change(followed, step, region) for region in REGIONS},
            }
            for step in followed.steps
        ],
        "common_to_all": sorted(followed.visits.common),
        "meaning": {
            "growth_ml": MEANING,
            "volume_low_ml": followed.intervals or None,
            "product_mm2": DIAMETERS,
        },
    }
    return (json.dumps(whole, indent=2, allow_nan=False) + "\n").encode()


def _figures(reading: Reading, region: str) -> dict[str, Any]:
    """One region from one subset; diameters are of its largest lesion, the product of all that are
    measurable."""
    low, high = reading.intervals_ml.get(region, (None, None))
    numbers: dict[str, Any] = {
        "volume_ml": reading.volumes_ml[region],
        "volume_low_ml": low,
        "volume_high_ml": high,
    }
    if region == "et":
        largest = reading.lesions[0] if reading.lesions else None
        numbers |= {
            "longest_mm": largest and largest.longest_mm,
            "across_mm": largest and largest.across_mm,
            "measurable_lesions": None
            if reading.lesions is None
            else sum(lesion.measurable for lesion in reading.lesions),
            "product_mm2": reading.product_mm2,
        }
    return {name: rounded(name, value) for name, value in numbers.items()}


def _rano(found: Assessment | None) -> dict[str, Any]:
    """Of the later visit against all before it; None where there is none."""
    return {
        "rano_sum_mm2": found and found.sum_mm2,
        "rano_smallest_mm2": found and found.smallest_mm2,
        "rano_baseline_mm2": found and found.baseline_mm2,
        "rano_sign": (found and found.sign) or None,
    }


def _change(followed: Followed, step: Step, region: str) -> dict[str, Any]:
    """One region of one step."""
    change = step.changes.get(region)
    if change is None:
        return {"verdict": TWO_PEOPLE if step.doubt else NOT_COMPARABLE}
    low, high = change.growth_range_ml or (None, None)
    least, most = change.plain_range_ml or (None, None)
    numbers: dict[str, Any] = {
        "plain_ml": change.whole_ml,
        "plain_low_ml": least,
        "plain_high_ml": most,
        "growth_ml": change.growth_ml,
        "growth_low_ml": low,
        "growth_high_ml": high,
        "protocol_ml": change.protocol_ml,
        "verdict": change.verdict,
        "caution": followed.caution(step.common, region) or None,
        "plain_likely_nearer": change.blurred,
    }
    if region == "et":
        numbers |= _rano(step.assessment)
    return {name: rounded(name, value) for name, value in numbers.items()}
