"""Changes to a training sample: where tissue lies, and how a scanner shows it.

A sample is images (S, x, y, z), standardised, 0 outside the head, and labels (x, y, z). Every
change is drawn from a generator, so a sample is a function of its step.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from mckd.tumour.geometry import bounding_box

TURN = math.radians(12)
SCALE = 0.12
BEND_VOXELS = 4.0
BEND_GRID = 5  # control points per axis
SHIFT_VOXELS = 8  # of a transplanted tumour from where it lay in the donor
RIM_VOXELS = (2, 7)  # of the donor's tissue that comes with a tumour, least and most
FADED = 0.5  # share of transplanted tumours that hardly show in one of the sequences
WHOLE_CONTRAST, PART_CONTRAST = 0.4, 0.3  # deviations, in those of the head


def mirror(images: Tensor, labels: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Swap left and right (the first axis of space) half of the time."""
    if happens(0.5, g):
        return images.flip(1), labels.flip(0)
    return images, labels


def deform(images: Tensor, labels: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale and bend: images trilinear, labels nearest, 0 from outside."""
    shape = labels.shape
    matrix = _rotation(_uniform(3, g) * TURN) * (1 + SCALE * _uniform(3, g))
    # Where the control points come from, in voxels from the middle; between them it is linear.
    ends = [(n - 1) / 2 for n in shape]
    axes = [torch.linspace(-end, end, BEND_GRID) for end in ends]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    points = torch.einsum("ij,jxyz->ixyz", matrix, points) + BEND_VOXELS * _uniform(points.shape, g)
    # grid_sample counts axes from the last and each from -1 to 1, whatever its length.
    points = (points * (2 / torch.tensor(shape)).view(3, 1, 1, 1)).flip(0).to(images.device)
    dense = F.interpolate(points[None], size=list(shape), mode="trilinear", align_corners=True)
    grid = dense.permute(0, 2, 3, 4, 1)
    moved = F.grid_sample(images[None], grid, mode="bilinear", align_corners=False)[0]
    drawn = labels[None, None].to(images.dtype)
    drawn = F.grid_sample(drawn, grid, mode="nearest", align_corners=False)[0, 0]
    return moved, drawn.to(labels.dtype)


def transplant(
    images: Tensor,
    labels: Tensor,
    donor_images: Tensor,
    donor_labels: Tensor,
    g: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Another head's tumour, with a rim of its tissue, at about the same place of this head.

    After CarveMix (Zhang et al., MICCAI 2021), which cuts along the distance to a lesion; here
    the edge is soft. What tumour the head has itself stays, where the new one does not cover it.
    Heads are aligned by the middles of their boxes; a tumour that does not fit is cut off.

    In `FADED` of them one sequence shows the tumour faintly or not at all, as happens in patients:
    a network that only ever saw it in every sequence lets one sequence overrule the others.

    Args:
        images, donor_images: (S, x, y, z), each of its own size; not changed.
        labels, donor_labels: (x, y, z) of each.
    """
    donor_images, donor_labels = mirror(donor_images, donor_labels, g)
    rim = int(torch.randint(RIM_VOXELS[0], RIM_VOXELS[1] + 1, (1,), generator=g))
    shift = torch.randint(-SHIFT_VOXELS, SHIFT_VOXELS + 1, (3,), generator=g).tolist()
    tumour = donor_labels.nonzero()
    if not len(tumour):
        return images, labels
    here, there = [], []
    for axis in range(3):
        have, gives = labels.shape[axis], donor_labels.shape[axis]
        move = (have - gives) // 2 + shift[axis]
        first = int(tumour[:, axis].min()) - 2 * rim
        last = int(tumour[:, axis].max()) + 2 * rim + 1
        start, stop = max(first, 0, -move), min(last, gives, have - move)
        if stop <= start:
            return images, labels
        there.append(slice(start, stop))
        here.append(slice(start + move, stop + move))
    from_images = donor_images[(slice(None), *there)].float()
    from_labels = donor_labels[tuple(there)]
    into = images[(slice(None), *here)].float()
    share = _soft((from_labels > 0).float(), rim)
    share = share * (from_images != 0).any(0) * (into != 0).any(0)
    visible = torch.ones(len(images), 1, 1, 1)
    if happens(FADED, g):
        visible[int(torch.randint(len(images), (1,), generator=g))] = torch.rand(1, generator=g)
    visible = visible.to(images.device)
    images, labels = images.clone(), labels.clone()
    images[(slice(None), *here)] = torch.lerp(into, from_images, share * visible).to(images.dtype)
    labels[tuple(here)] = torch.where(share > 0.5, from_labels, labels[tuple(here)])
    return images, labels


def vary_tumour(images: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
    """Per sequence, a tumour brighter or darker as a whole, and so each of its parts.

    Tumours show in each sequence to very different degrees, more so than a few cases can tell;
    this keeps a network from trusting one sequence's contrast alone.
    """
    tumour = labels > 0
    if not tumour.any():
        return images
    # Pooling wants three voxels on every axis, which a tumour at the edge of a crop may not fill.
    box = bounding_box(tumour.cpu().numpy(), margin=2).slices
    labels, here = labels[box], (slice(None), *box)
    parts = [labels == 1, labels == 2, labels >= 3]
    soft = torch.stack([_soft_edge(part.float()) for part in parts])
    count = len(images)
    strength = WHOLE_CONTRAST * torch.randn(count, 1, generator=g)
    strength = strength + PART_CONTRAST * torch.randn(count, len(parts), generator=g)
    change = torch.einsum("sp,pxyz->sxyz", strength.to(soft.device), soft)
    images = images.clone()
    images[here] += change * (images[here] != 0)
    return images


def change_intensities(images: Tensor, chance: float, g: torch.Generator) -> Tensor:
    """Per sequence, each with `chance`: contrast and brightness, bias field, blur, noise.

    Voxels outside the head stay 0, as they are in prediction.
    """
    return torch.stack([_change(image, chance, g) for image in images])


def _change(image: Tensor, chance: float, g: torch.Generator) -> Tensor:
    head = image != 0
    if happens(chance, g):  # like a gamma curve, on a scale where the head is about -2..2
        curve = 0.25 * float(_uniform(1, g))
        image = image + curve * (image * image - 1).clamp(max=6)
    if happens(chance, g):
        strength = 0.25 * float(torch.rand(1, generator=g))
        image = image * _bias_field(image.shape, strength, g, image.device)
    if happens(chance, g):
        image = _blur(image, axis=int(torch.randint(3, (1,), generator=g)), g=g)
    if happens(chance, g):
        strength = 0.25 * float(torch.rand(1, generator=g))
        image = image + strength * _noise(image.shape, g, image.device)
    scale, shift = 1 + 0.2 * float(_uniform(1, g)), 0.2 * float(_uniform(1, g))
    return torch.where(head, image * scale + shift, image.new_zeros(()))


def _noise(shape: torch.Size, g: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal; drawn where it is needed, as so many numbers take long on a CPU."""
    if device.type == "cpu":
        return torch.randn(shape, generator=g)
    there = torch.Generator(device).manual_seed(int(torch.randint(2**62, (1,), generator=g)))
    return torch.randn(shape, generator=there, device=device)


def _bias_field(
    shape: torch.Size, strength: float, g: torch.Generator, device: torch.device
) -> Tensor:
    """A smooth field around 1, (x, y, z)."""
    coarse = torch.randn(1, 1, 4, 4, 4, generator=g).to(device) * strength
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


def _soft(mask: Tensor, rim: int) -> Tensor:
    """A mask (x, y, z) grown by `rim` voxels, its edge spread over about as many."""
    if mask.device.type != "cpu":
        return _soft_by_pooling(mask, rim)
    soft = mask.numpy()
    for axis in range(3):
        soft = ndimage.maximum_filter1d(soft, 2 * rim + 1, axis, mode="constant")
    for axis in range(3):
        soft = ndimage.uniform_filter1d(soft, 2 * (rim // 2) + 1, axis, mode="constant")
    # Running sums leave it by a rounding.
    return torch.from_numpy(soft).clamp_(0, 1)


def _soft_by_pooling(mask: Tensor, rim: int) -> Tensor:
    """The same up to rounding, where the mask lies: a GPU would wait for the processor."""
    soft = mask[None, None]
    for axis in range(3):
        along = [rim if a == axis else 0 for a in range(3)]
        soft = F.max_pool3d(soft, [2 * n + 1 for n in along], stride=1, padding=along)
    for axis in range(3):
        along = [rim // 2 if a == axis else 0 for a in range(3)]
        soft = F.avg_pool3d(soft, [2 * n + 1 for n in along], stride=1, padding=along)
    return soft[0, 0]


def _soft_edge(mask: Tensor) -> Tensor:
    return F.avg_pool3d(mask[None, None], 3, 1, 1)[0, 0]


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


def happens(p: float, g: torch.Generator) -> bool:
    """True with probability `p`."""
    return bool(torch.rand(1, generator=g) < p)
