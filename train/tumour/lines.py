"""The scores of a run: a line per case, subset and region, as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mckd.files.atomic import write_atomically
from mckd.files.tables import as_csv


class Line(NamedTuple):
    """dice and hd95_mm are None where they do not exist, see `mckd.tumour.metrics`."""

    case: str
    subset: str
    region: str
    outcome: str
    dice: float | None
    hd95_mm: float | None


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Numbers with five digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, as_csv(five_digits(x._asdict()) for x in lines).encode())


def read_lines(path: Path) -> list[Line]:
    """What `write_lines` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [Line(*row[:4], *(float(cell) if cell else None for cell in row[4:])) for row in rows]


def five_digits(row: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()}
