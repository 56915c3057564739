"""A preparation whose way back is known: series of a study beside a case of another pose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mckd.clinic.series import Facts, Prepared, Role, Series, Study
from mckd.tumour.data import Case
from mckd.tumour.geometry import Box, Grid


def rigid(angles_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]):
    """(4, 4), RAS+ mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def series_of(
    slot: str,
    shape: tuple[int, int, int],
    affine: np.ndarray,
    thickness_mm: float | None = None,
    files: tuple[Path, ...] = (),
) -> Series:
    """A series of zeros: its grid and its files are what matters."""
    return Series(
        key=f"s{slot}",
        name=f"a {slot}",
        voxels=np.zeros(shape, np.float32),
        grid=Grid(shape, affine),
        facts=Facts(thickness_mm=thickness_mm),
        role=Role(slot, True),
        files=files,
        dicom=bool(files),
    )


def prepared_of(
    series: Mapping[str, Series],
    shape: tuple[int, int, int],
    affine: np.ndarray | None = None,
    moved: Mapping[str, np.ndarray] | None = None,
) -> Prepared:
    """Those series, prepared to a case of that grid (1 mm, if none is given)."""
    grid = Grid(shape, np.eye(4) if affine is None else affine)
    whole = Box((0, 0, 0), grid.canonical.shape)
    case = Case(
        name="case",
        grid=grid,
        input_grid=grid,
        volumes={slot: np.ones(grid.canonical.shape, np.float32) for slot in series},
        brain=whole,
        labels=None,
        reference_regions=frozenset(),
        reference_notes=(),
        synthetic=False,
        sides_known=True,
        warnings=(),
        given_mm={slot: one.grid.canonical.spacing_mm for slot, one in series.items()},
    )
    study = Study(tuple(series.values()), {slot: one.key for slot, one in series.items()}, {})
    motions = {slot: np.eye(4) for slot in series} | dict(moved or {})
    return Prepared(study, case, case.volumes, np.ones(whole.shape, np.bool_), motions, ())
