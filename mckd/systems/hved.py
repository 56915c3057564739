"""U-HVED: a variational encoder-decoder that fuses modalities as a product of Gaussians.

Dorent et al., MICCAI 2019 (arXiv 1907.11150). At every scale each modality k tells of the latent
map z a Gaussian N(mu_k, sigma_k^2). With the prior N(0, 1) as one more expert, a subset A says

    q(z | A) = N(mu_A, 1 / T),   T = 1 + sum_{k in A} 1 / sigma_k^2,
    mu_A = (sum_{k in A} mu_k / sigma_k^2) / T

of which training takes a sample. From it the task's decoder answers, and a decoder of its own
makes the image of each modality, missing ones included. Beside the task loss:

    KL loss               KL(q(z | all) || q(z | A)) + KL(q(z | A) || N(0, 1)), the mean over scales
    reconstruction loss   the mean squared error of the images, the sum over modalities

Other than the authors' code: the first term of the KL loss is of the subset that the step has left,
an estimate of their mean over all subsets; the KL is the mean over the elements of a map. Log
variances lie within 10 of 0 (theirs 50). Prediction takes the mean of q, not a sample. Their
configuration lets the learning rate decay every 10 iterations instead of every 10,000, which ends
learning at once: the schedule is the run's. Encoders and decoders are of the trunk's form, those of
images at half its width. The product is worked out in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import Batch, MissingModalityNetwork, unbind_modalities
from mckd.systems.blocks import TASK, descend, train_beside
from mckd.systems.fused import FusedNetwork, Mix, maps_of
from mckd.systems.gaussian import LIMIT, Gaussian, divergence
from mckd.systems.system import MapDecoder, Moment, Parts, System, Trainer

Expert = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class UHVEDOptions:
    """What U-HVED can be told; defaults are the paper's.

    kl: weight of the KL loss.
    reconstruction: weight of the mean squared error of reconstructed images.
    """

    kl: float = 0.1
    reconstruction: float = 0.1


class UHVEDNetwork(FusedNetwork):
    """Features as `encode` gives them are a modality's mean and log variance, (B, M, 2 C, ...)."""

    def __init__(self, parts: Parts) -> None:
        parts = maps_of(parts)
        super().__init__(parts)
        self.encoders = nn.ModuleList(Posterior(e, self.narrow) for e in self.encoders)
        sizes = zip(self.narrow, self.widths, strict=True)
        self.widen = nn.ModuleList(Mix(a, b) for a, b in sizes)

    def fuse(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        return self.widened([product(experts(f, present), present).mean for f in features])

    def widened(self, z: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Latent maps as the task's decoder takes them."""
        return tuple(widen(part) for widen, part in zip(self.widen, z, strict=True))

    def answer_of(self, z: Sequence[Tensor]) -> Tensor:
        """The task's answer from latent maps (B, C, ...), deepest first."""
        return self.decode(tuple(f.unsqueeze(1) for f in self.widened(z)))


class UHVED(System):
    """The task loss, the KL loss and the reconstruction loss."""

    Options = UHVEDOptions
    options: UHVEDOptions

    def __init__(self, parts: Parts, options: UHVEDOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        parts, narrow = maps_of(parts), cast(UHVEDNetwork, self.network).narrow
        self.images = [parts.decoder(narrow, parts.inputs) for _ in parts.modalities]
        train_beside(self, images=nn.ModuleList(self.images))

    @classmethod
    def build(cls, parts: Parts, options: UHVEDOptions) -> MissingModalityNetwork:
        return UHVEDNetwork(parts)

    def step(self, now: Moment) -> dict[str, float]:
        return descend(self, now, self.losses)

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch."""
        network, everything = self.network, batch.undropped
        assert isinstance(network, UHVEDNetwork)
        features = network.encode(batch.inputs, everything)
        told = [experts(f, everything) for f in features]
        left = [product(some, batch.present) for some in told]
        whole = [product(some, everything) for some in told]
        z = [q.sample() for q in left]
        output = network.answer_of(z)
        pairs = zip(whole, left, strict=True)
        kl = torch.stack([divergence(a, b) + divergence(b) for a, b in pairs])
        return {
            TASK: (1.0, self.trainer.task_loss(output, batch.target)),
            "kl_loss": (self.options.kl, kl.mean()),
            "reconstruction_loss": (
                self.options.reconstruction,
                reconstruction_loss(self.images, z, batch),
            ),
        }


class Posterior(nn.Module):
    """An encoder's maps to mean and log variance, one after the other, of as many channels each."""

    def __init__(self, encoder: nn.Module, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.tell = nn.ModuleList(Mix(width, 2 * width) for width in widths)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(tell(f) for tell, f in zip(self.tell, self.encoder(x), strict=True))


def experts(features: Tensor, present: Tensor) -> dict[int, Expert]:
    """Precision 1 / sigma_k^2 and mu_k / sigma_k^2 of each modality that some sample has.

    Args:
        features: mean and log variance of every modality, (B, M, 2 C, ...). present: (B, M) bool.
    """
    found = {}
    for k, (told, rows) in enumerate(
        zip(unbind_modalities(features), present.unbind(1), strict=True)
    ):
        if rows.any():
            mean, log_variance = told.float().chunk(2, 1)
            precision = log_variance.clamp(-LIMIT, LIMIT).neg().exp()
            found[k] = precision, mean * precision
    return found


def product(told: Mapping[int, Expert], present: Tensor) -> Gaussian:
    """q(z | A): the product of the present experts and the prior. present: (B, M) bool."""
    some, _ = next(iter(told.values()))
    total, weighted = torch.ones_like(some), torch.zeros_like(some)
    for k, (precision, part) in told.items():
        here = present[:, k].view(-1, *[1] * (some.ndim - 1))
        if here.any():
            total = total + (precision if here.all() else torch.where(here, precision, 0))
            weighted = weighted + (part if here.all() else torch.where(here, part, 0))
    return Gaussian(weighted / total, -total.log())


def reconstruction_loss(images: Sequence[MapDecoder], z: Sequence[Tensor], batch: Batch) -> Tensor:
    """The squared error of the images that the data has, the sum over modalities of their means.

    A modality that some samples do not have counts for as much less.
    """
    total = z[0].new_zeros(())
    for m, rows in enumerate(batch.undropped.unbind(1)):
        if rows.any():
            image = images[m].decode(tuple(part[rows].unsqueeze(1) for part in z))
            error = F.mse_loss(image.float(), batch.inputs[m][rows])
            total = total + rows.float().mean() * error
    return total
