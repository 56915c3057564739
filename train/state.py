"""Everything that a run changes as it goes, and how it is kept on disk."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mckd.files.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from mckd.method import MissingModalityNetwork
from mckd.systems import System
from mckd.systems.system import named
from train.settings import TrainSettings


class TrainingState:
    """The system with all it trains, the moving average of its network, the step."""

    def __init__(self, system: System, ema: float) -> None:
        self.step = 0
        self.system = system
        self.network = system.network
        self.average = copy.deepcopy(self.network).eval() if ema else None

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Begin with another run's weights; optimisers begin anew.

        Raises:
            CheckpointError: weights of another network.
        """
        try:
            self.system.load_weights(checkpoint.tensors)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                "The checkpoint to start from holds another network. Choose the --network and "
                "--system it was trained with."
            ) from error
        if self.average is not None:
            self.average.load_state_dict(self.network.state_dict())

    @property
    def final(self) -> MissingModalityNetwork:
        """The network that is evaluated and kept."""
        return self.average or self.network

    def update_average(self, decay: float) -> None:
        """Move the average towards the network; faster at the start, when it knows nothing."""
        if self.average is None:
            return
        decay = min(decay, (1 + self.step) / (10 + self.step))
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for mean, value in pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def save(self, path: Path, header: Mapping[str, Any]) -> None:
        average = named("average", self.average.state_dict()) if self.average else {}
        tensors = self.system.tensors() | average
        save_checkpoint(path, tensors, {"step": self.step, **header})

    def load(self, path: Path) -> dict[str, Any]:
        """Take over a checkpoint; returns its header.

        Raises:
            CheckpointError: missing, damaged, or of another network; part of it may be taken over.
        """
        checkpoint = load_checkpoint(path)
        try:
            self.system.load(checkpoint.tensors)
            if self.average is not None:
                self.average.load_state_dict(checkpoint.part("average"))
            self.step = int(checkpoint.header["step"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path.name} is no checkpoint of this run.") from error
        return checkpoint.header

    def save_model(self, path: Path, header: Mapping[str, Any], keeps: Mapping[str, Tensor]) -> str:
        """What prediction needs, and what else a task keeps. Returns the file's SHA-256."""
        tensors = named("network", self.final.state_dict()) | self.system.extra | dict(keeps)
        return save_checkpoint(path, tensors, header)


def make_optimizer(
    parameters: Iterable[nn.Parameter], settings: TrainSettings
) -> torch.optim.Optimizer:
    """The optimiser that the settings name."""
    mine, lr, decay = list(parameters), settings.lr, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(mine, lr, momentum=0.99, nesterov=True, weight_decay=decay)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(mine, lr, weight_decay=decay)
