"""All figures of a compared case, as CSV for a spreadsheet and as JSON with their meaning."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from mckd.report.subject import EMPTY, PURPOSE, Subject
from mckd.tumour.comparison import MEANING, RegionRow, key_of
from mckd.tumour.naming import REGIONS

DECIMALS = {"ml": 3, "mm": 2}
OF_SCORES = 4


def figures_csv(subject: Subject) -> bytes:
    """A line per subset and region. A number that does not exist is empty."""
    return _csv(
        {
            "case": subject.name,
            "subset": row.key,
            **_figures(region),
            "unlike_training": subject.case.unlike_training,
            "notes": " ".join(subject.notes),
        }
        for row in subject.compared.rows
        for region in row.regions
    )


def contributions_csv(subject: Subject) -> bytes:
    """A line per region and sequence; every subset must be in."""
    return _csv(
        {
            "case": subject.name,
            "region": region,
            "sequence": sequence,
            "contribution_ml": _rounded("ml", ml),
            "without_ml": _rounded("ml", found.without_ml[sequence]),
            "total_ml": _rounded("ml", found.total_ml),
            "contribution_dice": None
            if found.dice is None
            else _rounded("dice", found.dice[sequence]),
        }
        for region, found in subject.compared.contributions().items()
        for sequence, ml in found.volume_ml.items()
    )


def figures_json(subject: Subject) -> bytes:
    """Everything: figures, contributions, geometry, model, versions, and what they mean."""
    compared = subject.compared
    whole = {
        "purpose": PURPOSE,
        "case": subject.name,
        "synthetic": subject.case.synthetic,
        "date": subject.day.isoformat(),
        "sequences": subject.sequences,
        "reference": subject.reference is not None,
        "reference_regions": subject.told,
        "hd95": subject.distances,
        "unlike_training": subject.case.unlike_training,
        "notes": subject.notes,
        "geometry": subject.geometry,
        "model": subject.model,
        "versions": subject.versions,
        "subsets": [
            {
                "subset": row.key,
                "sequences": key_of(row.subset).split("+"),
                "regions": {found.region: _figures(found) for found in row.regions},
            }
            for row in compared.rows
        ],
        "contributions": _contributions(subject) if compared.complete else None,
        "meaning": {"contributions": MEANING, "empty_masks": EMPTY},
    }
    return (json.dumps(whole, indent=2, allow_nan=False) + "\n").encode()


def _figures(found: RegionRow) -> dict[str, Any]:
    """One region of one subset: every number that there can be."""
    score = found.score
    numbers: dict[str, Any] = {
        "region": found.region,
        "volume_ml": found.volume_ml,
        "change_ml": found.change_ml,
        "agreement_dice": found.agreement,
        "reference_ml": score and score.reference_ml,
        "outcome": score and score.outcome,
        "dice": score and score.dice,
        "hd95_mm": score and score.hd95_mm,
        "brats_dice": score and score.brats_dice,
    }
    return {name: _rounded(name, value) for name, value in numbers.items()}


def _contributions(subject: Subject) -> dict[str, Any]:
    found = subject.compared.contributions()
    return {
        region: {
            "total_ml": _rounded("ml", found[region].total_ml),
            "volume_ml": _all_rounded("ml", found[region].volume_ml),
            "without_ml": _all_rounded("ml", found[region].without_ml),
            "dice": _all_rounded("dice", found[region].dice),
            "sentence": found[region].sentence,
        }
        for region in REGIONS
    }


def _all_rounded(name: str, values: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if values is None else {key: _rounded(name, value) for key, value in values.items()}


def _rounded(name: str, value: Any) -> Any:
    """By the unit at the end of its name; scores have none. 0 has no sign."""
    if not isinstance(value, float):
        return value
    return round(value, DECIMALS.get(name.rpartition("_")[2], OF_SCORES)) + 0.0


def _csv(lines: Iterable[dict[str, Any]]) -> bytes:
    """Words in it are ours or plain names, so none can begin a formula."""
    rows = list(lines)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()
