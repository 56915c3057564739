"""Tables as text: CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_csv(
    rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = (), ending: str = "\n"
) -> str:
    """A line per row under a head; what a row lacks is empty, and so is None.

    columns: in order; without them every key, in the order in which they first appear.
    """
    lines = list(rows)
    head = list(columns) or list(dict.fromkeys(key for row in lines for key in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, head, restval="", lineterminator=ending)
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def as_markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]
