"""Everything that a run changes as it goes, and how it is kept on disk."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mckd.files.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from mckd.method import MissingModalityNetwork
from train.settings import TrainSettings


class TrainingState:
    """The network, its moving average, the raw importance vector v, both optimisers, the step."""

    def __init__(
        self, network: MissingModalityNetwork, settings: TrainSettings, device: torch.device
    ) -> None:
        self.step = 0
        self.network = network.to(device)
        self.average = copy.deepcopy(self.network).eval() if settings.ema else None
        # Following the released code, v starts uniform in [0, 1).
        v = torch.rand(len(network.modalities), device=device)
        self.v = v.requires_grad_()
        self.optimizer = _optimizer(self.network, settings)
        self.iwv_optimizer = torch.optim.Adam(
            [self.v], lr=settings.iwv_lr, weight_decay=settings.iwv_weight_decay
        )

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Begin with another run's weights and IWV; optimisers begin anew.

        Raises:
            CheckpointError: weights of another network.
        """
        for network in (self.network, self.average):
            try:
                if network is not None:
                    network.load_state_dict(checkpoint.part("network"))
            except RuntimeError as error:
                raise CheckpointError(
                    "The checkpoint to start from holds another network. Choose the --network it "
                    "was trained with."
                ) from error
        with torch.no_grad():
            self.v.copy_(checkpoint.tensors["iwv"])

    @property
    def final(self) -> MissingModalityNetwork:
        """The network that is evaluated and kept."""
        return self.average or self.network

    @property
    def running_statistics(self) -> list[Tensor]:
        """What layers keep of the batches that they saw, as batch normalisation does."""
        return [b for b in self.network.buffers() if b.is_floating_point()]

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
        tensors = {
            **_named("network", self.network.state_dict()),
            **_named("average", self.average.state_dict() if self.average else {}),
            **_optimizer_tensors("optimizer", self.optimizer),
            **_optimizer_tensors("iwv_optimizer", self.iwv_optimizer),
            "iwv": self.v,
        }
        save_checkpoint(path, tensors, {"step": self.step, **header})

    def load(self, path: Path) -> dict[str, Any]:
        """Take over a checkpoint; returns its header.

        Raises:
            CheckpointError: missing, damaged, or of another network; part of it may be taken over.
        """
        checkpoint = load_checkpoint(path)
        try:
            self._take_over(checkpoint)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path.name} is no checkpoint of this run.") from error
        return checkpoint.header

    def _take_over(self, checkpoint: Checkpoint) -> None:
        self.network.load_state_dict(checkpoint.part("network"))
        if self.average is not None:
            self.average.load_state_dict(checkpoint.part("average"))
        with torch.no_grad():
            self.v.copy_(checkpoint.tensors["iwv"])
        _load_optimizer(self.optimizer, checkpoint.part("optimizer"))
        _load_optimizer(self.iwv_optimizer, checkpoint.part("iwv_optimizer"))
        self.step = int(checkpoint.header["step"])

    def save_model(self, path: Path, header: Mapping[str, Any], keeps: Mapping[str, Tensor]) -> str:
        """What prediction needs, and what else a task keeps. Returns the file's SHA-256."""
        tensors = {**_named("network", self.final.state_dict()), "iwv": self.v, **keeps}
        return save_checkpoint(path, tensors, header)


def _optimizer(network: torch.nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    lr, decay = settings.lr, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr, momentum=0.99, nesterov=True, weight_decay=decay)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr, weight_decay=decay)


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def _optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """`prefix/parameter number/quantity`; learning rates are the schedule's business."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}/{number}/{quantity}": torch.as_tensor(value)
        for number, quantities in state.items()
        for quantity, value in quantities.items()
        if value is not None
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, quantity = name.split("/")
        state.setdefault(int(number), {})[quantity] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
