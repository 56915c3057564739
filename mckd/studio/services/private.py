"""The private folder of a running app: visitors' files lie there, and go however the app ends.

The folder is deleted when the app ends, and `end_on_signals` makes an end of every signal that can
be caught. What an app left that was killed outright, or lost its power, the next one deletes: each
holds a lock in its folder, and the system takes that away with the process and not before.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

PREFIX = "mckd-studio-"
LOCK = "lock"

# What no handler of Python can answer: the first two by their nature, the others because the
# program stands at the fault and would meet it again.
_DEADLY = "SIGKILL SIGSTOP SIGSEGV SIGBUS SIGFPE SIGILL"
# What ends no process, or only halts it.
_HARMLESS = "SIGCHLD SIGCLD SIGCONT SIGURG SIGWINCH SIGTSTP SIGTTIN SIGTTOU"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user can read, locked while in use and deleted afterwards.

    What dead apps left beside it is deleted first. A forked child of this process deletes nothing.
    """
    sweep()
    owner = os.getpid()
    folder, lock = _locked()
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            with suppress(OSError):
                _clear(folder)
            lock.release()


def sweep() -> None:
    """Delete the private folders of this user whose apps are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if not _is_ours(folder) or not (folder / LOCK).is_file():
                continue
            with FileLock(folder / LOCK, timeout=0):
                _clear(folder)
        except (OSError, Timeout):  # in use, or another app is deleting it
            continue


def end_on_signals() -> None:
    """Let every signal that would end the process raise SystemExit, so that all is cleaned up.

    What is ignored (by nohup, or of a shell's background jobs) stays ignored.
    """
    for number in signal.valid_signals() - _numbers(_DEADLY) - _numbers(_HARMLESS):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    for other in signal.valid_signals() - _numbers(_DEADLY) - _numbers(_HARMLESS):
        signal.signal(other, signal.SIG_IGN)  # once is enough: cleaning up is not interrupted
    asked = number in (signal.SIGINT, signal.SIGTERM)
    sys.exit(0 if asked else 128 + number)


def _numbers(names: str) -> set[int]:
    """The signals of these names that this system has."""
    return {getattr(signal, name) for name in names.split() if hasattr(signal, name)}


def _clear(folder: Path) -> None:
    """Delete a folder, its lock last: what is left where this is killed midway, or where a file
    comes meanwhile, the next app finds by it."""
    for path in [*folder.iterdir()]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    if [path.name for path in folder.iterdir()] == [LOCK]:
        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, no link to one, and of this user."""
    found = folder.lstat()
    me = os.getuid() if os.name == "posix" else 0
    return stat.S_ISDIR(found.st_mode) and found.st_uid == me


def _locked() -> tuple[Path, FileLock]:
    """A new folder and its lock. Another app may sweep it before it is locked: then one more."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except (OSError, Timeout):
            continue
        if (folder / LOCK).is_file():
            return folder, lock
        lock.release()
