"""Regions on native slices: places and volumes by hand, and against the shape itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mckd.clinic.native import to_series
from mckd.tumour import read_case
from mckd.tumour import regions as regions_of
from tests.clinic.moved import prepared_of, rigid, series_of

ROOT = Path(__file__).parents[2]
SHAPE = (60, 70, 50)


def ball(shape, affine, centre_mm, radius_mm):
    """(X, Y, Z) bool: the voxels of a grid whose centres lie in a ball."""
    index = np.moveaxis(np.indices(shape), 0, -1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    return ((places - centre_mm) ** 2).sum(axis=-1) < radius_mm**2


def nested(centre_mm=(32.0, 30.0, 24.0), shape=SHAPE, affine=None):
    affine = np.eye(4) if affine is None else affine
    return np.stack([ball(shape, affine, centre_mm, radius) for radius in (5, 8, 12)])


def slices(spacing_mm, start=(2.0, 3.0, 1.0), turn=None):
    """The affine of a grid of that spacing."""
    affine = np.eye(4) if turn is None else turn.copy()
    affine[:3, :3] = affine[:3, :3] @ np.diag(spacing_mm)
    affine[:3, 3] += start
    return affine


def test_the_same_grid_gives_the_same_voxels() -> None:
    regions = nested()
    prepared = prepared_of({"t2": series_of("t2", SHAPE, np.eye(4))}, SHAPE)
    assert np.array_equal(prepared.native(regions, "t2"), regions)


def test_a_thick_voxel_holds_the_share_of_its_thickness() -> None:
    """Slices of 4 mm, centres at 1.5, 5.5, ...: four voxels of the case in each."""
    region = np.zeros((1, *SHAPE), bool)
    region[0, 10, 10, 4:11] = True  # slice 1 (4 to 7) whole, slice 2 (8 to 11) three quarters
    affine = slices((1, 1, 4), start=(0, 0, 1.5))
    prepared = prepared_of({"t1": series_of("t1", (60, 70, 12), affine, 4.0)}, SHAPE)
    found = to_series(prepared, region, "t1")[0]
    assert np.argwhere(found).tolist() == [[10, 10, 1], [10, 10, 2]]


def test_less_than_half_a_voxel_is_none() -> None:
    region = np.zeros((1, *SHAPE), bool)
    region[0, 10, 10, 4] = True
    affine = slices((1, 1, 4), start=(0, 0, 1.5))
    prepared = prepared_of({"t1": series_of("t1", (60, 70, 12), affine, 4.0)}, SHAPE)
    assert not to_series(prepared, region, "t1").any()


def test_what_lies_in_a_gap_is_not_seen() -> None:
    """Slices of 2 mm every 6 mm, at 0 (+-1), 6 (+-1), ...: 2 to 4 lies between the first two."""
    region = np.zeros((2, *SHAPE), bool)
    region[0, 20:24, 20:24, 2:5] = True
    region[1, 20:24, 20:24, 2:8] = True
    series = series_of("t1", (60, 70, 8), slices((1, 1, 6), start=(0, 0, 0)), 2.0)
    found = to_series(prepared_of({"t1": series}, SHAPE), region, "t1")
    assert not found[0].any()
    assert np.flatnonzero(found[1].any(axis=(0, 1))).tolist() == [1]


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 5.0), (0.9, 0.9, 3.0), (2.0, 1.0, 7.0)])
def test_volumes_are_kept_on_turned_thick_slices(spacing: tuple[float, float, float]) -> None:
    regions = nested()
    turn = rigid((8, -11, 14), (-6, 4, -3))
    count = tuple(int(90 / mm) for mm in spacing)
    affine = slices(spacing, start=(-8, -10, -12), turn=rigid((10, 0, 0), (0, 0, 0)))
    series = series_of("flair", count, turn @ affine, spacing[2])
    prepared = prepared_of({"flair": series}, SHAPE, moved={"flair": turn})
    found = prepared.native(regions, "flair")
    for before, after, radius in zip(regions, found, (5, 8, 12), strict=True):
        wanted = float(before.sum())
        voxel = np.prod(spacing)
        assert after.sum() * voxel == pytest.approx(wanted, rel=0.015, abs=voxel)
        truth = ball(count, affine, (32, 30, 24), radius)
        middle = np.argwhere(after).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
        assert middle == pytest.approx((32, 30, 24), abs=0.15 * max(spacing))
        assert 2 * (truth & after).sum() / (truth.sum() + after.sum()) > 0.8
    assert not (found[0] & ~found[1]).any()
    assert not (found[1] & ~found[2]).any()


@pytest.fixture(scope="module")
def tumour():
    """(3, X, Y, Z) of a bundled synthetic case, with its grid: thin, ragged regions."""
    case = read_case(ROOT / "assets" / "tumour" / "phantom_a")
    return regions_of(case.labels), case.grid.canonical


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_tumour_keeps_its_volumes_in_thick_slices_of_each_plane(tumour, axis: int) -> None:
    """Slices of 7 mm; half full voxels counted or not, ET would lose or win far more."""
    regions, grid = tumour
    turn = rigid((9, -7, 5), (3.3, -2.1, 4.7))
    order = [*(a for a in range(3) if a != axis), axis]
    steps = np.array((0.9, 0.9, 7.0))
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * steps
    shape = tuple(int(grid.shape[a] / mm) + 30 for a, mm in zip(order, steps, strict=True))
    affine[:3, 3] = grid.affine[:3] @ [*(np.array(grid.shape) / 2), 1]
    affine[:3, 3] -= affine[:3, :3] @ np.array(shape) / 2
    series = series_of("t1", shape, turn @ affine, 7.0)
    found = to_series(
        prepared_of({"t1": series}, grid.shape, grid.affine, {"t1": turn}), regions, "t1"
    )
    for before, after in zip(regions, found, strict=True):
        voxel = float(np.prod(steps))
        assert after.sum() * voxel == pytest.approx(before.sum(), rel=0.015, abs=voxel)


def test_a_slab_holds_what_it_covers() -> None:
    """The lower half of a ball, exactly: the slab ends at its middle."""
    regions = nested(centre_mm=(32, 30, 23.5))
    series = series_of("t1", (60, 70, 24), np.eye(4), 1.0)
    found = to_series(prepared_of({"t1": series}, SHAPE), regions, "t1")
    assert np.array_equal(found, regions[..., :24])
    assert found[2].sum() * 2 == regions[2].sum()


def test_a_case_is_canonical_inside_whatever_its_files_are() -> None:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = [59, 69, 0]
    series = series_of("t2", SHAPE, np.eye(4), 1.0)
    regions = nested()
    assert np.array_equal(prepared_of({"t2": series}, SHAPE, affine).native(regions, "t2"), regions)


def test_nothing_found_is_nothing_on_the_slices() -> None:
    series = series_of("t2", (30, 35, 10), np.diag([2.0, 2.0, 5.0, 1.0]), 5.0)
    empty = np.zeros((3, *SHAPE), bool)
    found = to_series(prepared_of({"t2": series}, SHAPE), empty, "t2")
    assert found.shape == (3, 30, 35, 10)
    assert not found.any()
