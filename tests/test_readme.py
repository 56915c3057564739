"""The pages are true: Python runs, commands are understood, what they link to is there."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import mckd.__main__
import mckd.predict
import train.__main__
from mckd.studio import serve

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(ROOT.glob("*.md"))
WHOLE = "".join(page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", WHOLE, re.S | re.M)
CALLS = (ROOT / "API.md").read_text(encoding="utf-8")  # of a running app: browser/test_api.py
PYTHON = [code for language, code in BLOCKS if language == "python" and code not in CALLS]
COMMANDS = [
    line
    for language, code in BLOCKS
    if not language and not code.startswith("app.py ")  # the tree
    for line in code.splitlines()
]


def test_the_python_runs(monkeypatch):
    """With a stroke and a bundled recording for the names that are the reader's."""
    monkeypatch.chdir(ROOT)
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 13:15] = 255
    samples, rate = soundfile.read(ROOT / "assets" / "digits" / "examples" / "spoken.wav")
    names: dict[str, Any] = {"picture": picture, "samples": samples, "sample_rate": rate}
    for code in PYTHON:
        exec(compile(code, "USAGE.md", "exec"), names)
    assert names["result"].present == {"visual", "audio"}
    assert names["found"].present == {"flair", "t1", "t1c", "t2"}  # the last of the 15


def words_of(command: str) -> tuple[list[str], list[str]]:
    """The assignments before a command, and its words, without the comment."""
    words = shlex.split(command, comments=True)
    start = next(i for i, word in enumerate(words) if not re.match(r"\w+=", word))
    return words[:start], words[start:]


def trains(words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = words[words.index("train") + 1 :]
    monkeypatch.chdir(tmp_path)
    for folder in [word for word in named if word.startswith(("data/", "runs/")) or word == "DIR"]:
        Path(folder).mkdir(parents=True)  # of an earlier command
    train.__main__.parse(named)


def predicts(words: list[str], monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    for name in ("predict", "follow"):
        monkeypatch.setattr(mckd.predict, name, lambda arguments: 0)
    assert mckd.__main__.main(words[3:]) == 0


def serves(words: list[str], monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(sys, "argv", words[1:])
    serve.options()


def helps(words: list[str], monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    """A program that takes minutes: it starts and says what it would do."""
    monkeypatch.setattr(sys, "argv", [words[-1], "--help"])
    run = runpy.run_module if words[1] == "-m" else runpy.run_path
    with pytest.raises(SystemExit) as ended:
        run(words[-1], run_name="__main__")
    assert ended.value.code == 0


def installs(words: list[str], _: pytest.MonkeyPatch, __: Path) -> None:
    """Needs the network, and is what set up these tests: the files that it reads exist."""
    files = [word for word in words if word.endswith((".txt", ".lock", "app.py"))]
    assert files
    assert all((ROOT / file).is_file() for file in files)


KINDS: dict[str, Callable[[list[str], pytest.MonkeyPatch, Path], None]] = {
    r"python -m train |torchrun .* -m train ": trains,
    r"python -m mckd (predict|follow) ": predicts,
    r"python app\.py": serves,
    r"python tests/load/\w+\.py|python -m tests\.hostile": helps,
    r"python3 -m venv |uv pip compile |pip-audit |pip install ": installs,
}


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_the_commands_are_understood(command, monkeypatch, tmp_path):
    """Each is parsed by the program that it calls; only what takes minutes is not run further."""
    monkeypatch.chdir(ROOT)
    if not command or re.fullmatch(r'\w+="[^"]*"', command):
        return
    variables = dict(re.findall(r'^(\w+)="([^"]*)"$', "\n".join(COMMANDS), re.M))
    for name, value in variables.items():
        command = command.replace(f"${name}", value)
    _, words = words_of(command)
    (check,) = (check for kind, check in KINDS.items() if re.match(kind, shlex.join(words)))
    check(words, monkeypatch, tmp_path)


def test_the_space_s_gradio_is_the_pinned_one():
    pin = re.search(r"^gradio==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M)[1]
    assert f"sdk_version: {pin}\n" in TEXT


def test_its_short_description_fits_a_space():
    assert len(re.search(r"^short_description: (.*)$", TEXT, re.M)[1]) <= 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestPages:
    def test_what_they_link_to_exists(self, page):
        links = re.findall(r"\]\(([^)#:\s]+)\)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (ROOT / link).exists()] == []

    def test_one_heading_says_what_each_is_about(self, page):
        """`#` in code is a comment."""
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        assert len(re.findall(r"^# ", text, re.M)) == 1

    def test_the_readme_leads_to_each(self, page):
        assert page.name == "README.md" or f"]({page.name})" in TEXT
