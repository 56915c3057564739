"""A folder of tables: one file per modality, one row per sample, and the labels.

    labels.csv                      identifier and label
    pixels.csv, blood.parquet, ...  identifier and any number of columns; rows may be missing

The name of a file is the name of its modality. A sample is an identifier of `labels.csv` with a row
in at least one of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mckd.tables.files import Column, Table, TableError, Words, modality_of, read_table
from mckd.tables.words import counted, nearest

Bools = npt.NDArray[np.bool_]

LABELS = "labels"
FEWEST, MOST = 2, 8
MOST_COLUMNS = 20_000
"""Of all modalities together: a checkpoint's header names them."""
RESERVED = ("all", "mean")
"""What scores of several modalities are called."""


@dataclass(frozen=True)
class Samples:
    """n samples of M modalities.

    ids: (n,). tables: {modality: {column: (n,)}}, without a value where the row is missing.
    present: (n, M) bool, in the order of `tables`; at least one in every row. target: what the
    labels are called. labels: (n,) str as they are written, None where there is none. notes:
    sentences on what could not be used.
    """

    ids: tuple[str, ...]
    tables: dict[str, dict[str, Column]]
    present: Bools
    target: str
    labels: Words
    notes: tuple[str, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self.tables)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Sequence[int] | npt.NDArray[np.integer]) -> Samples:
        """Some of the samples."""
        at = np.asarray(rows, np.int64)
        return replace(
            self,
            ids=tuple(self.ids[k] for k in at),
            tables={m: {c: v[at] for c, v in t.items()} for m, t in self.tables.items()},
            present=self.present[at],
            labels=self.labels[at],
        )


def read_folder(
    folder: Path, target: str = "", labelled: bool = True, fewest: int = FEWEST
) -> Samples:
    """Read a folder of tables, or the one folder that it holds.

    Args:
        target: the column of the labels; "" where they have only one.
        labelled: only samples with a label; else all of the tables, labels or not.
        fewest: tables that are needed beside the labels.

    Raises:
        TableError: not so many tables or more than 8, no labels, nothing that fits together, or a
            file that cannot be read.
    """
    files = _files(_inner(Path(folder)))
    labels = files.pop(LABELS, None)
    if labels is None and labelled:
        raise TableError(
            f"There is no {LABELS}.csv in {Path(folder).name}. It is to hold an identifier and a "
            "label in each line."
        )
    if not fewest <= len(files) <= MOST:
        raise TableError(
            f"{Path(folder).name} holds {counted(len(files), 'table')} beside the labels: {fewest} "
            f"to {MOST} are needed, each a CSV or Parquet file, one per modality."
        )
    tables = {modality: read_table(path) for modality, path in files.items()}
    columns = sum(len(table.columns) for table in tables.values())
    if columns > MOST_COLUMNS:
        raise TableError(
            f"The tables have {columns:,} columns; at most {MOST_COLUMNS:,} can be used. Choose "
            "those that vary most."
        )
    known = read_table(labels, words=True, target=target) if labels else None
    return assemble(tables, known, target, labelled)


def assemble(
    tables: dict[str, Table], labels: Table | None, target: str = "", labelled: bool = True
) -> Samples:
    """Put the rows of each sample together.

    Raises:
        TableError: labels of several columns and none chosen; no identifier in common.
    """
    notes = [note for table in tables.values() for note in table.notes]
    name = _target_of(labels, target) if labels else ""
    of = dict(zip(labels.ids, labels.columns[name], strict=True)) if labels else {}
    everyone = dict.fromkeys(i for table in tables.values() for i in table.ids)
    ids = [i for i in (of if labelled else everyone) if not labelled or of[i] is not None]
    if len(of) > len(ids):
        notes.append(f"{counted(len(of) - len(ids), 'sample')} without a label left out.")
    aligned = {m: _aligned(table, ids) for m, table in tables.items()}
    present = np.stack([_filled(columns.values()) for columns in aligned.values()], 1)
    _require_matches(tables, ids, present)
    found = Samples(tuple(ids), aligned, present, name, np.array([*map(of.get, ids), None])[:-1])
    some = np.flatnonzero(present.any(1))
    if len(some) < len(ids):
        notes.append(f"{counted(len(ids) - len(some), 'sample')} without any row left out.")
    if labelled and (strangers := sum(i not in of for i in everyone)):
        notes.append(f"{counted(strangers, 'identifier')} without a label left out.")
    return replace(found[some], notes=tuple(notes))


def _inner(folder: Path) -> Path:
    """The folder, or the only one in it, as archives often have it."""
    inside = [p for p in folder.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    return _inner(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def _files(folder: Path) -> dict[str, Path]:
    """Tables by modality, in the order of their names."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        modality = modality_of(path.name) if path.is_file() else ""
        if modality.lower() == LABELS:
            modality = LABELS
        if not modality:
            continue
        if modality in found:
            raise TableError(f"{found[modality].name} and {path.name} are one modality. Keep one.")
        if modality in RESERVED or "+" in modality:
            raise TableError(f"A table cannot be called {modality!r}. Rename {path.name}.")
        found[modality] = path
    return found


def _target_of(labels: Table, target: str) -> str:
    """The column that is to be predicted."""
    names = list(labels.columns)
    if target and target not in names:
        raise TableError(f"The labels have no column {target!r}. {nearest(target, names)}")
    if not target and len(names) > 1:
        raise TableError(
            f"The labels have {len(names)} columns: {', '.join(names[:5])}. Say which one is to be "
            "predicted: --target NAME."
        )
    return target or names[0]


def _aligned(table: Table, ids: Iterable[str]) -> dict[str, Column]:
    """The columns with one row per id, without a value where the table has no such row."""
    place = {i: k for k, i in enumerate(table.ids)}
    rows = np.array([place.get(i, -1) for i in ids], np.int64)
    found = {}
    for name, column in table.columns.items():
        values = column[rows]
        values[rows < 0] = np.nan if column.dtype == np.float64 else None
        found[name] = values
    return found


def _filled(columns: Iterable[Column]) -> Bools:
    """(n,): whether a row holds any value at all."""
    values = [~np.isnan(c) if c.dtype == np.float64 else c.astype(bool) for c in columns]
    return np.asarray(np.logical_or.reduce(values), bool)


def _require_matches(tables: dict[str, Table], ids: Sequence[str], present: Bools) -> None:
    """Raises:
    TableError: a table, or all of them, have no sample in common with the labels.
    """
    for k, (modality, table) in enumerate(tables.items()):
        if not present[:, k].any():
            example = f" (there {table.ids[0]!r}, here {ids[0]!r})" if len(ids) else ""
            raise TableError(
                f"No row of the table {modality} belongs to a sample with a label{example}. The "
                "identifiers are to be the same in all files."
            )
