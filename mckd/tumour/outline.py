"""From what is likely to what is drawn: logits of the three regions to their outlines.

The whole tumour is where tumour is more likely than not. Within it the core, and within that the
enhancing tumour, are drawn where the overlap to be expected with the true region is highest: that
includes less likely voxels where no voxel is certain, as with few sequences. Then what is seldom
true of a tumour is left out (`Credible`).

Regions and logits are in patches, (voxels of a patch, i, j, k), as the network gives them. Parts
are connected through patches that share a face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.special import expit
from torch import Tensor

from mckd.tumour.geometry import bounding_box
from mckd.tumour.naming import REGIONS
from mckd.tumour.network import depth_to_space

ET, TC, WT = range(len(REGIONS))
ET_SHARE = 0.2
"""What a part of the core needs of ET: this share of itself, as a small ring has it, or of the ET
of the part that has most. None of the ten real references with 500 voxels of ET has a part of the
core with less, but for specks of a quarter of a millilitre."""
SOFTENED = 2.0
"""What logits are divided by before an overlap is expected of them. As they are they know nothing
of how alike the errors of neighbours are, and promise too much."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Credible:
    """What is left out.

    et_min_ml: where less than this, in mL, is more likely enhancing than not, there is no ET
        (what was found stays core).
    least_part: 0..1. A part of the tumour that touches no other is left out if it is smaller than
        this share of the largest; and where there is ET, a part of the core with hardly any of it
        (`ET_SHARE`). 0 leaves no part out.
    """

    et_min_ml: float = 0.0
    least_part: float = 0.0

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Credible:
        """As a checkpoint's header has it."""
        return cls(float(about.get("et_min_ml") or 0), float(about.get("least_part") or 0))


def outline(logits: Tensor, size: int, credible: Credible, voxel_ml: float) -> Tensor:
    """Regions ET, TC, WT in voxels, (3, x, y, z) bool, each within the next.

    Args:
        logits: (3 size^3, x/size, y/size, z/size), regions innermost, on the CPU.
        size: voxels of a patch along an axis.
        voxel_ml: volume of a voxel.
    """
    et, tc, wt = (logits[region :: len(REGIONS)] for region in (ET, TC, WT))
    tumour = wt > 0
    if credible.least_part:
        tumour &= large_parts(tumour, credible.least_part)
    regions = [torch.zeros_like(tumour), torch.zeros_like(tumour), tumour]
    # Most of a head is far from the tumour.
    box = slice(None), *bounding_box(tumour.any(0).numpy()).slices
    tumour, et, tc = tumour[box], et[box][tumour[box]], tc[box][tumour[box]]
    in_core = most_overlap(tc)
    in_et = torch.zeros_like(in_core)
    if torch.count_nonzero(in_core & (et > 0)) * voxel_ml >= credible.et_min_ml:
        in_et[in_core] = most_overlap(et[in_core])
    core, enhancing = (
        torch.zeros_like(tumour).masked_scatter_(tumour, inside) for inside in (in_core, in_et)
    )
    if credible.least_part and in_et.any():
        around = enhancing_parts(core, enhancing)
        core &= around
        enhancing &= around
    regions[TC][box], regions[ET][box] = core, enhancing
    return torch.stack([depth_to_space(region[None], size)[0, 0] for region in regions])


def most_overlap(logits: Tensor) -> Tensor:
    """Which voxels to draw for the highest expected Dice with the true region, bool.

    Of voxels with probabilities p the n likeliest overlap with the true region by about
    2 sum_n(p) / (n + sum(p)), so the best n is known without knowing the region (Dai and Li,
    RankSEG, JMLR 2023). Where all is certain these are the voxels with p above one half; where
    it is not, more. Nothing is drawn where no voxel is more likely in the region than not.

    logits: of all voxels that may be in the region, (n,).
    """
    if not bool((logits > 0).any()):
        return torch.zeros_like(logits, dtype=torch.bool)
    ordered = np.sort(logits.numpy())[::-1]  # several times faster than torch's
    overlap = np.cumsum(expit(ordered / SOFTENED), dtype=np.float64)
    best = np.argmax(overlap / (np.arange(1, len(ordered) + 1) + overlap[-1]))
    return logits >= min(float(ordered[best]), 0.0)


def large_parts(tumour: Tensor, share: float) -> Tensor:
    """Where the parts lie with at least `share` as many voxels as the largest, (i, j, k) bool."""
    parts, sizes = _label(tumour)
    kept = (sizes >= share * sizes.max()) & (sizes > 0)
    return torch.from_numpy(kept)[torch.from_numpy(parts)]


def enhancing_parts(core: Tensor, enhancing: Tensor) -> Tensor:
    """Where the parts of the core lie that have their share of the ET within it, (i, j, k) bool.

    A tumour that enhances has its core in and around what enhances; what looks like core
    elsewhere is mostly oedema.
    """
    parts, sizes = _label(core)
    amounts = np.bincount(parts.ravel(), _counts(enhancing).ravel(), len(sizes))
    kept = (amounts >= ET_SHARE * np.minimum(sizes, amounts.max())) & (sizes > 0)
    return torch.from_numpy(kept)[torch.from_numpy(parts)]


def _label(region: Tensor) -> tuple[Array, Array]:
    """Numbers of the connected parts, (i, j, k), 0 outside, and the voxels of each number."""
    counts = _counts(region)
    parts, count = ndimage.label(counts)
    return parts, np.bincount(parts.ravel(), counts.ravel(), count + 1)


def _counts(region: Tensor) -> Array:
    """How many voxels of each patch are in a region, (i, j, k)."""
    counts: Array = region.sum(0, dtype=torch.uint8).numpy()
    return counts
