"""From what is likely to what is drawn: logits of the three regions to their outlines.

The whole tumour is where tumour is more likely than not. Within it the core, and within that the
enhancing tumour, are drawn where the overlap to be expected with the true region is highest: that
includes less likely voxels where no voxel is certain, as with few sequences. Then what is seldom
true of a tumour is left out (`Credible`).

Regions and logits are in patches, (voxels of a patch, i, j, k), as the network gives them. Parts
are connected through patches that share a face.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.special import expit
from torch import Tensor

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


def outline(
    logits: Tensor,
    size: int,
    credible: Credible,
    voxel_ml: float,
    padding: Tensor | None = None,
) -> Tensor:
    """Regions ET, TC, WT in voxels, (3, x, y, z) bool, each within the next.

    Args:
        logits: (3 size^3, x/size, y/size, z/size), regions innermost, on the CPU.
        size: voxels of a patch along an axis.
        voxel_ml: volume of a voxel.
        padding: (size^3, x/size, y/size, z/size) bool, where there is no tumour.
    """
    likely = logits[WT :: len(REGIONS)] > 0
    # Most of a head is far from the tumour: from here on only patches with tumour are looked at.
    shape = likely.shape[1:]
    regions = torch.zeros(len(REGIONS), *(n * size for n in shape), dtype=torch.bool)
    at = np.flatnonzero(likely.any(0).numpy())
    tumour = _of_patches(likely, at)
    if padding is not None:
        tumour &= ~_of_patches(padding, at)
        at, tumour = _only(tumour.any(1), at, tumour)
    if not len(at):
        return regions
    if credible.least_part:
        at, tumour = _only(large_parts(at, shape, tumour, credible.least_part), at, tumour)
    of_patches = _of_patches(logits, at)
    et, tc = (of_patches[:, region :: len(REGIONS)][tumour].float() for region in (ET, TC))
    in_core = most_overlap(tc)
    in_et = torch.zeros_like(in_core)
    if torch.count_nonzero(in_core & (et > 0)) * voxel_ml >= credible.et_min_ml:
        in_et[in_core] = most_overlap(et[in_core])
    core, enhancing = (
        torch.zeros_like(tumour).masked_scatter_(tumour, inside) for inside in (in_core, in_et)
    )
    if credible.least_part and in_et.any():
        around = enhancing_parts(at, shape, core, enhancing)[:, None]
        core &= around
        enhancing &= around
    drawn = torch.stack([enhancing, core, tumour], 2).flatten(1)
    inside, (start, stop) = _box(at, shape)
    boxed = torch.zeros(*(stop - start), drawn.shape[1], dtype=torch.bool)
    boxed[inside] = drawn
    voxels = (slice(a * size, b * size) for a, b in zip(start, stop, strict=True))
    regions[(slice(None), *voxels)] = depth_to_space(boxed.movedim(-1, 0)[None], size)[0]
    return regions


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


def large_parts(at: Array, shape: Sequence[int], tumour: Tensor, share: float) -> Tensor:
    """Which patches are of a part with at least `share` as many voxels as the largest, (n,) bool.

    Args:
        at: (n,), where the patches lie in a grid of `shape`, flattened.
        tumour: (n, voxels of a patch) bool.
    """
    parts = _parts(at, shape)
    sizes = np.bincount(parts, tumour.sum(1).numpy())
    return torch.from_numpy((sizes >= share * sizes.max())[parts])


def enhancing_parts(at: Array, shape: Sequence[int], core: Tensor, enhancing: Tensor) -> Tensor:
    """Which patches are of a part of the core that has its share of the ET in it, (n,) bool.

    A tumour that enhances has its core in and around what enhances; what looks like core
    elsewhere is mostly oedema.

    Args:
        at: (n,), where the patches lie in a grid of `shape`, flattened.
        core, enhancing: (n, voxels of a patch) bool.
    """
    kept = core.any(1)
    parts = _parts(at[kept.numpy()], shape)
    sizes, amounts = (np.bincount(parts, of[kept].sum(1).numpy()) for of in (core, enhancing))
    enough = amounts >= ET_SHARE * np.minimum(sizes, amounts.max())
    return kept.masked_scatter(kept, torch.from_numpy(enough[parts]))


def _parts(at: Array, shape: Sequence[int]) -> Array:
    """Numbers (n,) of the connected parts that patches are of."""
    inside, sides = _box(at, shape)
    grid = np.zeros(sides[1] - sides[0], bool)
    grid[inside] = True
    parts: Array = ndimage.label(grid)[0][inside]
    return parts


def _box(at: Array, shape: Sequence[int]) -> tuple[tuple[Array, ...], Array]:
    """Places (n,) per axis within the smallest box around them, and its start and stop (2, 3)."""
    places = np.stack(np.unravel_index(at, shape))
    start = places.min(1)
    return tuple(places - start[:, None]), np.stack([start, places.max(1) + 1])


def _of_patches(planes: Tensor, at: Array) -> Tensor:
    """(C, i, j, k) to (n, C), of the patches at these places of the flattened grid."""
    return planes.flatten(1).t().index_select(0, torch.from_numpy(at))


def _only(kept: Tensor, at: Array, of_patches: Tensor) -> tuple[Array, Tensor]:
    return at[kept.numpy()], of_patches[kept]
