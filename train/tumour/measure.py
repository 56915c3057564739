"""What every subset of a case says, how sure it is, and how right: what calibration learns from.

A case takes some seconds, so what was measured of it is kept in a folder, a file per case, and a
command that was stopped goes on where it was. A case is known by what its files hold, its reference
among them, whatever it is called and wherever it lies.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mckd.files.atomic import write_atomically
from mckd.method import subsets
from mckd.tumour import REGIONS, SEQUENCES, Case, CaseError, read_case, regions
from mckd.tumour.data import files_of
from mckd.tumour.fingerprint import TRAINING, VALIDATION
from mckd.tumour.geometry import Bools
from mckd.tumour.nifti import Floats
from mckd.tumour.signs import POSSIBLE, Signs
from train.task import content_of

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter

Array = npt.NDArray[np.float64]

SUBSETS = subsets(SEQUENCES)
SIGNS = tuple(field.name for field in fields(Signs))
BINS = np.arange(-4.5, 12.01, 0.25)
"""Centres of the bins of logits, in which voxels are counted; what lies outside is in the last."""
PROBABILITIES = 1 / (1 + np.exp(-BINS))


@dataclass(frozen=True)
class Measured:
    """One case with all four sequences; S subsets in the paper's order, regions ET, TC, WT.

    signs: (S, 3, signs in the order of SIGNS). reference_ml: (3,). overlap_ml: (3, S + 1, S + 1),
    what two outlines share, the last being the reference. voxels: (S, 3, 2, bins), how many of the
    voxels that may be in a region have a logit of BINS, and how many of those are in it. missed:
    (S, 3), voxels of the region that the model holds to be impossible. synthetic: 1 or 0.
    """

    signs: Array
    reference_ml: Array
    overlap_ml: Array
    voxels: Array
    missed: Array
    synthetic: Array


def measured(segmenter: TumourSegmenter, path: Path, kept: Path) -> Measured:
    """Of the case in a folder, from `kept` if it is there.

    Raises:
        CaseError: it cannot be read, lacks a sequence, or has no reference for all regions.
    """
    file = kept / f"{segmenter.about['sha256'][:12]}-{path.name}-{content_of(_parts(path))}.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as arrays:
            if arrays["signs"].shape[-1] == len(SIGNS):  # else kept when there were more of them
                return Measured(**{name: arrays[name] for name in arrays.files})
    found = measure(segmenter, read_case(path))
    stream = io.BytesIO()
    np.savez_compressed(stream, **asdict(found))
    write_atomically(file, stream.getvalue())
    return found


def _parts(path: Path) -> Iterator[bytes]:
    """Of a case: each of its files, and what it is taken for."""
    for slot, file in files_of(path)[0].items():
        yield slot.encode()
        yield file.read_bytes()


def measure(segmenter: TumourSegmenter, case: Case) -> Measured:
    """Segment a case from every subset. One thread at a time.

    Raises:
        CaseError: it lacks a sequence, has no reference for all regions, or was seen in training.
    """
    if segmenter.saw(case) in (TRAINING, VALIDATION):
        raise CaseError(f"{case.name} was seen in training.")
    if case.present != frozenset(SEQUENCES) or case.labels is None:
        raise CaseError(f"{case.name} needs all four sequences and a reference.")
    if set(case.reference_regions) != set(REGIONS):
        raise CaseError(f"The reference of {case.name} does not tell all three regions.")
    reference = regions(case.labels)
    truth = np.stack([case.brain.crop(reference[k]) for k in range(len(REGIONS))])
    encoded = segmenter.encode(case)
    signs, voxels, missed, drawn = [], [], [], []
    for found in segmenter.decide_each(encoded, SUBSETS):
        p, brain = found.cropped_probabilities, found.brain
        signs.append([astuple(found.signs[region]) for region in REGIONS])
        counts = [_counted(p[k], truth[k], brain) for k in range(len(REGIONS))]
        voxels.append([one for one, _ in counts])
        missed.append([lost for _, lost in counts])
        drawn.append(found.cropped.reshape(len(REGIONS), -1))
    segmenter.forget(encoded)
    drawn.append(truth.reshape(len(REGIONS), -1))
    return Measured(
        signs=np.array(signs, np.float64),
        reference_ml=np.count_nonzero(reference, axis=(1, 2, 3)) * case.voxel_ml,
        overlap_ml=_overlaps(np.stack(drawn, 1)) * case.voxel_ml,
        voxels=np.array(voxels, np.float64),
        missed=np.array(missed, np.float64),
        synthetic=np.array(float(case.synthetic)),
    )


def _counted(p: Floats, truth: Bools, brain: Bools) -> tuple[Array, int]:
    """(2, bins): voxels and true voxels by their logit; and the true ones that are left out."""
    possible = (p > POSSIBLE) & brain
    q = np.clip(p[possible].astype(np.float64), 1e-7, 1 - 1e-7)
    step = BINS[1] - BINS[0]
    bins = np.clip(np.rint((np.log(q / (1 - q)) - BINS[0]) / step), 0, len(BINS) - 1).astype(int)
    true = truth[possible]
    counts = [np.bincount(bins, minlength=len(BINS)), np.bincount(bins[true], minlength=len(BINS))]
    return np.array(counts, np.float64), int(np.count_nonzero(truth)) - int(np.count_nonzero(true))


def _overlaps(masks: Bools) -> Array:
    """(3, n, n) voxels shared by n masks, given as (3, n, voxels)."""
    used = [of[:, of.any(0)].astype(np.float32) for of in masks]  # most of a head is in none
    return np.stack([of @ of.T for of in used]).astype(np.float64)  # exact: below 2**24 voxels


def dice(found: Measured, a: int, b: int, k: int) -> float | None:
    """Of two outlines of region k, by their place; -1 is the reference. None if both are empty."""
    total = found.overlap_ml[k, a, a] + found.overlap_ml[k, b, b]
    return float(2 * found.overlap_ml[k, a, b] / total) if total else None


def sign(found: Measured, s: int, k: int) -> Signs:
    """The signs of subset s and region k."""
    values: dict[str, Any] = dict(zip(SIGNS, found.signs[s, k], strict=True))
    return Signs(**values)
