"""Algorithm 1 of MCKD: the step that trains the network, the step that trains the weights.

`training_step` changes the network and nothing else, `meta_step` changes the raw importance
vector v and nothing else. Names follow the paper: f features, w importance weights, alpha the
weight of the distillation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mckd.method.equations import distillation, fill_missing, gate, importance, zero_missing
from mckd.method.options import MethodOptions

TaskLoss = Callable[[Tensor, Tensor], Tensor]
Synchronise = Callable[[Sequence[Tensor]], None]


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; training on would destroy the network."""


class MissingModalityNetwork(nn.Module):
    """What the method asks of a network. `decode` sees a feature for every modality.

    Features are a tuple of scales, deepest first, each (B, M, C, ...). The deepest is the one
    that is distilled; all are filled (Eq. 2).
    """

    modalities: tuple[str, ...]
    fill: str = "mean"
    """Features of missing modalities: `mean` of the available (Eq. 2), or `zero` (its ablation)."""

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        """Eq. 1. Reads `inputs[m][b]` only where `present[b, m]`."""
        raise NotImplementedError  # pragma: no cover - abstract

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """Output (B, ...) from complete features."""
        raise NotImplementedError  # pragma: no cover - abstract

    def forward(self, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
        return self.answer(self.encode(inputs, present), present)

    def answer(self, features: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """The output from features as `encode` gives them: Eq. 2, then G.

        A network that can spare the filled copies of its features may do so here.
        """
        return self.decode(self.complete(features, present))

    def complete(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        """Eq. 2 at every scale. Reads `features[s][b, m]` only where `present[b, m]`."""
        fill = fill_missing if self.fill == "mean" else zero_missing
        return tuple(fill(f, present) for f in features)


@dataclass(frozen=True)
class Batch:
    """inputs: one (B, ...) per modality; present: (B, M) bool; target: (B, ...)."""

    inputs: tuple[Tensor, ...]
    present: Tensor
    target: Tensor

    def to(self, device: torch.device | str) -> Batch:
        inputs = tuple(x.to(device, non_blocking=True) for x in self.inputs)
        return Batch(inputs, self.present.to(device), self.target.to(device))

    def split(self, parts: int) -> list[Batch]:
        """In at most `parts` batches of nearly equal size."""
        inputs = zip(*(x.tensor_split(parts) for x in self.inputs), strict=True)
        rest = zip(self.present.tensor_split(parts), self.target.tensor_split(parts), strict=True)
        pieces = [Batch(x, p, t) for x, (p, t) in zip(inputs, rest, strict=True)]
        return [piece for piece in pieces if len(piece.target)]


@dataclass(frozen=True)
class TrainingLosses:
    """The terms of Eq. 4 at one step: total = task + alpha * distillation."""

    total: float
    task: float
    distillation: float


def inner_loss(
    network: MissingModalityNetwork,
    w: Tensor,
    batch: Batch,
    task_loss: TaskLoss,
    options: MethodOptions,
) -> tuple[Tensor, Tensor, Tensor]:
    """Eq. 4: l_task(G(f_1..f_N), y) + alpha * l_ckd(f; w). Returns total, task, distillation."""
    features = network.encode(batch.inputs, batch.present)
    task = task_loss(network.answer(features, batch.present), batch.target)
    deepest = features[0]
    ckd = distillation(
        deepest.to(torch.promote_types(deepest.dtype, torch.float32)),  # bf16 sums too coarsely
        batch.present,
        w,
        p=options.p,
        detach_teacher=options.detach_teacher,
    )
    return task + options.alpha * ckd, task, ckd


def training_step(
    network: MissingModalityNetwork,
    v: Tensor,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    task_loss: TaskLoss,
    options: MethodOptions,
    *,
    step: int,
    accumulate: int = 1,
    autocast: AbstractContextManager[object] | None = None,
    synchronise: Synchronise | None = None,
) -> TrainingLosses:
    """One update of the network on a training batch (inner problem, Eq. 4). v stays as it is.

    Args:
        accumulate: parts that the batch is worked off in, for less memory; their gradients are
            averaged.

    Raises:
        NonFiniteLossError: before anything is changed.
    """
    w = importance(v.detach(), options.normalisation)
    optimizer.zero_grad(set_to_none=True)
    losses = torch.zeros(3)
    for part in batch.split(accumulate):
        with autocast or nullcontext():
            total, task, ckd = inner_loss(network, w, part, task_loss, options)
        _stop_if_not_finite(total, "training loss", step)
        share = len(part.target) / len(batch.target)
        (total * share).backward()
        losses += share * torch.stack([total, task, ckd]).detach().cpu()
    if synchronise:
        synchronise([_gradient(p) for p in network.parameters() if p.requires_grad])
    optimizer.step()
    return TrainingLosses(*losses.tolist())


def meta_step(
    network: MissingModalityNetwork,
    v: Tensor,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    task_loss: TaskLoss,
    options: MethodOptions,
    *,
    step: int,
    inner_batch: Batch | None = None,
    inner_lr: float = 0.0,
    autocast: AbstractContextManager[object] | None = None,
    synchronise: Synchronise | None = None,
) -> float:
    """One update of v on a meta-validation batch (outer problem, Eq. 3). The network stays.

    Args:
        v: (M,) raw importance vector with requires_grad.
        optimizer: holds v and nothing else.
        inner_batch, inner_lr: the training batch and step size of the inner update; needed by
            `unrolled` only.

    Returns:
        The validation loss.

    Raises:
        NonFiniteLossError: before anything is changed.
    """
    w = importance(v, options.normalisation)
    with autocast or nullcontext():
        if options.meta_gradient == "gating":
            loss = _gated_loss(network, w, batch, task_loss, options)
        else:
            if inner_batch is None or inner_lr <= 0:
                raise ValueError("The unrolled meta gradient needs inner_batch and inner_lr > 0.")
            loss = _unrolled_loss(network, w, batch, inner_batch, inner_lr, task_loss, options)
    _stop_if_not_finite(loss, "meta-validation loss", step)
    (v.grad,) = torch.autograd.grad(loss, [v])
    if synchronise:
        synchronise([v.grad])
    optimizer.step()
    v.grad = None
    return loss.item()


@torch.no_grad()
def predict(network: MissingModalityNetwork, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
    """The network's output in evaluation mode; the mode is put back afterwards."""
    with _evaluating(network):
        return cast(Tensor, network(inputs, present))


def _gated_loss(
    network: MissingModalityNetwork,
    w: Tensor,
    batch: Batch,
    task_loss: TaskLoss,
    options: MethodOptions,
) -> Tensor:
    """l_task(G(w_1 f_1, ..., w_N f_N), y), the released code's validation pass."""
    scale = 1.0 if options.gating_scale == "one" else float(len(w))
    with _evaluating(network):
        with torch.no_grad():  # v is reached through the decoder only
            encoded = network.encode(batch.inputs, batch.present)
            features = network.complete(encoded, batch.present)
        output = network.decode(tuple(gate(f, w, scale) for f in features))
    return task_loss(output, batch.target)


def _unrolled_loss(
    network: MissingModalityNetwork,
    w: Tensor,
    batch: Batch,
    inner_batch: Batch,
    inner_lr: float,
    task_loss: TaskLoss,
    options: MethodOptions,
) -> Tensor:
    """L_val(theta*(w)) with theta* = theta - inner_lr * grad Eq. 4: one step of the inner SGD."""
    parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
    with _evaluating(network):
        total, _, _ = inner_loss(network, w, inner_batch, task_loss, options)
        gradients = torch.autograd.grad(
            total, list(parameters.values()), create_graph=True, allow_unused=True
        )
        updated = {
            name: p if g is None else p - inner_lr * g
            for (name, p), g in zip(parameters.items(), gradients, strict=True)
        }
        output = torch.func.functional_call(network, updated, (batch.inputs, batch.present))
    return task_loss(output, batch.target)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: no dropout, and no running statistic is touched."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _gradient(parameter: Tensor) -> Tensor:
    """The parameter's gradient; zeros where this process had no sample that reaches it."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _stop_if_not_finite(loss: Tensor, name: str, step: int) -> None:
    if not bool(torch.isfinite(loss)):
        raise NonFiniteLossError(
            f"The {name} is {loss.item()} at step {step}. The network was left as it was before "
            "this step. Lower the learning rate, or resume from the last checkpoint with another "
            "seed."
        )
