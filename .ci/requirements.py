"""Writes the requirements files from pyproject.toml: `python .ci/requirements.py [--check]`.

With --check nothing is written, and a file that differs is named with exit status 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # pytest and hatchling bring it along

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FILES = {
    "requirements.txt": ("", "clinic"),
    "requirements-clinical.txt": ("hdbet",),
    "tests/requirements.txt": ("test",),
}
HEADER = "# From pyproject.toml, which is where to change it: python .ci/requirements.py\n"


def text_of(extras: Sequence[str]) -> str:
    lines = dict.fromkeys(line for extra in extras for line in wanted(extra))
    return HEADER + "".join(f"{line}\n" for line in lines)


def wanted(extra: str) -> Iterator[str]:
    """The requirements of an extra, "" for what all need; of extras that it names, theirs."""
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for line in lines:
        if others := re.fullmatch(rf"{PROJECT['name']}\[(.*)\]", line):
            for other in others[1].split(","):
                yield from wanted(other)
        else:
            yield line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing (default: write)")
    check = parser.parse_args().check
    texts = {name: text_of(extras) for name, extras in FILES.items()}
    differs = [name for name, text in texts.items() if (ROOT / name).read_text("utf-8") != text]
    for name in differs:
        if not check:
            (ROOT / name).write_text(texts[name], "utf-8")
        print(f"{name} {'differs from pyproject.toml' if check else 'written'}")
    return int(check and bool(differs))


if __name__ == "__main__":
    sys.exit(main())
