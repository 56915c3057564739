"""The run folder: the only thing that trainer, app and tables share.

config.json     what was asked for: task, preset, command, every resolved option
records.jsonl   one JSON object per line: step, losses, iwv, validation, ...
status.json     state (running, finished, stopped, failed), step, steps, eta_s, message
lock            held by the living trainer; the system frees it even after kill -9
checkpoints/    step-XXXXXXXX.safetensors to resume from, model.safetensors at the end
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mckd.files.atomic import write_atomically
from mckd.files.manifest import forget, read_manifest

MODEL = "model.safetensors"
_PATIENCE_S = 2.0


class RunError(RuntimeError):
    """A run that cannot be started or continued; the message says why and what to do."""


class RunFolder:
    """Reads and writes one run. Readers tolerate a folder that is being written."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self._lock = FileLock(self.path / "lock")

    @property
    def name(self) -> str:
        return self.path.name

    # Reading ------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """config.json, or {} where there is none yet."""
        return _read_json(self.path / "config.json")

    def status(self) -> dict[str, Any]:
        """status.json with `alive`. A run that says running but is not alive was killed."""
        status = {"state": "new", "step": 0, "steps": 0, "eta_s": None, "message": ""}
        status |= _read_json(self.path / "status.json")
        status["alive"] = self.is_alive()
        if status["state"] == "running" and not status["alive"]:
            status |= {
                "state": "stopped",
                "eta_s": None,
                "message": "The process ended without saying why. Resume to go on from its last "
                "checkpoint.",
            }
        return status

    def is_alive(self) -> bool:
        """Whether a trainer holds the lock at this moment."""
        if self._lock.is_locked:
            return True
        if not (self.path / "lock").exists():
            return False
        probe = FileLock(self.path / "lock")
        try:
            probe.acquire(timeout=0)
        except (Timeout, OSError):
            return True
        probe.release()
        return False

    def records(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The whole lines from byte `offset` on, and the offset behind them.

        A line that is still being written is left for the next call; one that is no JSON
        object is skipped. A file shorter than `offset` (the run was resumed from an earlier
        checkpoint) is read from its start.
        """
        path = self.path / "records.jsonl"
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                start = offset if 0 <= offset <= size else 0
                file.seek(start)
                data = file.read()
        except OSError:
            return [], 0
        whole = data[: data.rfind(b"\n") + 1]
        rows = (_parse_object(line) for line in whole.splitlines())
        return [row for row in rows if row is not None], start + len(whole)

    def latest_checkpoint(self) -> Path | None:
        """The newest resumable checkpoint that the manifest lists."""
        steps = sorted(n for n in read_manifest(self.checkpoints) if n.startswith("step-"))
        return self.checkpoints / steps[-1] if steps else None

    # Writing (the trainer) ------------------------------------------------------------------

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Say that this process trains here, until the block ends or the process dies.

        Raises:
            RunError: another process trains here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            # Readers probe the lock for an instant; a trainer keeps it.
            self._lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            raise RunError(
                f"The run {self.name} is already being trained by another process. "
                "Wait for it, stop it, or choose another --out."
            ) from None
        try:
            yield
        finally:
            self._lock.release()

    def write_config(self, config: dict[str, Any]) -> None:
        text = json.dumps(config, indent=2, allow_nan=False)
        write_atomically(self.path / "config.json", text.encode())

    def write_status(self, **status: Any) -> None:
        status["updated"] = time.time()
        write_atomically(self.path / "status.json", json.dumps(status, allow_nan=False).encode())

    def append(self, record: dict[str, Any]) -> None:
        """One record, one line, in one write."""
        with (self.path / "records.jsonl").open("ab") as file:
            file.write(json.dumps(_finite(record)).encode() + b"\n")

    def rewind(self, step: int) -> None:
        """Drop the records after `step`: a resumed run writes them again."""
        kept = [row for row in self.records()[0] if row.get("step", 0) <= step]
        lines = [json.dumps(row).encode() + b"\n" for row in kept]
        write_atomically(self.path / "records.jsonl", b"".join(lines))

    def checkpoint_path(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:08d}.safetensors"

    def keep_newest_checkpoints(self, count: int = 2) -> None:
        steps = sorted(n for n in read_manifest(self.checkpoints) if n.startswith("step-"))
        for name in steps[:-count]:
            forget(self.checkpoints / name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _parse_object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: written as null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
