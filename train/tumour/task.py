"""Brain tumours as a task: whole brains or crops, changed anew at every step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mckd.files.checkpoint import Checkpoint, load_checkpoint
from mckd.method import Batch, MissingModalityNetwork
from mckd.tumour import SEQUENCES
from mckd.tumour.designs import DESIGNS
from mckd.tumour.fingerprint import TRAINING_PRINTS, VALIDATION_PRINTS
from mckd.tumour.geometry import Triple
from mckd.tumour.outline import Credible
from mckd.tumour.parts import TumourParts
from train.settings import SettingsError
from train.task import content_of, epoch_order, generator
from train.tumour import augment
from train.tumour.cases import TrainingCase, crop, deal, load_cases
from train.tumour.loss import plain_segmentation_loss, segmentation_loss
from train.tumour.outlines import ORACLES, region_targets, subset_scores
from train.tumour.settings import TumourSettings
from train.workers import this_device

STEPS_PER_EPOCH = 50
BRAIN: Triple = (144, 176, 144)
"""Voxels of a training sample that is a whole brain; nearly every brain fits."""
LARGER_SHARE = 0.25
"""Share of samples with a patch's worth of more room on every axis, as wide heads have it."""
ROOM = 16
_ORDER, _SAMPLE, _META = 1, 2, 3


class TumourTask:
    """Cases of `data`, some of them for testing, and of `mix`, from which only training draws.

    `start`: a checkpoint whose weights the run begins with.
    """

    steps_per_epoch = STEPS_PER_EPOCH

    def __init__(
        self,
        settings: TumourSettings,
        data: Path,
        mix: Path | None = None,
        start: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self.settings = settings
        self.design = DESIGNS[settings.network]
        self.parts = TumourParts(self.design, (settings.only,) if settings.only else SEQUENCES)
        self.start: Checkpoint | None = load_checkpoint(start) if start else None
        parts = deal(load_cases(data, cache), settings.folds)
        test = parts[settings.fold] if settings.fold >= 0 else []
        training = [case for part in parts if part is not test for case in part]
        mixed = load_cases(mix, cache) if mix else []
        if mixed:
            mixed, validation = _kept_apart(mixed, mixed[-settings.validation :])
        else:
            step = max(1, len(training) // settings.validation)
            training, validation = _kept_apart(training, training[::step][: settings.validation])
        for folder, left in ((data, training), (mix, mixed)):
            if folder and not left:
                raise SettingsError(
                    f"{folder.name} leaves no case to train on. Use more cases or a smaller "
                    "--validation."
                )
        device = this_device() if settings.resident else torch.device("cpu")
        self._training, self._mixed, self.validation = (
            [case.to(device) for case in part] for part in (training, mixed, validation)
        )
        self.test_cases = test
        self.header: dict[str, Any] = {
            "network": settings.network,
            "et_min_ml": settings.et_min_ml,
            "least_part": settings.least_part,
            "data": _describe(training, mixed),
            "seen": "all" if _says_all(self.start) else "some",
        }
        self.keeps = {
            TRAINING_PRINTS: _prints([*training, *mixed], self.start, TRAINING_PRINTS),
            VALIDATION_PRINTS: _prints(validation, self.start, VALIDATION_PRINTS),
        }
        self.provenance: dict[str, Any] = {
            "data": self.header["data"],
            "content": content_of(_content([*training, *mixed, *validation, *test])),
            "start": self.start.sha256 if self.start else "",
            "scores": "Dice of the outlines that prediction draws"
            if not settings.plain
            else "Dice of plain outlines",
            "cases": {
                "train": sorted(c.name for c in [*training, *mixed]),
                "validation": sorted(c.name for c in validation),
                "test": sorted(c.name for c in test),
            },
        }

    def training_batch(self, step: int, rank: int, world: int) -> Batch:
        settings = self.settings
        share = settings.batch_size // world
        order = epoch_order(len(self._training), step, settings.batch_size, settings.seed, _ORDER)
        rows = order[rank * share : (rank + 1) * share]
        g = generator(settings.seed, _SAMPLE, step, rank)
        chosen = [self._from_mix(g) or self._training[int(row)] for row in rows]
        for k, case in enumerate(chosen):
            if settings.transplant and augment.happens(settings.transplant, g):
                donor = self._from_mix(g) or _any_of(self._training, g)
                chosen[k] = with_tumour_of(donor, case, g)
        return self._batch(chosen, g)

    def meta_batch(self, step: int, rank: int, world: int) -> Batch:
        """A validation case, changed like the training ones."""
        g = generator(self.settings.seed, _META, step, rank)
        return self._batch([self.validation[(step * world + rank) % len(self.validation)]], g)

    def loss(self, output: Tensor, target: Tensor, twice: bool = False) -> Tensor:
        loss = plain_segmentation_loss if twice else segmentation_loss
        return loss(output, target)

    def validate(self, network: MissingModalityNetwork) -> dict[str, float]:
        """And, with `oracle`, the mean that true features of all sequences would give."""
        scores = self._scores(network, self.validation)
        for oracle in ORACLES if self.settings.oracle else ():
            told = self._scores(network, self.validation, oracle)
            scores |= {f"oracle_{oracle}": told["mean"]} if "mean" in told else {}
        return scores

    def test(self, network: MissingModalityNetwork) -> dict[str, float]:
        return self._scores(network, self.test_cases) if self.test_cases else {}

    def _scores(
        self, network: MissingModalityNetwork, cases: list[TrainingCase], oracle: str = ""
    ) -> dict[str, float]:
        credible = None if self.settings.plain else Credible.of(self.header)
        return subset_scores(network, cases, credible, oracle)

    def _batch(self, cases: list[TrainingCase], g: torch.Generator) -> Batch:
        size = self._size(g)
        samples = [self._sample(case, size, g) for case in cases]
        images = torch.stack([image for image, _ in samples])
        labels = torch.stack([label for _, label in samples])
        columns = [SEQUENCES.index(s) for s in self.parts.modalities]
        return Batch(
            tuple(images[:, m : m + 1] for m in columns),
            torch.stack([case.present for case in cases])[:, columns],
            region_targets(labels),
        )

    def _from_mix(self, g: torch.Generator) -> TrainingCase | None:
        """One of the mixed cases in `mix_share` of the draws."""
        if self._mixed and augment.happens(self.settings.mix_share, g):
            return _any_of(self._mixed, g)
        return None

    def _size(self, g: torch.Generator) -> Triple:
        whole = self.settings.whole
        if self.settings.crop and not (whole and augment.happens(whole, g)):
            return (self.settings.crop,) * 3
        if self.design.window:
            return self.design.window
        larger = augment.happens(LARGER_SHARE, g)
        x, y, z = (n + ROOM * larger for n in BRAIN)
        return x, y, z

    def _sample(
        self, case: TrainingCase, size: Triple, g: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        part = bool(self.settings.crop or self.design.window)
        images, labels = crop(case, size, g, seek=part)
        images, labels = augment.mirror(images, labels, g)
        if augment.happens(self.settings.deform, g):
            images, labels = augment.deform(images, labels, g)
        if self.settings.vary and augment.happens(self.settings.vary, g):
            images = augment.vary_tumour(images, labels, g)
        return augment.change_intensities(images, self.settings.change, g), labels


def with_tumour_of(donor: TrainingCase, case: TrainingCase, g: torch.Generator) -> TrainingCase:
    """A case with another's tumour besides its own. It has the sequences that both have."""
    images, labels = augment.transplant(case.images, case.labels, donor.images, donor.labels, g)
    present = case.present & donor.present
    shown = images * present.to(images.device).view(-1, 1, 1, 1)
    return replace(case, images=shown, labels=labels, present=present)


def _any_of(cases: list[TrainingCase], g: torch.Generator) -> TrainingCase:
    return cases[int(torch.randint(len(cases), (1,), generator=g))]


def _kept_apart(
    cases: list[TrainingCase], chosen: list[TrainingCase]
) -> tuple[list[TrainingCase], list[TrainingCase]]:
    """The cases of other patients than those chosen, and those of the same, every visit of them."""
    patients = {case.patient for case in chosen}
    others = [case for case in cases if case.patient not in patients]
    return others, [case for case in cases if case.patient in patients]


def _prints(cases: list[TrainingCase], start: Checkpoint | None, name: str) -> Tensor:
    """Fingerprints of cases, and of those that the checkpoint saw which the run began with."""
    before = start.tensors.get(name) if start else None
    mine = torch.stack([case.prints for case in cases])
    return mine if before is None else torch.cat([before, mine]).unique(dim=0)


def _content(cases: Iterable[TrainingCase]) -> Iterator[bytes | np.ndarray]:
    """What is the same of cases on every computer: where their brains lie, and the labels."""
    for case in cases:
        yield repr((case.name, case.brain.start, case.brain.stop)).encode()
        yield case.labels.numpy()


def _says_all(start: Checkpoint | None) -> bool:
    """Whether it is known what the checkpoint saw which the run begins with."""
    return start is None or start.header.get("seen") == "all"


def _describe(training: list[TrainingCase], mixed: list[TrainingCase]) -> str:
    """One line for people: how many cases, and how many of them synthetic."""
    synthetic = sum(c.synthetic for c in [*training, *mixed])
    real = len(training) + len(mixed) - synthetic
    parts = [
        f"{real} real cases" if real else "",
        f"{synthetic} synthetic cases" if synthetic else "",
    ]
    return " and ".join(part for part in parts if part)
