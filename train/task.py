"""What the training loop asks of a task. The loop knows no task by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mckd.files.checkpoint import Checkpoint
from mckd.method import Batch, MissingModalityNetwork
from mckd.systems import Parts

Row = TypeVar("Row")


class Task(Protocol):
    """Data, parts of networks, loss and scores of one run.

    Batches are functions of the step alone (and of the seed), so that a resumed run sees what an
    uninterrupted one would have seen. `present` in them says what the data has; the loop drops
    modalities on top of that.
    """

    steps_per_epoch: int
    provenance: dict[str, Any]
    """Which data, and `content`, see `content_of`; no place, so that data may be moved."""
    start: Checkpoint | None
    """A checkpoint whose weights the run begins with, else None."""
    header: dict[str, Any]
    """What a checkpoint needs to name its parts again."""
    keeps: dict[str, Tensor]
    """What else lies in a checkpoint, by name: what tells whether it saw a case."""
    parts: Parts
    """What a system builds its network from."""

    def training_batch(self, step: int, rank: int, world: int) -> Batch:
        """This process's share of the batch at `step`."""
        ...

    def meta_batch(self, step: int, rank: int, world: int) -> Batch:
        """This process's share of a meta-validation batch; never from the test part."""
        ...

    def loss(self, output: Tensor, target: Tensor, twice: bool = False) -> Tensor:
        """l_task. twice: it will be differentiated twice."""
        ...

    def validate(self, network: MissingModalityNetwork) -> dict[str, float]:
        """Score per subset on the validation part."""
        ...

    def test(self, network: MissingModalityNetwork) -> dict[str, float]:
        """Score per subset on the test part. Called once, at the end; nothing is chosen by it."""
        ...


def generator(*key: int) -> torch.Generator:
    """A torch generator that is a function of the key, independent between keys."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> 1))


def content_of(parts: Iterable[bytes | npt.NDArray[Any]]) -> str:
    """What tells data apart, wherever they lie: 16 hexadecimal digits of the SHA-256 of files or
    arrays. To be of what was read, not computed, for sums differ between processors."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def epoch_order(count: int, step: int, batch_size: int, seed: int, stream: int) -> Tensor:
    """The rows of batch `step` when `count` rows are dealt anew each epoch, (batch_size,).

    The last batch of an epoch is filled up from its start, so that all batches are equal.
    """
    per_epoch = -(-count // batch_size)
    epoch, place = divmod(step, per_epoch)
    rows = torch.arange(place * batch_size, (place + 1) * batch_size) % count
    return _dealt(count, seed, stream, epoch)[rows]


@lru_cache(maxsize=4)
def _dealt(count: int, seed: int, stream: int, epoch: int) -> Tensor:
    """The order of an epoch; kept, as each of its batches asks for it."""
    return torch.randperm(count, generator=generator(seed, stream, epoch))
