"""The run folder: the only thing that trainer, app and tables share.

config.json     what was asked for: task, preset, command, every resolved option
records.jsonl   one JSON object per line: step, losses, iwv, validation, ...
status.json     state (running, finished, stopped, failed), step, steps, eta_s, message, checkpoint
                (the step of the last one)
lock            held by the living trainer; the system frees it even after kill -9
checkpoints/    step-XXXXXXXX.safetensors to resume from, model.safetensors at the end
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from mckd.files.atomic import sweep, write_atomically
from mckd.files.faults import in_words
from mckd.files.manifest import forget, read_manifest

MODEL = "model.safetensors"
STATES = ("new", "running", "finished", "stopped", "failed")

# No run that this project trains comes near these.
LARGEST_JSON = 2**23
LARGEST_RECORDS = 2**26
MOST_RECORDS = 200_000
LONGEST_RECORD = 2**16
DEEPEST = 12
LARGEST_NUMBER = 2**53

_PATIENCE_S = 2.0


class RunError(RuntimeError):
    """A run that cannot be started or continued; the message says why and what to do."""


class UnreadableError(ValueError):
    """A file in a run folder that no trainer wrote; the message says what is wrong with it."""


class RunFolder:
    """Reads and writes one run.

    Readers tolerate a folder that is being written, and whatever else somebody put into it: what
    cannot be read counts as not there, and `trouble` says so.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self._lock = FileLock(self.path / "lock")

    @property
    def name(self) -> str:
        return self.path.name

    # Reading ------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """config.json, or {} where there is none that can be read."""
        return self._tolerant("config.json")

    def status(self) -> dict[str, Any]:
        """status.json with `alive`. A run that says running but is not alive was killed."""
        status = {"state": "new", "step": 0, "steps": 0, "eta_s": None, "message": ""}
        status |= self._tolerant("status.json")
        status["alive"] = self.is_alive()
        if status["state"] == "running" and not status["alive"]:
            status |= {
                "state": "stopped",
                "eta_s": None,
                "message": "The process ended without saying why. Resume to go on from its last "
                "checkpoint.",
            }
        return status

    def trouble(self) -> str:
        """What is wrong with the folder's files, in one sentence; "" where all can be read."""
        try:
            for name in ("config.json", "status.json"):
                self._object(name)
            state = self._object("status.json").get("state", "new")
            if state not in STATES:
                raise UnreadableError("status.json names no state of a run")
            self._whole_lines(0)
        except UnreadableError as error:
            return (
                f"This run cannot be read: {error}. Mend the file or delete the run's folder. "
                "Other runs are not affected."
            )
        return ""

    def is_alive(self) -> bool:
        """Whether a trainer holds the lock at this moment."""
        if self._lock.is_locked:
            return True
        if not os.path.exists(self.path / "lock"):  # noqa: PTH110 - False where it may not look
            return False
        probe = FileLock(self.path / "lock")
        try:
            probe.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # no trainer could hold what cannot be opened
            return False
        probe.release()
        return False

    def records(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The whole lines from byte `offset` on, and the offset behind them.

        A line that is still being written is left for the next call; one that is no record is
        skipped. A file shorter than `offset` (the run was resumed from an earlier checkpoint) is
        read from its start; one that is larger than that of any run, not at all.
        """
        try:
            lines, end = self._whole_lines(offset)
        except UnreadableError:
            return [], 0
        rows = (_parse_record(line) for line in lines)
        return [row for row in rows if row is not None], end

    def resumable(self) -> list[Path]:
        """The checkpoints that the manifest lists, newest first; they may be damaged.

        Raises:
            ManifestError: the manifest is damaged.
        """
        names = [n for n in read_manifest(self.checkpoints) if n.startswith("step-")]
        return [self.checkpoints / name for name in sorted(names, reverse=True)]

    def written_checkpoints(self) -> list[Path]:
        """Files that look like checkpoints to resume from, newest first, listed or not."""
        return sorted(self.checkpoints.glob("step-*.safetensors"), reverse=True)

    def _tolerant(self, name: str) -> dict[str, Any]:
        try:
            return self._object(name)
        except UnreadableError:
            return {}

    def _object(self, name: str) -> dict[str, Any]:
        """A JSON object of the folder; {} where there is none.

        Raises:
            UnreadableError: it is something else.
        """
        data = _read(self.path / name, LARGEST_JSON)
        if data is None:
            return {}
        try:
            return _parse_object(data)
        except UnreadableError as error:
            raise UnreadableError(f"{name} {error}") from error

    def _whole_lines(self, offset: int) -> tuple[list[bytes], int]:
        """The lines of records.jsonl from `offset` on, and where they end.

        Raises:
            UnreadableError: it is no file, or larger than that of any run.
        """
        try:
            with open_plain(self.path / "records.jsonl") as file:
                size = file.seek(0, os.SEEK_END)
                start = offset if 0 <= offset <= size else 0
                file.seek(start)
                data = file.read(LARGEST_RECORDS) if size <= LARGEST_RECORDS else b""
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise UnreadableError("records.jsonl cannot be opened") from error
        if size > LARGEST_RECORDS or data.count(b"\n") > MOST_RECORDS:
            raise UnreadableError("records.jsonl is longer than any run's")
        whole = data[: data.rfind(b"\n") + 1]
        return whole.splitlines(), start + len(whole)

    # Writing (the trainer) ------------------------------------------------------------------

    def check_start(self, resume: bool) -> None:
        """Whether a run can begin here, or be resumed.

        Raises:
            RunError: there is one already, or none; or the folder cannot be one.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(in_words(NotADirectoryError(errno.ENOTDIR, ""), self.path))
        saved = self.config()
        if saved and not resume:
            raise RunError(
                f"The run {self.name} exists. Continue it with --resume, or choose another --out."
            )
        if resume and not saved:
            raise RunError(f"There is no run {self.name} to resume. Start it without --resume.")

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Say that this process trains here, until the block ends or the process dies.

        What a killed trainer left half-written is deleted.

        Raises:
            RunError: another process trains here, or nobody can write here.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Readers probe the lock for an instant; a trainer keeps it.
            self._lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            raise RunError(
                f"The run {self.name} is already being trained by another process. "
                "Wait for it, stop it, or choose another --out."
            ) from None
        except OSError as error:
            raise RunError(in_words(error, self.path)) from error
        try:
            for folder in (self.path, self.checkpoints):
                sweep(folder, alone=True)
            yield
        finally:
            self._lock.release()

    def write_config(self, config: dict[str, Any]) -> None:
        text = json.dumps(config, indent=2, allow_nan=False)
        write_atomically(self.path / "config.json", text.encode())

    def write_status(self, **status: Any) -> None:
        write_atomically(self.path / "status.json", _status(status))

    def write_last_status(self, **status: Any) -> None:
        """As `write_status`, of a run that ends; on a full disk in the place of the old one."""
        data = _status(status)
        try:
            write_atomically(self.path / "status.json", data)
        except OSError:
            with suppress(OSError), (self.path / "status.json").open("r+b") as file:
                file.write(data)
                file.truncate()

    def append(self, record: dict[str, Any]) -> None:
        """One record, one line, in one write."""
        with (self.path / "records.jsonl").open("ab") as file:
            file.write(json.dumps(_finite(record)).encode() + b"\n")

    def rewind(self, step: int) -> None:
        """Drop the records after `step`: a resumed run writes them again."""
        kept = [row for row in self.records()[0] if _step(row) <= step]
        lines = [json.dumps(row).encode() + b"\n" for row in kept]
        write_atomically(self.path / "records.jsonl", b"".join(lines))

    def checkpoint_path(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:08d}.safetensors"

    def keep_newest_checkpoints(self, count: int = 2, last: int = 10**8 - 1) -> None:
        """Delete the others: older ones, those after step `last`, and what is not listed.

        Those after it are of a course that the run no longer takes, as it was resumed from before
        them.
        """
        listed = self.resumable()
        kept = [path for path in listed if path <= self.checkpoint_path(last)][:count]
        for path in {*listed, *self.written_checkpoints()}.difference(kept):
            forget(path)


def open_plain(path: Path) -> BinaryIO:
    """Open a file to read. What is none (a pipe would wait for ever) is refused.

    Raises:
        OSError: there is none, or it is no plain file.
    """
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - Path.open takes no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path.name} is no plain file")
    return file


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read(path: Path, largest: int) -> bytes | None:
    """The file's bytes; None where there is none.

    Raises:
        UnreadableError: no plain file, not allowed, or larger than `largest`.
    """
    try:
        with open_plain(path) as file:
            data = file.read(largest + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(f"{path.name} cannot be opened") from error
    if len(data) > largest:
        raise UnreadableError(f"{path.name} is larger than any run's")
    return data


def _parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object as a trainer writes it; NaN and infinity are None.

    Raises:
        UnreadableError: no JSON, no object, nested deeper than `DEEPEST`, or with numbers or text
            that other programs cannot take.
    """
    try:
        content = json.loads(data, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("is no JSON that can be read") from error
    if not isinstance(content, dict):
        raise UnreadableError("holds no JSON object")
    cleaned: dict[str, Any] = _checked(content, DEEPEST)
    return cleaned


def _checked(value: Any, depth: int) -> Any:
    if not depth:
        raise UnreadableError(f"is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        return {_checked(k, depth): _checked(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_checked(v, depth - 1) for v in value]
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:  # half a character, as JSON can write it
            raise UnreadableError("holds text that is no Unicode") from error
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise UnreadableError("holds a number beyond all measure")
    return _finite(value)


def _parse_record(line: bytes) -> dict[str, Any] | None:
    if len(line) > LONGEST_RECORD:
        return None
    try:
        return _parse_object(line)
    except UnreadableError:
        return None


def _step(record: dict[str, Any]) -> float:
    """The record's step; 0 where it says none."""
    step = record.get("step")
    return step if isinstance(step, (int, float)) else 0


def _status(status: dict[str, Any]) -> bytes:
    return json.dumps(status | {"updated": time.time()}, allow_nan=False).encode()


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: written as null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
