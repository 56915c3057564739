"""Changes to a training sample: where tissue lies, and how a scanner shows it.

A sample is images (S, x, y, z), standardised, 0 outside the head, and labels (x, y, z). Every
change is drawn from a generator, so a sample is a function of its step.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

TURN = math.radians(12)
SCALE = 0.12
BEND_VOXELS = 4.0
BEND_GRID = 5  # control points per axis


def mirror(images: Tensor, labels: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Swap left and right (the first axis of space) half of the time."""
    if _chance(0.5, g):
        return images.flip(1), labels.flip(0)
    return images, labels


def deform(images: Tensor, labels: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale and bend: images trilinear, labels nearest, 0 from outside."""
    shape = labels.shape
    matrix = _rotation(_uniform(3, g) * TURN) * (1 + SCALE * _uniform(3, g))
    theta = torch.zeros(1, 3, 4)
    # grid_sample counts axes from the last and each from -1 to 1, whatever its length.
    size = torch.tensor(shape[::-1], dtype=torch.float32)
    theta[0, :, :3] = matrix * size[None, :] / size[:, None]
    grid = F.affine_grid(theta, [1, 1, *shape], align_corners=False)
    bend = _uniform((1, 3, BEND_GRID, BEND_GRID, BEND_GRID), g) * BEND_VOXELS
    bend = bend * (2 / size).view(1, 3, 1, 1, 1)
    smooth = F.interpolate(bend, size=list(shape), mode="trilinear", align_corners=True)
    grid = grid + smooth.permute(0, 2, 3, 4, 1)
    moved = F.grid_sample(images[None], grid, mode="bilinear", align_corners=False)[0]
    drawn = labels[None, None].to(images.dtype)
    drawn = F.grid_sample(drawn, grid, mode="nearest", align_corners=False)[0, 0]
    return moved, drawn.to(labels.dtype)


def change_intensities(images: Tensor, chance: float, g: torch.Generator) -> Tensor:
    """Per sequence, each with `chance`: contrast and brightness, bias field, blur, noise.

    Voxels outside the head stay 0, as they are in prediction.
    """
    return torch.stack([_change(image, chance, g) for image in images])


def _change(image: Tensor, chance: float, g: torch.Generator) -> Tensor:
    head = image != 0
    if _chance(chance, g):  # like a gamma curve, on a scale where the head is about -2..2
        curve = 0.25 * float(_uniform(1, g))
        image = image + curve * (image * image - 1).clamp(max=6)
    if _chance(chance, g):
        image = image * _bias_field(image.shape, 0.25 * float(torch.rand(1, generator=g)), g)
    if _chance(chance, g):
        image = _blur(image, axis=int(torch.randint(3, (1,), generator=g)), g=g)
    if _chance(chance, g):
        strength = 0.25 * float(torch.rand(1, generator=g))
        image = image + strength * torch.randn(image.shape, generator=g)
    scale, shift = 1 + 0.2 * float(_uniform(1, g)), 0.2 * float(_uniform(1, g))
    return torch.where(head, image * scale + shift, torch.zeros(()))


def _bias_field(shape: torch.Size, strength: float, g: torch.Generator) -> Tensor:
    """A smooth field around 1, (x, y, z)."""
    coarse = torch.randn(1, 1, 4, 4, 4, generator=g) * strength
    smooth = F.interpolate(coarse, size=list(shape), mode="trilinear", align_corners=True)
    return smooth[0, 0].exp()


def _blur(image: Tensor, axis: int, g: torch.Generator) -> Tensor:
    """Thick slices: average `width` neighbours along one axis, then back to the old grid."""
    width = 2 + int(torch.randint(4, (1,), generator=g))
    size = list(image.shape)
    size[axis] = max(2, round(size[axis] / width))
    thick = F.interpolate(image[None, None], size=size, mode="area")
    back = F.interpolate(thick, size=list(image.shape), mode="trilinear", align_corners=False)
    return back[0, 0]


def _rotation(angles: Tensor) -> Tensor:
    """(3, 3): rotations about the three axes, one after the other."""
    matrix = torch.eye(3)
    for axis, angle in enumerate(angles.tolist()):
        a, b = [i for i in range(3) if i != axis]
        turn = torch.eye(3)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    return matrix


def _uniform(shape: int | tuple[int, ...], g: torch.Generator) -> Tensor:
    """Uniform in -1..1."""
    return torch.rand(shape, generator=g) * 2 - 1


def _chance(p: float, g: torch.Generator) -> bool:
    return bool(torch.rand(1, generator=g) < p)
