"""One hostile file of every kind: refused in one plain sentence, or let in because it is usable.

Time and memory are measured by `python -m tests.hostile`, not here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.doors import knock, lay_out
from tests.hostile.files import GROUPS, Hostile, hostile_files

EVERY = {hostile.kind: hostile for hostile in hostile_files(300)}
LET_IN = {"extension", "name", "some nan", "padding", "as long as allowed", "surround"}
LET_IN |= {"rubbish after gzip"}
LET_IN |= {"four gigabytes", "piped wav", "antiphase", "aiff from a pipe"}  # as long as they are
EITHER = {"flipped bits", "flipped bits, NIfTI-2", "flipped wav", "flipped aiff", "sform"}  # chance


@pytest.mark.parametrize("hostile", EVERY.values(), ids=EVERY)
def test_a_hostile_file(hostile: Hostile, tmp_path: Path) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    refusal = knock(hostile.door, lay_out(hostile, folder))
    if hostile.kind not in EITHER:
        assert (refusal == "") == (hostile.kind in LET_IN)
    if refusal:
        assert refusal.endswith(".")
        assert len(refusal) < 300
        assert refusal.isprintable()
        assert "secret" not in refusal
        assert "Doe" not in refusal


def test_the_set_is_as_large_as_it_says_and_holds_every_kind() -> None:
    files = list(hostile_files(300))
    assert len(files) == 300
    assert {hostile.kind for hostile in files} == {kind for *_, kinds in GROUPS for kind in kinds}


def test_the_same_seed_gives_the_same_files() -> None:
    once, again = (next(iter(hostile_files(300, seed=4))).make() for _ in range(2))
    other = next(iter(hostile_files(300, seed=5))).make()
    assert once == again
    assert once != other
