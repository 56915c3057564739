"""SMIL (Ma et al., AAAI 2021, arXiv 2103.05677): a missing feature is learned to be imputed by
meta-learning, from few complete samples.

    prior           the features of modality m on the complete samples have K means mu_mk (k-means)
    imputation      f_m = sum_k w_k mu_mk,  w = softplus(A_m f) / sum,  f the present feature
    regularisation  features are multiplied by softplus(B f + e), e ~ N(0, 1)
    inner step      theta' = theta - eta grad l_task(theta) on samples that lack something
    outer step      on complete samples with a modality hidden, the gradient through theta':
                    l_task(theta') + 0.01 ||imputed - true||_2^2 over all features

`eta` is 1e-3, x 0.1 every 1,000 steps. Predictions are the mean of 30 stochastic passes.

Other than the authors' code: the best checkpoint is not chosen on the test part; the noise of the
passes is fixed, so that an answer is the same each time; both modalities can be missing, so f is
the mean of the present ones; features are those of the task's own network, of one width, and the
64 hidden units of its head are neither regularised nor matched, as a system does not see into a
head. The encoders are trained for `encoder_steps` first, as theirs are. Theirs takes the outer
loss alone, of a network that is trained already, and freezes the encoder of the sound; ours adds
the task loss of the batch (`inner_weight`), so that what lacks something goes on teaching, and all
encoders learn. For features that are vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import Batch, gradient, stop_if_not_finite
from mckd.systems.blocks import TASK, descend, task_alone
from mckd.systems.imputed import ImputingNetwork, ImputingSystem, at, hide_one, some_of
from mckd.systems.system import Moment, Parts

PRIORS = 10
PASSES = 30
DECAY_STEPS = 1000


@dataclass(frozen=True)
class SMILOptions:
    """What SMIL can be told; defaults are the authors' code, but for inner_weight.

    encoder_steps: steps of the network before the priors are fitted and meta-learning begins.
    inner_lr: step size of the inner update.
    matching: weight of the squared distance of imputed to true features.
    inner_weight: weight of the task loss of the batch itself, beside the outer loss (theirs: 0).
    """

    encoder_steps: int = 580
    inner_lr: float = 1e-3
    matching: float = 0.01
    inner_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.encoder_steps < 1:
            raise ValueError(f"encoder_steps must be at least 1, not {self.encoder_steps}.")


class SMILNetwork(ImputingNetwork):
    """Imputes by weighted priors and regularises by noise, once the priors are fitted."""

    priors: Tensor
    noise: Tensor

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        modalities, c = len(self.modalities), self.channels
        self.weigh = nn.ModuleList(nn.Linear(c, PRIORS) for _ in self.modalities)
        self.regularise = nn.Linear(c, modalities * c)
        self.register_buffer("priors", torch.zeros(modalities, PRIORS, c))
        fixed = torch.randn(PASSES, 1, modalities, c, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", fixed, persistent=False)

    def impute(self, mean: Tensor) -> Tensor:
        w = torch.stack([normalised(weigh(mean)) for weigh in self.weigh], 1)
        return torch.einsum("bmk,mkc->bmc", w, self.priors)

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """One stochastic pass in training, the mean of 30 with fixed noise otherwise."""
        (f,) = features
        if not self.fitted:
            return self.own.decode(features)
        if self.training:
            return self.own.decode((self.noisy(f, torch.randn_like(f)),))
        passes = self.noisy(f, self.noise)
        output = self.own.decode((passes.flatten(0, 1),))
        return output.view(PASSES, len(f), *output.shape[1:]).mean(0)

    def noisy(self, f: Tensor, noise: Tensor) -> Tensor:
        """f softplus(B mean(f) + e) of complete features (B, M, C) and e (..., B or 1, M, C)."""
        return f * F.softplus(self.regularise(f.mean(1)).view_as(f) + noise)


class SMIL(ImputingSystem):
    """Task loss first, then meta-steps."""

    Options = SMILOptions
    options: SMILOptions
    network: SMILNetwork

    @classmethod
    def build(cls, parts: Parts, options: SMILOptions) -> SMILNetwork:
        return SMILNetwork(parts)

    @classmethod
    def twice(cls, options: SMILOptions) -> bool:
        return True

    def fit(self, features: Tensor) -> None:
        means = [k_means(features[:, m], PRIORS) for m in range(features.shape[1])]
        self.network.priors.copy_(torch.stack(means))

    def update(self, now: Moment) -> dict[str, float]:
        if not self.network.fitted:
            return descend(self, now, task_alone(self))
        optimizer, options = self.optimizers["optimizer"], self.options
        passed = (now.step - options.encoder_steps) // DECAY_STEPS
        inner, outer, apart = self.losses(now.batch, options.inner_lr * 0.1**passed)
        total = outer + options.matching * apart + options.inner_weight * inner
        stop_if_not_finite(total, "training loss", now.step)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.trainer.synchronise([gradient(p) for p in self.network.parameters()])
        optimizer.step()
        self.average_statistics()
        found = {"loss": total, TASK: inner, "outer_loss": outer, "matching_loss": apart}
        return {name: loss.item() for name, loss in found.items()}

    def losses(self, batch: Batch, lr: float) -> tuple[Tensor, Tensor, Tensor]:
        """Task loss of the batch; of complete samples under theta', task loss and matching."""
        lacking = self.lacking(batch)
        inner = self.trainer.task_loss(
            self.network(lacking.inputs, lacking.present), lacking.target
        )
        complete = at(self.complete, some_of(self.complete, len(batch.target)))
        output, apart = under(self.network, inner, lr, complete)
        return inner, self.trainer.task_loss(output, complete.target), apart

    def lacking(self, batch: Batch) -> Batch:
        """The samples of a batch that lack something; all, if none does."""
        rows = ~batch.present.all(1)
        return at(batch, rows) if rows.any() else batch

    @cached_property
    def complete(self) -> Batch:
        return self.trainer.complete()


class Outer(nn.Module):
    """What the outer loss needs of one pass: the output of complete samples with a modality
    hidden, and the mean square between imputed and true features."""

    def __init__(self, network: ImputingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        network = self.network
        (true,) = network.encode(inputs, present)
        _, hidden = hide_one(true)
        (imputed,) = network.complete((true,), ~hidden)
        return network.decode((imputed,)), F.mse_loss(imputed, true)


def under(
    network: ImputingNetwork, inner: Tensor, lr: float, batch: Batch
) -> tuple[Tensor, Tensor]:
    """`Outer` under theta' = theta - lr grad inner, differentiable with respect to theta."""
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(
        inner, [*parameters.values()], create_graph=True, allow_unused=True
    )
    updated = {
        f"network.{name}": p if g is None else p - lr * g
        for (name, p), g in zip(parameters.items(), gradients, strict=True)
    }
    found: tuple[Tensor, Tensor] = torch.func.functional_call(
        Outer(network), updated, (batch.inputs, batch.present)
    )
    return found


def normalised(x: Tensor) -> Tensor:
    """softplus(x) / sum over the last axis: positive weights that sum to 1."""
    w = F.softplus(x)
    return w / w.sum(-1, keepdim=True)


def k_means(x: Tensor, k: int, rounds: int = 100) -> Tensor:
    """Centres (k, C) of points (n, C): Lloyd's algorithm from k-means++ seeds.

    With fewer different points than k, centres repeat.
    """
    centres = x[torch.randint(len(x), (1,)).to(x.device)]
    while len(centres) < k:
        nearest = torch.cdist(x, centres).amin(1).square().cpu()
        weights = nearest if nearest.any() else torch.ones_like(nearest)
        centres = torch.cat([centres, x[torch.multinomial(weights, 1).to(x.device)]])
    for _ in range(rounds):
        of = F.one_hot(torch.cdist(x, centres).argmin(1), k).to(x.dtype)
        count = of.sum(0)[:, None]
        moved = torch.where(count > 0, of.T @ x / count.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
