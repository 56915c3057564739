"""A real app in its own process and a real Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from tests import small_heads
from tests.patience import PATIENCE_S, until

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PATIENCE_MS = 1000 * PATIENCE_S
sync_api.expect.set_options(timeout=PATIENCE_MS)

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EXAMPLES = ROOT / "assets" / "digits" / "examples"
FENCE = ROOT / "tests" / "fence"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Studio:
    """A running app."""

    url: str
    port: int
    runs: Path
    process: subprocess.Popen[bytes]
    log: Path = field(repr=False)
    private: Path = field(repr=False)  # where it keeps files of visitors
    fence: Path = field(repr=False)  # notes of connections it tried to make


def start_studio(folder: Path, *arguments: str, root: Path = ROOT) -> Studio:
    """`python app.py` of the project in `root`, waited for until its page answers.

    It runs behind a fence (tests/fence): no connection leaves this machine.
    """
    port, runs, log = free_port(), folder / "runs", folder / "app.log"
    private, fence = folder / "private", folder / "fence.log"
    private.mkdir()
    command = [sys.executable, "app.py", "--port", str(port), "--runs", str(runs), *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "SPACE_ID"}
    environment |= {"TMPDIR": str(private), "PYTHONPATH": str(FENCE), "MCKD_FENCE": str(fence)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    studio = Studio(f"http://127.0.0.1:{port}/", port, runs, process, log, private, fence)
    try:
        until(
            lambda: answers(studio.url),
            lambda: f"the page of the app, which says {log.read_text()!r},",
            lambda: "" if process.poll() is None else f"it ended with {process.returncode}",
        )
    except AssertionError:
        process.kill()
        raise
    return studio


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as page:
            page.read()
    except OSError:
        return False
    return True


def stop_studio(studio: Studio) -> None:
    """End the app; it must not have tried to reach any other computer."""
    studio.process.terminate()
    try:
        studio.process.wait(PATIENCE_S)
    finally:
        studio.process.kill()
    assert not studio.fence.exists(), studio.fence.read_text()


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    running = start_studio(tmp_path_factory.mktemp("studio"), "--host", "studio.test")
    yield running
    stop_studio(running)


def lay_out_clinic(root: Path) -> Path:
    """A project folder with one small bundled case, two visits of it, and tumour networks of random
    weights: the bundled one, and three of the four compared ones."""
    from tests import untrained  # loads torch

    shutil.copytree(ROOT / "mckd", root / "mckd")  # compiled as it is: it starts at once
    shutil.copytree(ROOT / "assets" / "digits", root / "assets" / "digits")
    shutil.copy(ROOT / "app.py", root)
    small_heads.save_case(root / "assets" / "tumour" / "small_head")
    for day, words in {"2024-01-31": ("flair", "t1"), "2024-04-28": ("flair", "t2")}.items():
        small_heads.save_case(root / "assets" / "visits" / day, words=words)
    checkpoint = root / "checkpoints" / "tumour.safetensors"
    untrained.save_tumour(checkpoint, iwv=(0.5, -0.5, 0.3, 0.1), data={"name": "noise"})
    compared = checkpoint.parent / "compared"
    untrained.save_tumour(compared / "hemis.safetensors", seed=1, system="hemis", data="a coin")
    untrained.save_tumour(compared / "baseline.safetensors", seed=3, data="dice")
    untrained.save_tumour(compared / "mckd.safetensors", seed=2, data="two coins")
    return root


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The app in such a folder, with its functions as tools too."""
    root = lay_out_clinic(tmp_path_factory.mktemp("clinic"))
    running = start_studio(tmp_path_factory.mktemp("clinic-runs"), "--mcp", root=root)
    yield running
    stop_studio(running)


@pytest.fixture(scope="session")
def spoken_three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone plays, in a loop: a word, then a long pause, at 48 kHz."""
    word, rate = soundfile.read(EXAMPLES / "spoken.wav", dtype="int16")
    loud = resample_poly(word.astype(np.float64), 48_000, rate)
    wave = np.concatenate([np.zeros(24_000), loud, np.zeros(96_000)])
    path = tmp_path_factory.mktemp("microphone") / "three.wav"
    soundfile.write(path, np.clip(wave, -32_767, 32_767).astype(np.int16), 48_000)
    return path


@pytest.fixture(scope="session")
def launch(spoken_three: Path) -> Iterator[Callable[..., Any]]:
    """Start Chromium: `launch(microphone="allowed" | "denied" | "none", *flags)`."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    started = []
    microphones = {
        "allowed": [
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={spoken_three}",
        ],
        "denied": ["--use-fake-device-for-media-stream"],
        "none": [],
    }
    with sync_api.sync_playwright() as playwright:

        def start(*flags: str, microphone: str = "allowed") -> Any:
            arguments = ["--no-sandbox", *microphones[microphone], *flags]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            started.append(browser)
            return browser

        yield start
        for browser in started:
            browser.close()


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Any]) -> Any:
    return launch()


BROKEN_OFF = ("AbortError", "Connection errored out")


@dataclass
class Watch:
    """What a page must not do: complain in the console, or reach beyond this machine."""

    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def over(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("framenavigated", self._left)

    def _left(self, frame: Any) -> None:
        """A page that is left breaks its streams off, of which Gradio complains."""
        if frame.parent_frame is None:
            said = self.complaints
            said[:] = [word for word in said if not any(kind in word for kind in BROKEN_OFF)]

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _request(self, request: Any) -> None:
        own = ("http://127.0.0.1:", "data:", "blob:")
        if not request.url.startswith(own):
            self.foreign.append(request.url)


def blank(browser: Any, **options: Any) -> Any:
    """An empty page of a new visitor, who has patience; `options` as `new_context` has them."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


# Where the page says that what was asked for has failed: it will not come any more.
LOST = ", ".join(
    [
        "#tumour-findings .findings[data-status=problem]",
        "#tumour-findings .findings[data-status=unavailable]",
        "#compare-subsets .subsets[data-state=problem]",
        "#compare-exports .exports[data-state=problem]",
        "#verdict .verdict[data-status=unavailable]",
    ]
)
IN_SIGHT = """([wanted, lost]) => {
  const seen = (selector) => [...document.querySelectorAll(selector)]
    .find((each) => each.checkVisibility({ visibilityProperty: true }));
  if (wanted.every(seen)) return { lost: "" };
  const failed = seen(lost);
  return failed && { lost: failed.innerText };
}"""


def reach(page: Any, *selectors: str) -> None:
    """Wait until each of these is in sight; fails at once where the page says `LOST`."""
    end = page.wait_for_function(IN_SIGHT, arg=[selectors, LOST]).json_value()
    assert not end["lost"], f"{selectors} cannot come any more; the page says: {end['lost']}"


def drag(page: Any, *files: Path, x: int = 300, y: int = 400) -> Callable[[], None]:
    """Drag files or folders of this computer over the page; call what it returns to drop them."""
    hand = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}

    def move(kind: str) -> None:
        hand.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})

    move("dragEnter")
    move("dragOver")
    return lambda: move("drop")


@contextmanager
def arrivals(
    browser: Any, studio: Studio, arrive: Callable[[Any], None] = lambda page: None
) -> Iterator[Callable[..., Any]]:
    """Open the page as a new visitor, as often as it is called; `arrive` makes the first steps.

    Fails on console errors and foreign requests of any of them.
    """
    contexts, watch = [], Watch()

    def start(**options: Any) -> Any:
        page = blank(browser, **options)
        contexts.append(page.context)
        watch.over(page)
        page.goto(studio.url)
        page.wait_for_selector("#tumour-intake .case")
        arrive(page)
        return page

    yield start
    for context in contexts:
        context.close()
    assert watch.foreign == []
    assert watch.complaints == []


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """The studio's page, microphone allowed. Fails the test on console errors, foreign requests."""
    opened, watch = blank(browser, permissions=["microphone"]), Watch()
    watch.over(opened)
    opened.goto(studio.url)
    yield opened
    opened.context.close()
    assert watch.foreign == []
    assert watch.complaints == []
