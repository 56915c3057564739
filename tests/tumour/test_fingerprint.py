"""A case is known again by its voxels, however its files were saved anew, and no other is."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from mckd.files.checkpoint import Checkpoint, load_checkpoint
from mckd.tumour import find_cases, read_case
from mckd.tumour.fingerprint import (
    ALIKE,
    BITS,
    NO,
    SAID,
    SIZE,
    TRAINING,
    TRAINING_PRINTS,
    UNKNOWN,
    VALIDATION,
    VALIDATION_PRINTS,
    Known,
    fingerprint,
    fingerprints,
)
from tests import small_heads

ROOT = Path(__file__).parents[2]
EXAMPLES = find_cases(ROOT / "assets" / "tumour")


def head(seed: int, shape: tuple[int, ...] = (70, 84, 62)) -> np.ndarray:
    """A brain-like ellipsoid of soft blobs, 0 around it; another one for each seed."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    inside = (grid**2).sum(0) < random.uniform(0.75, 0.95)
    blobs = ndimage.gaussian_filter(random.standard_normal(shape), 4)
    return np.where(inside, 1000 + 400 * blobs / blobs.std(), 0).astype(np.float32)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(np.unpackbits(a) != np.unpackbits(b)) / BITS


def known(*volumes: np.ndarray, whole: bool = True) -> Known:
    return Known({TRAINING: np.stack([fingerprint(v) for v in volumes])}, whole)


def case_of(tmp_path: Path, voxels: np.ndarray, affine: np.ndarray | None = None, word="t1") -> ...:
    """As a visitor's file of one sequence."""
    path = tmp_path / f"renamed_{word}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine), path)
    return read_case({word: path})


def clipped(v: np.ndarray) -> np.ndarray:
    low, high = np.percentile(v[v != 0], (1, 99))
    return np.where(v != 0, np.clip(v, low, high), 0)


CHANGES = {
    "float64": lambda v: v.astype(np.float64),
    "scaled": lambda v: np.where(v != 0, 0.37 * v + 11, 0),
    "bytes": lambda v: np.where(v != 0, np.rint(v / v.max() * 254) + 1, 0).astype(np.uint8),
    "standardised": lambda v: np.where(v != 0, (v - v[v != 0].mean()) / v.std(), 0).astype("f4"),
    "clipped": clipped,
    "cropped": lambda v: v[3:-2, 2:-3, 2:],
    "padded": lambda v: np.pad(v, ((9, 0), (1, 30), (4, 4))),
    "turned": lambda v: v.transpose(2, 0, 1)[::-1, :, ::-1],
    "mirrored": lambda v: v[::-1],
    "with noise": lambda v: np.where(
        v != 0, v + np.random.default_rng(1).normal(0, 20, v.shape), 0
    ),
    "resampled": lambda v: ndimage.zoom(v, (0.8, 0.8, 0.5), order=1),
    "stray voxels": lambda v: np.where(np.indices(v.shape).sum(0) == 0, 5, v),
}


@pytest.mark.parametrize("change", CHANGES)
def test_saved_anew_it_is_the_same_case(tmp_path: Path, change: str) -> None:
    """From one sequence, under another name and header, whatever was done to its voxels."""
    mine, other = head(1), head(2)
    case = case_of(tmp_path, CHANGES[change](mine), word="t2")
    assert known(mine).where(case) == TRAINING
    assert known(other).where(case) == NO


def test_the_axes_of_the_file_make_no_difference(tmp_path: Path) -> None:
    folder = small_heads.save_case(tmp_path / "a", reference=False)
    for axes in ("RAS", "LPS", "IRP"):
        path = small_heads.save(tmp_path / f"{axes}_t2.nii", small_heads.volume("t2"), axes=axes)
        prints = fingerprints(read_case(path).volumes)
        assert np.array_equal(prints[3], fingerprints(read_case(folder).volumes)[3])


def test_no_two_of_many_heads_are_taken_for_one_another() -> None:
    """By the smallest distance of any pair, in all orders of the axes."""
    prints = [fingerprint(head(seed)) for seed in range(40)]
    assert min(apart(a, b) for a, b in combinations(prints, 2)) > 2 * ALIKE


def test_a_case_is_fingerprinted_sequence_by_sequence(tmp_path: Path) -> None:
    case = read_case(small_heads.save_case(tmp_path / "a", words=("flair", "t1ce")))
    prints = fingerprints(case.volumes)
    assert prints.shape == (4, SIZE)
    assert [bool(row.any()) for row in prints] == [True, False, True, False]
    assert not fingerprint(np.zeros((5, 6, 7), np.float32)).any()


class TestWhatACheckpointSays:
    def checkpoint(self, seen: str | None, **parts: list[np.ndarray]) -> Checkpoint:
        import torch

        tensors = {
            {"training": TRAINING_PRINTS, "validation": VALIDATION_PRINTS}[part]: torch.from_numpy(
                np.stack([fingerprints({"t1": v}) for v in volumes])
            )
            for part, volumes in parts.items()
        }
        return Checkpoint(tensors, {} if seen is None else {"seen": seen}, "")

    def test_where_it_saw_a_case(self, tmp_path: Path) -> None:
        says = Known.of(self.checkpoint("all", training=[head(1)], validation=[head(2)]))
        assert says.where(case_of(tmp_path, head(1))) == TRAINING
        assert says.where(case_of(tmp_path, head(2))) == VALIDATION
        assert says.where(case_of(tmp_path, head(3))) == NO

    def test_one_that_does_not_say_all_leaves_it_open(self, tmp_path: Path) -> None:
        case = case_of(tmp_path, head(3))
        assert Known.of(self.checkpoint(None)).where(case) == UNKNOWN
        says = Known.of(self.checkpoint("some", training=[head(1)]))
        assert says.where(case) == UNKNOWN
        assert says.where(case_of(tmp_path, head(1))) == TRAINING

    def test_there_is_a_sentence_for_each_but_the_new(self) -> None:
        assert [bool(SAID[where]) for where in (TRAINING, VALIDATION, UNKNOWN, NO)] == [1, 1, 1, 0]


class TestTheBundledModel:
    @pytest.fixture(scope="class")
    @staticmethod
    def says() -> Known:
        return Known.of(load_checkpoint(ROOT / "checkpoints" / "tumour.safetensors"))

    def test_it_names_all_cases_that_it_saw(self, says: Known) -> None:
        assert says.whole
        assert len(says.prints[TRAINING]) == 4 * (15 + 200)

    def test_no_two_of_its_cases_are_alike(self, says: Known) -> None:
        """92,020 pairs of the same sequence, as their axes lie."""
        every = np.unpackbits(says.prints[TRAINING], axis=1).reshape(-1, 4, BITS)
        signs = 2 * every.astype(np.float32) - 1
        for sequence in range(4):
            same = signs[:, sequence] @ signs[:, sequence].T
            np.fill_diagonal(same, -BITS)
            assert (BITS - same.max()) / 2 / BITS > ALIKE + 0.04

    @pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
    def test_it_did_not_see_the_bundled_cases(self, says: Known, folder: Path) -> None:
        assert says.where(read_case(folder)) == NO

    def test_it_saw_the_real_ones_in_training(self, says: Known, brats: Path) -> None:
        for folder in find_cases(brats)[::7]:
            case = read_case(folder, reference=False)
            for sequence in case.volumes:
                one = {sequence: case.volumes[sequence]}
                assert says.where(dataclasses.replace(case, volumes=one)) == TRAINING
