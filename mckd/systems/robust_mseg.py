"""Robust-MSeg: content and style apart, and gates that fuse contents.

Chen et al., MICCAI 2019 (arXiv 2002.09708). Each modality k has a content c_k, a map at every
scale, and a style s_k, a vector of 8. Contents are fused at every scale by gates,

    g = sigmoid(conv(cat(c_1 .. c_M))),   c = conv(cat(g_1 c_1, .., g_M c_M)),

with c_k = 0 where k is missing, and the task's decoder answers from c alone. A decoder of its own
makes the image of each modality from the deepest c and s_k, which sets the mean and the deviation
of every channel (adaptive instance normalisation): AdaIN(x) = scale(s) (x - E[x]) / sd[x] +
shift(s). Beside the task loss:

    reconstruction loss   the mean absolute error of the images, the sum over modalities
    style loss            KL(N(s_k, 1) || N(0, 1)) = s_k^2 / 2, the mean over its 8 numbers

Images that the step has dropped are reconstructed too, in training: their styles are seen, their
contents are not. Prediction knows neither styles nor images.

Other than the authors' code: encoders and decoder are the trunk's, contents of half its width; the
style encoder has three convolutions on the image at a quarter of its resolution (theirs five on all
of it); an image is enlarged by a decoder of the trunk's form that sees nothing of the finer scales
(theirs has convolutions of 5 and layer norms), after two AdaIN blocks (four); modalities are
dropped as the run says (theirs: each by a coin).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import Batch, MissingModalityNetwork
from mckd.systems.blocks import TASK, descend, train_beside
from mckd.systems.fused import CONVOLUTIONS, FusedNetwork, Mix, maps_of, of_present
from mckd.systems.system import MapParts, Moment, Parts, System, Trainer

STYLE = 8
HIDDEN = 32
BLOCKS = 2
QUARTER = 4
"""Resolution of an image over that of what the style encoder sees of it."""
SLOPE = 0.2


@dataclass(frozen=True)
class RobustMSegOptions:
    """What Robust-MSeg can be told; defaults are the paper's.

    reconstruction: weight of the mean absolute error of reconstructed images.
    style: weight of the KL of styles from a normal distribution.
    """

    reconstruction: float = 0.1
    style: float = 0.1


class RobustMSegNetwork(FusedNetwork):
    """Features as `encode` gives them are contents."""

    def __init__(self, parts: Parts) -> None:
        parts = maps_of(parts)
        super().__init__(parts)
        count, convolution = len(self.modalities), CONVOLUTIONS[len(parts.grid)]
        self.gates = nn.ModuleList(
            convolution(count * width, count, 3, padding=1) for width in self.narrow
        )
        sizes = zip(self.narrow, self.widths, strict=True)
        self.mix = nn.ModuleList(Mix(count * a, b) for a, b in sizes)

    def fuse(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        contents = [of_present(f, present) for f in features]
        pairs = zip(self.gates, contents, strict=True)
        gates = [gate(c.flatten(1, 2)).sigmoid() for gate, c in pairs]
        gated = [(c * g.unsqueeze(2)).flatten(1, 2) for c, g in zip(contents, gates, strict=True)]
        return tuple(mix(c) for mix, c in zip(self.mix, gated, strict=True))


class RobustMSeg(System):
    """The task loss, the reconstruction loss and the style loss."""

    Options = RobustMSegOptions
    options: RobustMSegOptions

    def __init__(self, parts: Parts, options: RobustMSegOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        parts, narrow = maps_of(parts), cast(RobustMSegNetwork, self.network).narrow
        self.styles = nn.ModuleList(StyleEncoder(parts) for _ in parts.modalities)
        self.images = nn.ModuleList(ImageDecoder(parts, narrow) for _ in parts.modalities)
        train_beside(self, styles=self.styles, images=self.images)

    @classmethod
    def build(cls, parts: Parts, options: RobustMSegOptions) -> MissingModalityNetwork:
        return RobustMSegNetwork(parts)

    def step(self, now: Moment) -> dict[str, float]:
        return descend(self, now, self.losses)

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch."""
        network, options = self.network, self.options
        assert isinstance(network, RobustMSegNetwork)
        fused = network.fuse(network.encode(batch.inputs, batch.present), batch.present)
        output = network.decode(tuple(c.unsqueeze(1) for c in fused))
        reconstruction, style = self.image_losses(fused, batch)
        return {
            TASK: (1.0, self.trainer.task_loss(output, batch.target)),
            "reconstruction_loss": (options.reconstruction, reconstruction),
            "style_loss": (options.style, style),
        }

    def image_losses(self, content: tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, Tensor]:
        """Reconstruction and style loss of the images that the data has, dropped or not.

        A modality that some samples do not have counts for as much less.

        Args:
            content: fused, (B, C, ...) per scale.
        """
        absolute = style = content[0].new_zeros((), dtype=torch.float32)
        for m, rows in enumerate(batch.undropped.unbind(1)):
            if rows.any():
                share, x = rows.float().mean(), batch.inputs[m][rows]
                s = self.styles[m](x)
                image = self.images[m](tuple(c[rows] for c in content), s)
                absolute = absolute + share * F.l1_loss(image.float(), x)
                style = style + share * 0.5 * s.float().square().mean()
        return absolute, style


class StyleEncoder(nn.Module):
    """An image (B, ...) to its style (B, 8). Not normalised: that would take the style away."""

    def __init__(self, parts: MapParts) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[len(parts.grid)]
        widths = [parts.inputs, HIDDEN // 2, HIDDEN, HIDDEN]
        self.convolutions = nn.ModuleList(
            convolution(a, b, 3, padding=1) for a, b in pairwise(widths)
        )
        self.style = nn.Linear(HIDDEN, STYLE)

    def forward(self, image: Tensor) -> Tensor:
        x = reduced(image, QUARTER)
        for convolution in self.convolutions:
            x = reduced(F.leaky_relu(convolution(x), SLOPE), 2)
        style: Tensor = self.style(x.flatten(2).mean(2))
        return style


class ImageDecoder(nn.Module):
    """Fused content and a style (B, 8) to the image (B, ...)."""

    def __init__(self, parts: MapParts, widths: list[int]) -> None:
        super().__init__()
        width, convolution = widths[0], CONVOLUTIONS[len(parts.grid)]
        self.widths = widths
        self.start = Mix(parts.widths[0], width)
        self.convolutions = nn.ModuleList(  # a bias would be normalised away
            convolution(width, width, 3, padding=1, bias=False) for _ in range(2 * BLOCKS)
        )
        self.adapt = nn.Sequential(
            nn.Linear(STYLE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * BLOCKS * 2 * width)
        )
        self.enlarge = parts.decoder(widths, parts.inputs)

    def forward(self, content: tuple[Tensor, ...], style: Tensor) -> Tensor:
        """Of the content (B, C, ...) per scale, all but the deepest give their shapes alone."""
        x = self.start(content[0])
        scale, shift = self.adapt(style).view(len(style), 2 * BLOCKS, 2, -1).unbind(2)
        for k in range(0, 2 * BLOCKS, 2):
            first, second = self.convolutions[k], self.convolutions[k + 1]
            change = F.relu(adain(first(x), 1 + scale[:, k], shift[:, k]))
            x = x + adain(second(change), 1 + scale[:, k + 1], shift[:, k + 1])
        finer = zip(content[1:], self.widths[1:], strict=True)
        nothing = [x.new_zeros(len(x), 1, width, *c.shape[2:]) for c, width in finer]
        image: Tensor = self.enlarge.decode((x.unsqueeze(1), *nothing))
        return image


def adain(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-5) -> Tensor:
    """x (B, C, ...) with mean `shift` and deviation |`scale`|, each (B, C), over space."""
    flat = x.flatten(2).float()
    variance, mean = torch.var_mean(flat, 2, correction=0, keepdim=True)
    normalised = (flat - mean) * (variance + eps).rsqrt()
    return (normalised * scale.unsqueeze(2) + shift.unsqueeze(2)).to(x.dtype).view_as(x)


def reduced(x: Tensor, factor: int) -> Tensor:
    """The mean over blocks of `factor` places along every axis of (B, C, ...); one at least."""
    return F.interpolate(x, size=[max(1, n // factor) for n in x.shape[2:]], mode="area")
