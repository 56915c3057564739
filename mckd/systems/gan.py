"""GAN: a missing feature is generated from the present ones, against a discriminator.

The paper cites Goodfellow et al. (Communications of the ACM, 2020) for a system that neither it nor
SMIL (Ma et al., AAAI 2021) describes. Our reconstruction: a generator g (perceptron C-256-C) from
the present features to the missing one and a discriminator D (C-128-1), trained in turns on the
complete samples,

    discriminator   softplus(-D(f_j)) + softplus(D(g(f_i)))
    generator       softplus(-D(g(f_i))) + 10 || g(f_i) - f_j ||_2^2

(the non-saturating loss), after which g is frozen and the classifier trained on imputed features.
Each modality has a generator and a discriminator. The rest is as in the auto-encoder: features of
the task's own network, encoders trained before and after. For features that are vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.systems.imputed import (
    IMPUTER_LR,
    PerceptronNetwork,
    PerceptronSystem,
    hide_one,
    perceptron,
)


@dataclass(frozen=True)
class GANOptions:
    """How long the parts are trained, and what the generator is told.

    encoder_steps: steps of the network before the generators are trained.
    imputer_steps: updates of generators and discriminators, each on all complete samples.
    adversarial: weight of the adversarial loss of the generator.
    reconstruction: weight of its squared distance to the true feature.
    """

    encoder_steps: int = 580
    imputer_steps: int = 500
    adversarial: float = 1.0
    reconstruction: float = 10.0

    def __post_init__(self) -> None:
        if min(self.encoder_steps, self.imputer_steps) < 1:
            raise ValueError("encoder_steps and imputer_steps must be at least 1.")


class GAN(PerceptronSystem):
    """The task loss; generators and discriminators are trained once, by theirs."""

    Options = GANOptions
    options: GANOptions

    def fit(self, features: Tensor) -> None:
        game = Game(self.network, self.options)
        for _ in range(self.options.imputer_steps):
            game.discriminator_step(features)
            game.generator_step(features)
        self.network.imputers.requires_grad_(False)


class Game:
    """Generators (those of the network) against discriminators, which are thrown away."""

    def __init__(self, network: PerceptronNetwork, options: GANOptions) -> None:
        self.network, self.options = network, options
        self.discriminators = Discriminators(len(network.modalities), network.channels)
        self.discriminators.to(network.fitted.device)
        self.generator = _adam(network.imputers.requires_grad_(True))
        self.discriminator = _adam(self.discriminators)

    def discriminator_step(self, features: Tensor) -> float:
        """One update of the discriminators. features: (n, M, C), complete."""
        mean, hidden = hide_one(features)
        with torch.no_grad():
            generated = self.network.impute(mean)
        true, false = (self.discriminators(f)[hidden] for f in (features, generated))
        loss = F.softplus(-true).mean() + F.softplus(false).mean()
        return _update(self.discriminator, loss)

    def generator_step(self, features: Tensor) -> float:
        """One update of the generators."""
        mean, hidden = hide_one(features)
        generated = self.network.impute(mean)
        adversarial = F.softplus(-self.discriminators(generated)[hidden]).mean()
        apart = (generated - features)[hidden].square().mean()
        options = self.options
        return _update(
            self.generator, options.adversarial * adversarial + options.reconstruction * apart
        )


class Discriminators(nn.Module):
    """One for each modality: features (n, M, C) to logits (n, M), positive for true ones."""

    def __init__(self, modalities: int, channels: int) -> None:
        super().__init__()
        self.of = nn.ModuleList(perceptron(channels, 128, 1) for _ in range(modalities))

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([d(features[:, m]) for m, d in enumerate(self.of)], 1)


def _adam(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), IMPUTER_LR)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()
