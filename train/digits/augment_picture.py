"""Random changes to pictures of digits: other hands, pens and habits.

As for voices, `sample_*` draws parameters from a generator and `apply_*` is deterministic.
Pictures are (B, 1, 28, 28) in 0..1, white on black.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_WOBBLE_KNOTS = 5


@dataclass(frozen=True)
class Hand:
    """Another hand: an affine map and a smooth wobble of the paper."""

    affine: Tensor  # (B, 2, 3), from output to input coordinates of -1..1
    wobble: Tensor  # (B, 2, knots, knots), displacement in coordinates of -1..1


@dataclass(frozen=True)
class Pen:
    """Another pen: stroke width, blackness and grain."""

    width: Tensor  # (B,), -1 thinner by about a pixel .. 1 thicker by about a pixel
    gamma: Tensor  # (B,), below 1 darkens the stroke's soft edge
    grain: Tensor  # (B, 1, 28, 28), noise to add


def sample_hand(size: int, generator: Generator) -> Hand:
    """Rotation and shear to 17 degrees, size 0.75 to 1.2 per axis, shift to 2.5 pixels."""
    angle = _uniform(-0.3, 0.3, (size,), generator)
    shear = _uniform(-0.3, 0.3, (size,), generator)
    stretch = torch.exp(_uniform(math.log(0.75), math.log(1.2), (size, 2), generator))
    shift = _uniform(-0.18, 0.18, (size, 2), generator)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    slant = torch.eye(2).repeat(size, 1, 1)
    slant[:, 0, 1] = shear
    matrix = turn @ slant / stretch[:, None]
    strength = _uniform(0.0, 0.12, (size, 1, 1, 1), generator)
    knots = (size, 2, _WOBBLE_KNOTS, _WOBBLE_KNOTS)
    wobble = torch.randn(knots, generator=generator) * strength
    return Hand(torch.cat([matrix, shift[:, :, None]], 2), wobble)


def apply_hand(pictures: Tensor, hand: Hand) -> Tensor:
    grid = F.affine_grid(hand.affine, list(pictures.shape), align_corners=False)
    wobble = F.interpolate(hand.wobble, pictures.shape[2:], mode="bicubic", align_corners=True)
    return F.grid_sample(pictures, grid + wobble.movedim(1, 3), align_corners=False)


def sample_pen(size: int, generator: Generator) -> Pen:
    """Half of the strokes change their width; a third gets grain."""
    changed = torch.rand(size, generator=generator) < 0.5
    width = _uniform(-0.9, 1.0, (size,), generator) * changed
    gamma = torch.exp(_uniform(math.log(0.6), math.log(1.5), (size,), generator))
    level = _uniform(0.0, 0.15, (size, 1, 1, 1), generator)
    level = level * (torch.rand((size, 1, 1, 1), generator=generator) < 0.33)
    return Pen(width, gamma, torch.randn((size, 1, 28, 28), generator=generator) * level)


def apply_pen(pictures: Tensor, pen: Pen) -> Tensor:
    thick = F.max_pool2d(pictures, 3, stride=1, padding=1)
    thin = -F.max_pool2d(-pictures, 3, stride=1, padding=1)
    share = pen.width[:, None, None, None]
    # A stroke two pixels wide vanishes when eroded by a whole pixel: at most half is taken.
    drawn = torch.lerp(pictures, thick, share.clamp(min=0))
    drawn = torch.lerp(drawn, thin, 0.5 * (-share).clamp(min=0))
    drawn = drawn / drawn.amax((2, 3), keepdim=True).clamp(min=1e-3)
    return (drawn ** pen.gamma[:, None, None, None] + pen.grain).clamp(0, 1)


def _uniform(low: float, high: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
