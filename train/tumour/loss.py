"""The segmentation loss: Dice plus binary cross-entropy (paper Sec. 4.2; the code's weights)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

SMOOTH = 1.0  # voxels; keeps the Dice of an empty region defined


def segmentation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over regions of 1 - Dice, plus the sum over regions of the mean cross-entropy.

    Args:
        logits: (B, R, X, Y, Z).
        target: (B, R, X, Y, Z) of 0 and 1, any type.

    Returns:
        Scalar >= 0, float32, the mean over the batch.
    """
    loss: Tensor = _DiceAndCrossEntropy.apply(logits, target)
    return loss


def plain_segmentation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """The same value, differentiable twice, as the unrolled meta gradient needs it."""
    z, t = logits.float(), target.float()
    p = z.sigmoid()
    space = (2, 3, 4)
    dice = (2 * (p * t).sum(space) + SMOOTH) / (p.sum(space) + t.sum(space) + SMOOTH)
    cross_entropy = F.binary_cross_entropy_with_logits(z, t)
    return 1 - dice.mean() + logits.shape[1] * cross_entropy


class _DiceAndCrossEntropy(torch.autograd.Function):
    """Its gradient is written out: at 11 million voxels autograd's own passes would cost as much
    as a scale of the network."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        z, t = logits.float(), target.float()
        p = z.sigmoid()
        space = (2, 3, 4)
        overlap = (p * t).sum(space)
        size = p.sum(space) + t.sum(space) + SMOOTH
        dice = (2 * overlap + SMOOTH) / size
        cross_entropy = F.softplus(z).sum() - (z * t).sum()
        ctx.save_for_backward(p, t, overlap, size)
        return 1 - dice.mean() + cross_entropy * dice.shape[1] / z.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        p, t, overlap, size = ctx.saved_tensors
        batch, regions = size.shape
        count = batch * regions
        # d(1 - dice)/dp = by_target * t + everywhere
        by_target = (-2 / size / count)[:, :, None, None, None]
        everywhere = ((2 * overlap + SMOOTH) / size.square() / count)[:, :, None, None, None]
        slope = torch.addcmul(everywhere, t, by_target).mul_(p).mul_(1 - p)
        slope.add_(p - t, alpha=regions / p.numel())
        return slope.mul_(gradients[0]), None
