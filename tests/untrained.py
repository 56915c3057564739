"""Checkpoints of networks that learned nothing: real ones in every other respect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mckd.files.checkpoint import save_checkpoint
from mckd.tumour import SEQUENCES
from mckd.tumour.network import DESIGNS, TumourNetwork


def save_tumour(path: Path, iwv: Sequence[float] = (0.0,) * 4, **header: Any) -> None:
    """The smallest tumour network with random weights, always the same.

    iwv: the raw importance vector. header: what the checkpoint says of itself besides.
    """
    torch.manual_seed(0)
    network = TumourNetwork(DESIGNS["smoke"])
    tensors = {f"network/{name}": t for name, t in network.state_dict().items()}
    says = {"network": "smoke", "modalities": list(SEQUENCES), "normalisation": "softmax"}
    save_checkpoint(path, {**tensors, "iwv": torch.tensor(iwv)}, says | header)
