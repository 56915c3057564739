"""mmFormer: transformers within modalities and between them.

Zhang et al., MICCAI 2022 (arXiv 2206.02425).
At the deepest scale each place of a modality's map f_m is a token. With pre-norm transformers

    z <- z + softmax(q k^T / sqrt(d)) v,    z <- z + MLP(z)

an intra-modal one relates the places of a modality (z_m = embed(f_m) + p_m), an inter-modal one all
places of all present modalities (z = cat(z_m) + p). At every scale the maps of all modalities are
concatenated, zero where missing, and mixed to one. Beside the task loss of the answer there are

    auxiliary loss   one decoder, shared by all, answers from each present modality's own maps
    deep loss        each coarser scale of the decoder answers too

all with the task loss. The released code zeroes a missing modality's tokens but lets all others
attend to them, and keeps what comes out in their places; `masking` offers that (`zeros`) beside an
attention that leaves them out (`keys`, as the text has it).

Other than the authors' code: width 96, 4 heads, an MLP of 384 and no dropout, for a trunk of 1.9 M
parameters (512, 8, 4096, .1); the trunk's encoders at half width and its decoder; the auxiliary
loss is of what is present only; positions are interpolated to inputs of another size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import Batch, MissingModalityNetwork, unbind_modalities
from mckd.systems.blocks import TASK, descend, train_beside
from mckd.systems.fused import FusedNetwork, Mix, maps_of, of_present
from mckd.systems.system import Moment, Parts, System, Trainer

HEADS = 4
MLP = 4  # its width, as a multiple of a token's
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class MMFormerOptions:
    """What mmFormer can be told; the paper's reading is the default.

    masking: of missing modalities between modalities: `keys`, nothing attends to them, or `zeros`,
        the released code: their tokens are zero and take part.
    auxiliary: weight of the loss of each modality's own answer.
    deep: weight of the loss of each coarser scale's answer.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {"masking": ("keys", "zeros")}

    masking: str = "keys"
    auxiliary: float = 1.0
    deep: float = 1.0

    def __post_init__(self) -> None:
        if self.masking not in self.CHOICES["masking"]:
            raise ValueError(f"masking must be one of keys, zeros, not {self.masking!r}.")


class MMFormerNetwork(FusedNetwork):
    """Features as `encode` gives them are of convolutions; transformers are part of the fusion."""

    def __init__(self, parts: Parts, options: MMFormerOptions) -> None:
        parts = maps_of(parts)
        super().__init__(parts)
        self.masking = options.masking
        (deep, *shallower), count = self.widths, len(self.modalities)
        self.embed = nn.ModuleList(Mix(self.narrow[0], deep) for _ in self.modalities)
        self.intra_position = nn.Parameter(torch.zeros(count, deep, *parts.grid))
        self.inter_position = nn.Parameter(torch.zeros(count, deep, *parts.grid))
        self.intra = nn.ModuleList(Transformer(deep) for _ in self.modalities)
        self.inter = Transformer(deep)
        sizes = [(deep, deep), *zip(self.narrow[1:], shallower, strict=True)]
        self.mix = nn.ModuleList(Mix(count * a, b) for a, b in sizes)

    def fuse(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        deepest, *shallower = features
        maps = [self.between(self.within(deepest, present), present)]
        maps += [of_present(f, present).flatten(1, 2) for f in shallower]
        return tuple(mix(f) for mix, f in zip(self.mix, maps, strict=True))

    def within(self, deepest: Tensor, present: Tensor) -> list[Tensor]:
        """Intra-modal: per modality tokens (B, C, ...), zero where it is missing."""
        maps = unbind_modalities(of_present(deepest, present))
        embedded = [embed(f) for embed, f in zip(self.embed, maps, strict=True)]
        positions = resized(self.intra_position, deepest.shape[3:])
        related = [
            to_map(transform(to_tokens(f + p)), f)
            for transform, f, p in zip(self.intra, embedded, positions, strict=True)
        ]
        return unbind_modalities(of_present(torch.stack(related, 1), present))

    def between(self, maps: list[Tensor], present: Tensor) -> Tensor:
        """Inter-modal: the maps of all modalities one after the other, (B, M C, ...)."""
        positions = resized(self.inter_position, maps[0].shape[2:])
        placed = torch.stack([f + p for f, p in zip(maps, positions, strict=True)], 1)
        count = placed[0, 0, 0].numel()
        keys = present.repeat_interleave(count, 1) if self.masking == "keys" else None
        tokens = torch.cat([to_tokens(f) for f in placed.unbind(1)], 1)
        related = self.inter(tokens, keys).split(count, 1)
        found = torch.stack([to_map(z, f) for z, f in zip(related, maps, strict=True)], 1)
        return (of_present(found, present) if self.masking == "keys" else found).flatten(1, 2)


class MMFormer(System):
    """The task loss of the answer, of each modality's own and of each coarser scale's."""

    Options = MMFormerOptions
    options: MMFormerOptions

    def __init__(self, parts: Parts, options: MMFormerOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        parts, network = maps_of(parts), cast(MMFormerNetwork, self.network)
        self.own = parts.decoder(network.narrow)
        self.heads = nn.ModuleList(Mix(width, parts.outputs) for width in network.widths[:-1])
        train_beside(self, own=self.own, heads=self.heads)

    @classmethod
    def build(cls, parts: Parts, options: MMFormerOptions) -> MissingModalityNetwork:
        return MMFormerNetwork(parts, options)

    def step(self, now: Moment) -> dict[str, float]:
        return descend(self, now, self.losses)

    def answers(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The answer, and those of the coarser scales enlarged to it."""
        decoder = cast(MMFormerNetwork, self.network).decoder
        *coarser, finest = decoder.maps(self.network.complete(features, present))
        output = decoder.read(finest)
        size = output.shape[2:]
        read = [head(f) for head, f in zip(self.heads, coarser, strict=True)]
        return output, [F.interpolate(x, size=size, mode=MODES[len(size)]) for x in read]

    def own_answers(self, features: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """The auxiliary decoder's, from each present modality's own maps: (n, outputs, ...), in the
        order of `present.nonzero()`."""
        return self.own.decode(tuple(f[present].unsqueeze(1) for f in features))

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch."""
        task_loss = self.trainer.task_loss
        features = self.network.encode(batch.inputs, batch.present)
        output, coarser = self.answers(features, batch.present)
        own = self.own_answers(features, batch.present)
        whose = batch.present.nonzero()[:, 0]
        auxiliary = task_loss(own, batch.target[whose]) * (len(own) / len(output))
        deep = torch.stack([task_loss(x, batch.target) for x in coarser]).sum()
        return {
            TASK: (1.0, task_loss(output, batch.target)),
            "auxiliary_loss": (self.options.auxiliary, auxiliary),
            "deep_loss": (self.options.deep, deep),
        }


class Transformer(nn.Module):
    """One pre-norm block on tokens (B, N, C); with `keys` (B, N) bool, only these are attended."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, MLP * width),
            nn.GELU(),
            nn.Linear(MLP * width, width),
        )

    def forward(self, z: Tensor, keys: Tensor | None = None) -> Tensor:
        b, n, _ = z.shape
        split = self.query_key_value(self.before(z)).view(b, n, 3, HEADS, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        mask = None if keys is None else keys[:, None, None]
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        z = z + self.out(seen.transpose(1, 2).flatten(2))
        related: Tensor = z + self.mlp(z)
        return related


def to_tokens(f: Tensor) -> Tensor:
    """(B, C, ...) to (B, N, C), one token a place."""
    return f.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, like: Tensor) -> Tensor:
    """(B, N, C) back to the shape of the map (B, C, ...) they are from."""
    return tokens.transpose(1, 2).reshape(like.shape)


def resized(positions: Tensor, space: torch.Size) -> Tensor:
    """Learned positions (M, C, ...) for maps of this many places along each axis."""
    if positions.shape[2:] == space:
        return positions
    return F.interpolate(positions, size=space, mode=MODES[len(space)])
