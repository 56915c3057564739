"""U-HeMIS: hetero-modal segmentation by moments over the modalities.

Havaei et al., MICCAI 2016 (arXiv 1607.05194): each modality is encoded by itself, and a subset A of
them is described by the first two moments of their features f_k,

    E[f]   = 1/|A| sum_{k in A} f_k
    Var[f] = 1/|A| sum_{k in A} (f_k - E[f])^2          (0 for a single modality)

concatenated, so that a decoder sees the same number of channels whatever is missing. As a U-Net,
with the moments taken at every scale, in Dorent et al., MICCAI 2019 (arXiv 1907.11150). The loss is
the task's alone.

Other than the authors' code: encoders and decoder are the trunk's (their units have no residual,
pool by maximum and enlarge linearly), so that all compared systems differ in what they do with
modalities only; loss, optimiser and drops are the run's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mckd.method import MissingModalityNetwork
from mckd.systems.blocks import descend, task_alone
from mckd.systems.fused import FusedNetwork, of_present
from mckd.systems.system import Moment, Parts, System


@dataclass(frozen=True)
class HeMISOptions:
    """There is nothing to choose."""


class HeMISNetwork(FusedNetwork):
    """The decoder sees mean and variance, each of half the trunk's width."""

    def fuse(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        return tuple(moments(f, present) for f in features)


class HeMIS(System):
    """The task loss alone."""

    Options = HeMISOptions

    @classmethod
    def build(cls, parts: Parts, options: HeMISOptions) -> MissingModalityNetwork:
        return HeMISNetwork(parts)

    def step(self, now: Moment) -> dict[str, float]:
        return descend(self, now, task_alone(self))


def moments(features: Tensor, present: Tensor) -> Tensor:
    """Mean and population variance over the present modalities, one after the other.

    Worked out in float32: the difference of nearly equal numbers.

    Args:
        features: (B, M, C, ...). present: (B, M) bool, at least one True per row.

    Returns:
        (B, 2 C, ...).
    """
    f = of_present(features, present).float()
    count = present.sum(1).view(-1, *[1] * (f.ndim - 2))
    mean = f.sum(1) / count
    apart = of_present(f - mean.unsqueeze(1), present)
    variance = apart.square().sum(1) / count
    return torch.cat([mean, variance], 1).to(features.dtype)
