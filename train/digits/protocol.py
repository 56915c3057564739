"""The paper's Audiovision-MNIST protocol (Table 2) as a task for the training loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mckd.digits.data import (
    MODALITIES,
    Pairs,
    Recording,
    Split,
    is_synthetic,
    keep_rate,
    split_pairs,
)
from mckd.digits.parts import DigitParts, parts
from mckd.method import Batch, MissingModalityNetwork, predict, subsets
from mckd.method.presence import presence_mask
from train.digits.mfcc import mfcc_of
from train.digits.pretrain import with_trained_encoders
from train.digits.settings import DigitSettings
from train.task import content_of, epoch_order

_TRAIN, _META = 1, 2


@dataclass(frozen=True)
class Part:
    """inputs: one (n, 1, height, width) per modality; present (n, M) bool; labels (n,)."""

    inputs: tuple[Tensor, ...]
    present: Tensor
    labels: Tensor

    def __getitem__(self, rows: Tensor) -> Part:
        return Part(tuple(x[rows] for x in self.inputs), self.present[rows], self.labels[rows])


class PaperTask:
    """900 training, 150 validation and 450 test pairs; a modality kept at a rate in training.

    alone: train the same network on this modality only (an ablation of the tables).
    """

    start = None

    def __init__(self, settings: DigitSettings, folder: Path, alone: str = "") -> None:
        self.settings = settings
        modalities = (settings.only,) if settings.only else MODALITIES
        split, tensors, content = _load(
            Path(folder), settings.features, settings.order, settings.draw
        )
        columns = [MODALITIES.index(m) for m in modalities]
        train, self._validation, self._test = (_columns(part, columns) for part in tensors)
        self._train = _keep_rates(train, split.train, columns, settings)
        if alone:
            self._train.present[:] = torch.tensor([m == alone for m in modalities])
        self.steps_per_epoch = -(-len(self._train.labels) // settings.batch_size)
        self.parts = self._parts(modalities)
        self.header: dict[str, Any] = {
            "network": "paper",
            "image_encoder": settings.image_encoder,
            "features": settings.features,
        }
        self.keeps: dict[str, Tensor] = {}
        self.provenance = _provenance(split) | {"content": content}

    def _parts(self, modalities: tuple[str, ...]) -> DigitParts:
        settings = self.settings
        fresh = parts("paper", modalities, settings.image_encoder)
        if not settings.pretrain:
            return fresh
        train = self._train
        return with_trained_encoders(
            fresh, train.inputs, train.present, train.labels, settings.image_encoder, settings.seed
        )

    def training_batch(self, step: int, rank: int, world: int) -> Batch:
        return self._batch(self._train, step, rank, world, _TRAIN)

    def meta_batch(self, step: int, rank: int, world: int) -> Batch:
        return self._batch(self._validation, step, rank, world, _META)

    def loss(self, output: Tensor, target: Tensor, twice: bool = False) -> Tensor:
        return F.cross_entropy(output, target)

    def validate(self, network: MissingModalityNetwork) -> dict[str, float]:
        return accuracy(network, self._validation)

    def test(self, network: MissingModalityNetwork) -> dict[str, float]:
        return accuracy(network, self._test)

    def right(self, network: MissingModalityNetwork, subset: frozenset[str]) -> Tensor:
        """(n,) bool, on the CPU: which test samples it answers rightly from this subset."""
        return right_answers(network, self._test, subset)

    def _batch(self, part: Part, step: int, rank: int, world: int, stream: int) -> Batch:
        settings = self.settings
        rows = epoch_order(len(part.labels), step, settings.batch_size, settings.seed, stream)
        mine = part[rows[rank::world]]
        return Batch(mine.inputs, mine.present, mine.labels)


def accuracy(network: MissingModalityNetwork, part: Part) -> dict[str, float]:
    """Share of right answers for every subset of the network's modalities."""
    return {
        subset_name(subset): right_answers(network, part, subset).double().mean().item()
        for subset in subsets(network.modalities)
    }


def right_answers(network: MissingModalityNetwork, part: Part, subset: frozenset[str]) -> Tensor:
    """(n,) bool, on the CPU: which samples of the part it answers rightly from this subset."""
    device = next(network.parameters()).device
    inputs = [x.to(device) for x in part.inputs]
    present = presence_mask(subset, network.modalities, len(part.labels), device)
    return predict(network, inputs, present).argmax(1).cpu() == part.labels


def subset_name(subset: frozenset[str]) -> str:
    """visual, audio or both."""
    return next(iter(subset)) if len(subset) == 1 else "both"


@lru_cache(maxsize=4)
def _load(
    folder: Path, features: str, order: str, draw: int
) -> tuple[Split, tuple[Part, Part, Part], str]:
    """The split, its parts as tensors and its `content_of`; kept, as the tables train on them a
    hundred times."""
    split = split_pairs(folder, order, draw)
    train, validation, test = (
        _tensors(pairs, folder, features) for pairs in (split.train, split.validation, split.test)
    )
    parts = (split.train, split.validation, split.test)
    content = content_of_digits(
        (part.images for part in parts), (r for part in parts for r in part.recordings)
    )
    return split, (train, validation, test), content


def content_of_digits(pictures: Iterable[np.ndarray], recordings: Iterable[Recording]) -> str:
    """`content_of` all pictures and the file of every recording."""
    return content_of(chain(pictures, (recording.path.read_bytes() for recording in recordings)))


def _tensors(pairs: Pairs, folder: Path, features: str) -> Part:
    images = torch.from_numpy(pairs.images).float()[:, None] / 255
    sounds = torch.from_numpy(mfcc_of(pairs.recordings, features, folder))[:, None]
    everything = torch.ones(len(pairs), len(MODALITIES), dtype=torch.bool)
    return Part((images, sounds), everything, torch.from_numpy(pairs.labels))


def _columns(part: Part, columns: Sequence[int]) -> Part:
    """Only some modalities."""
    inputs = tuple(part.inputs[c] for c in columns)
    return Part(inputs, part.present[:, list(columns)], part.labels)


def _keep_rates(part: Part, pairs: Pairs, columns: Sequence[int], settings: DigitSettings) -> Part:
    """Lower a modality to its rate; rows that are left with nothing go."""
    rates = {"visual": settings.visual_rate, "audio": settings.audio_rate}
    present = part.present.clone()
    for place, column in enumerate(columns):
        rate = rates[MODALITIES[column]]
        if rate < 1:
            present[:, place] = torch.from_numpy(keep_rate(pairs, rate, settings.seed))
    lowered = Part(part.inputs, present, part.labels)
    return lowered[present.any(1).nonzero().squeeze(1)]


def _provenance(split: Split) -> dict[str, Any]:
    """Which pictures and speakers the run saw; indices are positions in the idx file."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    speakers = sorted({r.speaker for part in parts.values() for r in part.recordings})
    made = is_synthetic(split.train.recordings)
    return {
        "data": "synthetic pictures and recordings only, split as Audiovision-MNIST"
        if made
        else "Audiovision-MNIST protocol (SMIL; MCKD Sec. 4)",
        "speakers": speakers,
        "pairs": {name: len(part) for name, part in parts.items()},
        "image_index": {name: part.image_index.tolist() for name, part in parts.items()},
    }
