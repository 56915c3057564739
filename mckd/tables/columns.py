"""How rows of one modality become vectors: numbers as they are, categories one-hot, standardised.

Means and standard deviations are of the training part. A missing value becomes the training mean,
which is 0 once standardised; so does a category that training did not have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mckd.tables.files import (
    MISSING,
    MISSING_NUMBERS,
    Column,
    Numbers,
    TableError,
    number_in,
    written,
)
from mckd.tables.words import counted, nearest

MOST_CATEGORIES = 50
"""Of one column. One with more is free text, and is not used."""
FARTHEST = 10.0
"""Standard deviations from the mean; what lies beyond counts as lying there."""


@dataclass(frozen=True)
class Feature:
    """One column of a file. categories: in lower case; None where it holds numbers; empty where
    it is not used."""

    name: str
    categories: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        return 1 if self.categories is None else len(self.categories)


@dataclass(frozen=True)
class Columns:
    """The columns of one modality and the statistics of their D values.

    features: in the order of the file. mean, inverse_std: (D,); the latter is 0 for a value that
    was always the same.
    """

    features: tuple[Feature, ...]
    mean: Numbers
    inverse_std: Numbers

    @classmethod
    def fit(cls, table: Mapping[str, Column]) -> Columns:
        """Of the training part: {column: (n,)}."""
        features = tuple(Feature(name, _categories(values)) for name, values in table.items())
        raw = np.concatenate([_expand(f, table[f.name]) for f in features], 1)
        known = ~np.isnan(raw)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, raw, 0).sum(0) / count
        std = np.sqrt(np.where(known, (raw - mean) ** 2, 0).sum(0) / count)
        varies = std > 1e-9 * np.abs(mean)  # more than rounding does, in any unit
        return cls(features, mean, np.divide(1, std, where=varies, out=np.zeros_like(std)))

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def unused(self) -> list[str]:
        return [f.name for f in self.features if f.categories == ()]

    def encode(self, table: Mapping[str, Column], file: str) -> npt.NDArray[np.float32]:
        """{column: (n,)} as (n, D), standardised. Columns beyond those of training are ignored.

        Raises:
            TableError: a column is not there, or holds words where training had numbers.
        """
        for name in self.names:
            if name not in table:
                raise TableError(f"{file} has no column {name!r}. {nearest(name, table)}")
        raw = [_expand(f, _as_trained(f, table[f.name], file)) for f in self.features]
        standardised = (np.concatenate(raw, 1) - self.mean) * self.inverse_std
        bounded = np.nan_to_num(standardised.clip(-FARTHEST, FARTHEST), nan=0.0)
        return np.asarray(bounded, np.float32)

    def row(self, values: Any, modality: str) -> dict[str, Column]:
        """One row, {column: (1,)}, as a mapping of columns to values or a sequence in the order of
        the file. What a mapping leaves out is missing; the identifier, `id`, may be in it.

        Raises:
            TableError: an unknown column, a wrong number of values, a word for a number, no value.
        """
        given = dict(values) if hasattr(values, "keys") else self._by_order(values, modality)
        for name in given:
            if name not in self.names and name != "id":
                hint = nearest(str(name), self.names)
                raise TableError(f"{modality} has no column {name!r}. {hint}")
        row = {f.name: _one(f, given.get(f.name), modality) for f in self.features}
        if not any(v[0] == v[0] and v[0] is not None for v in row.values()):
            raise TableError(f"The row of {modality} holds no value. Leave the modality out.")
        return row

    def _by_order(self, values: Any, modality: str) -> dict[str, Any]:
        if isinstance(values, str) or not isinstance(values, Iterable):
            kind = type(values).__name__
            raise TableError(
                f"A row of {modality} is a mapping of columns to values, or its values in the "
                f"order of the file, not {kind}."
            )
        listed = [*values]
        if len(listed) != len(self.features):
            raise TableError(
                f"A row of {modality} has {counted(len(self.features), 'value')}, from "
                f"{self.names[0]} to {self.names[-1]}; given are {len(listed):,}."
            )
        return dict(zip(self.names, listed, strict=True))

    def to_json(self) -> list[Any]:
        """What a checkpoint's header says of the columns."""
        return [f.name if f.categories is None else [f.name, *f.categories] for f in self.features]

    @classmethod
    def from_json(cls, listed: Iterable[Any], mean: Numbers, inverse_std: Numbers) -> Columns:
        features = [
            Feature(entry) if isinstance(entry, str) else Feature(entry[0], tuple(entry[1:]))
            for entry in listed
        ]
        if not sum(f.width for f in features) == len(mean) == len(inverse_std):
            raise ValueError("The statistics are of other columns.")
        return cls(tuple(features), mean, inverse_std)


def _categories(values: Column) -> tuple[str, ...] | None:
    """The categories of a column, sorted; None for numbers, none for free text."""
    if values.dtype == np.float64:
        return None
    found = sorted({str(v).lower() for v in values if v is not None})
    return tuple(found) if len(found) <= MOST_CATEGORIES else ()


def _expand(feature: Feature, values: Column) -> Numbers:
    """(n, width): a number as it is, a category as 0 and 1; NaN where nothing is known."""
    if feature.categories is None:
        return np.asarray(values, np.float64)[:, None]
    one_hot = np.full((len(values), feature.width), np.nan)
    place = {category: k for k, category in enumerate(feature.categories)}
    for row, value in enumerate(values):
        if (k := place.get(str(value).lower())) is not None and value is not None:
            one_hot[row] = 0
            one_hot[row, k] = 1
    return one_hot


def _as_trained(feature: Feature, values: Column, file: str) -> Column:
    """A column of another type, as a file of few rows may have it, in the type of training.

    Raises:
        TableError: words where training had numbers.
    """
    numeric = values.dtype == np.float64
    if (feature.categories is None) == numeric:
        return values
    if feature.categories is None:
        words = [v for v in values if v is not None]
        if words:
            raise TableError(
                f"{file} holds {words[0]!r} in the column {feature.name!r}, in which the model was "
                "trained on numbers."
            )
        return np.full(len(values), np.nan)
    return np.array([*map(written, values.tolist()), None], object)[:-1]


def _one(feature: Feature, value: Any, modality: str) -> Column:
    """One value as a column of one row."""
    if isinstance(value, (str, np.str_)):
        value = value.strip()
    if value is None or (isinstance(value, (float, np.floating)) and not math.isfinite(value)):
        return np.array([np.nan]) if feature.categories is None else np.array([None], object)
    if feature.categories is not None:
        word = written(float(value)) if isinstance(value, (float, np.floating)) else str(value)
        return np.array([None if str(word).lower() in MISSING else word], object)
    if isinstance(value, str) and value.lower() in MISSING_NUMBERS:
        return np.array([np.nan])
    try:
        number = number_in(value) if isinstance(value, str) else float(value)
        if isinstance(value, str) and math.isnan(number):
            raise ValueError
    except OverflowError:  # a whole number beyond all that float holds
        number = math.inf
    except (TypeError, ValueError):
        raise TableError(
            f"The column {feature.name!r} of {modality} takes a number, not {value!r}."
        ) from None
    return np.array([number if math.isfinite(number) else np.nan])
