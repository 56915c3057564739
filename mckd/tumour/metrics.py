"""How well regions agree with a reference: Dice, HD95, volume, and what empty masks mean.

Policy, per region:

    reference  prediction   outcome           Dice   HD95                  BraTS rule
    some       some         found             2|A∩B|/(|A|+|B|)  in mm      the same
    some       empty        missed            0      the image's diagonal  0, diagonal
    empty      some         invented          0      the image's diagonal  0, diagonal
    empty      empty        correctly empty   None   None                  1, 0

None means that the number does not exist; it is never averaged. A miss keeps its penalty, so
missing more tumours cannot improve a mean.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from mckd.tumour.geometry import Bools, Grid, bounding_box
from mckd.tumour.naming import REGIONS

FOUND, MISSED, INVENTED = "found", "missed", "invented"
CORRECTLY_EMPTY = "correctly empty"
PERCENTILE = 0.95


@dataclass(frozen=True)
class RegionScore:
    """One region of one prediction.

    dice: 0..1, or None if both masks are empty. hd95_mm: the 95th percentile of the distances
    between the surfaces, the larger of the two directions; the diagonal of the image if one mask
    is empty, None if both are. volume_ml, reference_ml: of the prediction and the reference.
    """

    region: str
    outcome: str
    dice: float | None
    hd95_mm: float | None
    volume_ml: float
    reference_ml: float

    @property
    def brats_dice(self) -> float:
        """By the rule of the BraTS challenges: 1 if both masks are empty."""
        return 1.0 if self.dice is None else self.dice

    def __str__(self) -> str:
        name, ml = self.region.upper(), f"{self.volume_ml:.1f} of {self.reference_ml:.1f} mL"
        if self.dice is None or self.hd95_mm is None:
            return f"{name}: n/a, {self.outcome}"
        if self.outcome == FOUND:
            return f"{name}: Dice {self.dice:.3f}, HD95 {self.hd95_mm:.1f} mm, {ml}"
        return f"{name}: Dice 0, {self.outcome}, {ml}"


@dataclass(frozen=True)
class Mean:
    """A mean over the values that exist: `value` is None if none does, `count` is of how many."""

    value: float | None
    count: int
    left_out: int


def score(
    prediction: Bools,
    reference: Bools,
    grid: Grid,
    distances: bool = True,
    scored: Collection[str] = REGIONS,
) -> tuple[RegionScore, ...]:
    """ET, TC and WT of a prediction against a reference, as far as that can tell them.

    Args:
        prediction, reference: (3, X, Y, Z) bool on `grid`.
        distances: see `score_region`.
        scored: the regions that the reference can tell; the others are left out.
    """
    return tuple(
        score_region(name, prediction[k], reference[k], grid, distances)
        for k, name in enumerate(REGIONS)
        if name in scored
    )


def score_region(
    region: str, prediction: Bools, reference: Bools, grid: Grid, distances: bool = True
) -> RegionScore:
    """One region; prediction and reference (X, Y, Z) bool on `grid`.

    distances: without them hd95_mm is None; they take most of the time.
    """
    has, had = bool(prediction.any()), bool(reference.any())
    outcome = {
        (True, True): FOUND,
        (False, True): MISSED,
        (True, False): INVENTED,
        (False, False): CORRECTLY_EMPTY,
    }[has, had]
    return RegionScore(
        region,
        outcome,
        dice=dice(prediction, reference),
        hd95_mm=hd95_mm(prediction, reference, grid) if distances else None,
        volume_ml=volume_ml(prediction, grid),
        reference_ml=volume_ml(reference, grid),
    )


def dice(a: Bools, b: Bools) -> float | None:
    """2|A∩B| / (|A| + |B|) of two masks of one shape; None if both are empty.

    Raises:
        ValueError: masks that are not bool, or of different shapes.
    """
    _require_masks(a, b)
    size = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / size if size else None


def hd95_mm(a: Bools, b: Bools, grid: Grid) -> float | None:
    """95 % Hausdorff distance in mm between two masks (X, Y, Z) on `grid`.

    Between surface voxels (those with a neighbour outside, across a face), by the package
    grand-challenge-metrics; the larger direction counts. None if both masks are empty, the
    diagonal of the image if one is. Along the grid's axes: for a sheared affine an approximation.

    Raises:
        ValueError: masks that are not bool, or not of the shape of the grid.
    """
    from grand_challenge_metrics.stats import percentile_hausdorff_distance

    _require_masks(a, b)
    if a.shape != grid.shape:
        raise ValueError(f"The masks have the shape {a.shape}, their grid {grid.shape}.")
    if not a.any() and not b.any():
        return None
    if not a.any() or not b.any():
        return diagonal_mm(grid)
    both = bounding_box(a | b)  # distances within it are those of the whole image
    distance = float(
        percentile_hausdorff_distance(
            both.crop(a), both.crop(b), percentile=PERCENTILE, voxelspacing=grid.spacing_mm
        )
    )
    if not math.isfinite(distance):
        raise ArithmeticError(f"HD95 of two masks that are not empty came out as {distance}.")
    return distance


def diagonal_mm(grid: Grid) -> float:
    """Of the whole image: 373.13 mm for BraTS' 240 x 240 x 155 at 1 mm."""
    return math.hypot(*(n * mm for n, mm in zip(grid.shape, grid.spacing_mm, strict=True)))


def volume_ml(mask: Bools, grid: Grid) -> float:
    """Voxels of a mask in mL."""
    return int(np.count_nonzero(mask)) * grid.voxel_ml


def volumes_ml(regions: Bools, grid: Grid) -> dict[str, float]:
    """{region: mL} of (3, X, Y, Z)."""
    return {name: volume_ml(regions[k], grid) for k, name in enumerate(REGIONS)}


def mean(values: Iterable[float | None]) -> Mean:
    """The mean of the values that exist, with how many did and did not.

    Raises:
        ValueError: a value that is not finite; it would hide a mistake.
    """
    every = list(values)
    known = [value for value in every if value is not None]
    if not all(math.isfinite(value) for value in known):
        raise ValueError("A value to average is not finite.")
    value = math.fsum(known) / len(known) if known else None
    return Mean(value, len(known), len(every) - len(known))


def _require_masks(a: Bools, b: Bools) -> None:
    if a.dtype != bool or b.dtype != bool:
        raise ValueError(f"Masks are bool, not {a.dtype} and {b.dtype}.")
    if a.shape != b.shape:
        raise ValueError(f"The masks have the shapes {a.shape} and {b.shape}.")
