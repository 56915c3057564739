"""A folder of results of many cases and runs: each case has a folder of its own in it.

    DIR/P1/week-000/    what was found in the case P1/week-000; whole or not there
    DIR/index.csv       which case each folder belongs to, and what became of it
    DIR/files.csv       every image-like file that was found: what it was used as, or why not
    DIR/figures.csv     the figures of all cases

The three tables name the user's own files and folders; the folders of the cases do not. Nothing is
written into a folder that holds anything else. Several programs may write into one DIR: tables and
names are changed under a lock, and a case's folder is made elsewhere and then moved.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from mckd.files.atomic import write_atomically
from mckd.files.tables import as_csv

INDEX, FILES, FIGURES = "index.csv", "files.csv", "figures.csv"
BEGUN, DONE = "begun", "done"
INDEX_COLUMNS = ("results", "case", "state", "why", "source")
FILE_COLUMNS = ("results", "file", "used_as", "why", "source")

_PART, _OLD = ".part-", ".old-"
_LOCK = ".lock"
_PATIENCE_S = 60
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


class OccupiedError(ValueError):
    """The place of a case's results is taken: one sentence."""


class Results:
    """The results in one folder, which is made if it is not there.

    Raises:
        OSError: it cannot be made.
        OccupiedError: one of the tables there is another program's.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._require_own_tables()
        self._lock = FileLock(folder / _LOCK, timeout=_PATIENCE_S)
        self._sweep()

    def has(self, source: str) -> bool:
        """Whether the results of a case are there, whole."""
        with self._lock:
            rows = [row for row in self._rows(INDEX) if row["source"] == source]
        return any(
            row["state"] == DONE and _holds_something(self.folder / row["results"]) for row in rows
        )

    def place(self, case: str, source: str, replace: bool) -> str:
        """Reserve a folder for a case: its path below DIR, much like `case`.

        Args:
            case: its relative path, parted by `/`. source: what tells it from all other cases.
            replace: whether results of the same case may be replaced.

        Raises:
            OccupiedError: there are results of this case, or something that nobody listed.
        """
        with self._lock:
            rows = self._rows(INDEX)
            mine = [row["results"] for row in rows if row["source"] == source and row["results"]]
            name = mine[0] if mine else self._free(case, source, rows)
            path = self.folder / name
            self._heal(path)
            if _holds_something(path) and not (mine and replace):
                raise OccupiedError(
                    f"its results cannot be written: {name} is there already. "
                    + ("--replace replaces it." if mine else "Give another --out.")
                )
            self._enter(rows, {"results": name, "case": case, "state": BEGUN, "source": source})
            return name

    def put(self, name: str, files: Mapping[str, bytes], replace: bool) -> None:
        """Write the files of a case's folder: all of them appear at once.

        Raises:
            OccupiedError: meanwhile another program wrote it.
            OSError: they cannot be written; what was there is still there.
        """
        part = self.folder / f"{_PART}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            for file, data in files.items():
                (part / file).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(part / file, data)
            with self._lock:
                self._move(part, self.folder / name, replace)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def tell(self, case: str, source: str, state: str, why: str = "") -> None:
        """List what became of a case."""
        with self._lock:
            rows = self._rows(INDEX)
            known = next((row for row in rows if row["source"] == source), {"results": ""})
            there = known["results"] and _holds_something(self.folder / known["results"])
            name = known["results"] if there else ""
            said = {"results": name, "case": case, "state": state, "why": why, "source": source}
            self._enter(rows, said)

    def list_files(self, source: str, files: Iterable[Mapping[str, str]]) -> None:
        """List the files of a run in the place of those that it listed before.

        files: rows of `results` (source of the case, or ""), `file`, `used_as` and `why`.
        """
        with self._lock:
            places = {row["source"]: row["results"] for row in self._rows(INDEX)}
            kept = [row for row in self._rows(FILES) if row["source"] != source]
            new = [
                {**row, "results": places.get(row["results"], ""), "source": source}
                for row in files
            ]
            self._write(FILES, FILE_COLUMNS, [*kept, *new])

    def gather_figures(self) -> None:
        """Write the figures of all cases as one table; `case` is the folder of each."""
        with self._lock:
            rows = []
            for known in self._rows(INDEX):
                path = self.folder / known["results"] / FIGURES
                if known["results"] and path.is_file():
                    rows += [{**row, "case": known["results"]} for row in _read(path)]
            columns = list(dict.fromkeys(column for row in rows for column in row))
            if rows:
                self._write(FIGURES, columns, rows)

    # ---- names

    def _free(self, case: str, source: str, rows: list[dict[str, str]]) -> str:
        """A name that no other case has, nor lies within or around the folder of another."""
        wanted = "/".join(map(_portable, case.split("/")))
        flat = wanted.replace("/", "_")
        token = hashlib.sha256(source.encode()).hexdigest()[:6]
        taken = [row["results"].lower() for row in rows if row["results"]]
        for name in (wanted, flat, f"{flat}-{token}"):
            low = name.lower()
            nested = any(low.startswith(f"{t}/") or t.startswith(f"{low}/") for t in taken)
            if low not in taken and not nested:
                return name
        raise OccupiedError(f"its results cannot be written: {wanted} is another case's.")

    def _heal(self, path: Path) -> None:
        """Bring back what was put aside by a program that died before its own was there."""
        old = path.with_name(f"{_OLD}{path.name}")
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(old, ignore_errors=True)

    def _move(self, part: Path, path: Path, replace: bool) -> None:
        if _holds_something(path) and not replace:
            raise OccupiedError("its results were written meanwhile by another run. They are kept.")
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.with_name(f"{_OLD}{path.name}")
        if path.exists():
            path.rename(old)
        try:
            part.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what programs on this computer were writing when they were killed."""
        for part in self.folder.glob(f"{_PART}{socket.gethostname()}-*"):
            process = part.name.split("-")[-2]
            if process.isdigit() and not _lives(int(process)):
                shutil.rmtree(part, ignore_errors=True)

    # ---- tables

    def _require_own_tables(self) -> None:
        """Refuse to write over tables that only have the same names."""
        mine = {INDEX: INDEX_COLUMNS, FILES: FILE_COLUMNS}
        foreign = [name for name, columns in mine.items() if self._is_foreign(name, columns)]
        if not (self.folder / INDEX).exists() and (self.folder / FIGURES).exists():
            foreign.append(FIGURES)
        if foreign:
            raise OccupiedError(
                f"{' and '.join(foreign)} there cannot be written: something else has written or "
                "changed it. Give another --out."
            )

    def _is_foreign(self, name: str, columns: Iterable[str]) -> bool:
        path = self.folder / name
        if not path.exists():
            return False
        wanted = ",".join(columns).encode()
        with path.open("rb") as file:
            return file.readline(len(wanted) + 2).rstrip() != wanted

    def _rows(self, name: str) -> list[dict[str, str]]:
        path = self.folder / name
        return _read(path) if path.is_file() else []

    def _enter(self, rows: list[dict[str, str]], row: Mapping[str, str]) -> None:
        others = [other for other in rows if other["source"] != row["source"]]
        listed = sorted([*others, dict(row)], key=lambda one: one["case"])
        self._write(INDEX, INDEX_COLUMNS, listed)

    def _write(self, name: str, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
        harmless = ({key: _harmless(value) for key, value in row.items()} for row in rows)
        text = as_csv(harmless, columns, "\r\n")
        write_atomically(self.folder / name, text.encode("utf-8", "backslashreplace"))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def _harmless(cell: str) -> str:
    """A name that a spreadsheet would take for a formula, as the same path written otherwise."""
    return (
        f"./{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _number(cell) else cell
    )


def _number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", cell) is not None


def _portable(part: str) -> str:
    """A folder's name that every system takes; one that had to be changed stays told apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("._-")[:60]
    if plain == part and not _RESERVED.fullmatch(part):
        return plain
    token = hashlib.sha256(part.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{plain or 'case'}-{token}"


def _holds_something(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _lives(process: int) -> bool:
    if os.name == "nt":  # there a signal of 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
