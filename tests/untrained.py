"""Checkpoints of networks that learned nothing: real ones in every other respect."""

from __future__ import annotations

from pathlib import Path

import torch

from mckd.files.checkpoint import save_checkpoint
from mckd.tumour import SEQUENCES
from mckd.tumour.network import DESIGNS, TumourNetwork


def save_tumour(path: Path) -> None:
    """The smallest tumour network with random weights, always the same."""
    torch.manual_seed(0)
    network = TumourNetwork(DESIGNS["smoke"])
    tensors = {f"network/{name}": t for name, t in network.state_dict().items()}
    tensors["iwv"] = torch.zeros(len(SEQUENCES))
    save_checkpoint(path, tensors, {"network": "smoke", "modalities": list(SEQUENCES)})
