"""What a run has written, as a browser gets it: rows after a cursor, names, facts, a CSV file.

A run folder may hold anything, whoever wrote it: nothing here trusts or repeats it unread.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mckd.files.runs import LARGEST_NUMBER, RunFolder, open_plain
from mckd.files.tables import as_csv
from mckd.systems import SYSTEMS
from mckd.tasks import TASKS, about, variable

MAX_POINTS = 1500  # rows sent to a browser at once; longer runs are thinned
MAX_SERIES = 32  # names read from one part of a record, such as "validation"
LONGEST_LIST = 12  # entries of a list shown among a run's facts
MOST_FACTS = 300
RECORDS_NAME = "records.jsonl"

_CURSOR = re.compile(r"(\d{1,15}):(\d{1,10})")
_LOSS = re.compile(r"[a-z][a-z_]{0,38}_loss")
_PLAIN = ("epoch", "time_s", "samples_per_s")
# Numbers by modality, by subset or by scale.
NAMED = ("iwv", "validation", "fill_l1", "fill_cosine", "feature_std")


def rows_after(folder: Path, cursor: object = None) -> dict[str, Any]:
    """Rows written after `cursor`, and the cursor to send next time.

    `reset` is true where the rows start anew: no cursor yet, or the file under it was replaced (a
    cursor is a byte offset and a checksum of the bytes before it). Then `names` says what is drawn
    by name, see `names_of`, and `system` what is trained, "" where the run does not say.
    """
    run, path = RunFolder(folder), folder / RECORDS_NAME
    offset = _open_cursor(path, cursor)
    records, end = run.records(offset)
    rows = [row for row in map(tidy_row, records) if row is not None]
    found = {
        "rows": thin(rows, MAX_POINTS),
        "cursor": _seal_cursor(path, end),
        "reset": offset == 0,
    }
    if offset:
        return found
    config = run.config()
    return found | {"names": names_of(config), "system": system_of(config)}


def names_of(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What of a run's weights and scores is drawn: {name in the records: {"label", "colour"}}.

    colour: a CSS variable; "" for a modality that only the run's data knows.
    """
    task, own = config.get("task"), config.get("modalities")
    known = about(task).series if isinstance(task, str) and task in TASKS else {}
    listed = [str(name)[:40] for name in own[:MAX_SERIES]] if isinstance(own, list) else []
    return {name: {"label": name, "colour": ""} for name in listed if name not in known} | {
        key: {"label": one.label, "colour": variable(str(task), key)} for key, one in known.items()
    }


def system_of(config: Mapping[str, Any]) -> str:
    """What the system that a run trains is called; "" if it names none that is known."""
    settings = config.get("config")
    key = settings.get("system") if isinstance(settings, dict) else None
    return SYSTEMS[key].label if isinstance(key, str) and key in SYSTEMS else ""


def tidy_row(record: object) -> dict[str, Any] | None:
    """One record as the browser gets it: known keys, five digits, and None for what is not finite.

    A record without a step is no record.
    """
    if not isinstance(record, dict):
        return None
    step = number(record.get("step"))
    if step is None:
        return None
    row: dict[str, Any] = {"step": int(step)}
    row |= {key: number(record[key]) for key in _PLAIN if key in record}
    losses = [key for key in record if isinstance(key, str) and _LOSS.fullmatch(key)]
    row |= {key: number(record[key]) for key in losses[:MAX_SERIES]}
    for part in NAMED:
        values = record.get(part)
        if isinstance(values, dict) and values:
            row[part] = {str(k)[:40]: number(v) for k, v in list(values.items())[:MAX_SERIES]}
    return row


def thin(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` rows, evenly spaced, keeping the ends and, where they fit, validations."""
    if len(rows) <= limit:
        return rows
    marked = [i for i, row in enumerate(rows) if "validation" in row]
    keep = set(_evenly(marked, limit // 2)) | {0, len(rows) - 1}
    keep |= set(_evenly(range(len(rows)), limit - len(keep)))
    return [rows[i] for i in sorted(keep)]


def facts_of(label: str, config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A run's configuration as (name, value) pairs in plain words, most useful first.

    label: what the run is called in the list.
    """
    key = str(config.get("task", ""))
    facts = [
        ("Run", label),
        ("Task", about(key).label if key in TASKS else key),
        ("Preset", str(config.get("preset", ""))),
        ("Command", str(config.get("command", ""))),
    ]
    for part in ("config", "provenance", "versions"):
        facts += [(_words(name), value) for name, value in _flatten(config.get(part))]
    return [(name, value) for name, value in facts if value != ""][:MOST_FACTS]


def as_file(folder: Path, kind: object) -> bytes:
    """All records: `kind` is "csv" or "jsonl".

    Raises:
        ValueError: another kind, or no record; a sentence.
    """
    if kind not in ("csv", "jsonl"):
        raise ValueError("Records come as csv or jsonl.")
    records, _ = RunFolder(folder).records(0)
    if not records:
        raise ValueError("This run has not written a record yet.")
    if kind == "csv":
        return _as_csv(records).encode()
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def number(value: object) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not abs(value) <= LARGEST_NUMBER:  # NaN is no number either
        return None
    return value if isinstance(value, int) else float(f"{value:.5g}")


def _evenly(items: Iterable[int], count: int) -> list[int]:
    pool = list(items)
    if len(pool) <= count:
        return pool
    return [pool[round(i * (len(pool) - 1) / (count - 1))] for i in range(count)]


def _open_cursor(path: Path, cursor: object) -> int:
    """The byte offset a cursor stands for; 0 where it is none of ours or the file was replaced."""
    match = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if match is None:
        return 0
    offset = int(match[1])
    return offset if _seal_cursor(path, offset) == cursor else 0


def _seal_cursor(path: Path, offset: int) -> str:
    start = max(0, offset - 128)
    try:
        with open_plain(path) as records:
            records.seek(start)
            before = records.read(offset - start)
    except OSError:
        before = b""
    return f"{offset}:{zlib.crc32(before)}"


def _flatten(value: object, prefix: str = "") -> list[tuple[str, str]]:
    """Nested dictionaries as dotted names and short texts: {"a": {"b": 1}} -> [("a.b", "1")]."""
    if isinstance(value, dict):
        pairs = []
        for key, inner in list(value.items())[:200]:
            pairs += _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
        return pairs
    if value is None:
        return [(prefix, "")] if prefix else []
    if isinstance(value, (list, tuple)):
        shown = ", ".join(map(str, value[:LONGEST_LIST]))
        more = f" \u2026 ({len(value)} in all)" if len(value) > LONGEST_LIST else ""
        return [(prefix, shown[:500] + more)]
    return [(prefix, str(value)[:500])]


def _as_csv(records: list[dict[str, Any]]) -> str:
    """One column per number, nested names joined by dots, in the order they first appear."""
    return as_csv((dict(_flatten(record)) for record in records), ending="\r\n")


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")
