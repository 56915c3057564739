"""Muon: gradient steps whose matrices are made orthogonal, for the kernels of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
STEPS = 5
# Of the iteration's polynomial, from the source of the method: steep at 0, so that five steps
# bring singular values of any size near 1. They end between 0.7 and 1.2, which is near enough.
A, B, C = 3.4445, -4.7750, 2.0315
SIZE = 0.2  # root mean square of AdamW's usual steps: its learning rates and decay carry over


class Muon(torch.optim.AdamW):
    """K. Jordan et al., Muon, 2024, as scaled in arXiv 2502.16982 (Eq. 4); AdamW for the rest.

    A gradient of a kernel, as a matrix of outputs by inputs and taps, has a few directions that
    are far stronger than the others; here all of them are learned equally fast. Everything that is
    no kernel, and the kernel of the last layer (`head`), takes AdamW's steps.
    """

    def __init__(self, network: nn.Module, lr: float, weight_decay: float) -> None:
        super().__init__(network.parameters(), lr, weight_decay=weight_decay)
        self._kernels = [
            p for name, p in network.named_parameters() if p.ndim > 2 and "head" not in name
        ]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        (group,) = self.param_groups
        for kernel in self._kernels:
            gradient, kernel.grad = kernel.grad, None  # AdamW passes over what has none
            if gradient is None:
                continue
            state = self.state[kernel]
            if not state:  # AdamW wants a step in every state that it loads
                state.update(step=torch.zeros(()), mean=torch.zeros_like(kernel))
            state["step"] += 1
            mean = state["mean"].lerp_(gradient, 1 - MOMENTUM)
            change = orthogonal(gradient.lerp(mean, MOMENTUM).flatten(1))  # Nesterov's look ahead
            kernel.mul_(1 - group["lr"] * group["weight_decay"])
            size = SIZE * max(change.shape) ** 0.5
            kernel.add_(change.view(kernel.shape), alpha=-group["lr"] * size)
        return super().step(closure)


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V' of the matrix U S V', (m, n), by Newton-Schulz iteration; 0 stays 0."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x if wide else x.T
