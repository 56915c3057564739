"""Processes that a command started end with it, however it ends."""

import multiprocessing
import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.patience import until
from train.digits.rows import VARIANTS
from train.pool import pool


def session_of(process):
    """The living processes of a command's session."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,sid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {int(p) for p, session, stat in rows if int(session) == process.pid and stat[0] != "Z"}


def start(words):
    return subprocess.Popen(
        [sys.executable, "-m", "train", *words],
        cwd=ROOT,
        start_new_session=True,
        # A test run in the background of a shell is deaf to Ctrl-C, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true):
    """Asking for all processes costs something, so it is done three times a second."""
    until(true, pause=lambda _: time.sleep(0.3))


@pytest.fixture
def phantoms(tmp_path):
    """A generator with two workers that are at their first cases."""
    words = ["--cases", "4", "--seed", "3", "--jobs", "2", "--out", str(tmp_path / "made")]
    process = start(["data", "phantoms", *words])
    # The command, multiprocessing's own tracker, two workers.
    wait_until(lambda: len(session_of(process)) >= 4 or process.poll() is not None)
    assert process.poll() is None
    yield process
    for pid in session_of(process):
        os.kill(pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_generator_that_is_killed_leaves_no_process(phantoms, how):
    phantoms.send_signal(how)
    wait_until(lambda: not session_of(phantoms))
    said = phantoms.communicate()[1]
    assert phantoms.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 3)
    assert "Traceback" not in said


def test_a_worker_that_is_killed_is_one_sentence(phantoms):
    workers = sorted(session_of(phantoms) - {phantoms.pid})
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in workers}
    os.kill(next(pid for pid, words in commands.items() if "spawn_main" in words), signal.SIGKILL)
    said = phantoms.communicate()[1]
    assert phantoms.returncode == 2
    assert "Error: A process was killed" in said
    assert len(said.strip().splitlines()) == 1
    wait_until(lambda: not session_of(phantoms))


def test_a_table_whose_process_is_killed_says_so_and_goes_on(tmp_path, bundled):
    words = ["--which", "2", "--data", str(bundled), "--out", str(tmp_path)]
    words += ["--seeds", "1", "--epochs", "1", "--draws", "0", "--systems", "lower-bound"]
    process = start(["table", *words])
    runs = tmp_path / "runs.csv"
    until(
        lambda: runs.is_file() and len(runs.read_text().splitlines()) > 1,
        lambda: "a first run",
        lambda: "" if process.poll() is None else process.communicate()[1],
        lambda _: time.sleep(0.3),
    )
    commands = {p: Path(f"/proc/{p}/cmdline").read_text() for p in session_of(process)}
    os.kill(next(pid for pid, words in commands.items() if "spawn_main" in words), signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == 2
    assert said.strip() == "Error: A process was killed. Run the same command to go on."
    wait_until(lambda: not session_of(process))
    again = start(["table", *words])
    out, said = again.communicate()
    assert again.returncode == 0, said
    assert VARIANTS["lower-bound"].label in out


def finish_when_asked(started):
    """As a run does: what is asked first ends what it is at, and not the process."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    Path(started).touch()
    asked.wait()
    signal.signal(signal.SIGTERM, before)


def leave_at_the_first(jobs):
    with pool(1) as workers:
        for job in jobs:
            workers.submit(finish_when_asked, job)
        wait_until(jobs[0].exists)
        raise KeyboardInterrupt


def test_leaving_ends_workers_that_have_more_handed_out(tmp_path):
    jobs = [tmp_path / str(n) for n in range(3)]
    with pytest.raises(KeyboardInterrupt):
        leave_at_the_first(jobs)
    assert multiprocessing.active_children() == []
    assert not jobs[2].exists()


def pages_taken(count):
    """Memory pages that the system has to give for 64 MiB that are taken and freed so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        b"x" * 2**26  # numpy asks for huge pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_what_a_worker_has_freed_it_takes_again():
    """Five times 64 MiB, 16,384 pages each: hardly more than the first one's are taken."""
    with pool(1) as workers:
        assert workers.submit(pages_taken, 5).result() < 2 * 2**14
