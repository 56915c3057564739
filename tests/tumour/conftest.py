"""Tiny heads, asymmetric in every axis, written as NIfTI."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

SHAPE = (9, 12, 7)
# Anisotropic, turned about all axes and not at the origin; closest axes are R, A, S.
TURN = np.array([[0.96, -0.21, 0.17], [0.24, 0.95, -0.19], [-0.12, 0.22, 0.97]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN @ np.diag([1.0, 1.5, 3.0])
AFFINE[:3, 3] = [-20, 11, 4]


def head(seed: int = 0, shape=SHAPE) -> np.ndarray:
    """int16 intensities, zero at the sides, with one bright voxel nowhere near the middle."""
    volume = np.random.default_rng(seed).integers(50, 900, shape).astype(np.int16)
    volume[:2], volume[-1:], volume[:, :1], volume[:, -3:] = 0, 0, 0, 0
    volume[3, 2, 5] = 1000 + seed
    return volume


def labels(shape=SHAPE, enhancing: int = 4) -> np.ndarray:
    """uint8: 6 voxels of core, 8 of oedema, 4 enhancing."""
    volume = np.zeros(shape, np.uint8)
    volume[3:6, 2:4, 3] = 1
    volume[3:5, 5:7, 2:4] = 2
    volume[3, 3:7, 5] = enhancing
    return volume


def write(path: Path, volume: np.ndarray, affine=AFFINE, kind=nibabel.Nifti1Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(kind(volume, affine), path)
    return path


def write_case(folder: Path, affine=AFFINE, with_labels: bool = True) -> Path:
    """A whole case in BraTS 2021's naming."""
    for seed, word in enumerate(("flair", "t1", "t1ce", "t2")):
        write(folder / f"{folder.name}_{word}.nii.gz", head(seed), affine)
    if with_labels:
        write(folder / f"{folder.name}_seg.nii.gz", labels(), affine)
    return folder


class Heads:
    """What tests use of this file, as one fixture: test modules cannot import it."""

    shape, affine = SHAPE, AFFINE
    head, labels = staticmethod(head), staticmethod(labels)
    write, write_case = staticmethod(write), staticmethod(write_case)


@pytest.fixture(scope="session")
def heads() -> type[Heads]:
    return Heads
