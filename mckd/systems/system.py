"""What a compared system is: a network built from a task's parts, a step, and what it keeps.

A system knows no task. A task hands over `Parts`; the trainer lends a `Trainer` and calls `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mckd.method import Batch, MissingModalityNetwork, TaskLoss


class Parts(Protocol):
    """What a task builds networks from.

    modalities: in the order of a batch. channels: of the deepest feature of each modality.
    """

    @property
    def modalities(self) -> tuple[str, ...]: ...

    @property
    def channels(self) -> int: ...

    def network(self) -> MissingModalityNetwork:
        """The task's own network over `modalities`; its features are scales, deepest first."""
        ...

    def encoder(self, modality: int, channels: int) -> nn.Module:
        """One modality's input (B, ...) to a feature (B, channels, ...) of the deepest scale."""
        ...


class MapDecoder(MissingModalityNetwork):
    """Decodes one map (B, 1, C, ...) per scale and encodes nothing: what predictors use of
    `MissingModalityNetwork.trunk`."""

    def maps(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        """What it makes of features as `decode` takes them at each scale, deepest first
        (B, C, ...)."""
        raise NotImplementedError  # pragma: no cover - abstract

    def read(self, finest: Tensor) -> Tensor:
        """The output, from the last of `maps`."""
        raise NotImplementedError  # pragma: no cover - abstract


@runtime_checkable
class MapParts(Parts, Protocol):
    """Parts of a task whose features are maps at several scales, as those of segmentation are.

    widths: channels of each scale, deepest first. grid: places of the deepest scale along each axis
    of an input as in training; others may come. inputs, outputs: channels of a modality's input
    (B, inputs, ...) and of an answer (B, outputs, ...), both of the same space.
    """

    @property
    def widths(self) -> tuple[int, ...]: ...

    @property
    def grid(self) -> tuple[int, ...]: ...

    @property
    def inputs(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    def pyramid(self, modality: int, widths: Sequence[int]) -> nn.Module:
        """One modality's input (B, ...) to a map (B, width, ...) per scale, deepest first."""
        ...

    def decoder(
        self, widths: Sequence[int] | None = None, outputs: int | None = None
    ) -> MapDecoder:
        """A decoder of maps of these widths to so many channels; the task's if none are given."""
        ...


@dataclass(frozen=True)
class Trainer:
    """What the trainer lends a system.

    task_loss: l_task. optimizer: an optimiser of these parameters, as the run is set; its learning
    rate is set anew at each step. accumulate: parts that a batch is worked off in. autocast: the
    precision of a forward pass. synchronise: what is done to the network's gradients before its
    update (the mean over the processes, clipping); average: the mean alone. complete: all training
    samples that have every modality, the same in all processes.
    """

    task_loss: TaskLoss
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    device: torch.device
    accumulate: int
    autocast: Callable[[], AbstractContextManager[object]]
    synchronise: Callable[[Sequence[Tensor]], None]
    average: Callable[[Sequence[Tensor]], None]
    complete: Callable[[], Batch]


@dataclass(frozen=True)
class Moment:
    """One step of a run.

    step: from 0. lr: the learning rate. batch: of the training part, with modalities dropped.
    meta_batch: the n-th batch of the meta-validation part.
    """

    step: int
    lr: float
    batch: Batch
    meta_batch: Callable[[int], Batch]


class System:
    """Base of all. A subclass builds `network` (and optimisers, further modules) and steps.

    Options: a frozen dataclass of what the system can be told. drops: whether the trainer drops
    modalities of a batch. optimizers: by name. extra: tensors that are trained but belong to no
    module, by name. modules: what is trained beside the network, by name, and not kept with it.
    """

    Options: ClassVar[type]
    drops: ClassVar[bool] = True

    network: MissingModalityNetwork
    optimizers: dict[str, torch.optim.Optimizer]
    extra: dict[str, Tensor]
    modules: dict[str, nn.Module]

    def __init__(self, parts: Parts, options: Any, trainer: Trainer) -> None:
        self.options, self.trainer = options, trainer
        self.network = self.build(parts, options).to(trainer.device)
        self.optimizers = {"optimizer": trainer.optimizer(self.network.parameters())}
        self.extra = {}
        self.modules = {}

    @classmethod
    def build(cls, parts: Parts, options: Any) -> MissingModalityNetwork:
        """The network that is trained, evaluated and kept."""
        raise NotImplementedError  # pragma: no cover - abstract

    @classmethod
    def twice(cls, options: Any) -> bool:
        """Whether it differentiates the task loss twice, so that this has to allow it."""
        return False

    @classmethod
    def weigh(cls, options: Any, tensors: Mapping[str, Tensor]) -> Tensor | None:
        """(M,) how important each modality is, by `extra` tensors; None where it learns none."""
        return None

    def step(self, now: Moment) -> dict[str, float]:
        """One update. Returns losses by name; `loss` is what the network was trained on.

        Raises:
            NonFiniteLossError: before anything is changed.
        """
        raise NotImplementedError  # pragma: no cover - abstract

    def weights(self) -> dict[str, float] | None:
        """`weigh` now, by modality."""
        with torch.no_grad():
            w = self.weigh(self.options, self.extra)
        return None if w is None else dict(zip(self.network.modalities, w.tolist(), strict=True))

    def average_statistics(self, network: nn.Module | None = None) -> None:
        """What layers keep of the batches that they saw (batch normalisation), alike in all
        processes; to be done after every update. network: the system's own by default."""
        buffers = (network or self.network).buffers()
        self.trainer.average([b for b in buffers if b.is_floating_point()])

    def set_lr(self, lr: float) -> None:
        """The learning rate of the network's own optimiser."""
        for group in self.optimizers["optimizer"].param_groups:
            group["lr"] = lr

    def tensors(self) -> dict[str, Tensor]:
        """All that it changes as it trains, by name: what a run is resumed from."""
        found = named("network", self.network.state_dict()) | self.extra
        for name, module in self.modules.items():
            found |= named(name, module.state_dict())
        for name, optimizer in self.optimizers.items():
            found |= _optimizer_tensors(name, optimizer)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self.load_weights(tensors)
        for name, module in self.modules.items():
            module.load_state_dict(part(tensors, name))
        for name, optimizer in self.optimizers.items():
            _load_optimizer(optimizer, part(tensors, name))

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the network and the extra tensors alone; optimisers stay as they are.

        Raises:
            RuntimeError: weights of another network.
        """
        self.network.load_state_dict(part(tensors, "network"))
        with torch.no_grad():
            for name, tensor in self.extra.items():
                tensor.copy_(tensors[name])


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under `prefix/...`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under `prefix/...`, without the prefix."""
    start = f"{prefix}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


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
