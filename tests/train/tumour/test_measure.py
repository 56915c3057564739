"""What is measured of a case: the outlines and voxels of every subset, once."""

import dataclasses
import shutil

import numpy as np
import pytest

from mckd.tumour import TumourSegmenter, read_case, regions
from tests import small_heads, untrained
from train.tumour.measure import SUBSETS, dice, measured, sign

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    untrained.save_tumour(path)
    return TumourSegmenter.load(path)


@pytest.fixture
def folder(tmp_path):
    return small_heads.save_case(tmp_path / "head")


def test_overlaps_and_voxels_are_those_of_the_outlines(segmenter, folder, tmp_path):
    found = measured(segmenter, folder, tmp_path)
    case = read_case(folder)
    truth = regions(case.labels)
    segmenter.set_case(case)
    prediction = segmenter.predict({"t1", "t2"})
    s = SUBSETS.index(frozenset({"t1", "t2"}))
    shared = np.count_nonzero(prediction.canonical & truth, axis=(1, 2, 3)) * case.voxel_ml
    assert found.overlap_ml[:, s, -1] == pytest.approx(shared)
    assert found.reference_ml == pytest.approx(truth.sum((1, 2, 3)) * case.voxel_ml)
    assert sign(found, s, 2) == prediction.signs["wt"]
    assert found.voxels[s, :, 1].sum(-1) + found.missed[s] == pytest.approx(truth.sum((1, 2, 3)))
    assert dice(found, -1, -1, 2) == 1


def test_what_was_measured_once_is_not_measured_again(segmenter, folder, tmp_path):
    first = measured(segmenter, folder, tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    older = dataclasses.asdict(first)  # as it was kept when predictions had two signs more
    np.savez(kept, **older | {"signs": np.zeros((*first.signs.shape[:2], 6))})
    np.testing.assert_array_equal(measured(segmenter, folder, tmp_path).signs, first.signs)
    written = kept.stat().st_mtime_ns
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(folder, tmp_path / "elsewhere" / folder.name)
    again = measured(segmenter, moved, tmp_path)
    assert kept.stat().st_mtime_ns == written
    assert [*tmp_path.glob("*.npz")] == [kept]
    for one, other in zip(dataclasses.astuple(first), dataclasses.astuple(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_cases_of_one_name_are_told_apart_by_their_files_the_reference_among_them(
    segmenter, folder, tmp_path
):
    """Two patients have a week-000; one of them is outlined anew, without enhancing tumour."""
    kept = tmp_path / "kept"
    kept.mkdir()
    first = shutil.copytree(folder, tmp_path / "P1" / "week-000")
    second = shutil.copytree(folder, tmp_path / "P2" / "week-000")
    small_heads.save(second / "head_seg.nii.gz", small_heads.labels(enhancing=False))
    et_ml = [measured(segmenter, path, kept).reference_ml[0] for path in (first, second)]
    assert et_ml[0] > 0
    assert et_ml[1] == 0
