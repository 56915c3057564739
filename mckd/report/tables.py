"""All figures of a compared case, as CSV for a spreadsheet and as JSON with their meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mckd.clinic.series import Prepared, Series
from mckd.files.tables import as_csv
from mckd.report.subject import EMPTY, PURPOSE, Subject
from mckd.tumour.advice import EXPECTED, Advice
from mckd.tumour.comparison import MEANING, RegionRow, Row, Subset
from mckd.tumour.evidence import caution, unseen_dice
from mckd.tumour.fingerprint import SAID
from mckd.tumour.naming import REGIONS, key_of
from mckd.tumour.planes import ACROSS
from mckd.tumour.scope import SCOPE

DECIMALS = {"ml": 3, "mm": 2, "mm2": 1}
OF_SCORES = 4
UNSEEN = (
    "unseen_dice: the mean Dice of the region from these sequences on cases that the model did not "
    "see, from its card. caution: unreliable if that is below .3, rough if below .5."
)
ADVISED = (
    "next_sequence, advice: the absent sequences that are expected to be worth it, best first, by "
    f"how much the Dice would rise and the range narrow; empty where none is. {EXPECTED}"
)
NEW = "The model did not see this case before."


def figures_csv(subject: Subject) -> bytes:
    """A line per subset and region. A number that does not exist is empty."""
    return as_bytes(
        {
            "case": subject.name,
            "seen_in_training": subject.seen,
            "subset": row.key,
            **_figures(region),
            **_next(row, region.region),
            **_evidence(subject, row.subset, region.region),
            "unlike_training": subject.case.unlike_training,
            "notes": " ".join(subject.notes),
        }
        for row in subject.compared.rows
        for region in row.regions
    )


def contributions_csv(subject: Subject) -> bytes:
    """A line per region and sequence; every subset must be in."""
    return as_bytes(
        {
            "case": subject.name,
            "seen_in_training": subject.seen,
            "region": region,
            "sequence": sequence,
            "contribution_ml": rounded("ml", ml),
            "without_ml": rounded("ml", found.without_ml[sequence]),
            "without_agreement_dice": rounded("dice", found.agreement.get(sequence)),
            "total_ml": rounded("ml", found.total_ml),
            "contribution_dice": rounded("dice", (found.dice or {}).get(sequence)),
            "contribution_agreement": rounded("agreement", (found.shared or {}).get(sequence)),
            "narrowed_ml": rounded("ml", (found.narrowed_ml or {}).get(sequence)),
        }
        for region, found in subject.compared.contributions().items()
        for sequence, ml in found.volume_ml.items()
    )


def figures_json(subject: Subject) -> bytes:
    """Everything: figures, contributions, geometry, model, versions, and what they mean."""
    compared = subject.compared
    whole: dict[str, Any] = {
        "purpose": PURPOSE,
        "made_for": SCOPE,
        "case": subject.name,
        "seen_in_training": subject.seen,
        "synthetic": subject.case.synthetic,
        "date": subject.day.isoformat(),
        "sequences": subject.sequences,
        "reference": subject.scored,
        "reference_regions": subject.reference_regions,
        "hd95": subject.distances,
        "unlike_training": subject.case.unlike_training,
        "misleading": dict(subject.case.misleading),
        "notes": subject.notes,
        "geometry": subject.geometry,
        "model": subject.model,
        "versions": subject.versions,
        "subsets": [
            {
                "subset": row.key,
                "sequences": key_of(row.subset).split("+"),
                "no_tumour": subject.no_tumour(row) or None,
                "advice": [_advised(one) for one in row.advice] if subject.intervals else None,
                "regions": {
                    found.region: _figures(found) | _evidence(subject, row.subset, found.region)
                    for found in row.regions
                },
            }
            for row in compared.rows
        ],
        "contributions": _contributions(subject) if compared.complete else None,
        "meaning": {
            "contributions": MEANING,
            "empty_masks": EMPTY,
            "unseen_dice": UNSEEN,
            "volume_low_ml": subject.intervals or None,
            "advice": ADVISED if subject.intervals else None,
            "seen_in_training": SAID[subject.seen] or NEW,
        },
    }
    if subject.prepared is not None:
        whole["preparation"] = _preparation(subject.prepared)
    return (json.dumps(whole, indent=2, allow_nan=False) + "\n").encode()


def _preparation(prepared: Prepared) -> dict[str, Any]:
    """How a case was prepared: native grids and steps; nothing of a name or a header's words."""
    return {
        "prepared_already": prepared.untouched,
        "native": {slot: native_of(series) for slot, series in prepared.used.items()},
        "steps": [
            {"kind": s.kind, "sequence": s.slot, "said": s.said, "trouble": s.trouble}
            for s in prepared.steps
        ],
    }


def native_of(series: Series) -> dict[str, Any]:
    """The grid of a series as it was taken, and which way its slices lie."""
    grid = series.grid
    thickness = series.facts.thickness_mm
    return {
        "shape": list(grid.shape),
        "spacing_mm": [round(mm, 3) for mm in grid.spacing_mm],
        "slice_thickness_mm": None if thickness is None else round(thickness, 3),
        "plane": ACROSS[int(np.abs(grid.affine[:3, 2] / grid.spacing_mm[2]).argmax())],
    }


def _figures(found: RegionRow) -> dict[str, Any]:
    """One region of one subset: every number that there can be."""
    score = found.score
    numbers: dict[str, Any] = {
        "region": found.region,
        "volume_ml": found.volume_ml,
        "volume_low_ml": found.interval_ml and found.interval_ml[0],
        "volume_high_ml": found.interval_ml and found.interval_ml[1],
        "change_ml": found.change_ml,
        "agreement_dice": found.agreement,
        "reference_ml": score and score.reference_ml,
        "outcome": score and score.outcome,
        "dice": score and score.dice,
        "hd95_mm": score and score.hd95_mm,
        "brats_dice": score and score.brats_dice,
    }
    return {name: rounded(name, value) for name, value in numbers.items()}


def _next(row: Row, region: str) -> dict[str, Any]:
    """The sequence that would most likely add most to a subset, and what to this region."""
    best = row.advice[0] if row.advice else None
    return {
        "next_sequence": best and best.sequence,
        "next_dice_gain": best and rounded("dice", best.dice_gain[region]),
        "next_narrowing_ml": best and rounded("ml", best.narrowing_ml[region]),
    }


def _advised(one: Advice) -> dict[str, Any]:
    return {
        "sequence": one.sequence,
        "dice_gain": _all_rounded("dice", one.dice_gain),
        "narrowing_ml": _all_rounded("ml", one.narrowing_ml),
    }


def _evidence(subject: Subject, subset: Subset, region: str) -> dict[str, Any]:
    """How the model does with these sequences on cases that it did not see."""
    return {
        "unseen_dice": unseen_dice(subject.about, subset, region),
        "caution": caution(subject.about, subset, region) or None,
    }


def _contributions(subject: Subject) -> dict[str, Any]:
    found = subject.compared.contributions()
    return {
        region: {
            "total_ml": rounded("ml", found[region].total_ml),
            "volume_ml": _all_rounded("ml", found[region].volume_ml),
            "without_ml": _all_rounded("ml", found[region].without_ml),
            "without_agreement_dice": _all_rounded("dice", found[region].agreement),
            "dice": _all_rounded("dice", found[region].dice),
            "agreement": _all_rounded("agreement", found[region].shared),
            "narrowed_ml": _all_rounded("ml", found[region].narrowed_ml),
            "sentence": found[region].sentence,
        }
        for region in REGIONS
    }


def _all_rounded(
    name: str, values: Mapping[str, float] | Mapping[str, float | None] | None
) -> dict[str, float | None] | None:
    return None if values is None else {key: rounded(name, value) for key, value in values.items()}


def rounded(name: str, value: Any) -> Any:
    """By the unit at the end of its name; scores have none. 0 has no sign."""
    if not isinstance(value, float):
        return value
    return round(value, DECIMALS.get(name.rpartition("_")[2], OF_SCORES)) + 0.0


def as_bytes(lines: Iterable[dict[str, Any]]) -> bytes:
    """Words in it are ours or plain names, so none can begin a formula."""
    return as_csv(lines, ending="\r\n").encode()
