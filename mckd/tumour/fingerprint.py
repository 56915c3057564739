"""Whether a checkpoint was trained on a case: told by the voxels, not by names.

    known = Known.of(checkpoint)        # what the trainer left in it, see `fingerprints`
    known.where(case)                   # "training", "validation", "no" or "unknown"

A fingerprint is of one sequence. The middle of the head is cut into cells, laid out by where its
voxels lie on average and how far they spread; a bit for each cell says whether it is brighter than
its six neighbours. So it stays nearly the same when a file is saved anew: with another name, type,
scale, margin, axis order or voxel size, clipped, or with noise; and a lost header does no harm,
because a case is compared in all 48 orders of its axes. One sequence is enough to know a case by,
whatever it is taken for. A fingerprint shows nothing of a person: it is 768 signs of differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mckd.tumour.geometry import Doubles
from mckd.tumour.naming import SEQUENCES

if TYPE_CHECKING:
    from mckd.files.checkpoint import Checkpoint
    from mckd.tumour.data import Case
    from mckd.tumour.nifti import Floats

Bytes = npt.NDArray[np.uint8]

TRAINING, VALIDATION, NO, UNKNOWN = "training", "validation", "no", "unknown"
SAID = {
    TRAINING: "Seen in training: the model learned from this case, so what it finds here, and any "
    "score of it, says nothing about new cases.",
    VALIDATION: "Seen in training: the model was tuned on this case (validation), so what it finds "
    "here, and any score of it, says little about new cases.",
    UNKNOWN: "Perhaps seen in training: the checkpoint does not say which cases it was trained on, "
    "so a score of this one may say nothing about new cases.",
    NO: "",
}
"""What has to stand beside every score, by where a case was seen."""
TAGS = {
    TRAINING: "seen in training",
    VALIDATION: "seen in training (validation)",
    UNKNOWN: "perhaps seen in training",
    NO: "",
}
"""The same in few words."""

CELLS = 12  # along each axis of a cube
REACH = 1.8  # half a side of it, in deviations of the brain's voxels: about 100 mm a side of brain
RADIUS = 1.75  # cells within it count: nearer to the corners there is no brain
ALIKE = 0.16
"""Two fingerprints with fewer bits apart than this share are of one image. Saved anew, 60 images of
15 real cases differ by .15 or less; two persons, real or synthetic, by .23 or more."""

_middles = np.linspace(-REACH, REACH, CELLS + 1)[:-1] + REACH / CELLS
_APART = np.square(np.stack(np.meshgrid(*[_middles] * 3))).sum(0)  # from the middle, squared
_COUNTS = (_APART <= RADIUS**2)[1:-1, 1:-1, 1:-1]
BITS = int(np.count_nonzero(_COUNTS))
SIZE = BITS // 8
"""Bytes of a fingerprint."""
TRAINING_PRINTS, VALIDATION_PRINTS = "seen/training", "seen/validation"
"""Tensors of a checkpoint, (N, 4, SIZE) uint8: of each case, per sequence; 0 where it has none."""


def fingerprint(volume: Floats) -> Bytes:
    """Of a sequence (X, Y, Z) that is 0 around the brain: (SIZE,) uint8."""
    return np.packbits(_signs(_cells(volume)))


def fingerprints(volumes: Mapping[str, Floats]) -> Bytes:
    """Of a case's sequences: (4, SIZE) uint8, in the order of SEQUENCES; 0 for what it has not."""
    found = np.zeros((len(SEQUENCES), SIZE), np.uint8)
    for row, sequence in zip(found, SEQUENCES, strict=True):
        if sequence in volumes:
            row[:] = fingerprint(volumes[sequence])
    return found


@dataclass(frozen=True, eq=False)
class Known:
    """The cases that a checkpoint saw: {training or validation: fingerprints (N, SIZE)}.

    whole: whether these are all; a checkpoint may have begun with one that does not say.
    """

    prints: Mapping[str, Bytes]
    whole: bool

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Known:
        """What a checkpoint says about itself."""
        prints = {}
        for part, name in ((TRAINING, TRAINING_PRINTS), (VALIDATION, VALIDATION_PRINTS)):
            if name in checkpoint.tensors:
                rows = checkpoint.tensors[name].numpy().reshape(-1, SIZE)
                prints[part] = rows[rows.any(axis=1)]
        return cls(prints, whole=bool(prints) and checkpoint.header.get("seen") == "all")

    def where(self, case: Case) -> str:
        """TRAINING, VALIDATION, NO, or UNKNOWN where the checkpoint does not say all."""
        for volume in case.volumes.values() if self.prints else ():
            cells = _cells(case.brain.crop(volume))
            turned = np.stack([_signs(turn) for turn in _turns(cells)])
            for part, prints in self.prints.items():
                if _apart(turned, prints) < ALIKE:
                    return part
        return NO if self.whole else UNKNOWN


def _cells(volume: Floats) -> Doubles:
    """The mean over the brain within each cell, (CELLS, CELLS, CELLS)."""
    inside = volume != 0
    edges = [_edges(inside.sum(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    parts = [_parts(e, n) for e, n in zip(edges, volume.shape, strict=True)]
    total, count = _sums(volume, parts), _sums(inside, parts)
    seen = count > 1e-3 * count.max()
    middle = total[seen].sum() / max(1e-6, count[seen].sum())
    return np.where(seen, total / np.maximum(count, 1e-6), middle)


def _sums(volume: npt.NDArray[Any], parts: list[Floats]) -> Floats:
    """Over the voxels of each cell; the first axis at once, for that leaves little to do."""
    x, y, z = parts
    rows = x @ volume.reshape(len(volume), -1).astype(np.float32)
    return np.asarray(y @ (rows.reshape(CELLS, *volume.shape[1:]) @ z.T))


def _edges(profile: npt.NDArray[np.int64]) -> Doubles:
    """Of the cells along an axis, in voxels; profile: how many voxels of brain each plane has."""
    places = np.arange(len(profile)) + 0.5
    share = profile / max(1, profile.sum())
    middle = (share * places).sum()
    deviation = max(0.5, float(np.sqrt((share * (places - middle) ** 2).sum())))
    return np.asarray(middle + deviation * np.linspace(-REACH, REACH, CELLS + 1))


def _parts(edges: Doubles, size: int) -> Floats:
    """(CELLS, size): how much of each voxel lies in each cell."""
    starts = np.arange(size)
    ends = np.minimum(edges[1:, None], starts + 1)
    parts: Floats = np.clip(ends - np.maximum(edges[:-1, None], starts), 0, 1).astype(np.float32)
    return parts


def _signs(cells: Doubles) -> npt.NDArray[np.bool_]:
    """(BITS,): whether a cell is brighter than the six around it."""
    inner = slice(1, -1)
    around = np.zeros_like(cells[inner, inner, inner])
    for axis, end in product(range(3), (slice(2, None), slice(None, -2))):
        around += cells[tuple(end if a == axis else inner for a in range(3))]
    return np.asarray((6 * cells[inner, inner, inner] > around)[_COUNTS])


def _turns(cells: Doubles) -> Iterator[Doubles]:
    """A cube in all 48 orders and directions of its axes."""
    for order in permutations(range(3)):
        for steps in product((1, -1), repeat=3):
            yield cells.transpose(order)[tuple(slice(None, None, step) for step in steps)]


def _apart(signs: npt.NDArray[np.bool_], prints: Bytes) -> float:
    """The smallest share of bits in which any of (A, BITS) differs from any of (N, SIZE)."""
    if not len(prints):
        return 1.0
    a, b = (2 * x.astype(np.float32) - 1 for x in (signs, np.unpackbits(prints, axis=1)))
    return float(BITS - (a @ b.T).max()) / 2 / BITS
