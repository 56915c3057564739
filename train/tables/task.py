"""Tables as a task for the training loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mckd.method import Batch, MissingModalityNetwork
from mckd.tables.columns import Columns
from mckd.tables.data import Samples, read_folder
from mckd.tables.parts import TableParts
from mckd.tables.predictor import PARTS, columns_header, columns_tensors, fingerprints, rows_of
from mckd.tables.scores import (
    Rows,
    score_of_nothing,
    score_subsets,
    scored_subsets,
    with_mean,
)
from mckd.tables.target import Target
from mckd.tables.words import nearest
from train.settings import SettingsError
from train.tables.settings import TableSettings
from train.tables.split import hide, split
from train.task import content_of, epoch_order, generator

FEWEST_STEPS, MOST_STEPS = 20, 200
"""Of an epoch: a pass over the training part, but not below or above."""
_TRAIN, _META, _NOISE = 1, 2, 3


class TableTask:
    """A folder of tables, dealt into three parts by the seed."""

    start = None

    def __init__(self, settings: TableSettings, folder: Path) -> None:
        self.settings = settings
        samples = read_folder(folder, settings.target)
        self.target, dealt = _deal(samples, settings)
        training = dealt["train"]
        if settings.missing_rate:
            training = _hide(training, settings)
        modalities = _chosen(samples.modalities, settings.only)
        tables = {m: training.tables[m] for m in modalities}
        self.columns = {m: Columns.fit(table) for m, table in tables.items()}
        if empty := [m for m, c in self.columns.items() if not c.width]:
            raise SettingsError(
                f"No column of {empty[0]} can be used: they hold free text or nothing. Leave the "
                "table out."
            )
        rows = {part: rows_of(dealt[part], self.columns, self.target) for part in PARTS[1:]}
        rows["train"] = rows_of(training, self.columns, self.target)
        self._rows = {part: _with_any(rows[part]) for part in PARTS}
        for part in PARTS:
            if not len(self._rows[part]):
                raise SettingsError(f"No sample of the {part} part has {' or '.join(modalities)}.")
        self._weights = self._class_weights() if settings.balanced else None
        self.parts = TableParts(
            inputs={m: c.width for m, c in self.columns.items()},
            outputs=self.target.outputs,
            hidden=settings.hidden,
            channels=settings.width,
            dropout=settings.dropout,
        )
        passes = -(-len(self._rows["train"]) // settings.batch_size)
        self.steps_per_epoch = min(max(passes, FEWEST_STEPS), MOST_STEPS)
        common = self._most_frequent_class()
        self.header: dict[str, Any] = {
            "target": self.target.to_json(),
            "columns": columns_header(self.columns),
            "common": common,
            "nothing": score_of_nothing(
                self.target, self._rows["test"].target, common, settings.balanced
            ),
        }
        self.keeps: dict[str, Tensor] = columns_tensors(self.columns) | {
            f"prints/{part}": fingerprints(self._rows[part]) for part in PARTS
        }
        self.provenance = self._provenance(samples)

    def training_batch(self, step: int, rank: int, world: int) -> Batch:
        batch = self._batch("train", step, rank, world, _TRAIN)
        noise = self.settings.noise
        if not noise:
            return batch
        g = generator(self.settings.seed, _NOISE, step, rank)
        inputs = tuple(x + noise * torch.randn(x.shape, generator=g) for x in batch.inputs)
        return Batch(inputs, batch.present, batch.target)

    def meta_batch(self, step: int, rank: int, world: int) -> Batch:
        return self._batch("validation", step, rank, world, _META)

    def loss(self, output: Tensor, target: Tensor, twice: bool = False) -> Tensor:
        if self.target.is_number:
            return F.mse_loss(output[:, 0], target)
        weights = None if self._weights is None else self._weights.to(output)
        return F.cross_entropy(output, target, weights, label_smoothing=self.settings.smoothing)

    def validate(self, network: MissingModalityNetwork) -> dict[str, float]:
        """All modalities, each alone, the mean of the scored subsets."""
        scores = self._scores(network, "validation")
        shown = len(network.modalities) + 2
        return dict([*with_mean(scores, network.modalities).items()][:shown])

    def test(self, network: MissingModalityNetwork) -> dict[str, float]:
        """The same, then every other scored subset."""
        return with_mean(self._scores(network, "test"), network.modalities)

    def concatenated(self, part: str, subset: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """(n, D) and (n,): one table of all modalities, for models that know no other. Rows that
        are missing, or not in `subset`, are 0, the mean of the training rows; samples that have
        none of `subset` are left out."""
        rows, chosen = self._rows[part], frozenset(subset)
        kept = rows.present & torch.tensor([m in chosen for m in self.columns])
        blocks = [x * kept[:, k : k + 1] for k, x in enumerate(rows.inputs)]
        some = kept.any(1)
        return torch.cat(blocks, 1)[some].numpy(), rows.target[some].numpy()

    def _scores(self, network: MissingModalityNetwork, part: str) -> dict[frozenset[str], float]:
        return score_subsets(network, self._rows[part], self.target, self.settings.balanced)

    def _batch(self, part: str, step: int, rank: int, world: int, stream: int) -> Batch:
        rows, settings = self._rows[part], self.settings
        order = epoch_order(len(rows), step, settings.batch_size, settings.seed, stream)
        mine = order[rank::world]
        return Batch(tuple(x[mine] for x in rows.inputs), rows.present[mine], rows.target[mine])

    def _most_frequent_class(self) -> int:
        """Of the training part; 0 where a number is predicted."""
        labels = self._rows["train"].target
        return 0 if self.target.is_number else int(labels.bincount().argmax())

    def _class_weights(self) -> Tensor:
        """(K,): inverse to how frequent a class is in training, 1 in the mean over samples."""
        if self.target.is_number:
            raise SettingsError("--balanced is for classes, and here a number is predicted.")
        count = torch.bincount(self._rows["train"].target, minlength=self.target.outputs)
        return len(self._rows["train"]) / (count.clamp(min=1) * (count > 0).sum())

    def _provenance(self, samples: Samples) -> dict[str, Any]:
        modalities = [*self.columns]
        count = 2 ** len(modalities) - 1
        scored = len(scored_subsets(modalities))
        every = "every subset" if scored == count else f"{scored} of {count} subsets, drawn once"
        measure = "R2" if self.target.is_number else "accuracy"
        return {
            "data": f"{len(samples):,} samples of {len(samples.modalities)} tables",
            "scores": f"{'balanced ' if self.settings.balanced else ''}{measure} of {every}",
            "content": content_of(_content(samples)),
            "samples": {part: len(self._rows[part]) for part in PARTS},
            "rows": {
                m: int(self._rows["train"].present[:, k].sum()) for k, m in enumerate(modalities)
            },
            "columns": {m: len(c.features) for m, c in self.columns.items()},
            "not used": [f"{m}: {name}" for m, c in self.columns.items() for name in c.unused],
            "notes": [*samples.notes],
        }


def _content(samples: Samples) -> Iterator[bytes | np.ndarray]:
    """All that was read of the tables."""
    yield repr((samples.ids, samples.labels.tolist())).encode()
    for modality, table in samples.tables.items():
        for name, column in table.items():
            yield repr((modality, name)).encode()
            numbers = column.dtype == np.float64
            yield np.ascontiguousarray(column) if numbers else repr(column.tolist()).encode()


def _deal(samples: Samples, settings: TableSettings) -> tuple[Target, dict[str, Samples]]:
    """What is predicted, and the samples of each part."""
    name, labels = samples.target, samples.labels
    target = Target.fit(name, labels, labels, settings.problem)
    rows = split(samples, target, settings.validation, settings.test, settings.seed)
    dealt = {part: samples[rows[part]] for part in PARTS}
    return Target.fit(name, labels, dealt["train"].labels, settings.problem), dealt


def _hide(training: Samples, settings: TableSettings) -> Samples:
    """The training part with rows taken away, so that no statistic sees them."""
    kept = hide(training.present, settings.missing_rate, settings.seed)
    tables = {
        m: {c: _where(kept[:, k], v) for c, v in table.items()}
        for k, (m, table) in enumerate(training.tables.items())
    }
    return Samples(training.ids, tables, kept, training.target, training.labels, training.notes)


def _where(kept: np.ndarray, values: Any) -> Any:
    return np.where(kept, values, np.nan if values.dtype == np.float64 else None)


def _chosen(modalities: tuple[str, ...], only: str) -> tuple[str, ...]:
    if only and only not in modalities:
        raise SettingsError(f"--only: there is no modality {only!r}. {nearest(only, modalities)}")
    return (only,) if only else modalities


def _with_any(rows: Rows) -> Rows:
    """Those that have any of the modalities that are used."""
    some = rows.present.any(1)
    return Rows(tuple(x[some] for x in rows.inputs), rows.present[some], rows.target[some])
