"""tests/HARDENING.md lists inputs and faults; each has tests that exist, or a reason."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS / "HARDENING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.M)


@cache
def functions(path: Path) -> set[str]:
    """Names of the functions of a file, those of its classes too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_first_48_are_there_and_all_in_their_order() -> None:
    numbers = [int(number) for number, _ in ROWS]
    assert numbers[:48] == list(range(1, 49))
    assert numbers == sorted({*numbers})


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[number for number, _ in ROWS])
def test_each_is_proven_or_does_not_apply(row: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
    assert named or "does not apply: " in row
    for path, name in named:
        assert name.startswith("test_")
        assert name in functions(TESTS / path), f"{path}::{name}"
