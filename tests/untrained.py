"""Checkpoints of networks that learned nothing: real ones in every other respect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mckd.files.checkpoint import save_checkpoint
from mckd.systems import system_class
from mckd.tumour import SEQUENCES
from mckd.tumour.designs import DESIGNS
from mckd.tumour.parts import TumourParts


def save_tumour(
    path: Path, iwv: Sequence[float] = (0.0,) * 4, seed: int = 0, **header: Any
) -> None:
    """The smallest tumour network with random weights, always the same for a seed.

    iwv: the raw importance vector. header: what the checkpoint says of itself besides; its
    `system` is the one whose network it is.
    """
    torch.manual_seed(seed)
    system = system_class(header.get("system", "mckd"))
    network = system.build(TumourParts(DESIGNS["smoke"]), system.Options())
    tensors = {f"network/{name}": t for name, t in network.state_dict().items()}
    says = {"network": "smoke", "modalities": list(SEQUENCES), "normalisation": "softmax"}
    save_checkpoint(path, {**tensors, "iwv": torch.tensor(iwv)}, says | header)
