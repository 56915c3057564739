"""What might have been measured of cases, without a network."""

from __future__ import annotations

import numpy as np

from mckd.tumour.signs import Signs
from train.tumour.measure import BINS, SIGNS, SUBSETS, Measured

SHAPE = (len(SUBSETS), 3)


def made_up(random: np.random.Generator, healthy: bool = False, synthetic: bool = True) -> Measured:
    """A case whose volumes are drawn a third too small or too large, as often as not; where there
    is nothing, a little is drawn, and looks unsure."""
    truth = np.zeros(3) if healthy else np.cumsum(random.uniform(2, 40, 3))
    if not healthy and random.random() < 0.3:
        truth[0] = 0.0
    drawn = np.where(
        truth > 0, truth * random.lognormal(0, 0.3, SHAPE), random.uniform(0, 3, SHAPE)
    )
    certainty = np.where(
        truth > 0, random.uniform(0.8, 0.95, SHAPE), random.uniform(0.5, 0.7, SHAPE)
    )
    return of(truth, drawn, certainty, synthetic)


def of(
    truth: np.ndarray, drawn: np.ndarray, certainty: np.ndarray, synthetic: bool = True
) -> Measured:
    """truth (3,) mL; drawn mL and certainty (15, 3). Of 100 voxels in each of twenty bins 60 are in
    the region."""
    signs = Signs(drawn, drawn, drawn / 5, certainty)  # type: ignore[arg-type]
    voxels = np.zeros((*SHAPE, 2, len(BINS)))
    voxels[..., 0, 20:40], voxels[..., 1, 20:40] = 100, 60
    return Measured(
        signs=np.stack([getattr(signs, name) for name in SIGNS], -1),
        reference_ml=truth,
        overlap_ml=np.zeros((3, 16, 16)),
        voxels=voxels,
        missed=np.zeros(SHAPE),
        synthetic=np.array(float(synthetic)),
    )
