"""One head as other scanners and sequences would show it, lying otherwise, or only a part of it.

Every change is drawn from a generator, so that a sample is a function of its step.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.clinic.heads import Head

SHAPE = (96, 112, 96)  # 192 x 224 x 192 mm
TURN = math.radians(25)
SCALE = 0.15
SHIFT_VOXELS = 10.0
BEND_VOXELS = 3.0
BEND_GRID = 6
KNOTS = 7  # of a curve from grey to grey
BRIGHTEST = 3.5  # times the median of a brain


def scanned(head: Head, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A sample: (1, X, Y, Z) of SHAPE, mean 0 and deviation 1, and its brain (X, Y, Z), 0 or 1."""
    image, brain = _placed(head, rng)
    image = _recontrasted(image.clamp(0, 4 * BRIGHTEST), brain, rng)
    image = image * _smooth(0.5 * rng.random(), 4, rng).exp()
    if rng.random() < 0.4:
        image = _thick(image, int(rng.integers(3)), int(rng.integers(2, 5)))
    if rng.random() < 0.3:
        image = F.avg_pool3d(image[None, None], 3, 1, 1)[0, 0]
    noise = torch.from_numpy(rng.standard_normal(SHAPE, np.float32))
    image = (image + 0.12 * float(rng.random()) * noise).abs()
    if rng.random() < 0.15:
        image, brain = _slab(image, brain, rng)
    if rng.random() < 0.15:
        image = image * brain
    return ((image - image.mean()) / image.std().clamp(min=1e-6))[None], brain


def _placed(head: Head, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Turned, scaled, bent, mirrored, and cut to SHAPE around about the middle of the brain."""
    angles = rng.uniform(-TURN, TURN, 3)
    scale = rng.uniform(1 - SCALE, 1 + SCALE, 3)
    scale[0] *= rng.choice((-1, 1))  # left and right swapped
    matrix = torch.tensor(_rotation(angles) * scale, dtype=torch.float32)
    middle = torch.tensor(np.argwhere(head.brain).mean(0) + rng.uniform(-1, 1, 3) * SHIFT_VOXELS)
    axes = [torch.linspace(-n / 2, n / 2, BEND_GRID) for n in SHAPE]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    points = torch.einsum("ij,jxyz->ixyz", matrix, points) + middle.float().view(3, 1, 1, 1)
    bend = rng.uniform(-BEND_VOXELS, BEND_VOXELS, points.shape)
    points = points + torch.tensor(bend, dtype=torch.float32)
    sizes = torch.tensor(head.voxels.shape).view(3, 1, 1, 1)
    points = ((2 * points + 1) / sizes - 1).flip(0)  # grid_sample: last axis first, -1 to 1
    dense = F.interpolate(points[None], size=SHAPE, mode="trilinear", align_corners=True)
    grid = dense.permute(0, 2, 3, 4, 1)
    both = torch.from_numpy(np.stack([head.voxels, head.brain.astype(np.float32)]))[None]
    image, brain = F.grid_sample(both, grid, align_corners=False)[0]
    return image, (brain > 0.5).float()


def _rotation(angles: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("xyz", angles).as_matrix())


def _recontrasted(image: Tensor, brain: Tensor, rng: np.random.Generator) -> Tensor:
    """Other greys, by curves of their own for the brain and for what is around it."""
    around = _curve(image, rng) if rng.random() < 0.7 else image
    chance = rng.random()
    if chance < 0.3:
        inside = _curve(image, rng)
    elif chance < 0.7:
        inside = image ** float(rng.uniform(0.5, 1.8))
    else:
        inside = image
    inside = inside * float(rng.uniform(0.6, 1.6))
    return torch.where(brain > 0, inside, around)


def _curve(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Grey to grey: a line through random points, of which air stays dark."""
    values = torch.tensor([0.0, *rng.uniform(0, 2.5, KNOTS - 1)], dtype=torch.float32)
    place = (image * ((KNOTS - 1) / BRIGHTEST)).clamp(max=KNOTS - 1.001)
    low = place.long()
    return torch.lerp(values[low], values[low + 1], place - low)


def _smooth(strength: float, points: int, rng: np.random.Generator) -> Tensor:
    """A field of SHAPE that varies slowly around 0."""
    coarse = torch.tensor(rng.normal(0, strength, (1, 1, *[points] * 3)), dtype=torch.float32)
    return F.interpolate(coarse, size=SHAPE, mode="trilinear", align_corners=True)[0, 0]


def _thick(image: Tensor, axis: int, voxels: int) -> Tensor:
    """Slices of several voxels along an axis, and interpolated between."""
    size = [1 if a != axis else voxels for a in range(3)]
    thick = F.avg_pool3d(image[None, None], size, ceil_mode=True)
    return F.interpolate(thick, size=SHAPE, mode="trilinear", align_corners=False)[0, 0]


def _slab(image: Tensor, brain: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Only a part of a head from below or above: the rest was not scanned."""
    seen = torch.zeros(SHAPE)
    first = int(rng.integers(0, 30))
    last = SHAPE[2] - int(rng.integers(0, 30))
    seen[:, :, first:last] = 1
    return image * seen, brain * seen
