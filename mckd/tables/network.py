"""The network of the tables task: an encoder per modality, a head on all their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mckd.method import MissingModalityNetwork, encode_available, one_scale


class RowEncoder(nn.Sequential):
    """One modality's row (B, D), standardised, to a feature (B, width)."""

    def __init__(self, inputs: int, hidden: int, width: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.ReLU(),
        )


class TableNetwork(MissingModalityNetwork):
    """Encoders of their own, features of one width (B, M, C), and two layers on all of them.

    Inputs: (B, D_m) of each modality. Output: (B, outputs), logits or one standardised number.
    """

    def __init__(
        self, inputs: Mapping[str, int], outputs: int, hidden: int, width: int, dropout: float
    ) -> None:
        """inputs: {modality: D_m}."""
        super().__init__()
        self.modalities = tuple(inputs)
        self.encoders = nn.ModuleList(
            RowEncoder(count, hidden, width, dropout) for count in inputs.values()
        )
        self.head = nn.Sequential(
            nn.Linear(len(inputs) * width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, outputs),
        )

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        return encode_available([one_scale(encoder) for encoder in self.encoders], inputs, present)

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        feature: Tensor = self.encoders[modality](x)
        return (feature,)

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        output: Tensor = self.head(torch.flatten(features[0], 1))
        return output
