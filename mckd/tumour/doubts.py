"""Whether a case is what its file names say, and what the networks were trained on.

    judged = judge(case, brain)
    judged.sentences            # for the user
    judged.unlike_training      # why nothing should be segmented unasked; empty if nothing

One judgement for every front end: the app asks before it segments such a case, the command line
refuses it unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from mckd.tumour.geometry import Bools, bounding_box
from mckd.tumour.misleading import look_at, suspects
from mckd.tumour.naming import SEQUENCE_NAMES, listed
from mckd.tumour.scope import OUTSIDE

if TYPE_CHECKING:
    from mckd.tumour.data import Case

# What the networks are trained on, widely drawn; outside it a case is read with a warning. In
# brackets: the range over 15 cases of BraTS 2021.
BRAIN_MM = ((95.0, 175.0), (110.0, 215.0), (85.0, 190.0))  # (133-145, 158-182, 126-146)
BRAIN_ML = (600.0, 2300.0)  # (1250-1731)
FULLEST_BOX = 0.75  # how much of its bounding box a brain fills (0.42-0.47)
MOST_BESIDE = 0.01  # of what is not 0, in the largest piece apart from the brain (0-2e-6)
LEAST_COVER = 0.8  # how much of the brain each sequence shows (0.998-1)
THICKEST_MM = 3.0
"""Whole tumour of six cases with their slices averaged, mean Dice: .86 at 2 mm, .71 at 3 (a small
one is missed), .51 at 4, .26 at 5 (two are missed, and all but two enhancements)."""
CAUTION_MM = 2.95
DARKEST = 0.95  # how much of a head is darker than the air (0)


@dataclass(frozen=True)
class Judged:
    """Sentences.

    misleading: {sequence: whether it may be another than its name says, or of another head or
    place}, see `mckd.tumour.misleading`. unlike_training: why the networks,
    trained on whole brains without a skull, may be wrong about the images. cautions: what else
    makes their results less sure.
    """

    misleading: Mapping[str, str]
    unlike_training: tuple[str, ...]
    cautions: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, for the user."""
        outside = (f"{OUTSIDE}: {why}" for why in self.unlike_training)
        return *dict.fromkeys(self.misleading.values()), *outside, *self.cautions


def judge(case: Case, brain: Bools) -> Judged:
    """What there is to doubt about a case; brain: (X, Y, Z), where any sequence is not 0."""
    outside = tuple(_unlike_training(case, brain))
    known = not outside or _each_alone_is_known(case)
    return Judged(_misleading(case, known), outside, tuple(_cautions(case)))


def _each_alone_is_known(case: Case) -> bool:
    """Whether it is only together that the images are unlike the training: one lies elsewhere."""
    if max(case.spacing_mm) > THICKEST_MM or _doubts_on_greys(case):
        return False
    heads = (volume != 0 for volume in case.volumes.values())
    return not any(_doubts_on_extent(case, h) or _doubts_on_pieces(case, h) for h in heads)


def _unlike_training(case: Case, brain: Bools) -> list[str]:
    """Why the networks, trained on whole brains without a skull, may be wrong about the images."""
    outside = [*_doubts_on_extent(case, brain), *_doubts_on_pieces(case, brain)]
    outside += [*_doubts_on_cover(case, brain), *_doubts_on_greys(case)]
    if max(case.spacing_mm) > THICKEST_MM:
        outside.append(
            f"slices of {max(case.spacing_mm):.3g} mm are too thick: most of a tumour may be "
            "missed."
        )
    return outside


def _cautions(case: Case) -> list[str]:
    """What results can be had from, but not as good ones."""
    thickest = max(case.spacing_mm)
    if not CAUTION_MM <= thickest <= THICKEST_MM:
        return []
    return [f"Slices of {thickest:.3g} mm are thick: small tumours may be missed."]


def _misleading(case: Case, known: bool) -> dict[str, str]:
    """known: whether the images are such as limits were set on; only then more than twins count."""
    twins = {
        s: f"The images for {a} and {b} are identical; one of them is wrong."
        for a, b in combinations(case.volumes, 2)
        if np.array_equal(case.volumes[a], case.volumes[b])
        for s in (a, b)
    }
    return twins or (suspects(look_at(case.volumes, case.spacing_mm)) if known else {})


def _doubts_on_extent(case: Case, brain: Bools) -> list[str]:
    """Whether what is not 0 may be one whole brain, and nothing else."""
    tight = bounding_box(brain)
    voxels = int(np.count_nonzero(brain))
    ml = voxels * case.voxel_ml
    if voxels > FULLEST_BOX * np.prod(tight.shape):
        return [
            "nearly every voxel has a value, so the skull or the background may not have been "
            "removed."
        ]
    doubts = []
    if ml > BRAIN_ML[1]:
        doubts.append(
            f"the image shows {ml / 1000:.1f} litres, more than a brain, so the skull or the neck "
            "may not have been removed."
        )
    elif ml < BRAIN_ML[0]:
        doubts.append(f"the image shows {ml:.0f} mL, less than a whole brain.")
    extent_mm = [n * mm for n, mm in zip(tight.shape, case.spacing_mm, strict=True)]
    if not all(low <= mm <= high for mm, (low, high) in zip(extent_mm, BRAIN_MM, strict=True)):
        size = " x ".join(f"{mm:.0f}" for mm in extent_mm)
        doubts.append(
            f"the image spans {size} mm (right to left, back to front, foot to head), unlike a "
            "whole brain."
        )
    return doubts


def _doubts_on_pieces(case: Case, brain: Bools) -> list[str]:
    """Whether there is anything beside the brain, such as bone with air of 0 in between."""
    pieces, _ = ndimage.label(bounding_box(brain).crop(brain))
    sizes = np.sort(np.bincount(pieces.ravel())[1:])
    if len(sizes) < 2 or sizes[-2] <= MOST_BESIDE * sizes.sum():
        return []
    return [
        f"beside its largest part the image shows another of {sizes[-2] * case.voxel_ml:.0f} mL, "
        "so the skull, the eyes or the neck may not have been removed."
    ]


def _doubts_on_cover(case: Case, brain: Bools) -> list[str]:
    """Whether every sequence shows the same part of the head."""
    whole = np.count_nonzero(brain)
    shares = {s: np.count_nonzero(v) / whole for s, v in case.volumes.items()}
    short = [s for s, share in shares.items() if share < LEAST_COVER]
    if not short:
        return []
    return [
        "of what the sequences show together, no more than "
        f"{max(shares[s] for s in short):.0%} is seen in {_named(short)}; they may not lie on "
        "each other, or be cut out differently."
    ]


def _doubts_on_greys(case: Case) -> list[str]:
    """Whether white and black may be swapped."""
    shares = {s: np.count_nonzero(v < 0) / np.count_nonzero(v) for s, v in case.volumes.items()}
    inverted = [s for s, share in shares.items() if share > DARKEST]
    if not inverted:
        return []
    return [
        f"the head is darker than the air around it in {_named(inverted)}, so the greys may be "
        "inverted."
    ]


def _named(sequences: Iterable[str]) -> str:
    return listed(SEQUENCE_NAMES[s] for s in sequences)
