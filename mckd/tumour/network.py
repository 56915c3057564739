"""The segmentation network: one encoder for every sequence, one decoder for every subset.

Each sequence is encoded alone, so its features can be kept and any subset decoded from them.
Volumes are (B, 1, x, y, z), canonical axes, as `Case.prepared` gives them. The network works in
patches of `patch` voxels: its first layer gathers a patch's voxels into channels, its last layer
gives each voxel of a patch its own outputs. With patch 2 (patches of 2 mm) all convolutions see an
eighth of the voxels, and the outlines stay at 1 mm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import MissingModalityNetwork, encode_available, unbind_modalities
from mckd.precision import conv3d
from mckd.tumour.designs import DESIGNS as DESIGNS
from mckd.tumour.designs import Design
from mckd.tumour.naming import REGIONS, SEQUENCES

SLOPE = 0.01  # of the leaky ReLU
UNFOLDED = 20480  # C * X * Y of the largest single sample that PyTorch 2.13 unfolds
BRANCH = 0.3  # scale of a residual block's change at the start: activations grow slowly with depth


@dataclass(frozen=True)
class Conditioning:
    """Of an encoder's convolutions.

    affines: pairs of scale and shift after each, one per sequence or one for all. normalised:
    whether instance norm comes before them.
    """

    affines: int
    normalised: bool


class TumourNetwork(MissingModalityNetwork):
    """A residual 3-D U-Net whose every scale is filled by the mean of the available (Eq. 2).

    Inputs: one (B, 1, x, y, z) per sequence; x, y, z multiples of `design.multiple`. Output:
    logits (B, 3, x, y, z) of ET, TC, WT, or as many `outputs` as are asked for.
    """

    def __init__(
        self,
        design: Design,
        modalities: tuple[str, ...] = SEQUENCES,
        outputs: int = len(REGIONS),
    ) -> None:
        super().__init__()
        self.modalities = modalities
        self.design = design
        self.encoder = Encoder(design, len(modalities))
        self.decoder = Decoder(design, len(modalities), outputs)
        for weights in self.parameters():  # the layout in which convolutions are fastest
            if weights.ndim == 5:
                weights.data = weights.data.contiguous(memory_format=torch.channels_last_3d)

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        count = len(self.modalities)
        told = [partial(self.encoder, sequence=m) for m in range(count)]
        encoders = told if self.design.conditional else [self.encoder] * count
        return encode_available(encoders, inputs, present)

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        logits: Tensor = self.decoder(features)
        return logits

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        features: tuple[Tensor, ...] = self.encoder(x, modality)
        return features

    def answer(self, features: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """As the method's, without filled copies where every sample has the same subset."""
        if not bool((present == present[0]).all()):
            return super().answer(features, present)
        columns = [unbind_modalities(f) for f in features]
        here = present[0].nonzero().flatten().tolist()
        patches = self.decode_patches([{m: c[m] for m in here} for c in columns])
        return depth_to_space(patches, self.design.patch)

    def decode_patches(self, *subsets: Sequence[Mapping[int, Tensor]]) -> Tensor:
        """`decode` of subsets' features as `of_subset` gives them, without filled copies.

        Where a modality is missing, Eq. 2 gives its part of a merge the mean of the others; so
        its weights can be spread over theirs. Equal up to rounding.

        Args:
            subsets: of each, {modality: (B, C, ...)} per scale, deepest first. Several are one
                batch from their merges on.

        Returns:
            Logits still in patches, (S B, 3 patch^3, x/patch, y/patch, z/patch), the samples of
            the first of the S subsets first, regions innermost; `depth_to_space` makes voxels of
            them. What is decided per voxel is decided faster here.
        """
        logits: Tensor = self.decoder.of_available(subsets, self.fill)
        return logits


class Encoder(nn.Module):
    """One sequence (B, 1, x, y, z) to its features per scale, deepest first."""

    def __init__(self, design: Design, modalities: int) -> None:
        super().__init__()
        self.patch = design.patch
        conditioning = Conditioning(modalities if design.conditional else 1, design.normalised)
        first, *deeper = design.channels
        start = Start(design.patch**3, first, conditioning)
        self.scales = nn.ModuleList(
            [Chain([start, *_blocks(first, design.blocks[0], conditioning)])]
        )
        previous = first
        for channels, count in zip(deeper, design.blocks[1:], strict=True):
            down = Down(previous, channels, conditioning)
            self.scales.append(Chain([down, *_blocks(channels, count, conditioning)]))
            previous = channels

    def forward(self, volume: Tensor, sequence: int = 0) -> tuple[Tensor, ...]:
        x = space_to_depth(volume, self.patch)
        features = []
        for scale in self.scales:
            x = scale(x, sequence)
            features.append(x)
        return tuple(reversed(features))


class Decoder(nn.Module):
    """Complete features, deepest first, each (B, M, C, ...), to logits (B, K, x, y, z).

    Never normalised: instance norm here ties the size of an answer to the rest of the head, and
    an enhancing rim, a hundredth of its voxels, is then learned several times more slowly.
    """

    def __init__(self, design: Design, modalities: int, outputs: int) -> None:
        super().__init__()
        self.patch = design.patch
        deepest, *shallower = reversed(design.channels)
        self.merges = nn.ModuleList(Merge(modalities, c) for c in [deepest, *shallower])
        self.bottom = nn.Sequential(*_conv_act(deepest))
        self.ups = nn.ModuleList(
            Up(a, b) for a, b in zip([deepest, *shallower], shallower, strict=False)
        )
        self.refine = nn.ModuleList(nn.Sequential(*_conv_act(c)) for c in shallower)
        self.head = Conv3d(shallower[-1], outputs * design.patch**3, 1)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        merged = [merge(f) for merge, f in zip(self.merges, features, strict=True)]
        return self.read(self.maps(merged)[-1])

    def of_available(self, subsets: Sequence[Sequence[Mapping[int, Tensor]]], fill: str) -> Tensor:
        merged = []
        for merge, *alike in zip(self.merges, *subsets, strict=True):  # of each scale
            each = [cast(Merge, merge).of_available(f, fill) for f in alike]
            merged.append(each[0] if len(each) == 1 else torch.cat(each))
        patches: Tensor = self.head(self.maps(merged)[-1])
        return patches

    def maps(self, merged: list[Tensor]) -> list[Tensor]:
        """Merged features to what becomes of them at each scale, deepest first (B, C, ...)."""
        maps = [self.bottom(_activate(merged[0]))]
        for f, up, refine in zip(merged[1:], self.ups, self.refine, strict=True):
            maps.append(refine(_activate(f.add_(up(maps[-1])))))
        return maps

    def read(self, finest: Tensor) -> Tensor:
        """The output of the last of `maps`, in voxels."""
        return depth_to_space(self.head(finest), self.patch)


class Merge(nn.Module):
    """(B, M, C, ...) to (B, C, ...): a 1x1x1 convolution over all modalities."""

    def __init__(self, modalities: int, channels: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            Conv3d(channels, channels, 1, bias=False) for _ in range(modalities)
        )

    def forward(self, f: Tensor) -> Tensor:
        return _sum(p(x) for p, x in zip(self.parts, unbind_modalities(f), strict=True))

    def of_available(self, features: Mapping[int, Tensor], fill: str) -> Tensor:
        """The same for {modality: (B, C, ...)} and what `fill` would put beside them."""
        weights = [cast(Conv3d, part).weight for part in self.parts]
        missing = [w for m, w in enumerate(weights) if m not in features]
        share = torch.stack(missing).sum(0) / len(features) if missing else weights[0].new_zeros(())
        spread = share if fill == "mean" else torch.zeros_like(share)
        # A product that adds to what is there: with few channels a convolution costs little more
        # than the passes over the voxels that it and a sum would take.
        merged: Tensor | None = None
        for m, x in features.items():
            matrix = (weights[m] + spread).flatten(1).t()
            last = x.movedim(1, -1)
            rows = last.reshape(-1, len(matrix))
            if merged is None:
                merged = rows @ matrix
            else:  # autocast converts for the first product only
                merged.addmm_(rows.to(merged.dtype), matrix.to(merged.dtype))
        assert merged is not None
        return merged.view_as(last).movedim(-1, 1)


class Chain(nn.ModuleList):
    """Layers one after the other, each given the sequence."""

    def forward(self, x: Tensor, sequence: int = 0) -> Tensor:
        for layer in self:
            x = layer(x, sequence)
        return x


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions around an identity path."""

    def __init__(self, channels: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.first = Convolution(channels, channels, 3, conditioning)
        self.second = Convolution(channels, channels, 3, conditioning)
        nn.init.constant_(self.second.scale, BRANCH)

    def forward(self, x: Tensor, sequence: int = 0) -> Tensor:
        change = self.second(_activate(self.first(x, sequence)), sequence)
        return _activate(change.add_(x))


class Start(nn.Module):
    """3x3x3 convolution, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, outputs, 3, conditioning)

    def forward(self, x: Tensor, sequence: int = 0) -> Tensor:
        return _activate(self.convolution(x, sequence))


class Down(nn.Module):
    """Halve the resolution: a 2x2x2 convolution of stride 2, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, conditioning: Conditioning) -> None:
        super().__init__()
        # On patches gathered into channels this is a matrix product; its gradient is far faster
        # on a CPU than that of a strided convolution.
        self.project = Convolution(8 * inputs, outputs, 1, conditioning)

    def forward(self, x: Tensor, sequence: int = 0) -> Tensor:
        return _activate(self.project(space_to_depth(x, 2), sequence))


class Up(nn.Module):
    """Double the resolution: a 2x2x2 transposed convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = Conv3d(inputs, 8 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return depth_to_space(self.project(x), 2)


class Convolution(nn.Module):
    """A convolution of the encoder; each output channel has a learned scale and shift.

    They are the sequence's own where the design is conditional. With `normalised` the
    output first has mean 0 and deviation 1 over the space of each sample (instance norm).
    """

    def __init__(self, inputs: int, outputs: int, size: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.normalised = conditioning.normalised
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size, size))
        self.scale = nn.Parameter(torch.ones(conditioning.affines, outputs))
        self.shift = nn.Parameter(torch.zeros(conditioning.affines, outputs))
        nn.init.kaiming_normal_(self.weight, a=SLOPE)

    def forward(self, x: Tensor, sequence: int = 0) -> Tensor:
        which = 0 if len(self.scale) == 1 else sequence
        scale, shift = self.scale[which], self.shift[which]
        if self.normalised:
            y = convolve(x, self.weight)
            return instance_norm(y, scale.to(y.dtype), shift.to(y.dtype))
        # Scaling the weights costs nothing; scaling the output would be a pass over every voxel.
        return convolve(x, self.weight * scale.view(-1, 1, 1, 1, 1), shift)


class Conv3d(nn.Conv3d):
    """A convolution of the decoder, by `convolve`."""

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.bias)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.conv3d` of odd size with zeros around, channels last, the way that is fastest on a CPU.

    PyTorch unfolds a small sample of float32 that comes alone, which takes two to three times as
    long, and with one thread every sample for a convolution of one voxel. The latter is a matrix
    product; and two samples are not unfolded, so a small one is cut into two, each with a plane of
    the other. `python -m train bench training` compares.

    Args:
        x: (B, C, X, Y, Z). weight: (D, C, k, k, k). bias: (D,).
    """
    size, planes = weight.shape[-1], x.shape[2]
    on_cpu = x.device.type == "cpu"
    coarse = x.dtype == torch.bfloat16 or torch.is_autocast_enabled(x.device.type)
    unfolded = on_cpu and not coarse and len(x) == 1 and x[..., 0].numel() <= UNFOLDED
    if size == 1 and (unfolded or (on_cpu and torch.get_num_threads() == 1)):
        return F.linear(x.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)
    if size != 3 or planes == 1 or not unfolded:
        return conv3d(x, weight, bias)
    half = (planes + 1) // 2
    first, last = x[:, :, : half + 1], x[:, :, planes - half - 1 :]
    one, two = F.conv3d(torch.cat([first, last]), weight, bias, padding=1).split(1)
    return torch.cat([one[:, :, :half], two[:, :, 1 + 2 * half - planes :]], 2)


def instance_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """As `F.instance_norm` of (B, C, ...), but through `batch_norm` one sample at a time, whose
    CPU kernels keep channels last and are several times faster. On a GPU each call costs more
    than what it computes: there `group_norm` does the whole batch. A single voxel gives `shift`
    rather than an error."""
    if x[0, 0].numel() == 1:
        return torch.zeros_like(x) + shift.view(-1, 1, 1, 1)
    if x.device.type != "cpu":
        with torch.autocast(x.device.type, enabled=False):  # it would go through float32
            return F.group_norm(x, x.shape[1], scale, shift)
    normalised = [
        F.batch_norm(sample, None, None, scale, shift, training=True) for sample in x.split(1)
    ]
    return normalised[0] if len(normalised) == 1 else torch.cat(normalised)


def space_to_depth(x: Tensor, size: int) -> Tensor:
    """(B, C, X, Y, Z) to (B, size^3 C, X/size, Y/size, Z/size), channels last in memory."""
    if size == 1:
        return x
    b, c, *space = x.shape
    i, j, k = (n // size for n in space)
    # Channels last from the start: so they lie in the gradient too.
    voxels = x.movedim(1, -1).reshape(b, i, size, j, size, k, size, c)
    patches = voxels.permute(0, 1, 3, 5, 2, 4, 6, 7)
    return patches.reshape(b, i, j, k, size**3 * c).movedim(-1, 1)


def depth_to_space(x: Tensor, size: int) -> Tensor:
    """The inverse of `space_to_depth`: (B, size^3 C, X, Y, Z) to (B, C, X size, ...)."""
    if size == 1:
        return x
    b, c, i, j, k = x.shape
    patches = x.permute(0, 2, 3, 4, 1).reshape(b, i, j, k, size, size, size, c // size**3)
    voxels = patches.permute(0, 1, 4, 2, 5, 3, 6, 7)
    return voxels.reshape(b, i * size, j * size, k * size, c // size**3).permute(0, 4, 1, 2, 3)


def _blocks(channels: int, count: int, conditioning: Conditioning) -> list[ResidualBlock]:
    return [ResidualBlock(channels, conditioning) for _ in range(count)]


def _conv_act(channels: int) -> list[nn.Module]:
    return [Conv3d(channels, channels, 3, padding=1), nn.LeakyReLU(SLOPE, inplace=True)]


def _activate(x: Tensor) -> Tensor:
    """Leaky ReLU in place: a pass over the voxels costs as much as a small convolution."""
    return F.leaky_relu_(x, SLOPE)


def _sum(parts: Iterable[Tensor]) -> Tensor:
    """Of results that nobody else holds; the first is added to."""
    first, *others = parts
    for part in others:
        first.add_(part)
    return first
