"""A light network that tells brain from the rest of a head in any MRI sequence.

A 3-D U-Net in patches of 2 voxels of 2 mm: convolutions see an eighth of the voxels, outlines
stay at 2 mm. Trained to give the masks of HD-BET (see `hdbet`) by `python -m train brain`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mckd.files.checkpoint import CheckpointError, load_checkpoint

PATCH = 2
WIDTHS = (16, 32, 48, 64)


class BrainNetwork(nn.Module):
    """(B, 1, X, Y, Z), axes right, front, up, voxels of `SPACING_MM`, mean 0 and deviation 1,
    each axis a multiple of `MULTIPLE`: the logit of brain, (B, X, Y, Z)."""

    SPACING_MM = 2.0
    MULTIPLE = PATCH * 2 ** (len(WIDTHS) - 1)
    LEAST = 96

    def __init__(self) -> None:
        super().__init__()
        first, *deeper = WIDTHS
        self.start = nn.Sequential(_Layer(PATCH**3, first), _Layer(first, first))
        above = zip(WIDTHS, deeper, strict=False)
        self.down = nn.ModuleList(
            nn.Sequential(_Layer(a, b, stride=2), _Layer(b, b)) for a, b in above
        )
        below = list(zip(WIDTHS, deeper, strict=False))[::-1]
        self.up = nn.ModuleList(_Layer(a + b, a) for a, b in below)
        self.end = nn.Conv3d(first, PATCH**3, 1)
        for weights in self.parameters():  # the layout in which convolutions are fastest
            if weights.ndim == 5:
                weights.data = weights.data.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, head: Tensor) -> Tensor:
        x = self.start(_to_patches(head).contiguous(memory_format=torch.channels_last_3d))
        scales = [x]
        for down in self.down:
            scales.append(down(scales[-1]))
        x = scales.pop()
        for up in self.up:
            wide = functional.interpolate(x, scale_factor=2, mode="trilinear")
            x = up(torch.cat((wide, scales.pop()), 1))
        return _from_patches(self.end(x))


class _Layer(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
        )


def _to_patches(volume: Tensor) -> Tensor:
    """(B, 1, X, Y, Z) to (B, P^3, X/P, Y/P, Z/P)."""
    b, _, *shape = volume.shape
    x, y, z = (n // PATCH for n in shape)
    parts = volume.reshape(b, x, PATCH, y, PATCH, z, PATCH)
    return parts.permute(0, 2, 4, 6, 1, 3, 5).reshape(b, PATCH**3, x, y, z)


def _from_patches(patches: Tensor) -> Tensor:
    """(B, P^3, x, y, z) to (B, P x, P y, P z)."""
    b, _, x, y, z = patches.shape
    parts = patches.reshape(b, PATCH, PATCH, PATCH, x, y, z)
    return parts.permute(0, 4, 1, 5, 2, 6, 3).reshape(b, PATCH * x, PATCH * y, PATCH * z)


def load_brain_network(path: Path) -> BrainNetwork:
    """The network of a checkpoint, ready to predict.

    Raises:
        CheckpointError: damaged, altered, or of something else.
    """
    checkpoint = load_checkpoint(path)
    network = BrainNetwork()
    try:
        network.load_state_dict(checkpoint.part("network"))
    except RuntimeError as error:
        raise CheckpointError(f"{path.name} holds no network that finds a brain.") from error
    return network.eval()
