"""Predict from the rows of a sample, whichever of them are there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mckd.files.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from mckd.files.hub import Pretrained
from mckd.method import MissingModalityNetwork, subsets
from mckd.shapley import shapley
from mckd.systems import rebuild
from mckd.tables.columns import Columns
from mckd.tables.data import Samples
from mckd.tables.files import Column, TableError
from mckd.tables.parts import TableParts
from mckd.tables.scores import NOTHING, Rows, score_of_nothing, score_subsets, subset_of
from mckd.tables.target import Target
from mckd.tables.words import nearest

TASK = "tables"
PARTS = ("train", "validation", "test")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """label: a class as the data writes it, whole numbers as int, or a predicted number.

    probabilities: (K,) that sum to 1, in the order of `TableClassifier.classes`; empty of a number.
    present: the modalities it rests on.
    """

    label: str | int | float
    probabilities: Floats
    present: frozenset[str]


@dataclass(frozen=True)
class Encoded:
    """Rows of one sample as the network read them: {modality's place: features per scale}."""

    features: dict[int, tuple[Tensor, ...]]


class TableClassifier(Pretrained):
    """A trained model. Safe to share between threads: nothing is kept between calls.

    classes: (K,) what can be predicted; empty where it is a number. importance: of each modality,
    the IWV; empty of a system that learns none. columns: {modality: its Columns}.
    """

    def __init__(
        self,
        network: MissingModalityNetwork,
        columns: Mapping[str, Columns],
        target: Target,
        importance: Mapping[str, float] | None,
        about: Mapping[str, Any],
        prints: Mapping[str, Tensor],
    ) -> None:
        """prints: {part of the data: fingerprints of its samples}, see `fingerprints`."""
        self._network = network.eval()
        self.columns, self.target = dict(columns), target
        self.importance = dict(importance or {})
        self.about = dict(about)
        self._prints = {part: set(known.tolist()) for part, known in prints.items()}

    @classmethod
    def load(cls, path: Path | str) -> TableClassifier:
        """Load a checkpoint that the manifest beside it confirms.

        Raises:
            CheckpointError: missing, damaged, or of another task or version.
        """
        path = Path(path)
        checkpoint = load_checkpoint(path)
        header = checkpoint.header
        if header.get("task") != TASK:
            raise CheckpointError(f"{path.name} was not trained on tables.")
        try:
            columns, target = columns_of(checkpoint), Target.from_json(header["target"])
            parts = parts_of(checkpoint)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path.name} does not fit this version.") from error
        network, weights = rebuild(checkpoint, parts)
        about = header | {"sha256": checkpoint.sha256}
        return cls(network, columns, target, weights, about, checkpoint.part("prints"))

    @property
    def modalities(self) -> tuple[str, ...]:
        return self._network.modalities

    @property
    def classes(self) -> tuple[str | int, ...]:
        return self.target.labels

    @torch.inference_mode()
    def encode(self, rows: Mapping[str, Any]) -> Encoded:
        """Encode the rows that are there, once for all their subsets.

        Args:
            rows: {modality: a row}, a mapping of columns to values or a sequence in the order of
                the file. Missing values are None or NaN; a modality that is missing is left out,
                or None.

        Raises:
            TableError: an unknown modality or column, a wrong number of values, no row.
        """
        features = {}
        for modality, row in rows.items():
            if modality not in self.columns:
                hint = nearest(str(modality), self.modalities)
                raise TableError(f"There is no modality {modality!r}. {hint}")
            if row is not None:
                columns = self.columns[modality]
                x = columns.encode(columns.row(row, modality), modality)
                place = self.modalities.index(modality)
                features[place] = self._network.encode_one(torch.from_numpy(x), place)
        if not features:
            raise TableError("No modality is present. At least one row is needed.")
        return Encoded(dict(sorted(features.items())))

    def decide(self, encoded: Encoded, present: Iterable[str] | None = None) -> Prediction:
        """Predict from some of the encoded rows, or all; what is missing is filled by Eq. 2.

        Raises:
            TableError: a modality that was not encoded, or none.
        """
        has = self._names(encoded)
        names = has if present is None else frozenset(present)
        if not names or not names <= has:
            unknown = sorted(names - has)
            said = f"There is no row of {unknown[0]!r}" if unknown else "No modality is present"
            raise TableError(f"{said}. Here: {', '.join(m for m in self.modalities if m in has)}.")
        return self._prediction(self._outputs(encoded, [names])[0], names)

    def predict(self, rows: Mapping[str, Any]) -> Prediction:
        """`encode` and `decide` in one call.

        Raises:
            TableError: see `encode`.
        """
        return self.decide(self.encode(rows))

    def contributions(self, encoded: Encoded, label: str | int | None = None) -> dict[str, float]:
        """What each row adds to the probability of a class: exact Shapley values.

        They add up to the probability from all rows less 1 / K. Of a number: to what is predicted,
        less the mean of the training part.

        label: the class; the one that is predicted if it is None.
        """
        has = self._names(encoded)
        sets = subsets([m for m in self.modalities if m in has])
        outputs = self._outputs(encoded, sets)
        found = [self._prediction(x, s) for x, s in zip(outputs, sets, strict=True)]
        if self.target.is_number:
            worth, nothing = [float(p.label) for p in found], self.target.mean
        else:
            place = self.classes.index(found[-1].label if label is None else label)
            worth, nothing = [float(p.probabilities[place]) for p in found], 1 / len(self.classes)
        players = [m for m in self.modalities if m in has]
        return shapley({**dict(zip(sets, worth, strict=True)), NOTHING: nothing}, players)

    def rows(self, samples: Samples) -> Rows:
        """Samples as the network takes them; the target is -1 or NaN where there is no label.

        Raises:
            TableError: a modality is not there, or has not the columns of training.
        """
        return rows_of(samples, self.columns, self.target)

    def score(self, samples: Samples) -> dict[frozenset[str], float]:
        """The score of each subset on samples that have labels; see `score_subsets`."""
        rows = self.rows(samples)
        known = torch.from_numpy(self.target.known(samples.labels))
        scored = Rows(tuple(x[known] for x in rows.inputs), rows.present[known], rows.target[known])
        balanced = bool(self.about["settings"].get("balanced"))
        return score_subsets(self._network, scored, self.target, balanced)

    def score_of_nothing(self, samples: Samples) -> float:
        """What always saying the most frequent class of training scores on these samples."""
        known = self.target.known(samples.labels)
        labels = self.target.encode(samples.labels[known])
        balanced = bool(self.about["settings"].get("balanced"))
        return score_of_nothing(self.target, labels, int(self.about["common"]), balanced)

    def test_scores(self) -> tuple[dict[frozenset[str], float], float]:
        """Of each scored subset on the test part of the run, and without any modality."""
        named: dict[str, float] = self.about["metrics"]["test"]
        scores = {subset_of(k, self.modalities): x for k, x in named.items() if k != "mean"}
        return scores, float(self.about["nothing"])

    def part_of(self, samples: Samples) -> list[str]:
        """For each sample the first of PARTS that the run had it in; "" if it had it not."""
        known = [(part, self._prints[part]) for part in PARTS]
        seen = fingerprints(self.rows(samples)).tolist()
        return [next((part for part, prints in known if p in prints), "") for p in seen]

    def _names(self, encoded: Encoded) -> frozenset[str]:
        return frozenset(self.modalities[k] for k in encoded.features)

    @torch.inference_mode()
    def _outputs(self, encoded: Encoded, sets: Iterable[frozenset[str]]) -> Tensor:
        """Outputs (len(sets), ...) from these subsets of the encoded rows."""
        first = next(iter(encoded.features.values()))
        scales = tuple(
            torch.stack(
                [
                    encoded.features[m][s] if m in encoded.features else torch.zeros_like(first[s])
                    for m in range(len(self.modalities))
                ],
                1,
            )
            for s in range(len(first))
        )
        present = torch.tensor([[m in names for m in self.modalities] for names in sets])
        spread = tuple(f.expand(len(present), *f.shape[1:]) for f in scales)
        return self._network.answer(spread, present)

    def _prediction(self, output: Tensor, names: frozenset[str]) -> Prediction:
        if self.target.is_number:
            number = output.double().item() * self.target.std + self.target.mean
            return Prediction(number, np.empty(0), names)
        probabilities: Floats = output.double().softmax(0).numpy()
        return Prediction(self.classes[int(probabilities.argmax())], probabilities, names)


def rows_of(samples: Samples, columns: Mapping[str, Columns], target: Target) -> Rows:
    """Samples as a network over the modalities of `columns` takes them.

    A table that is not there is missing for all samples; one that the network does not know is
    ignored, unless it may be a misspelt one.

    Raises:
        TableError: no table that the network knows, or one that it may know by another name.
    """
    lacking = [m for m in columns if m not in samples.tables]
    unknown = [m for m in samples.modalities if m not in columns]
    if lacking and unknown:
        hint = nearest(unknown[0], columns)
        raise TableError(f"The model knows no table {unknown[0]!r}. {hint}")
    n = len(samples)
    inputs, present = [], []
    for modality, c in columns.items():
        if modality in lacking:
            inputs.append(np.zeros((n, c.width), np.float32))
            present.append(np.zeros(n, bool))
        else:
            inputs.append(c.encode(samples.tables[modality], modality))
            present.append(samples.present[:, samples.modalities.index(modality)])
    return Rows(
        tuple(torch.from_numpy(x) for x in inputs),
        torch.from_numpy(np.stack(present, 1)),
        target.encode(samples.labels),
    )


def fingerprints(rows: Rows) -> Tensor:
    """(n,) int64: what tells samples apart by their values, whatever they are called."""
    found = []
    for k in range(len(rows)):
        digest = hashlib.sha256(rows.present[k].numpy().tobytes())
        for x in rows.inputs:
            digest.update((x[k].numpy().round(3) + 0).tobytes())  # -0 is 0
        found.append(int.from_bytes(digest.digest()[:8], "little", signed=True))
    return torch.tensor(found, dtype=torch.int64)


def parts_of(checkpoint: Checkpoint) -> TableParts:
    """What the network of a checkpoint is built from.

    Raises:
        KeyError, TypeError, ValueError: its header is of another version.
    """
    settings = checkpoint.header["settings"]
    return TableParts(
        inputs={m: columns.width for m, columns in columns_of(checkpoint).items()},
        outputs=Target.from_json(checkpoint.header["target"]).outputs,
        hidden=settings["hidden"],
        channels=settings["width"],
        dropout=settings["dropout"],
    )


def columns_of(checkpoint: Checkpoint) -> dict[str, Columns]:
    """The columns that a checkpoint was trained on; see `columns_header` and `columns_tensors`."""
    return {
        modality: Columns.from_json(
            listed,
            checkpoint.tensors[f"columns/{k}/mean"].numpy(),
            checkpoint.tensors[f"columns/{k}/inverse_std"].numpy(),
        )
        for k, (modality, listed) in enumerate(checkpoint.header["columns"].items())
    }


def columns_header(columns: Mapping[str, Columns]) -> dict[str, Any]:
    return {modality: c.to_json() for modality, c in columns.items()}


def columns_tensors(columns: Mapping[str, Columns]) -> dict[str, Tensor]:
    tensors = {}
    for k, c in enumerate(columns.values()):
        tensors[f"columns/{k}/mean"] = torch.from_numpy(c.mean)
        tensors[f"columns/{k}/inverse_std"] = torch.from_numpy(c.inverse_std)
    return tensors


def row_of(samples: Samples, modality: str, row: int) -> dict[str, Any]:
    """One row of a modality, {column: value}, None where a value is missing."""
    table: dict[str, Column] = samples.tables[modality]
    return {name: None if v[row] != v[row] else v[row] for name, v in table.items()}
