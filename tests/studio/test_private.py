"""The private folder goes with its process, however that ends; real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mckd.studio.services.private import PREFIX, sweep
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
OWNER = textwrap.dedent("""
    import os, sys, time
    from mckd.studio.services.private import end_on_signals, private_folder
    end_on_signals()
    with private_folder() as folder:
        (folder / "given").mkdir()
        (folder / "given" / "a head").write_bytes(b"x")
        print(folder, flush=True)
        if "fork" in sys.argv and not (child := os.fork()):
            os.kill(os.getpid(), 15)
            time.sleep(60)
        if "fork" in sys.argv:
            os.waitpid(child, 0)
            print("forked", flush=True)
        time.sleep(60)
""")
LEFT_ALONE = ("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGPIPE", "SIGXFSZ")
HARMLESS = ("SIGCHLD", "SIGCLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGTSTP", "SIGTTIN", "SIGTTOU")
ENDING = sorted(
    signal.valid_signals() - {getattr(signal, name, 0) for name in (*LEFT_ALONE, *HARMLESS)}
)[:20]  # of those for real-time programs the first few

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


@contextmanager
def owner(temporary: Path, *arguments: str, ignores: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a private folder with a file in it.

    ignores: a signal, as nohup has it. No other is, whatever the shell that runs the tests ignores.
    """

    def hear() -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN if number == ignores else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert (folder / "given" / "a head").read_bytes() == b"x"
    assert folder.stat().st_mode & 0o777 == 0o700
    return folder


@pytest.mark.parametrize("number", ENDING, ids=[str(getattr(s, "name", s)) for s in ENDING])
def test_it_goes_at_every_signal_that_ends_a_process(tmp_path: Path, number: int) -> None:
    with owner(tmp_path) as process:
        folder_of(process)
        process.send_signal(number)
        said, complaint = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == (0 if number in (2, 15) else 128 + number)
        assert said + complaint == ""
    assert list(tmp_path.iterdir()) == []


def test_what_the_killed_left_is_swept_and_the_living_keep_theirs(tmp_path: Path) -> None:
    foreign = tmp_path / f"{PREFIX}of-something-else"
    foreign.mkdir()
    (foreign / "file").touch()
    with owner(tmp_path) as living, owner(tmp_path) as killed:
        kept, left = folder_of(living), folder_of(killed)
        killed.kill()
        killed.wait()
        assert left.exists()  # nothing can be done at a SIGKILL
        with owner(tmp_path) as new:
            own = folder_of(new)
            assert set(tmp_path.iterdir()) == {foreign, kept, own}
            assert (kept / "given" / "a head").exists()


def test_what_is_killed_while_it_cleans_up_leaves_no_file_for_good(tmp_path: Path) -> None:
    cut_short = textwrap.dedent("""
        import os
        from mckd.studio.services.private import private_folder
        deleted, unlink = [], os.unlink
        def killed(*given, **more):
            deleted.append(unlink(*given, **more))
            if len(deleted) == 19:
                os.kill(os.getpid(), 9)
        with private_folder() as folder:
            for number in range(20):
                (folder / f"head{number}").write_bytes(b"x")
            os.unlink = killed
    """)
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", cut_short],
        cwd=ROOT,
        env=environment,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert [*tmp_path.rglob("head*")]
    with owner(tmp_path) as new:
        own = folder_of(new)
        assert list(tmp_path.iterdir()) == [own]


def test_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "lock").touch()
    (tmp_path / "tmp" / f"{PREFIX}x").symlink_to(tmp_path / "precious")
    sweep()
    assert (tmp_path / "precious" / "lock").exists()


def test_a_hangup_that_nohup_ignores_ends_nothing(tmp_path: Path) -> None:
    with owner(tmp_path, ignores=signal.SIGHUP) as process:
        folder = folder_of(process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0  # of the second
        assert not folder.exists()


def test_a_forked_child_deletes_nothing(tmp_path: Path) -> None:
    with owner(tmp_path, "fork") as process:
        folder = folder_of(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        assert (folder / "given" / "a head").exists()
        with owner(tmp_path) as other:  # nor lets go of the lock
            folder_of(other)
            assert (folder / "given" / "a head").exists()
