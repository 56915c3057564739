"""Slices to volumes: their order, their grid, and what makes none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mckd.clinic.headers import Frame
from mckd.clinic.series import Facts, StudyError
from mckd.clinic.stacks import placed, slices_elsewhere, stacked, volumes_of

AXIAL = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # rows to the left, columns to the back


def frames(count: int = 20, step: tuple[float, float, float] = (0, 0, 5)) -> list[Frame]:
    """Axial slices in LPS, from the lowest up."""
    return [
        Frame(
            path=Path(f"{place}"),
            place=0,
            study="1",
            series="2",
            instance=f"{place}/0",
            date="20240305",
            time="101500",
            number=4,
            rows=24,
            columns=16,
            position=np.array([-100.0, -120.0, -40.0]) + place * np.array(step),
            directions=AXIAL,
            pixel_mm=(2.0, 3.0),
            slope=1.0,
            inter=0.0,
            inverted=False,
            syntax="1.2.840.10008.1.2.1",
            facts=Facts(),
        )
        for place in range(count)
    ]


def test_the_grid_of_axial_slices_by_hand() -> None:
    """LPS to RAS+: x and y change their signs. Columns run to the left, rows to the back."""
    stack = stacked(frames()[::-1])
    assert stack.grid.shape == (16, 24, 20)
    expected = [[-2, 0, 0, 100], [0, -3, 0, 120], [0, 0, 5, -40], [0, 0, 0, 1]]
    assert stack.grid.affine.tolist() == expected
    assert stack.grid.axes == "LPS"
    assert [frame.path.name for frame in stack.frames] == [str(place) for place in range(20)]


def test_sagittal_slices_run_along_their_normal() -> None:
    """Rows to the back, columns down: their cross product points to the right."""
    sagittal = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, -1.0]])
    turned = [replace(f, directions=sagittal) for f in frames(20, (-4, 0, 0))]
    stack = stacked(turned)
    assert stack.grid.axes == "PIR"
    assert stack.grid.affine[:3, 2].tolist() == [4, 0, 0]


def test_slices_that_lean_keep_their_places() -> None:
    """Each a little further to the back than the one below: the grid leans with them."""
    leaning = frames(20, (0.0, 0.5, 5.0))
    stack = stacked(leaning)
    for k, frame in enumerate(stack.frames):
        assert stack.grid.affine @ [0, 0, k, 1] == pytest.approx(
            [-frame.position[0], -frame.position[1], frame.position[2], 1]
        )


def test_positions_that_were_rounded() -> None:
    rounded = [replace(f, position=np.round(f.position + 0.004, 2)) for f in frames()]
    assert stacked(rounded).grid.spacing_mm == pytest.approx((2, 3, 5), abs=1e-3)


def moved(place: int, by: float) -> list[Frame]:
    some = frames()
    some[place] = replace(some[place], position=some[place].position + np.array([0, 0, by]))
    return some


@pytest.mark.parametrize(
    ("some", "why"),
    [
        (frames(7), "too few slices"),
        (frames()[:8] + frames()[9:], "at least 1 of its slices missing: some lie 10 mm apart"),
        (moved(9, 1.5), "unevenly, 3.5 to 6.5 mm apart"),
        (frames() + frames(), "several images at each place .40 at 20."),
        (frames(20, (0, 4, 5)), "do not lie behind each other"),
        (frames(20, (0, 0, 1)), "cover too little"),
        ([replace(f, rows=2) for f in frames()], "too few slices for a volume: 16 x 2 x 20"),
        ([replace(f, pixel_mm=(0.0, 0.0)) for f in frames()], "no scan of a head has"),
        ([replace(f, position=np.zeros(0)) for f in frames()], "where its slices lie"),
        ([replace(f, directions=AXIAL * 2) for f in frames()], "right angles"),
    ],
)
def test_what_makes_no_volume(some: list[Frame], why: str) -> None:
    with pytest.raises(StudyError, match=why):
        stacked(some)


def test_a_series_of_several_volumes_comes_apart() -> None:
    other = [replace(f, facts=Facts(te_ms=90), instance=f"{f.instance}b") for f in frames()]
    wider = [replace(f, columns=32, instance=f"{f.instance}c") for f in frames()]
    parts = volumes_of([*frames(), *other, *wider])
    assert [len(part) for part in parts] == [20, 20, 20]


def turned(angle: float) -> np.ndarray:
    """Axial slices turned about the axis of their rows by a small angle, in radians."""
    return np.array([[1.0, 0.0], [0.0, 1.0], [0.0, angle]])


@pytest.mark.parametrize(
    "other",
    [
        {"directions": turned(0.0029999)},  # beside 0.0030001: on both sides of an edge
        {"directions": turned(0.0030011)},
        {"pixel_mm": (2.0, 2.9997)},
        {"facts": Facts(te_ms=8.5001, ti_ms=900.0, b_value=0.0)},
    ],
)
@pytest.mark.parametrize("which", [slice(None, None, 3), slice(10, None)])
def test_what_was_rounded_in_some_headers_leaves_one_volume(
    other: dict[str, object], which: slice
) -> None:
    usual = Facts(te_ms=8.4999, ti_ms=900.001, b_value=0.0)
    some = [replace(f, directions=turned(0.0030001), facts=usual) for f in frames()]
    some[which] = [replace(f, **other) for f in some[which]]
    assert [len(part) for part in volumes_of(some)] == [20]


NORMALISED = Facts(image_type=("ORIGINAL", "PRIMARY", "M", "NORM"))


def test_slices_of_two_image_types_that_complete_each_other_are_one_volume() -> None:
    """But not where each of them is a volume at the same places."""
    some, norm = frames(), [replace(f, facts=NORMALISED) for f in frames()]
    assert [len(part) for part in volumes_of(some[:10] + norm[10:])] == [20]
    assert [len(part) for part in volumes_of(some + norm)] == [20, 20]


def test_slices_of_a_series_that_lie_elsewhere_are_counted() -> None:
    """Of 20: between these, which are every second one, and beyond; other planes do not count."""
    some = frames()
    sagittal = [
        replace(f, directions=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, -1.0]])) for f in frames()
    ]
    series = placed(some + sagittal)
    assert slices_elsewhere(stacked(some), series) == 0
    assert slices_elsewhere(stacked(some[::2]), series) == 10
    assert slices_elsewhere(stacked(some[:12]), series) == 8


def test_the_same_image_twice_is_taken_once() -> None:
    assert [len(part) for part in volumes_of([*frames(), *frames()])] == [20]


def test_one_uid_on_all_slices_does_not_make_them_one_image() -> None:
    """Of ten, each twice; a second time at the same places is another matter."""
    shared = [replace(f, instance="1.2.3/0") for f in frames(10)]
    assert [len(part) for part in volumes_of(shared + shared)] == [10]
    later = [replace(f, time="101700") for f in shared]
    assert [len(part) for part in volumes_of(shared + later)] == [20]
    echoes = [replace(f, facts=Facts(te_ms=90)) for f in shared]
    assert [len(part) for part in volumes_of(shared + echoes)] == [10, 10]
