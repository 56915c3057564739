"""A small head with a tumour to one side, for tests of the Brain tumours tab.

The tumour lies on the patient's right, in front, on top; voxels are not cubes, the file's axes
run in an unusual order. Whatever is mirrored or stretched on the way shows.
"""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

SHAPE = (48, 60, 40)  # canonical: right, front, up
SPACING = (2.5, 2.2, 2.8)
ORIGIN = (-50.0, -70.0, -30.0)
CENTRE = (33, 42, 27)  # of the tumour, in voxels
BRIGHT = {"flair": 900, "t1": 150, "t1ce": 800, "t2": 850}
WORDS = ("flair", "t1", "t1ce", "t2")


def affine() -> np.ndarray:
    matrix = np.diag([*SPACING, 1.0])
    matrix[:3, 3] = ORIGIN
    return matrix


def distance(centre: tuple[float, ...]) -> np.ndarray:
    """(X, Y, Z): mm from a voxel."""
    grid = np.indices(SHAPE).astype(float)
    return np.sqrt(sum(((grid[a] - centre[a]) * SPACING[a]) ** 2 for a in range(3)))


def brain() -> np.ndarray:
    grid = np.indices(SHAPE).astype(float)
    middle, half = (np.array(SHAPE) - 1) / 2, np.array(SHAPE) * 0.44
    return sum(((grid[a] - middle[a]) / half[a]) ** 2 for a in range(3)) < 1


def volume(word: str) -> np.ndarray:
    noise = np.random.default_rng(WORDS.index(word)).integers(0, 40, SHAPE)
    image = np.where(brain(), 300 + 40 * WORDS.index(word) + noise, 0)
    image[distance(CENTRE) < 14] = BRIGHT[word]
    return image.astype(np.int16)


def labels(enhancing: bool = True) -> np.ndarray:
    """1 core, 2 oedema, 4 enhancing."""
    far = distance(CENTRE)
    found = np.zeros(SHAPE, np.uint8)
    found[far < 14] = 2
    found[far < 9] = 4 if enhancing else 1
    found[far < 5] = 1
    return found


def save(
    path: Path, voxels: np.ndarray, axes: str = "PSL", about: bytes = b"", sides: bool = True
) -> Path:
    """Write canonical voxels as a file with these axes; `sides`: whether it says where they lie."""
    image = nibabel.Nifti1Image(voxels, affine())
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    turned = image.as_reoriented(turn)
    turned.header["descrip"] = about
    if not sides:
        turned.set_sform(None, code=0)
        turned.set_qform(None, code=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(turned, path)
    return path


def save_case(
    folder: Path, *, synthetic: bool = True, words: tuple[str, ...] = WORDS, reference: bool = True
) -> Path:
    about = b"MCKD synthetic case" if synthetic else b""
    for word in words:
        save(folder / f"{folder.name}_{word}.nii.gz", volume(word), about=about)
    if reference:
        save(folder / f"{folder.name}_seg.nii.gz", labels(), about=about)
    return folder
