"""What a process writes about itself once the journal has begun; each test in a real process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mckd.studio.services import journal
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
SECRET = "Mueller_Hans_19610321"
BEGIN = "from mckd.studio.services import journal\njournal.begin()\n"


def library(folder: Path, body: str) -> Path:
    """A module of somebody else's that misbehaves: `stranger.go(text)`."""
    imports = "import logging, sys, traceback, warnings\n\ndef go(text):\n"
    (folder / "stranger.py").write_text(imports + textwrap.indent(body, "    "))
    return folder


def said_by(folder: Path, program: str) -> tuple[str, str]:
    """Standard output and error of a program that may import the module."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout, done.stderr


RAISED = "try:\n    raise ValueError(text)\nexcept ValueError as error:\n    "


@pytest.mark.parametrize(
    "body",
    [
        "print(text)",
        "print(text, file=sys.stderr)",
        "sys.stderr.write(text)",
        "warnings.warn(text)",
        "logging.getLogger('x').error(text)",
        "logging.getLogger('x').error('%s', text)",
        "logging.getLogger('x').error('%d', text)",
        "logging.error('', extra={'color_message': text}, stack_info=True)",
        "own = logging.StreamHandler(sys.stdout)\nlogging.getLogger('y').addHandler(own)\n"
        "logging.getLogger('y').propagate = False\nlogging.getLogger('y').error(text)",
        RAISED + "traceback.print_exc()",
        RAISED + "traceback.print_exception(error)",
        RAISED + "print(traceback.format_exc(), error)",
        RAISED + "logging.exception(text)",
        RAISED + "logging.getLogger('asyncio').error('%s', error, exc_info=error)",
        "raise ValueError(text)",
        "import threading\nt = threading.Thread(target=lambda: int(text))\nt.start()\nt.join()",
        "class Odd:\n    def __del__(self):\n        raise ValueError(text)\nOdd()",
        "import asyncio\nasync def f():\n    async def g(): raise ValueError(text)\n"
        "    asyncio.ensure_future(g())\n    await asyncio.sleep(0.01)\nasyncio.run(f())",
    ],
)
def test_what_others_say_is_reduced_to_where_and_which_kind(tmp_path: Path, body: str) -> None:
    program = BEGIN + f"import stranger\nstranger.go({SECRET!r} * 1000)"
    out, error = said_by(library(tmp_path, body), program)
    assert out == ""
    assert error.count("\n") == 1, error
    assert len(error) < 700
    assert SECRET not in error
    assert str(tmp_path) not in error
    assert re.search(r"stranger\.py:\d+ \w+|base_events\.py|ValueError", error)
    if "ValueError" in body:
        assert "ValueError in stranger.py:" in error


def test_without_the_journal_the_same_would_be_told(tmp_path: Path) -> None:
    """The tests above can fail: it is the journal that keeps the word back."""
    out, error = said_by(
        library(tmp_path, "raise ValueError(text)"), f"import stranger\nstranger.go({SECRET!r})"
    )
    assert SECRET in out + error


def test_a_storm_is_a_few_lines_and_says_how_many_it_left_out(tmp_path: Path) -> None:
    program = BEGIN + textwrap.dedent("""
        import logging, time
        from mckd.studio.services import journal
        from stranger import go
        earned, journal.PER_S = journal.PER_S, 0  # a storm of no time, however slow the machine
        for number in range(20_000):
            go(str(number))
        journal.PER_S = earned
        lines = logging.getLogger().handlers[0]._lines
        lines._at -= 6
        go("")
    """)
    out, error = said_by(library(tmp_path, "logging.error(text)"), program)
    assert out == ""
    written = error.splitlines()
    assert len(written) == journal.AT_ONCE + 1
    assert written[-1].endswith("(19,900 lines before this one were left out)")
    assert len(error) < journal.AT_ONCE * (journal.LONGEST + 60)


def test_one_line_has_one_length_and_no_escapes() -> None:
    program = BEGIN + "journal.Lines().write('a\\x1b[31m\\n\\u202eb' + 'c' * 10_000)"
    _, error = said_by(ROOT, program)
    assert error.count("\n") == 1
    assert error.strip().isprintable()
    assert len(error) < journal.LONGEST + 40


def test_a_file_is_put_aside_when_full_and_few_are_kept(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        from pathlib import Path
        from mckd.studio.services import journal
        journal.FILE_BYTES, journal.PER_S = 5000, 1e6
        journal.begin(Path({str(tmp_path / "app.log")!r}))
        import stranger
        for number in range(2000):
            stranger.go(str(number))
    """)
    folder = tmp_path / "library"
    folder.mkdir()
    out, error = said_by(library(folder, "logging.error(text)"), program)
    assert out + error == ""
    files = sorted(path.name for path in tmp_path.glob("app.log*"))
    assert files == ["app.log", "app.log.1", "app.log.2", "app.log.3"]
    assert all(0 < path.stat().st_size <= 5000 for path in tmp_path.glob("app.log*"))


def test_what_this_project_says_stays_as_it_is() -> None:
    program = BEGIN + textwrap.dedent("""
        import logging
        from mckd.studio.services import faults
        from mckd.tumour import read_case
        try:
            read_case("nowhere")
        except ValueError as error:
            faults.record(logging.getLogger("mckd.x"), "A case could not be read.", error)
    """)
    _, error = said_by(ROOT, program)
    assert (
        "ERROR mckd.x: A case could not be read. CaseError in mckd/tumour/nifti_bytes.py:" in error
    )
    assert "nowhere" not in error


FORGED = """
import gradio as gr
from gradio.routes import App
from starlette.testclient import TestClient

with gr.Blocks() as page:
    chosen = gr.Radio(["a", "b"])
    chosen.change(lambda value: {}[value], chosen, chosen)
    chosen.input(lambda value: value, chosen, chosen, queue=False)
with TestClient(App.create_app(page), raise_server_exceptions=False) as client:
    for number in range(2):
        for data in ([SECRET * 1000], [], SECRET, [{SECRET: SECRET}] * 1000, ["a"]):
            for path in ("run/predict", "queue/join"):
                body = {"fn_index": number, "data": data, "session_hash": "forged"}
                client.post("/gradio_api/" + path, json=body)
"""


def test_forged_calls_that_gradio_cannot_use(tmp_path: Path) -> None:
    """Gradio itself without the door before it; without the journal it tells the word aloud."""
    program = f"SECRET = {SECRET!r}\n{FORGED}"
    assert SECRET in "".join(said_by(tmp_path, program))
    out, error = said_by(tmp_path, BEGIN + program)
    assert re.search(r"Printed by gradio/routes\.py:\d+ predict\. Error in gradio/", error)
    assert SECRET not in out + error
    assert len(out + error) < 20_000
