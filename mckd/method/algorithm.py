"""Algorithm 1 of MCKD: the step that trains the network, the step that trains the weights.

`training_step` changes the network and nothing else, `meta_step` changes the raw importance
vector v and nothing else. Names follow the paper: f features, w importance weights, alpha the
weight of the distillation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from mckd.method.contract import (
    Batch,
    MissingModalityNetwork,
    TaskLoss,
    evaluating,
    stop_if_not_finite,
)
from mckd.method.equations import distillation, gate, importance, normalise_channels
from mckd.method.options import MethodOptions


def training_step(learner: Learner, batch: Batch, *, step: int, accumulate: int = 1) -> Losses:
    """One update of the network on a training batch (inner problem, Eq. 4). v stays as it is.

    Args:
        accumulate: parts that the batch is worked off in, for less memory; their gradients are
            averaged.

    Raises:
        NonFiniteLossError: before anything is changed.
    """
    w = importance(learner.v.detach(), learner.options.normalisation)
    learner.optimizer.zero_grad(set_to_none=True)
    losses = torch.zeros(())
    for part in batch.split(accumulate):
        with learner.autocast():
            total, terms = inner_loss(learner, w, part)
        stop_if_not_finite(total, "training loss", step)
        share = len(part.target) / len(batch.target)
        (total * share).backward()
        losses = losses + share * torch.stack([total, *terms.values()]).detach().cpu()
    learner.synchronise([gradient(p) for p in learner.network.parameters() if p.requires_grad])
    learner.optimizer.step()
    total, task, ckd, *others = losses.tolist()
    return Losses(total, task, ckd, dict(zip(list(terms)[2:], others, strict=True)))


def meta_step(
    learner: Learner, batch: Batch, *, step: int, inner_batch: Batch, inner_lr: float
) -> float:
    """One update of v on a meta-validation batch (outer problem, Eq. 3). The network stays.

    Args:
        inner_batch, inner_lr: the training batch and step size of the inner update, which the
            `unrolled` gradient goes through.

    Returns:
        The validation loss.

    Raises:
        NonFiniteLossError: before anything is changed.
    """
    w = importance(learner.v, learner.options.normalisation)
    with learner.autocast():
        if learner.options.meta_gradient == "gating":
            loss = _gated_loss(learner, w, batch)
        else:
            loss = _unrolled_loss(learner, w, batch, inner_batch, inner_lr)
    stop_if_not_finite(loss, "meta-validation loss", step)
    (learner.v.grad,) = torch.autograd.grad(loss, [learner.v])
    learner.average([learner.v.grad])
    learner.iwv_optimizer.step()
    learner.v.grad = None
    return loss.item()


def inner_loss(learner: Learner, w: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Eq. 4: l_task(G(f_1..f_N), y) + alpha * l_ckd(f; w), and the network's own losses.

    Returns:
        The total, and its terms without their weights: `task`, `distillation`, the network's own.
    """
    network, options = learner.network, learner.options
    features = network.encode(batch.inputs, batch.present)
    output, others = network.respond(features, batch)
    task = learner.task_loss(output, batch.target)
    ckd = _distillation(options, features, batch.present, w)
    total, terms = task + options.alpha * ckd, {"task": task, "distillation": ckd}
    for name, (weight, loss) in others.items():
        total, terms[name] = total + weight * loss, loss
    return total, terms


@dataclass(frozen=True)
class Learner:
    """What both steps work on.

    v: (M,) raw importance vector with requires_grad. optimizer: of the network. iwv_optimizer:
    holds v and nothing else. autocast: the precision of a forward pass. synchronise: what is done
    to the gradients of the network before its update, average: to that of v.
    """

    network: MissingModalityNetwork
    v: Tensor
    optimizer: torch.optim.Optimizer
    iwv_optimizer: torch.optim.Optimizer
    task_loss: TaskLoss
    options: MethodOptions
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    synchronise: Callable[[Sequence[Tensor]], None] = lambda gradients: None
    average: Callable[[Sequence[Tensor]], None] = lambda gradients: None


@dataclass(frozen=True)
class Losses:
    """The terms of Eq. 4 at one step: total = task + alpha * distillation, and `others` weighted.

    others: by name, those of the network's own.
    """

    total: float
    task: float
    distillation: float
    others: Mapping[str, float]


def _distillation(
    options: MethodOptions, features: tuple[Tensor, ...], present: Tensor, w: Tensor
) -> Tensor:
    """Eq. 5 between the features that the options name: the mean over their scales."""
    terms = []
    for f in features if options.distil_scales == "all" else features[:1]:
        f = f.to(torch.promote_types(f.dtype, torch.float32))  # bf16 sums too coarsely
        if options.distil_norm == "instance":
            f = normalise_channels(f)
        terms.append(
            distillation(
                f,
                present,
                w,
                p=options.p,
                detach_teacher=options.detach_teacher,
                clamp=options.clamp,
            )
        )
    return torch.stack(terms).mean()


def _gated_loss(learner: Learner, w: Tensor, batch: Batch) -> Tensor:
    """l_task(G(w_1 f_1, ..., w_N f_N), y), the released code's validation pass.

    The code gates the bottleneck alone; with `gate` all, the weights are those of the skips too.
    """
    network = learner.network
    scale = 1.0 if learner.options.gating_scale == "one" else float(len(w))
    with evaluating(network):
        with torch.no_grad():  # v is reached through the decoder only
            encoded = network.encode(batch.inputs, batch.present)
            features = network.complete(encoded, batch.present)
        gated = len(features) if learner.options.gate == "all" else 1
        output = network.decode((*(gate(f, w, scale) for f in features[:gated]), *features[gated:]))
    return learner.task_loss(output, batch.target)


def _unrolled_loss(
    learner: Learner, w: Tensor, batch: Batch, inner_batch: Batch, inner_lr: float
) -> Tensor:
    """L_val(theta*(w)) with theta* = theta - inner_lr * grad Eq. 4: one step of the inner SGD."""
    network = learner.network
    parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
    with evaluating(network):
        total, _ = inner_loss(learner, w, inner_batch)
        gradients = torch.autograd.grad(
            total, list(parameters.values()), create_graph=True, allow_unused=True
        )
        updated = {
            name: p if g is None else p - inner_lr * g
            for (name, p), g in zip(parameters.items(), gradients, strict=True)
        }
        output = torch.func.functional_call(network, updated, (batch.inputs, batch.present))
    return learner.task_loss(output, batch.target)


def gradient(parameter: Tensor) -> Tensor:
    """The parameter's gradient; zeros where this process had no sample that reaches it."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
