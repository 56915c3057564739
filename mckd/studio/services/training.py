"""Training runs as the studio sees them: start, stop, resume, and where each stands.

A run is one process (`python -m train ...`) and one folder, `runs/NAME/`, that the process writes.
The folder is the whole interface: nothing here imports torch or gradio, and a run started from a
shell looks the same as one started from the browser. The process has a session of its own, so it
outlives the app; whether it lives is asked of the folder's lock, never guessed from a process id.

Everything a browser sends is a name to be looked up (a run in the list, a task), never a path or a
piece of a command.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mckd.files.atomic import write_atomically
from mckd.files.faults import in_words
from mckd.files.runs import RunFolder, open_plain
from mckd.studio.services import faults
from mckd.studio.services.command import (
    GIVEN_FOLDER,
    Choices,
    choices_of,
    further_of,
    longer_words,
    new_name,
    said_of,
    saved_words,
    words_of,
)
from mckd.studio.services.queue import Queue, Waiting
from mckd.studio.services.records import RECORDS_NAME, as_file, facts_of, number, rows_after
from mckd.studio.services.runs import Run, Runs

LONGEST_MESSAGE = 500
SHARED = (
    "Training is off here because every visitor shares this computer. "
    "Clone the project, run `python app.py` on your own machine, and this form is live."
)
NO_RUN = "That run is not here any more."
LOG_NAME = "train.log"
DATA, MOST_FOLDERS = "data", 50
CHECK_S = 600
RESUMABLE = {"stopped", "failed"}
LOADING = "Importing PyTorch and reading the data"
BUILDING = "Building the network"
RESUMING = "Building the network and reading the checkpoint"
STOPPED_CODE = 3  # what `python -m train` returns when it was asked to stop
_FLAG_IN_PROSE = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")


log = logging.getLogger(__name__)


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
        self._runs = Runs(self.root, self.runs_folder)
        self.data = Path(data).resolve() if data else None
        self.closed = closed
        self.queue = Queue()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._launched: dict[str, float | None] = {}  # when; None once it trains
        self._start_s: float | None = None  # that the last one needed to begin
        self._starting = threading.Lock()
        self._asking, self._checking = threading.Lock(), threading.Lock()
        self._exporting = threading.Lock()
        self._exports = tempfile.TemporaryDirectory(prefix="mckd-records-")  # gone with the app

    # --- Which runs there are ------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """Own runs, newest first, then the bundled ones."""
        return self._runs.all()

    def find(self, run_id: object) -> Run | None:
        """The run of that id, or None."""
        return self._runs.find(run_id)

    def live(self) -> str | None:
        """The id of the run that is training now, whoever started it, or None.

        Never raises for what a folder may hold, and no folder but a living run's keeps others from
        being started.
        """
        for name, child in list(self._children.items()):
            if child.poll() is None and self._runs.path(name).is_dir():
                return name
        for path in self._runs.own():
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

    # --- Processes -------------------------------------------------------------------------------

    def command(self, choices: Choices, name: str | None = None) -> str:
        """What starts such a run, as one line for a shell in the project root."""
        return "python " + shlex.join(self.arguments(choices, name or new_name(choices)))

    def arguments(self, choices: Choices, name: str) -> list[str]:
        """The words after `python` that train `choices` into runs/`name`; see `words_of`."""
        further: list[str] = []
        if choices.like:
            like = self._own(choices.like)
            further = further_of(_config(like.path), choices.task, self.folders())
        words = words_of(choices, self.folders(), further)
        return [*words, "--out", self._shown(self._runs.path(name))]

    def start(self, choices: Choices) -> str | None:
        """Launch a run; where one trains or others wait, it waits for its turn.

        Returns:
            The id of the run that began, None if none did.

        Raises:
            ValueError: no such run can be, or too many wait; a sentence.
        """
        self._refuse_where_closed()
        self.arguments(choices, new_name(choices))  # complains before it waits

        def launch() -> str:
            name = self._runs.make(new_name(choices))
            self._launch(name, self.arguments(choices, name))
            return name

        return self._enter(Waiting(said_of(choices), launch))

    def extend(self, run_id: object, more: object) -> str | None:
        """Let a finished run go on for `more` epochs, now or when it is its turn; as `start`.

        Raises:
            ValueError: it is not finished, or `more` is no number of epochs; a sentence.
        """
        self._refuse_where_closed()
        run = self._own(run_id)
        if not self.state(run.id)["can_extend"]:
            raise ValueError("Only a finished run can be extended; one that stopped is resumed.")

        def words() -> list[str]:
            return longer_words(_config(run.path), self._shown(run.path), more)

        def launch() -> str:
            self._launch(run.id, words())
            return run.id

        words()  # complains before it waits
        return self._enter(Waiting(f"{run.id}: {more} more epochs", launch))

    def clone(self, run_id: object) -> Choices:
        """The form filled as for that run; `like` takes over the options that a form has not.

        Raises:
            ValueError: it is gone, or left no command behind; a sentence.
        """
        run = self.find(run_id)
        if run is None:
            raise ValueError(NO_RUN)
        config = _config(run.path)
        choices = choices_of(config, self.folders())
        further = further_of(config, choices.task, self.folders())
        return replace(choices, like=run.id) if further and not run.bundled else choices

    def advance(self) -> str | None:
        """Launch the next that waits, unless one trains; the id of the run, None if none began.

        To be called now and then. Whatever cannot be begun any more is left out.
        """
        with self._starting:
            while self.live() is None and (first := self.queue.take()):
                try:
                    return first.launch()
                except (OSError, ValueError) as problem:
                    faults.record(log, "A run that waited could not be begun.", problem)
        return None

    def _enter(self, waiting: Waiting) -> str | None:
        """The id of its run if that begins at once, None if it waits.

        Raises:
            ValueError: it cannot begin, or too many wait; a sentence.
        """
        with self._starting:
            if self.live() is None and not self.queue.all():
                try:
                    return waiting.launch()
                except OSError as error:
                    raise ValueError(in_words(error, self.runs_folder, "start it again")) from error
        self.queue.add(waiting)
        begun = self.advance()
        return None if waiting in self.queue.all() else begun

    def _own(self, run_id: object) -> Run:
        """A run of this project.

        Raises:
            ValueError: it is not here, or came with the app; a sentence.
        """
        run = self.find(run_id)
        if run is None or run.bundled:
            raise ValueError(NO_RUN)
        return run

    def folders(self) -> dict[str, str]:
        """Data of the user's own: {what the form calls a folder: its path in a command}. That which
        was named at the start, and those in `data`, where `python -m train data` puts them."""
        found = {GIVEN_FOLDER: self._shown(self.data)} if self.data else {}
        try:
            own = sorted(path for path in (self.root / DATA).iterdir() if path.is_dir())
        except OSError:
            own = []
        return found | {f"{DATA}/{path.name}": self._shown(path) for path in own[:MOST_FOLDERS]}

    def check(self, choices: Choices) -> str:
        """What the data of a form hold, and whether they can be trained on; a few lines. Takes as
        long as a start does.

        Raises:
            ValueError: they cannot be read, or checking is not possible now; a sentence.
        """
        self._refuse_where_closed()
        words = [*self.arguments(choices, new_name(choices)), "--check"]
        if not self._checking.acquire(blocking=False):
            raise ValueError("Other data are being checked. Please wait until that has ended.")
        try:
            done = subprocess.run(
                [sys.executable, *words], cwd=self.root, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=CHECK_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            minutes = CHECK_S // 60
            raise ValueError(f"Reading the data took more than {minutes} minutes.") from None
        finally:
            self._checking.release()
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["The data could not be read."])[-1]
            raise ValueError(_without_flags(self._without_paths(last.removeprefix("Error: "))))
        return self._without_paths(done.stdout.strip())

    def resume(self, run_id: object) -> str:
        """Launch the run's own command again with --resume."""
        self._refuse_where_closed()
        with self._starting:
            self._refuse_second()
            run = self._own(run_id)
            self._launch(
                run.id, [*saved_words(_config(run.path), self._shown(run.path)), "--resume"]
            )
        return run.id

    def stop(self, run_id: object) -> None:
        """Ask the run to save a checkpoint and end. Returns at once; the status tells when."""
        self._refuse_where_closed()
        run = self._own(run_id)
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

    def _launch(self, name: str, words: list[str]) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (self._runs.path(name) / LOG_NAME).open("ab") as log:
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

    def _shown(self, path: Path) -> str:
        """Relative to the project root where that is shorter to read; both mean the same folder."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    # --- Reading ---------------------------------------------------------------------------------

    def state(self, run_id: object) -> dict[str, Any]:
        """Where a run stands.

        state: none, gone, unreadable, starting, running, stopped, failed or finished; plus step,
        steps, eta_s, message, stage and left_s of the start, can_stop, can_resume and can_extend.
        Never raises for what a folder may hold.
        """
        run = self.find(run_id)
        if run is None:
            state = "none" if not run_id else "gone"
            cannot = dict.fromkeys(("can_stop", "can_resume", "can_extend"), False)
            return {"state": state, "message": "", **cannot}
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
        rests = not (alive or run.bundled or self.closed) and bool(_config(run.path).get("command"))
        return {
            "state": state,
            "message": _without_flags(self._without_paths(message)[:LONGEST_MESSAGE]),
            **self._start(run, state, bool(status.get("alive"))),
            "step": number(status.get("step")),
            "steps": number(status.get("steps")),
            "eta_s": number(status.get("eta_s")) if alive else None,
            "can_stop": alive and not self.closed,
            "can_resume": rests and state in RESUMABLE,
            "can_extend": rests and state == "finished",
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
        """Rows written after `cursor` (see `rows_after`) and the run's state as `status`."""
        run = self.find(run_id)
        state = self.state(run_id)
        if run is None:
            return {"rows": [], "cursor": None, "reset": False, "status": state}
        return rows_after(run.path, cursor) | {"status": state}

    def facts(self, run_id: object) -> list[tuple[str, str]]:
        """The run's configuration in plain words; see `facts_of`."""
        run = self.find(run_id)
        if run is None:
            return []
        facts = facts_of(run.label, _config(run.path))
        return [(name, self._without_paths(value)) for name, value in facts]

    def export(self, run_id: object, kind: str) -> Path:
        """The run's records as a file to download: `kind` is "csv" or "jsonl"."""
        run = self.find(run_id)
        if run is None:
            raise ValueError(NO_RUN)
        data = as_file(run.path, kind)
        target = Path(self._exports.name) / f"{run.id.replace(':', '-')}.{kind}"
        with self._exporting:
            write_atomically(target, data)
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
