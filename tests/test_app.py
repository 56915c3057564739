"""`python app.py` as a process: its command line, its end, and what it writes about itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mckd import __version__
from tests.browser.conftest import FENCE, free_port
from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).parents[1]
SECRET = "Mueller_Hans_19610321"


@dataclass
class App:
    """A running app and one browser in front of it."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._browser = urllib.request.build_opener(cookies)

    def ask(self, path: str, data: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        headers = {"content-type": kind} if kind else {}
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with self._browser.open(request, timeout=PATIENCE_S) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def call(self, path: str, **body: Any) -> int:
        body = {"session_hash": "a-forged-session", **body}
        return self.ask("gradio_api/" + path, json.dumps(body).encode(), "application/json")[0]

    def upload(self, name: str, content: bytes) -> str:
        """A file sent as the page sends it; its ticket."""
        self.ask("")
        self.call("run/predict", fn_index=0, data=[])  # the session is this browser's from now on
        form = f'--x\r\ncontent-disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        data = form.encode() + content + b"\r\n--x--\r\n"
        status, said = self.ask("gradio_api/upload", data, "multipart/form-data; boundary=x")
        assert status == 200
        return str(json.loads(said)[0])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    address: str = "127.0.0.1",
    root: Path = ROOT,
    **environment: str,
) -> Iterator[App]:
    """The app of the project in `root`, waited for until it answers; TMPDIR is `folder`/private."""
    private, output = folder / "private", folder / "output.log"
    private.mkdir(parents=True, exist_ok=True)
    if "GRADIO_SERVER_PORT" not in environment or "--port" in arguments:
        port = free_port()
        arguments = ("--port", str(port), *(a for a in arguments if a != "--port"))
    else:
        port = int(environment["GRADIO_SERVER_PORT"])
    around = {k: v for k, v in os.environ.items() if k != "SPACE_ID"}
    around |= {"TMPDIR": str(private), "PYTHONPATH": str(FENCE), "MCKD_FENCE": str(folder / "f")}
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--runs", str(folder / "runs"), *arguments],
            cwd=root,
            env=around | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            # Whoever runs the tests with nohup has hang-ups ignored, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
    app = App(process, f"http://{address}:{port}/", output)
    try:
        until(lambda: answers(app))
        yield app
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def answers(app: App) -> bool:
    assert app.process.poll() is None, app.output.read_text(errors="replace")
    try:
        return app.ask("health")[0] in (200, 503)
    except OSError:
        return False


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def forbids_port_80() -> bool:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        return (
            first > 80
            and subprocess.run(["unshare", "--user", "true"], check=False).returncode == 0
        )
    except OSError:
        return False


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def every(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# ---- command line


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "GRADIO_SERVER_PORT"),
        (["--version"], 0, f"MCKD Studio {__version__}\n"),
        (["--prot", "1"], 2, "unrecognized arguments: --prot 1"),
        (["--port", "x"], 2, "'x' is no port; it is a number from 1 to 65535"),
        (["--port", "70000"], 2, "'70000' is no port"),
        (["--listen", "[::]"], 2, "'::' is no single address; for all networks: 0.0.0.0"),
        (["--host", "https://lab.example"], 2, "is no name; leave out http:// and any path"),
    ],
)
def test_the_command_line_is_answered_before_anything_is_imported_or_made(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    done = run("-X", "importtime", "app.py", *arguments, TMPDIR=str(tmp_path))
    timed, shown = done.stderr.splitlines(), [done.stdout]
    shown += [line for line in timed if not line.startswith("import time:")]
    assert done.returncode == status
    assert said in "\n".join(shown)
    imported = {line.split("|")[-1].strip().split(".")[0] for line in timed if "|" in line}
    assert "argparse" in imported
    assert not imported & {"gradio", "torch", "numpy", "scipy", "starlette", "filelock"}
    assert list(tmp_path.iterdir()) == []


def test_help_says_of_every_flag_what_it_does_and_its_default() -> None:
    flags = re.split(r"\n  (?=-)", run("app.py", "--help").stdout.split("options:")[1])[1:]
    assert len(flags) >= 7
    for flag in (" ".join(flag.split()) for flag in flags):
        assert re.match(r"(-h, |--[a-z]+, )?--[a-z-]+( [A-Z]+)? \w", flag), flag
        assert "--help" in flag or "--version" in flag or "default: " in flag, flag


def test_an_environment_that_names_no_port_is_one_sentence() -> None:
    done = run("app.py", GRADIO_SERVER_PORT="http")
    assert done.returncode == 2
    assert "'http' is no port" in done.stderr


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = run("app.py", "--log", str(tmp_path / "none" / "app.log"))
    assert done.returncode == 1
    assert "cannot be written (No such file or directory). Choose another --log." in done.stdout
    assert done.stderr == ""


def test_an_address_of_another_computer_is_one_sentence() -> None:
    done = run("app.py", "--listen", "192.0.2.1", "--port", str(free_port()))
    assert done.returncode == 1
    assert done.stdout.startswith("192.0.2.1 is no address of this computer.")
    assert done.stderr == ""


@pytest.mark.skipif(not forbids_port_80(), reason="this system gives every port to everybody")
def test_a_port_of_administrators_is_not_called_taken() -> None:
    """As a user who may not have it, whoever runs this."""
    start = ["unshare", "--user", sys.executable, "app.py", "--port", "80"]
    done = subprocess.run(
        start, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 1
    assert done.stdout == (
        "This system gives port 80 to administrators only. Try: python app.py --port 7860\n"
    )
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at all of 127.0.0.0/8")
def test_the_environment_says_where_and_flags_win(tmp_path: Path) -> None:
    there = {"GRADIO_SERVER_PORT": str(free_port()), "GRADIO_SERVER_NAME": "127.0.0.2"}
    with running(tmp_path / "a", address="127.0.0.2", **there) as app:
        here = app.url.replace("127.0.0.2", "127.0.0.1")
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(here, timeout=PATIENCE_S)
        until(lambda: app.output.read_text() == f"MCKD Studio is at {app.url}\n")
    with running(tmp_path / "b", "--port", "--listen", "127.0.0.1", **there) as app:
        assert there["GRADIO_SERVER_PORT"] not in app.url
        until(lambda: app.output.read_text() == f"MCKD Studio is at {app.url}\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at all of 127.0.0.0/8")
def test_on_all_networks_it_answers_to_the_address_that_was_asked(tmp_path: Path) -> None:
    with running(tmp_path, "--listen", "0.0.0.0") as app:
        here = app.url.replace("127.0.0.1", "127.0.0.3")
        with urllib.request.urlopen(here, timeout=PATIENCE_S) as page:
            assert page.status == 200
        another = urlsplit(here).netloc.replace("127.0.0.3", "127.0.0.4")
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(urllib.request.Request(here, headers={"Host": another}))


@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
def test_an_address_of_ipv6(tmp_path: Path) -> None:
    with running(tmp_path, "--listen", "::1", address="[::1]") as app:
        assert app.ask("")[0] == 200
        until(lambda: app.output.read_text() == f"MCKD Studio is at {app.url}\n")


# ---- the end


def test_uploads_go_with_the_app_that_is_hung_up(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        app.upload(f"{SECRET}_flair.nii.gz", b"a head")
        (kept,) = (path for path in every(tmp_path / "private") if path.name != "lock")
        assert kept.read_bytes() == b"a head"
        assert SECRET not in str(kept)
        assert app.end(signal.SIGHUP) == 128 + signal.SIGHUP
        assert list((tmp_path / "private").iterdir()) == []


def test_what_a_killed_app_left_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        app.upload(f"{SECRET}_flair.nii.gz", b"a head")
        app.end(signal.SIGKILL)
    left = every(tmp_path / "private")
    assert b"a head" in [path.read_bytes() for path in left]
    with running(tmp_path) as app:
        app.upload("x.nii", b"another head")
        now = every(tmp_path / "private")
        assert not set(left) & set(now)
        assert [path.read_bytes() for path in now if path.name != "lock"] == [b"another head"]
        assert app.end() == 0
    assert list((tmp_path / "private").iterdir()) == []


# ---- what it writes about itself


def test_forged_calls_leave_no_word_of_theirs_in_the_log(tmp_path: Path) -> None:
    """Bodies of up to 0.2 MB that nobody can use, at every function and every route of calls.

    What comes through to Gradio, and what it then prints, is the matter of studio/test_journal.py.
    """
    many = [{f"{SECRET}{number}": SECRET} for number in range(4000)]
    odd: list[Any] = [[], [SECRET], many, [{SECRET: SECRET}] * 9, {SECRET: 1}, [None] * 3 + [many]]
    odd += [[None, {"path": SECRET, "meta": {"_type": "gradio.FileData"}}]]
    with running(tmp_path) as app:
        app.ask("")
        functions = json.loads(app.ask("config")[1])["dependencies"]
        statuses = [
            app.call(path, fn_index=number, data=data)
            for number in [*(function["id"] for function in functions), 10**9, SECRET]
            for data in odd
            for path in ("run/predict", "queue/join", "component_server")
        ]
        assert len(statuses) > 200
        assert app.ask("health")[0] in (200, 503)  # and it is still there
        app.end()
    said = app.output.read_text(errors="replace")
    assert max(statuses) < 500
    assert SECRET not in said
    assert str(tmp_path) not in said
    assert len(said) < 20_000


# ---- without a network

OFFLINE = """
import fcntl, json, os, socket, struct, subprocess, sys, time, urllib.request

with socket.socket() as probe:  # a network of its own, of this computer alone: switch it on
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 0x1))
port, patience = sys.argv[1], float(sys.argv[3])
app = subprocess.Popen([sys.executable, "app.py", "--port", port, "--runs", sys.argv[2]])
told = {"networks": [name for _, name in socket.if_nameindex()]}
while app.poll() is None and told.get("health") != "ready":
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=patience) as reply:
            told["health"] = json.load(reply)["status"]
    except OSError:
        time.sleep(0.2)
with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=patience) as reply:
    told["page"] = "MCKD Studio" in reply.read().decode()
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    told["outside"] = error.strerror
app.terminate()
told["status"] = app.wait()
print(json.dumps(told))
"""


def test_without_any_network_it_starts_and_serves(tmp_path: Path) -> None:
    """Really none: the system gives the process and its children no network but its own."""
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this system does not let a process give up its network")
    port = str(free_port())
    done = subprocess.run(
        [*alone, sys.executable, "-c", OFFLINE, port, str(tmp_path / "runs"), str(PATIENCE_S)],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "SPACE_ID"} | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    first, told = done.stdout.splitlines()
    assert first == f"MCKD Studio is at http://127.0.0.1:{port}/"
    assert json.loads(told) == {
        "networks": ["lo"],
        "health": "ready",
        "page": True,
        "outside": "Network is unreachable",
        "status": 0,
    }
    assert done.stderr == ""
    assert every(tmp_path) == []
