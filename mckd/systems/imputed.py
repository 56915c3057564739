"""What systems that impute features share: a missing feature is made from the present ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mckd.method import (
    Batch,
    MissingModalityNetwork,
    evaluating,
    fill_missing,
    stop_if_not_finite,
)
from mckd.systems.blocks import descend, task_alone
from mckd.systems.fused import of_present
from mckd.systems.system import MapParts, Moment, Parts, System

HIDDEN = 256
IMPUTER_LR = 1e-3


class ImputingNetwork(MissingModalityNetwork):
    """The task's own network; a missing feature is imputed from the mean of the present ones.

    Until the imputation is fitted it is that mean (Eq. 2). With two modalities the mean is the one
    feature there is. A subclass says how, in `impute`.

    Raises:
        ValueError: the features of the task are no vectors.
    """

    fitted: Tensor

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        if isinstance(parts, MapParts):
            raise ValueError("This system imputes vectors of features: it is not for segmentation.")
        self.modalities = parts.modalities
        self.channels = parts.channels
        self.own = parts.network()
        self.register_buffer("fitted", torch.tensor(False))

    @property
    def trunk(self) -> MissingModalityNetwork:
        return self.own

    def impute(self, mean: Tensor) -> Tensor:
        """Features of all modalities (B, M, C) from the mean of the present ones (B, C)."""
        raise NotImplementedError  # pragma: no cover - abstract

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        return self.own.encode(inputs, present)

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        return self.own.encode_one(x, modality)

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        return self.own.decode(features)

    def complete(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        (f,) = features
        if not self.fitted:
            return (fill_missing(f, present),)
        f = of_present(f, present)
        mean = f.sum(1) / present.sum(1, keepdim=True)
        return (torch.where(present[:, :, None], f, self.impute(mean)),)

    def of_subset(self, features: Mapping[int, tuple[Tensor, ...]]) -> list[dict[int, Tensor]]:
        (given,) = super().of_subset(features)
        if not self.fitted:
            return [given]
        imputed = self.impute(torch.stack([*given.values()]).mean(0))
        return [{m: given.get(m, imputed[:, m]) for m in range(len(self.modalities))}]


class PerceptronNetwork(ImputingNetwork):
    """Imputes each modality by a perceptron of its own with one hidden layer, C-256-C."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        c = self.channels
        self.imputers = nn.ModuleList(perceptron(c, HIDDEN, c) for _ in self.modalities)

    def impute(self, mean: Tensor) -> Tensor:
        return torch.stack([imputer(mean) for imputer in self.imputers], 1)


class ImputingSystem(System):
    """Trains the task's network as Eq. 2 fills it; at `encoder_steps` the imputation is fitted to
    the features of the complete samples, and frozen; then the network is trained on with it."""

    network: ImputingNetwork

    def step(self, now: Moment) -> dict[str, float]:
        if now.step == self.options.encoder_steps:
            self.fit_to_complete_samples(now)
        return self.update(now)

    def update(self, now: Moment) -> dict[str, float]:
        """One update of the network."""
        return descend(self, now, task_alone(self))

    def fit_to_complete_samples(self, now: Moment) -> None:
        """Fit once, with draws that are a function of the step alone.

        A limit: so they are the same for every seed of a run (a GAN's first discriminators, which
        modality is hidden, where k-means begins), whose seeds then differ by encoders, order and
        dropped modalities only. Kept, for runs that a table compares were trained so.
        """
        batch = self.trainer.complete()
        with evaluating(self.network), torch.no_grad():
            (features,) = self.network.encode(batch.inputs, batch.present)
        stop_if_not_finite(features.sum(), "sum of the features", now.step)
        with same_everywhere(now.step):
            self.fit(features)
        self.network.fitted.fill_(True)

    def fit(self, features: Tensor) -> None:
        """Fit the imputation to features (n, M, C) of which nothing is missing."""
        raise NotImplementedError  # pragma: no cover - abstract


class PerceptronSystem(ImputingSystem):
    """With perceptrons, which the task loss does not move."""

    network: PerceptronNetwork

    def __init__(self, parts: Parts, options: Any, trainer: Any) -> None:
        super().__init__(parts, options, trainer)
        self.network.imputers.requires_grad_(False)
        own = self.network.own.parameters()
        self.optimizers["optimizer"] = trainer.optimizer(own)

    @classmethod
    def build(cls, parts: Parts, options: Any) -> PerceptronNetwork:
        return PerceptronNetwork(parts)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """One hidden layer with ReLU."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def hide_one(features: Tensor) -> tuple[Tensor, Tensor]:
    """Hide a modality of each row, at random.

    Args:
        features: (n, M, C), complete.

    Returns:
        The mean of the others (n, C), and the mask (n, M) of what is hidden.
    """
    count = features.shape[1]
    chosen = torch.randint(count, (len(features),)).to(features.device)
    hidden = torch.arange(count, device=features.device) == chosen[:, None]
    shown = of_present(features, ~hidden)
    return shown.sum(1) / (count - 1), hidden


def some_of(samples: Batch, count: int) -> Tensor:
    """The places of `count` samples at random, (count,)."""
    return torch.randint(len(samples.target), (count,)).to(samples.target.device)


def at(samples: Batch, rows: Tensor) -> Batch:
    """The samples at these places, or where a mask says so."""
    inputs = tuple(x[rows] for x in samples.inputs)
    return Batch(inputs, samples.present[rows], samples.target[rows])


@contextmanager
def same_everywhere(seed: int) -> Iterator[None]:
    """What is random on the CPU is a function of the seed alone, the same in all processes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
