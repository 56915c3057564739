"""ShaSpec (Wang et al., CVPR 2023, arXiv 2307.14126): shared and specific features.

Every modality has a shared feature r (the task's own encoder) and a specific one s (an encoder of
its own at half width). They are fused by a residual: f = r + conv(cat(r, s)). A missing modality
has f = the mean of the present r. Beside the task loss:

    domain loss      a linear layer tells from the pooled s which modality it is (cross-entropy)
    alignment loss   the shared features of a sample are alike (L1 over all pairs)

both over what is present. This is the paper's text; the authors' code takes the first present r for
what is missing, compares neighbours only and does not mask its losses. Our own: the convolution
sees one cell (theirs 3 x 3 x 3), so that features which are vectors are fused alike; the norm of a
pair is the mean over its elements; where inputs differ in shape (picture and sound) each has its
own shared encoder, and the alignment loss alone makes them share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import (
    Batch,
    MissingModalityNetwork,
    encode_available,
    one_scale,
    unbind_modalities,
)
from mckd.systems.blocks import TASK, descend
from mckd.systems.system import Moment, Parts, System


@dataclass(frozen=True)
class ShaSpecOptions:
    """What ShaSpec can be told; defaults are the paper's.

    alignment: weight of the L1 between shared features.
    domain: weight of the cross-entropy that tells the modality from its specific features.
    """

    alignment: float = 0.1
    domain: float = 0.02


class ShaSpecNetwork(MissingModalityNetwork):
    """The task's network with specific encoders beside it, fused at the deepest scale.

    Features as `encode` gives them: the deepest is cat(r, s), (B, M, C + C/2, ...); the other
    scales are the shared encoder's.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.modalities = parts.modalities
        self.channels = parts.channels
        half = max(1, self.channels // 2)
        self.shared = parts.network()
        self.specific = nn.ModuleList(parts.encoder(m, half) for m in range(len(self.modalities)))
        self.fusion = nn.Linear(self.channels + half, self.channels)
        self.domain = nn.Linear(half, len(self.modalities))  # for training only

    @property
    def trunk(self) -> MissingModalityNetwork:
        return self.shared

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        r, *shallower = self.shared.encode(inputs, present)
        encoders = [one_scale(encoder) for encoder in self.specific]
        (s,) = encode_available(encoders, inputs, present)
        return torch.cat([r, s.to(r.dtype)], 2), *shallower

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        r, *shallower = self.shared.encode_one(x, modality)
        s: Tensor = self.specific[modality](x)
        return torch.cat([r, s.to(r.dtype)], 1), *shallower

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        return self.shared.decode(features)

    def complete(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        """f = r + conv(cat(r, s)) of what is present, the mean of the present r elsewhere."""
        both, *shallower = features
        r, *others = self.shared.complete((both[:, :, : self.channels], *shallower), present)
        here = present.view(*present.shape, *[1] * (both.ndim - 2))
        fused = torch.where(here, r + self.change(both), r)
        return fused, *others

    def change(self, both: Tensor) -> Tensor:
        """conv(cat(r, s)) of (B, M, C + S, ...)."""
        changed: Tensor = self.fusion(both.movedim(2, -1))
        return changed.movedim(-1, 2)

    def of_subset(self, features: Mapping[int, tuple[Tensor, ...]]) -> list[dict[int, Tensor]]:
        deepest, *shallower = super().of_subset(features)
        r = {m: both[:, : self.channels] for m, both in deepest.items()}
        mean = torch.stack([*r.values()]).mean(0)
        fused = {
            m: r[m] + self.fusion(both.movedim(1, -1)).movedim(-1, 1) for m, both in deepest.items()
        }
        return [{m: fused.get(m, mean) for m in range(len(self.modalities))}, *shallower]


class ShaSpec(System):
    """The task loss, the domain loss and the alignment loss."""

    Options = ShaSpecOptions

    @classmethod
    def build(cls, parts: Parts, options: ShaSpecOptions) -> MissingModalityNetwork:
        return ShaSpecNetwork(parts)

    def step(self, now: Moment) -> dict[str, float]:
        return descend(self, now, self.losses)

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch."""
        network, options = self.network, self.options
        assert isinstance(network, ShaSpecNetwork)
        features = network.encode(batch.inputs, batch.present)
        r, s = features[0].split([network.channels, features[0].shape[2] - network.channels], 2)
        task = self.trainer.task_loss(network.answer(features, batch.present), batch.target)
        return {
            TASK: (1.0, task),
            "domain_loss": (options.domain, domain_loss(s, batch.present, network.domain)),
            "alignment_loss": (options.alignment, alignment_loss(r, batch.present)),
        }


def domain_loss(s: Tensor, present: Tensor, classify: nn.Module) -> Tensor:
    """Cross-entropy of telling modality m from the pooled s_m, the mean over what is present.

    Args:
        s: specific features (B, M, S, ...). present: (B, M) bool.
    """
    pooled = s.flatten(3).mean(3) if s.ndim > 3 else s
    whose = torch.arange(present.shape[1], device=s.device).expand_as(present)
    return F.cross_entropy(classify(pooled[present]).float(), whose[present])


def alignment_loss(r: Tensor, present: Tensor) -> Tensor:
    """sum over pairs i < j of ||r_i - r_j||_1, both present; the mean over samples.

    The norm is the mean over elements. A sample with one modality contributes 0.

    Args:
        r: shared features (B, M, C, ...). present: (B, M) bool.
    """
    columns = [f.float() for f in unbind_modalities(r)]
    total = r.new_zeros(len(r), dtype=torch.float32)
    for i, j in combinations(range(len(columns)), 2):
        both = present[:, i] & present[:, j]
        apart = (columns[i][both] - columns[j][both]).flatten(1).abs().mean(1)
        total = total.index_add(0, both.nonzero().squeeze(1), apart)
    return total.mean()
