"""Key slices: the right patient side, the right colours, something for every kind of case."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mckd.report.drawing import FOOT, PLANES, WIDTH
from mckd.report.pictures import key_slices, side_by_side, subset_slices, vote_slices
from mckd.tumour import read_case
from mckd.tumour.comparison import Comparison
from mckd.tumour.labels import bits_to_regions
from tests import small_heads

ROOT = Path(__file__).parents[2]


def pixels(png: bytes) -> np.ndarray:
    """(rows, columns, 3) in 0..1, without the legend."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255
    return picture[: -int(FOOT / WIDTH * picture.shape[1])]


def bluish(picture: np.ndarray) -> np.ndarray:
    """(rows, columns) bool: what is tinted as whole tumour. Letters are yellow, the rest grey."""
    return picture[..., 2] - picture[..., 0] > 0.12


@pytest.fixture(scope="module")
def slices(subject) -> np.ndarray:
    return pixels(key_slices(subject))


@pytest.mark.parametrize("column", range(3), ids=[plane.name for plane in PLANES])
def test_the_tumour_is_where_a_radiologist_expects_it(slices, column) -> None:
    """On the patient's right, in front, on top: upper left in all three planes."""
    width = slices.shape[1]
    edges = np.linspace(0.035, 1, 4) * width
    left, right = edges[column], edges[column + 1]
    side = right - left
    panel = slices[: int(side), int(left) : int(right)]
    rows, columns = np.nonzero(bluish(panel))
    assert len(rows) > 50
    assert np.median(rows) < 0.47 * side
    assert np.median(columns) < 0.47 * side


def test_a_reference_is_dashed_only_where_there_is_one(subject, case) -> None:
    alone = dataclasses.replace(case, labels=None)
    compared = dataclasses.replace(subject, compared=_without_reference(subject, alone))
    assert not np.array_equal(pixels(key_slices(compared)), pixels(key_slices(subject)))


def _without_reference(subject, alone):
    compared = Comparison(alone, bits_to_regions(subject.maps[alone.present]))
    for subset in subject.subsets:
        compared.add(subset, bits_to_regions(subject.maps[subset]))
    return compared


@pytest.mark.parametrize("picture", [key_slices, subset_slices, vote_slices])
def test_few_subsets_and_no_reference(blind, picture) -> None:
    assert pixels(picture(blind)).mean() > 0.02


@pytest.mark.parametrize("picture", [key_slices, subset_slices, vote_slices])
def test_nothing_found_at_all(make, tmp_path, picture) -> None:
    """One sequence, one subset, no tumour anywhere: the brain is shown, without colours."""
    case = read_case(small_heads.save_case(tmp_path / "x", words=("t2",)))
    empty = dataclasses.replace(case, labels=np.zeros_like(case.labels))
    shown = pixels(picture(make(empty)))
    assert shown.max() > 0.9
    assert not bluish(shown).any()


def test_models_side_by_side_between_the_image_and_the_reference(make, case) -> None:
    """What the first model finds lies elsewhere, the second finds nothing, the image stays bare."""
    bare = dataclasses.replace(case, volumes={"t1": case.volumes["t1"]})
    reference = make(bare)
    nothing = np.zeros_like(bits_to_regions(reference.maps[bare.present]))
    empty = dataclasses.replace(
        reference,
        compared=Comparison(bare, nothing),
        maps={bare.present: np.zeros_like(reference.maps[bare.present])},
    )
    file = io.BytesIO()
    side_by_side([("A", reference), ("B", empty)], reference).savefig(file)
    picture = pixels(file.getvalue())
    tints = [bluish(column).sum() for column in np.array_split(picture, 4, axis=1)]
    image, first, second, last = tints
    assert image == 0
    assert first > 1000
    assert second < first / 3  # dashes alone
    assert last == pytest.approx(first, rel=0.02)
