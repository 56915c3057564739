"""Where a NIfTI header places its voxels: from qform and sform to a grid that a head may lie on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mckd.tumour.geometry import Doubles, Grid, Triple
from mckd.tumour.naming import CaseError

VOXEL_MM = (0.05, 50.0)
FARTHEST_MM = 10_000.0
"""From the origin to a corner voxel."""
FORMS_APART_MM = 1.0
SIZES_APART = 0.02  # of a voxel's side
DEFAULT_WITHIN = 1e-6  # mm
ROUNDED_QUATERNION = 1e-3  # how much longer than 1 its square may be
SMALLEST_DETERMINANT = 1e-4  # of the affine with columns of length 1: flatter is singular
UNKNOWN_SIDES = "left and right unknown"

_UNITS_MM = {1: 1000.0, 3: 0.001}  # of NIfTI's codes: metre and micrometre


def grid_of(fields: Any, shape: tuple[int, ...], name: str) -> tuple[Grid, bool, list[str]]:
    """The grid, whether left and right are known, and what is odd about qform and sform."""
    size = (shape[0], shape[1], shape[2])
    scale = _UNITS_MM.get(int(fields["xyzt_units"]) & 7, 1.0)
    forms = {
        "sform": fields.get_sform() if fields["sform_code"] > 0 else None,
        "qform": _qform(fields) if fields["qform_code"] > 0 else None,
    }
    said = {form: _in_mm(affine, scale) for form, affine in forms.items() if affine is not None}
    if not said:
        return (
            replace(
                _checked_grid(size, _in_mm(fields.get_base_affine(), scale), name), placed=False
            ),
            False,
            [
                f"{name}: {UNKNOWN_SIDES}, the file has neither a qform nor an sform; the usual "
                "order is assumed."
            ],
        )
    usable = {form: affine for form, affine in said.items() if _is_regular(affine)} or said
    telling = {form: affine for form, affine in usable.items() if not is_default(affine)} or usable
    used, affine = next(iter(telling.items()))
    grid = _checked_grid(size, affine, name)
    odd = _about_sizes(fields, name) if used == "sform" else []
    if is_default(affine):
        return (
            grid,
            False,
            [
                *odd,
                f"{name}: {UNKNOWN_SIDES}, its affine is a program's default, not a scanner's; the "
                "usual order is assumed. Convert it again from its source.",
            ],
        )
    other = next((form for form in said if form != used), None)
    if other is None:
        return grid, True, odd
    if other not in telling:
        return grid, True, [f"{name}: its {other} says nothing; the {used} is used."]
    if not _same_right(affine, telling[other]):
        return (
            grid,
            False,
            [
                f"{name}: {UNKNOWN_SIDES}, its qform and sform contradict each other there; the "
                "sform is used. Export it again from its source."
            ],
        )
    apart = grid.apart_mm(Grid(size, telling[other]))
    if apart > FORMS_APART_MM:
        return (
            grid,
            True,
            [f"{name}: its qform and sform differ by up to {apart:.1f} mm; the sform is used."],
        )
    return grid, True, []


def is_default(affine: Doubles) -> bool:
    """Whether an affine is what programs write that do not know how the head lies: the first voxel
    at the origin, where no scanner has it, and the axes as nibabel (RAS) or ITK (LPS) has them."""
    x, y, z, _ = np.diag(affine)
    straight = np.allclose(affine, np.diag([x, y, z, 1.0]), rtol=0, atol=DEFAULT_WITHIN)
    return bool(straight and x * y > 0 and z > 0)


def _about_sizes(fields: Any, name: str) -> list[str]:
    """What is odd about the sizes of voxels, which sform and pixdim both say.

    Raises:
        CaseError: they contradict each other, so that no volume can be told. A pixdim that nobody
            set, all 1 beside no qform, is only told.
    """
    lengths = np.linalg.norm(fields.get_sform()[:3, :3], axis=0)
    pixdim = np.abs(np.asarray(fields["pixdim"][1:4], np.float64))
    if not (np.isfinite(pixdim).all() and pixdim.all()):  # it says nothing
        return []
    if np.allclose(lengths, pixdim, rtol=SIZES_APART, atol=0):
        return []
    placed, said = (" x ".join(f"{n:.4g}" for n in sizes) for sizes in (lengths, pixdim))
    if (pixdim == 1).all() and fields["qform_code"] <= 0:
        return [
            f"{name}: its voxels measure {placed} by the sform, which is used, but {said} by its "
            "pixdim: some programs show it in those sizes."
        ]
    raise CaseError(
        f"{name} gives its voxels two sizes, {placed} in its sform and {said} in its pixdim, so no "
        "volume of it would be right. Export it again from its source."
    )


def _same_right(one: Doubles, other: Doubles) -> bool:
    """Whether what is right by one affine is right rather than left by the other."""
    right = np.linalg.inv(one[:3, :3])[:, 0]  # in voxels
    return bool(other[0, :3] @ right > 0)


def _qform(fields: Any) -> Doubles:
    """The affine of the quaternion; NaN where it is none.

    By the standard, but for a factor of the third axis that is neither 1 nor -1, which counts as
    1, and lengths with a sign. Rounding may make the quaternion a little longer than 1.
    """
    b, c, d = (float(fields[f"quatern_{letter}"]) for letter in "bcd")
    rest = 1 - (b * b + c * c + d * d)
    affine = np.eye(4)
    if not rest > -ROUNDED_QUATERNION:
        return np.full((4, 4), np.nan)
    a = math.sqrt(max(0.0, rest))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    lengths = np.abs(np.asarray(fields["pixdim"][1:4], np.float64))
    lengths[2] *= -1 if float(fields["pixdim"][0]) < 0 else 1
    affine[:3, :3] = turn * lengths
    affine[:3, 3] = [float(fields[f"qoffset_{letter}"]) for letter in "xyz"]
    return affine


def _in_mm(affine: Doubles, scale: float) -> Doubles:
    """An affine in the units of its header, of which only those that no head has are believed."""
    inside = np.asarray(affine, np.float64).copy()
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(inside[:3, :3], axis=0)
    if scale != 1 and not (VOXEL_MM[0] <= lengths.min() and lengths.max() <= VOXEL_MM[1]):
        inside[:3] *= scale
    return inside


def _is_regular(affine: Doubles) -> bool:
    """Whether an affine is finite and its axes span space."""
    directions = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(directions, axis=0)
    return bool(
        (lengths > 0).all() and abs(np.linalg.det(directions / lengths)) >= SMALLEST_DETERMINANT
    )


def _checked_grid(shape: Triple, affine: Doubles, name: str) -> Grid:
    """A grid that a head may lie on, its voxels measured in millimetres."""
    grid = Grid(shape, np.asarray(affine, np.float64))
    if not _is_regular(grid.affine):
        raise CaseError(
            f"{name} does not say where its voxels lie (its affine is singular or not finite). "
            "Export it again from its source."
        )
    lengths = grid.spacing_mm
    if min(lengths) < VOXEL_MM[0] or max(lengths) > VOXEL_MM[1]:
        size = " x ".join(f"{mm:.4g}" for mm in lengths)
        raise CaseError(
            f"{name} has voxels of {size} mm, which no scan of a head has. Check its units and "
            "export it again."
        )
    if np.abs(grid.corners_mm()).max() > FARTHEST_MM:
        raise CaseError(
            f"{name} places its voxels more than {FARTHEST_MM / 1000:.0f} m away (its affine is "
            "wrong). Export it again from its source."
        )
    return grid
