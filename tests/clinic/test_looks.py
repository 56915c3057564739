"""What the picture says, against names that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mckd.clinic.looks import Look, compared, look_at
from mckd.clinic.roles import Guess
from mckd.tumour.geometry import Grid
from mckd.tumour.naming import SEQUENCES
from mckd.tumour.nifti import read_header, read_image
from tests import small_heads
from tests.clinic.written import heads

GRID = Grid(small_heads.SHAPE, small_heads.affine())


def doubt(slot: str, look: Look | None) -> str:
    return compared(Guess(frozenset({slot})), look).doubt


def test_heads_under_their_own_names_raise_no_doubt() -> None:
    for slot, head in heads().items():
        look = look_at(head.astype(np.float32), GRID)
        assert look is not None
        assert doubt(slot, look) == ""


def test_names_that_the_picture_contradicts() -> None:
    looks = {slot: look_at(head.astype(np.float32), GRID) for slot, head in heads().items()}
    assert "its fluid is not bright" in doubt("t2", looks["flair"])
    assert "its fluid is not bright" in doubt("t2", looks["t1"])
    assert "its fluid is bright" in doubt("flair", looks["t2"])
    assert "no vessel is bright" in doubt("t1c", looks["t1"])


def test_any_order_of_axes_looks_the_same() -> None:
    head = heads()["t2"].astype(np.float32)
    turned = Grid(
        (small_heads.SHAPE[2], small_heads.SHAPE[0], small_heads.SHAPE[1]),
        small_heads.affine()[:, [2, 0, 1, 3]],
    )
    assert look_at(head.transpose(2, 0, 1), turned) == look_at(head, GRID)


def test_an_open_guess_gets_a_hint_and_no_answer() -> None:
    look = look_at(heads()["t1"].astype(np.float32), GRID)
    open_t1 = Guess(frozenset({"t1", "t1c"}), why="its name says T1")
    told = compared(open_t1, look)
    assert told.slots == open_t1.slots
    assert told.why == "its name says T1; no vessel stands out"


def test_what_shows_no_head() -> None:
    assert look_at(np.zeros((20, 20, 20), np.float32), Grid((20, 20, 20), np.eye(4))) is None
    for shape in ((64, 64, 2), (64, 1, 64), (2, 2, 2)):  # thinner than what is looked at
        assert look_at(np.ones(shape, np.float32), Grid(shape, np.eye(4))) is None
    wide = np.zeros((80, 60, 40), np.float32)
    wide[2:-2, 2:-2, 1:-1] = 100
    look = look_at(wide, Grid((80, 60, 40), np.diag([5.0, 5.0, 5.0, 1.0])))
    assert compared(Guess(frozenset({"t2"})), look).aside


def look_of(path: Path) -> Look | None:
    header = read_header(path)
    return look_at(read_image(header).voxels, header.grid)


@pytest.mark.parametrize("case", ["BraTS2021_01478", "BraTS2021_01483"])
def test_real_heads(brats: Path, case: str) -> None:
    """Two whose fluid is the hardest to tell of 15."""
    words = dict(zip(SEQUENCES, ("flair", "t1", "t1ce", "t2"), strict=True))
    looks = {slot: look_of(brats / case / f"{case}_{word}.nii.gz") for slot, word in words.items()}
    assert {slot: doubt(slot, look) for slot, look in looks.items()} == dict.fromkeys(SEQUENCES, "")
    assert all(doubt("t2", looks[slot]) for slot in ("flair", "t1", "t1c"))
    assert all(doubt(slot, looks["t2"]) for slot in ("flair", "t1", "t1c"))


def test_real_thick_slices_with_skull(clinical: Path) -> None:
    names = {"flair": "AX_FLAIR", "t1": "AX_T1", "t1c": "AX_T1_POST_GAD", "t2": "AX_T2"}
    looks = {s: look_of(clinical / "glioma_raw" / f"{name}.nii.gz") for s, name in names.items()}
    assert {slot: doubt(slot, look) for slot, look in looks.items()} == dict.fromkeys(SEQUENCES, "")
    assert doubt("t2", looks["flair"])
    assert doubt("flair", looks["t2"])
