"""SMIL's first stage: each encoder trained alone, with a head of its own, before any fusion.

The recipes are those of SMIL's code (Ma et al., AAAI 2021): Adam at 1e-3 with a weight decay of
1e-4; pictures 50 epochs in batches of 64, the rate x 0.1 every 20; sounds 35 epochs in batches of
4, x 0.5 every 10. What the training part lacks at its rate is lacking here too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.digits.network import UnimodalNetwork
from mckd.digits.parts import DigitParts, paper_parts
from train.task import generator

_ORDER_STREAM, _NETWORK_STREAM = 201, 202


@dataclass(frozen=True)
class Recipe:
    """The learning rate is multiplied by `factor` every `every` epochs."""

    epochs: int
    batch_size: int
    factor: float
    every: int


RECIPES = {"visual": Recipe(50, 64, 0.1, 20), "audio": Recipe(35, 4, 0.5, 10)}


def with_trained_encoders(
    parts: DigitParts,
    inputs: Sequence[Tensor],
    present: Tensor,
    labels: Tensor,
    image_encoder: str,
    seed: int,
) -> DigitParts:
    """The parts with encoders that begin as trained alone on the samples that have a modality.

    Args:
        inputs: one (n, 1, height, width) per modality. present: (n, M) bool. labels: (n,).
    """
    encoders = {}
    for m, name in enumerate(parts.modalities):
        rows = present[:, m]
        torch.manual_seed(generator(seed, _NETWORK_STREAM, m).initial_seed())
        network = UnimodalNetwork(name, image_encoder)
        train_alone(network, inputs[m][rows], labels[rows], RECIPES[name], seed)
        weights = copy.deepcopy(network.encoders[name].state_dict())
        encoders[name] = partial(_begin_with, parts.encoders[name], weights)
    return paper_parts(parts.modalities, encoders, image_encoder)


def train_alone(
    network: UnimodalNetwork, x: Tensor, labels: Tensor, recipe: Recipe, seed: int
) -> None:
    """Minimise the cross-entropy of one modality's samples by its recipe."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, recipe.every, recipe.factor)
    orders = generator(seed, _ORDER_STREAM)
    network.train()
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(x), generator=orders).split(recipe.batch_size):
            here = torch.ones(len(rows), 1, dtype=torch.bool)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(network([x[rows]], here), labels[rows]).backward()
            optimizer.step()
        schedule.step()


def _begin_with(
    encoder: Callable[[int], nn.Module], weights: Mapping[str, Tensor], width: int
) -> nn.Module:
    """An encoder of this width whose first part, before the projection, has these weights."""
    built = encoder(width)
    assert isinstance(built, nn.Sequential)
    built[0].load_state_dict(weights)
    return built
