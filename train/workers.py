"""One process or several (torchrun): who this one is and how gradients are averaged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor


class WorkersError(RuntimeError):
    """The processes of a run cannot go on together; the message says what to do."""


@dataclass(frozen=True)
class Workers:
    """rank of world processes, and the device of this one."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in one exchange.

        Raises:
            WorkersError: another process is gone.
        """
        if self.world == 1 or not tensors:
            return
        flat = self._sum(torch.cat([t.flatten() for t in tensors]))
        flat /= self.world
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether any process says so; all get the same answer."""
        if self.world == 1:
            return flag
        return bool(self._sum(torch.tensor(float(flag), device=self.device)) > 0)

    def of_first(self, number: int) -> int:
        """The first process's number, in all of them."""
        if self.world == 1:
            return number
        mine = number if self.is_first else 0
        return int(self._sum(torch.tensor(mine, device=self.device)))

    def _sum(self, tensor: Tensor) -> Tensor:
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            raise WorkersError(
                "Another process of this run ended. What it said stands above, if anything; start "
                "all of them again with --resume."
            ) from error
        return tensor


def this_device() -> torch.device:
    """Of this process.

    Raises:
        WorkersError: more processes than GPUs.
    """
    return device_of(int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count())


@contextmanager
def join_workers() -> Iterator[Workers]:
    """Join the processes that torchrun started; alone without torchrun.

    Raises:
        WorkersError: more processes than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    device = this_device()
    if world > 1:
        # Long, as the others wait while the first validates; that one died is noticed at once.
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=timedelta(days=1))
    workers = Workers(rank, world, device)
    yield workers
    # All leave together: who closes connections early disturbs the others. That one was a little
    # earlier even so is no fault, as nothing is left to be done. After a fault connections stay
    # as they are: to close them beside a process that died can abort this one.
    with suppress(WorkersError):
        workers.any(False)
    if world > 1:
        dist.destroy_process_group()


def device_of(local_rank: int, gpus: int) -> torch.device:
    """A GPU for each process of a computer that has some, else the CPU.

    Raises:
        WorkersError: there is none left for this process.
    """
    if not gpus:
        return torch.device("cpu")
    if local_rank >= gpus:
        raise WorkersError(
            f"This computer has {gpus} GPU{'s' * (gpus > 1)}, and each process needs one of its "
            f"own: start torchrun with --nproc-per-node={gpus}."
        )
    return torch.device("cuda", local_rank)
