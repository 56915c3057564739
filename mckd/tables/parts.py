"""What systems build their networks from: as many encoders as the data has modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from mckd.method import MissingModalityNetwork
from mckd.tables.network import RowEncoder, TableNetwork


@dataclass(frozen=True)
class TableParts:
    """inputs: {modality: values of a row}. outputs: of the network. hidden: units of an encoder's
    hidden layer. channels: of a feature. dropout: share of hidden units left out in training."""

    inputs: Mapping[str, int]
    outputs: int
    hidden: int
    channels: int
    dropout: float

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self.inputs)

    def network(self) -> MissingModalityNetwork:
        return TableNetwork(self.inputs, self.outputs, self.hidden, self.channels, self.dropout)

    def encoder(self, modality: int, channels: int) -> nn.Module:
        inputs = self.inputs[self.modalities[modality]]
        return RowEncoder(inputs, self.hidden, channels, self.dropout)
