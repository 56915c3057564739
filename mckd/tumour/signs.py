"""What a prediction itself says of how sure it is, without a reference and without what is missing.

    signs = signs_of(found.cropped_probabilities, found.cropped, found.brain, case.voxel_ml)
    signs["wt"].certainty

Only voxels of the brain count that may be in a region at all (`POSSIBLE`): most of a head is far
from the tumour, and its tiny probabilities add up to millilitres that mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mckd.tumour.geometry import Bools
from mckd.tumour.naming import REGIONS

if TYPE_CHECKING:
    from mckd.tumour.nifti import Floats

POSSIBLE = 0.01
"""The probability from which a voxel may be in a region."""
SMALLEST = 1e-6  # kept away from 0 and 1, whose logarithms are infinite


@dataclass(frozen=True)
class Signs:
    """Of one region of one prediction, from the probabilities as the network gave them.

    volume_ml: what is drawn. mass_ml: the sum of probabilities, the volume to be expected if they
    were calibrated. entropy_ml: the sum of entropies in bits, 1 mL where 1 mL is undecided.
    certainty: the mean probability of what is drawn, 0 where nothing is.
    """

    volume_ml: float
    mass_ml: float
    entropy_ml: float
    certainty: float


def signs_of(
    probabilities: Floats, drawn: Bools, brain: Bools, voxel_ml: float
) -> dict[str, Signs]:
    """{region: its signs}.

    Args:
        probabilities: (3, x, y, z), ET, TC, WT.
        drawn: (3, x, y, z).
        brain: (x, y, z), where any of the sequences used is not 0.
    """
    return {
        region: _signs(probabilities[k], drawn[k], brain, voxel_ml)
        for k, region in enumerate(REGIONS)
    }


def entropy(p: Floats) -> Floats:
    """Of a yes or no with probability p, in bits: 1 at one half, 0 at 0 and 1."""
    q = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.asarray(-(q * np.log2(q) + (1 - q) * np.log2(1 - q)), np.float32)


def _signs(p: Floats, drawn: Bools, brain: Bools, voxel_ml: float) -> Signs:
    possible = p[(p > POSSIBLE) & brain]
    inside = p[drawn]
    return Signs(
        volume_ml=inside.size * voxel_ml,
        mass_ml=float(possible.sum(dtype=np.float64)) * voxel_ml,
        entropy_ml=float(entropy(possible).sum(dtype=np.float64)) * voxel_ml,
        certainty=float(inside.mean(dtype=np.float64)) if inside.size else 0.0,
    )
