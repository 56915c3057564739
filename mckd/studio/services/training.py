"""Training runs as the studio sees them: start, stop, resume, list and read.

A run is one process (`python -m train ...`) and one folder, `runs/NAME/`, that the process writes.
The folder is the whole interface: nothing here imports torch or gradio, and a run started from a
shell looks the same as one started from the browser. The process has a session of its own, so it
outlives the app; whether it lives is asked of the folder's lock, never guessed from a process id.

Everything a browser sends is a name to be looked up (a run in the list, a row of `TASKS`), never a
path or a piece of a command.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mckd.files.atomic import write_atomically
from mckd.files.runs import LARGEST_NUMBER, RunFolder, open_plain
from mckd.systems import SYSTEMS
from mckd.tasks import TASKS, Choice, about, abouts, variable

MAX_POINTS = 1500  # rows sent to a browser at once; longer runs are thinned
MAX_SERIES = 32  # names read from one record's "iwv" or "validation"
LONGEST_LIST = 12  # entries of a list shown among a run's facts
MOST_FACTS = 300
LONGEST_MESSAGE = 500
SHARED = (
    "Training is off here because every visitor shares this computer. "
    "Clone the project, run `python app.py` on your own machine, and this form is live."
)
LOG_NAME = "train.log"
RECORDS_NAME = "records.jsonl"
RESUMABLE = {"stopped", "failed"}
LOADING = "Importing PyTorch and reading the data"
BUILDING = "Building the network"
RESUMING = "Building the network and reading the checkpoint"
STOPPED_CODE = 3  # what `python -m train` returns when it was asked to stop


MCKD = "mckd"
OFFERED = tuple(
    Choice(key, entry.label, entry.note)
    for key, entry in SYSTEMS.items()
    if not entry.of_one and not entry.needs
)
"""The systems of the form; that of one modality is trained from a shell, which says which."""
COMPLETE = "none"  # the choice "nothing is missing"
SMALL_SET, GIVEN_FOLDER = "bundled", "given"


@dataclass(frozen=True)
class Choices:
    """What the form holds. Values come from a browser, so nothing here is trusted yet."""

    task: str
    preset: str = "smoke"
    scarce: str = COMPLETE
    rate: float = 0.10
    seed: int | float | None = 0
    epochs: int | float | None = 0
    data: str = SMALL_SET
    system: str = MCKD


@dataclass(frozen=True)
class Run:
    """A run folder in the list. `id` is the only thing a browser may send back."""

    id: str
    label: str
    path: Path
    bundled: bool = False


class Training:
    """Start, stop, resume, list and read training runs under one project root."""

    def __init__(
        self,
        root: Path,
        *,
        runs: Path | None = None,
        data: Path | None = None,
        closed: str = "",
    ) -> None:
        """`data` is the folder given when the app was started (`--data`), if any.

        `closed` is a sentence that says why training is off; "" where it is on.
        """
        self.root = Path(root).resolve()
        self.runs_folder = Path(runs).resolve() if runs else self.root / "runs"
        self.data = Path(data).resolve() if data else None
        self.closed = closed
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._launched: dict[str, float | None] = {}  # when; None once it trains
        self._start_s: float | None = None  # that the last one needed to begin
        self._starting = threading.Lock()
        self._asking = threading.Lock()
        self._exporting = threading.Lock()
        self._exports = tempfile.TemporaryDirectory(prefix="mckd-records-")  # gone with the app

    # --- Listing ---------------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """Own runs, newest first, then the bundled ones. Folders that vanish are left out."""
        found: list[tuple[float, Run]] = []
        for path in self._children_of(self.runs_folder):
            try:
                started = (path / "config.json").stat().st_mtime
            except OSError:
                try:
                    started = path.stat().st_mtime
                except OSError:
                    continue
            found.append((started, Run(path.name, path.name, path)))
        found.sort(key=lambda item: (item[0], item[1].id), reverse=True)
        return [run for _, run in found] + self._bundled()

    def find(self, run_id: object) -> Run | None:
        """The run of that id, or None. Ids are matched against the list, never joined to a path."""
        if not isinstance(run_id, str):
            return None
        for run in self._bundled():
            if run.id == run_id:
                return run
        for path in self._children_of(self.runs_folder):
            if path.name == run_id:
                return Run(path.name, path.name, path)
        return None

    def live(self) -> str | None:
        """The id of the run that is training now, whoever started it, or None.

        Never raises for what a folder may hold, and no folder but a living run's keeps others from
        being started.
        """
        for name, child in list(self._children.items()):
            if child.poll() is None and (self.runs_folder / name).is_dir():
                return name
        for path in self._children_of(self.runs_folder):
            if self._status(path).get("alive"):
                return path.name
        return None

    def attach(self) -> str | None:
        """The run a freshly opened page shows: the live one, else the last that can be read, else
        the bundled."""
        live = self.live()
        if live is not None:
            return live
        return next((run.id for run in self.runs() if not RunFolder(run.path).trouble()), None)

    def _bundled(self) -> list[Run]:
        found = []
        for task in abouts():
            path = task.run(self.root)
            if (path / RECORDS_NAME).is_file():
                run_id = f"bundled:{task.key}"  # the colon keeps it apart from folder names
                label = f"Bundled: the {task.key} run that came with the app"
                found.append(Run(run_id, label, path, bundled=True))
        return found

    @staticmethod
    def _children_of(folder: Path) -> list[Path]:
        """Folders with names that runs have; a link that leads nowhere, or in a circle, is none."""
        try:
            paths = list(folder.iterdir())
        except OSError:
            return []
        return [path for path in paths if _NAME.fullmatch(path.name) and _is_folder(path)]

    # --- Commands --------------------------------------------------------------------------------

    def arguments(self, choices: Choices, name: str) -> list[str]:
        """The words after `python` that train `choices` into runs/`name`. ValueError in words."""
        if not isinstance(choices.task, str) or choices.task not in TASKS:
            raise ValueError(f"There is no such task. Choose one of: {', '.join(TASKS)}.")
        task = about(choices.task)
        if choices.preset not in [preset.key for preset in task.presets]:
            presets = ", ".join(preset.key for preset in task.presets)
            raise ValueError(f"There is no such preset. Choose one of: {presets}.")
        words = ["-m", "train", task.key, "--preset", choices.preset]
        if choices.system not in [system.key for system in OFFERED]:
            raise ValueError("Choose one of the systems in the list.")
        if choices.system != MCKD:
            words += ["--system", choices.system]
        if task.scarce and choices.scarce != COMPLETE:
            if choices.scarce not in [modality.key for modality in task.scarce]:
                raise ValueError("Choose which modality is rare, or that none is.")
            if not isinstance(choices.rate, (int, float)) or choices.rate not in task.rates:
                shown = ", ".join(f"{rate:.0%}" for rate in task.rates)
                raise ValueError(f"Choose how much of it is left: {shown}.")
            words += [f"--{choices.scarce}-rate", f"{choices.rate:.2f}"]
        words += ["--seed", str(_whole(choices.seed, "The seed", 0, 2**31 - 1))]
        if choices.epochs:  # 0 or nothing: the preset's own
            words += ["--epochs", str(_whole(choices.epochs, "Epochs", 1, 10_000))]
        if choices.data == GIVEN_FOLDER:
            if self.data is None:
                raise ValueError("No folder was named when the app was started: use bundled data.")
            words += ["--data", self._shown(self.data)]
        elif choices.data != SMALL_SET:
            raise ValueError("Choose one of the data sources in the list.")
        return [*words, "--out", self._shown(self.runs_folder / _checked_name(name))]

    def command(self, choices: Choices, name: str | None = None) -> str:
        """The same as one line for a shell in the project root."""
        return "python " + shlex.join(self.arguments(choices, name or new_name(choices)))

    def _shown(self, path: Path) -> str:
        """Relative to the project root where that is shorter to read; both mean the same folder."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    # --- Processes -------------------------------------------------------------------------------

    def start(self, choices: Choices) -> str:
        """Launch a run and return its id. Refused, in words, while another run is live."""
        self._refuse_where_closed()
        with self._starting:
            self._refuse_second()
            name = new_name(choices)
            self.arguments(choices, name)  # complains before a folder exists
            name = self._make_folder(name)
            self._launch(name, self.arguments(choices, name))
        return name

    def resume(self, run_id: object) -> str:
        """Launch the run's own command again with --resume."""
        self._refuse_where_closed()
        with self._starting:
            self._refuse_second()
            run = self.find(run_id)
            if run is None or run.bundled:
                raise ValueError("That run is not here any more, so it cannot be resumed.")
            self._launch(run.id, [*self._saved_arguments(run), "--resume"])
        return run.id

    def stop(self, run_id: object) -> None:
        """Ask the run to save a checkpoint and end. Returns at once; the status tells when."""
        self._refuse_where_closed()
        run = self.find(run_id)
        if run is None or run.bundled:
            raise ValueError("That run is not here any more.")
        child = self._children.get(run.id)
        if child is not None and child.poll() is None:
            child.terminate()
            return
        status = self._status(run.path)
        pid = status.get("pid")
        if not status.get("alive"):
            raise ValueError("That run has already ended.")
        if not isinstance(pid, int) or pid <= 1 or pid == os.getpid():
            raise ValueError("The run does not say which process it is, so it cannot be stopped.")
        try:
            os.kill(pid, signal.SIGTERM)
        except (ProcessLookupError, OverflowError):
            raise ValueError("That run has already ended.") from None
        except PermissionError:
            raise ValueError("That run belongs to another user of this computer.") from None

    def _refuse_where_closed(self) -> None:
        if self.closed:
            raise ValueError(self.closed)

    def _refuse_second(self) -> None:
        live = self.live()
        if live is not None:
            raise ValueError(f"{live} is training now. Stop it first, or wait until it ends.")

    def _make_folder(self, name: str) -> str:
        """Create runs/`name`, with a number after it where that name is taken."""
        self.runs_folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100):
            candidate = name if number == 1 else f"{name}-{number}"
            try:
                (self.runs_folder / candidate).mkdir()
                return candidate
            except FileExistsError:
                continue
        raise ValueError("Could not find a free name for the run. Please try again.")

    def _launch(self, name: str, words: list[str]) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (self.runs_folder / name / LOG_NAME).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, *words],
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        self._launched[name] = time.monotonic()
        threading.Thread(target=child.wait, name=f"reap {name}", daemon=True).start()

    def _saved_arguments(self, run: Run) -> list[str]:
        """The words of the command in the run's config.json, checked flag by flag."""
        config = _config(run.path)
        try:
            words = shlex.split(str(config.get("command", "")))
        except ValueError:
            words = []
        if "-m" in words:
            words = words[words.index("-m") :]
        if len(words) < 3 or words[:2] != ["-m", "train"] or words[2] not in TASKS:
            raise ValueError("The run left no command behind, so it cannot be resumed. Start anew.")
        kept, position = words[:3], 3
        while position < len(words):
            flag, _, value = words[position].partition("=")
            position += 1
            if not _FLAG.fullmatch(flag):
                raise ValueError("The run's saved command is damaged. Start a new run.")
            if not value and position < len(words) and not words[position].startswith("--"):
                value, position = words[position], position + 1
            if flag in ("--resume", "--out"):
                continue
            kept += [flag, value] if value else [flag]
        return [*kept, "--out", self._shown(run.path)]

    # --- Reading ---------------------------------------------------------------------------------

    def state(self, run_id: object) -> dict[str, Any]:
        """Where a run stands.

        state: none, gone, unreadable, starting, running, stopped, failed or finished; plus step,
        steps, eta_s, message, stage and left_s of the start, can_stop and can_resume. Never raises
        for what a folder may hold.
        """
        run = self.find(run_id)
        if run is None:
            state = "none" if not run_id else "gone"
            return {"state": state, "message": "", "can_stop": False, "can_resume": False}
        child = self._children.get(run.id)
        here = child is not None and child.poll() is None
        status = self._status(run.path)
        if run.bundled:
            status["state"] = "finished"
        elif not status.get("alive") and not here:
            status = self._status(run.path)  # it may have ended between its state and its lock
        alive = bool(status.get("alive")) or here
        state, message = _judge(status, alive, child)
        if state == "starting" and run.id in self._launched and self._launched[run.id] is None:
            state = "running"  # it has said its last word and is about to end
        trouble = "" if alive else RunFolder(run.path).trouble()
        if trouble:
            state, message = "unreadable", trouble
        if state == "failed" and not message:
            message = self._last_words(run.path)
        return {
            "state": state,
            "message": _without_flags(self._without_paths(message)[:LONGEST_MESSAGE]),
            **self._start(run, state, bool(status.get("alive"))),
            "step": _number(status.get("step")),
            "steps": _number(status.get("steps")),
            "eta_s": _number(status.get("eta_s")) if alive else None,
            "can_stop": alive and not self.closed,
            "can_resume": not (alive or run.bundled or self.closed)
            and state in RESUMABLE
            and bool(_config(run.path).get("command")),
        }

    def _start(self, run: Run, state: str, held: bool) -> dict[str, Any]:
        """What a starting run does (stage, left_s), as its folder tells: a trainer takes the lock
        once it has its data. The time that is left is known from the start before."""
        begun = self._launched.get(run.id)
        if state == "running" and begun is not None:
            self._start_s = time.monotonic() - begun
            self._launched[run.id] = None
        if state != "starting":
            return {"stage": "", "left_s": None}
        stage = LOADING
        if held:
            stage = RESUMING if (run.path / RECORDS_NAME).exists() else BUILDING
        if begun is None or self._start_s is None:
            return {"stage": stage, "left_s": None}
        return {"stage": stage, "left_s": max(1.0, self._start_s - time.monotonic() + begun)}

    def since(self, run_id: object, cursor: object = None) -> dict[str, Any]:
        """Rows written after `cursor`, the run's state, and the cursor to send next time.

        `reset` is true where the rows start anew: no cursor yet, or the file under it was replaced
        (a cursor is a byte offset and a checksum of the bytes before it). Then `names` says what is
        drawn by name: see `names_of`.
        """
        run = self.find(run_id)
        state = self.state(run_id)
        if run is None:
            return {"rows": [], "cursor": None, "reset": False, "status": state}
        offset = _open_cursor(run.path / RECORDS_NAME, cursor)
        records, end = RunFolder(run.path).records(offset)
        rows = [row for row in map(tidy_row, records) if row is not None]
        return {
            "rows": thin(rows, MAX_POINTS),
            "cursor": _seal_cursor(run.path / RECORDS_NAME, end),
            "reset": offset == 0,
            **({} if offset else {"names": names_of(_config(run.path))}),
            "status": state,
        }

    def facts(self, run_id: object) -> list[tuple[str, str]]:
        """The run's configuration as (name, value) pairs in plain words, most useful first."""
        run = self.find(run_id)
        if run is None:
            return []
        config = _config(run.path)
        key = str(config.get("task", ""))
        facts = [
            ("Run", run.label),
            ("Task", about(key).label if key in TASKS else key),
            ("Preset", str(config.get("preset", ""))),
            ("Command", str(config.get("command", ""))),
        ]
        for part in ("config", "provenance", "versions"):
            facts += [(_words(name), value) for name, value in _flatten(config.get(part))]
        told = [(name, self._without_paths(value)) for name, value in facts if value != ""]
        return told[:MOST_FACTS]

    def export(self, run_id: object, kind: str) -> Path:
        """The run's records as a file to download: `kind` is "csv" or "jsonl"."""
        run = self.find(run_id)
        if run is None:
            raise ValueError("That run is not here any more.")
        if kind not in ("csv", "jsonl"):
            raise ValueError("Records come as csv or jsonl.")
        records, _ = RunFolder(run.path).records(0)
        if not records:
            raise ValueError("This run has not written a record yet.")
        if kind == "jsonl":
            text = "".join(json.dumps(record) + "\n" for record in records)
        else:
            text = _as_csv(records)
        target = Path(self._exports.name) / f"{run.id.replace(':', '-')}.{kind}"
        with self._exporting:
            write_atomically(target, text.encode())
        return target

    def _status(self, path: Path) -> dict[str, Any]:
        """status.json and whether its lock is taken. Asked by one thread at a time: asking takes
        the lock for a moment, which a second thread would mistake for a living trainer."""
        with self._asking:
            return RunFolder(path).status()

    def _last_words(self, path: Path) -> str:
        """The last sentence of train.log, where an error of the command line or of Python stands"""
        try:
            with open_plain(path / LOG_NAME) as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        said = lines[-1].strip().removeprefix("Error: ")[:300] if lines else ""
        return said or "It left no message behind."

    def _without_paths(self, text: str) -> str:
        return text.replace(f"{self.root}{os.sep}", "").replace(str(self.root), ".")


# --- Pure pieces ----------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FLAG = re.compile(r"--[a-z][a-z0-9-]*")
_FLAG_IN_PROSE = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
_CURSOR = re.compile(r"(\d{1,15}):(\d{1,10})")
_LOSS = re.compile(r"[a-z][a-z_]{0,38}_loss")
_PLAIN = ("epoch", "time_s", "samples_per_s")
NAMED = ("iwv", "validation", "fill_l1", "fill_cosine")  # numbers by modality, or by subset


def new_name(choices: Choices, now: datetime | None = None) -> str:
    """A folder name from checked choices and the time: digits-smoke-20260131-142500."""
    moment = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
    return f"{choices.task}-{choices.preset}-{moment}"


def names_of(config: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What of a run's weights and scores is drawn: {name in the records: {"label", "colour"}}.

    colour: a CSS variable; "" for a modality that only the run's data knows.
    """
    task, own = config.get("task"), config.get("modalities")
    known = about(task).series if isinstance(task, str) and task in TASKS else {}
    listed = [str(name)[:40] for name in own[:MAX_SERIES]] if isinstance(own, list) else []
    return {name: {"label": name, "colour": ""} for name in listed if name not in known} | {
        key: {"label": one.label, "colour": variable(str(task), key)} for key, one in known.items()
    }


def tidy_row(record: object) -> dict[str, Any] | None:
    """One record as the browser gets it: known keys, five digits, and None for what is not finite.

    A record without a step is no record.
    """
    if not isinstance(record, dict):
        return None
    step = _number(record.get("step"))
    if step is None:
        return None
    row: dict[str, Any] = {"step": int(step)}
    row |= {key: _number(record[key]) for key in _PLAIN if key in record}
    losses = [key for key in record if isinstance(key, str) and _LOSS.fullmatch(key)]
    row |= {key: _number(record[key]) for key in losses[:MAX_SERIES]}
    for part in NAMED:
        values = record.get(part)
        if isinstance(values, dict) and values:
            row[part] = {str(k)[:40]: _number(v) for k, v in list(values.items())[:MAX_SERIES]}
    return row


def thin(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` rows, evenly spaced, keeping the ends and, where they fit, validations."""
    if len(rows) <= limit:
        return rows
    marked = [i for i, row in enumerate(rows) if "validation" in row]
    keep = set(_evenly(marked, limit // 2)) | {0, len(rows) - 1}
    keep |= set(_evenly(range(len(rows)), limit - len(keep)))
    return [rows[i] for i in sorted(keep)]


def _evenly(items: Iterable[int], count: int) -> list[int]:
    pool = list(items)
    if len(pool) <= count:
        return pool
    return [pool[round(i * (len(pool) - 1) / (count - 1))] for i in range(count)]


def _judge(
    status: dict[str, Any], alive: bool, child: subprocess.Popen[bytes] | None
) -> tuple[str, str]:
    """The state shown and its message, from status.json, the lock and the process we may own."""
    said = status.get("state")
    message = str(status.get("message") or "")
    if alive:
        # A resumed run still shows its old status until the trainer has loaded its checkpoint.
        return ("running", message) if said == "running" else ("starting", "")
    code = child.poll() if child is not None else None
    if code is not None and code > 0 and code != STOPPED_CODE and said != "failed":
        return "failed", ""  # it ended before it could say so in status.json
    if said in ("finished", "stopped", "failed"):
        return str(said), message
    if code in (STOPPED_CODE, -signal.SIGTERM, -signal.SIGINT):
        return "stopped", "Stopped before the first step."
    return "failed", message


def _without_flags(text: str) -> str:
    """Names of options as words; whole commands stay, for they are to be typed."""
    prose, command, rest = text.partition("python -m ")
    named = _FLAG_IN_PROSE.sub(lambda found: f"\u201c{found[1].replace('-', ' ')}\u201d", prose)
    return named + command + rest


def _config(path: Path) -> dict[str, Any]:
    return RunFolder(path).config()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _number(value: object) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not abs(value) <= LARGEST_NUMBER:  # NaN is no number either
        return None
    return value if isinstance(value, int) else float(f"{value:.5g}")


def _whole(value: object, what: str, low: int, high: int) -> int:
    number = _number(value)
    if number is None or number != int(number) or not low <= number <= high:
        raise ValueError(f"{what} must be a whole number from {low} to {high}.")
    return int(number)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("Run names are letters, digits, dots, dashes and underscores.")
    return name


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
    flat = [dict(_flatten(record)) for record in records]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(dict.fromkeys(k for row in flat for k in row)), restval="")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")
