"""Compared cases without a network: each subset finds the reference, moved a little."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckd.method import subsets
from mckd.report.subject import Subject
from mckd.tumour import SEQUENCES, Case, read_case, regions
from mckd.tumour.advice import Advice
from mckd.tumour.comparison import Comparison
from mckd.tumour.labels import region_bits
from tests import small_heads

ABOUT = {
    "sha256": "0123456789abcdef" * 4,
    "network": "studio",
    "data": "7 invented cases",
    "et_min_ml": 0.5,
    "least_part": 0.5,
    "versions": {"mckd": "0.1.0"},
}


def found_by(case: Case, subset: frozenset[str]) -> np.ndarray:
    """(3, X, Y, Z): the reference, a voxel to the left for each sequence that is not used."""
    assert case.labels is not None
    return np.roll(regions(case.labels), len(subset) - len(case.present), axis=1)


def compare(
    case: Case,
    most: int = 15,
    alias: str = "",
    intervals: dict[str, tuple[float, float]] | None = None,
    advice: Sequence[Advice] = (),
    **about: Any,
) -> Subject:
    """A subject with `most` of the subsets, the one of all sequences among them.

    intervals: of all volumes. advice: to all subsets but that of all sequences.
    """
    every = subsets([s for s in SEQUENCES if s in case.present])
    chosen = [*every[: most - 1], every[-1]]
    compared = Comparison(case, found_by(case, case.present), intervals=intervals)
    maps = {}
    for subset in chosen:
        found = found_by(case, subset)
        compared.add(subset, found, intervals, advice)
        maps[subset] = region_bits(found)
    importance = dict(zip(SEQUENCES, (0.4, 0.1, 0.3, 0.2), strict=True))
    return Subject(compared, maps, ABOUT | about, importance, date(2026, 11, 2), alias)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder: Path = tmp_path_factory.mktemp("cases") / "Anna <b> Example"
    return read_case(small_heads.save_case(folder))


@pytest.fixture(scope="session")
def subject(case: Case) -> Subject:
    return compare(case, alias="Anna <b> Example")


@pytest.fixture(scope="session")
def ranged(case: Case) -> Subject:
    """With intervals of its volumes; that of the whole tumour begins at 0. From FLAIR alone T1c is
    advised."""
    intervals = {"et": (1.0, 3.5), "tc": (2.0, 8.0), "wt": (0.0, 20.5)}
    gain, narrowing = {"et": 0.31, "tc": 0.2, "wt": -0.00004}, {"et": 1.5, "tc": 2.25, "wt": -0.5}
    t1c = Advice("t1c", gain, narrowing)
    subject = compare(case, most=2, intervals=intervals, advice=[t1c])
    about = {**subject.about, "intervals": "Measured on invented cases."}
    return dataclasses.replace(subject, about=about)


@pytest.fixture(scope="session")
def blind(case: Case) -> Subject:
    """Two sequences, nothing to score against, no side known, not all subsets."""
    predicted = compare(case)
    pair = dataclasses.replace(
        case,
        volumes={s: case.volumes[s] for s in ("t1", "t1c")},
        labels=None,
        sides_known=False,
        synthetic=False,
        warnings=("Anna_t1.nii.gz: 3 voxels were no numbers (NaN or infinite); taken as 0.",),
    )
    subset = frozenset({"t1", "t1c"})
    compared = Comparison(pair, found_by(case, subset))
    one = frozenset({"t1"})
    compared.add(one, found_by(case, one))
    maps = {s: region_bits(found_by(case, s)) for s in (one, subset)}
    return dataclasses.replace(predicted, compared=compared, maps=maps)


@pytest.fixture(scope="session")
def make() -> Callable[..., Subject]:
    return compare
