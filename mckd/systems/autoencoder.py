"""Auto-encoder: a missing feature is predicted from the present ones by a perceptron.

The paper cites Baldi (ICML workshop on unsupervised and transfer learning, 2012), SMIL (Ma et al.,
AAAI 2021) Tran et al. (CVPR 2017, cascaded residual auto-encoders); neither has code for digits.
From a hook in SMIL's code: a perceptron from the feature of the picture (160) to that of the sound
(320) is trained on the pairs by

    || g(f_i) - f_j ||_2^2,

frozen, and the classifier is trained on features so imputed.

This is our reconstruction. Ours too: features are those of the task's own network, all of one
width; each modality has a perceptron, from the mean of the others; the encoders are trained for
`encoder_steps` before, and go on with the classifier afterwards. A modality of each sample is
hidden at random, so either can be missing. For features that are vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mckd.systems.imputed import IMPUTER_LR, PerceptronNetwork, PerceptronSystem, hide_one


@dataclass(frozen=True)
class AutoencoderOptions:
    """How long the parts are trained.

    encoder_steps: steps of the network before the imputation is fitted.
    imputer_steps: updates of the imputation, each on all complete samples.
    """

    encoder_steps: int = 580
    imputer_steps: int = 500

    def __post_init__(self) -> None:
        if min(self.encoder_steps, self.imputer_steps) < 1:
            raise ValueError("encoder_steps and imputer_steps must be at least 1.")


class Autoencoder(PerceptronSystem):
    """The task loss; the imputation is trained once, by its own."""

    Options = AutoencoderOptions
    options: AutoencoderOptions

    def fit(self, features: Tensor) -> None:
        imputers = self.network.imputers.requires_grad_(True)
        optimizer = torch.optim.Adam(imputers.parameters(), IMPUTER_LR)
        for _ in range(self.options.imputer_steps):
            optimizer.zero_grad(set_to_none=True)
            reconstruction_loss(self.network, features).backward()
            optimizer.step()
        imputers.requires_grad_(False)


def reconstruction_loss(network: PerceptronNetwork, features: Tensor) -> Tensor:
    """The mean square of g(mean of the others) - f over hidden features; one of each sample.

    Args:
        features: (n, M, C), complete.
    """
    mean, hidden = hide_one(features)
    return (network.impute(mean) - features)[hidden].square().mean()
