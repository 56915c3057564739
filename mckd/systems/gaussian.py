"""Gaussians of latent maps, each element independent of the others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LIMIT = 10.0
"""Of a log variance, on both sides of 0."""


@dataclass(frozen=True)
class Gaussian:
    """N(mean, exp(log_variance)) of each element, both (B, C, ...) in float32."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """One draw, through which gradients flow."""
        deviation = (0.5 * self.log_variance).exp()
        return self.mean + deviation * torch.randn_like(deviation)


def divergence(q: Gaussian, p: Gaussian | None = None) -> Tensor:
    """KL(q || p), the mean over elements; p is N(0, 1) if none is given.

    Of one element: (log s_p^2 - log s_q^2 + (s_q^2 + (m_q - m_p)^2) / s_p^2 - 1) / 2.
    """
    p = p or Gaussian(torch.zeros_like(q.mean), torch.zeros_like(q.mean))
    apart = q.log_variance - p.log_variance
    off = (q.mean - p.mean).square() * (-p.log_variance).exp()
    return 0.5 * (apart.exp() - apart + off - 1).mean()
