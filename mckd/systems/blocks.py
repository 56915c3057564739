"""What several systems share: one update of a network by a sum of named losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from mckd.method import Batch, gradient, stop_if_not_finite
from mckd.systems.system import Moment, System

TASK = "task_loss"
Losses = Callable[[Batch], Mapping[str, tuple[float, Tensor]]]
"""Of a batch: {name: (weight, loss)}."""


def task_alone(system: System) -> Losses:
    """Of a system whose only loss is the task's."""

    def losses(batch: Batch) -> dict[str, tuple[float, Tensor]]:
        output = system.network(batch.inputs, batch.present)
        return {TASK: (1.0, system.trainer.task_loss(output, batch.target))}

    return losses


def train_beside(system: System, **modules: nn.Module) -> None:
    """Modules that the network's own optimiser trains with it; they are not kept with it."""
    system.modules |= {name: m.to(system.trainer.device) for name, m in modules.items()}
    beside = (p for module in system.modules.values() for p in module.parameters())
    trained = [*system.network.parameters(), *beside]
    system.optimizers["optimizer"] = system.trainer.optimizer(trained)


def descend(system: System, now: Moment, losses_of: Losses) -> dict[str, float]:
    """One update by the weighted sum of `losses_of(batch)`, worked off in parts.

    Returns:
        The means of the losses by name, and their weighted sum as `loss`.

    Raises:
        NonFiniteLossError: before anything is changed.
    """
    trainer, optimizer = system.trainer, system.optimizers["optimizer"]
    optimizer.zero_grad(set_to_none=True)
    found: dict[str, float] = {}
    for piece in now.batch.split(trainer.accumulate):
        share = len(piece.target) / len(now.batch.target)
        with trainer.autocast():
            losses = losses_of(piece)
            total = sum(weight * loss for weight, loss in losses.values())
        assert isinstance(total, Tensor)
        stop_if_not_finite(total, "training loss", now.step)
        (total * share).backward()
        for name, loss in {"loss": total, **{n: x for n, (_, x) in losses.items()}}.items():
            found[name] = found.get(name, 0.0) + share * loss.item()
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    trainer.synchronise([gradient(p) for p in trained if p.requires_grad])
    optimizer.step()
    system.average_statistics()
    return found
