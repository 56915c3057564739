from pathlib import Path

import numpy as np
import pytest

from mckd.clinic.intake import read_study
from mckd.tumour.naming import SEQUENCES
from tests import small_heads
from tests.clinic.written import Written, heads, write_study


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Written]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, write_study(folder, heads(), small_heads.affine(), coarser=2.0)


def test_each_series_lies_where_it_was_written(written: tuple[Path, dict[str, Written]]) -> None:
    folder, truth = written
    study = read_study(folder)
    assert set(study.chosen) == set(SEQUENCES)
    for slot, key in study.chosen.items():
        series, there = study[key], truth[slot]
        assert series.grid.shape == there.shape
        assert np.abs(series.grid.affine - there.affine).max() < 1e-4
        assert np.array_equal(series.voxels, there.stored.astype(np.float32))
        assert series.files == there.files
        assert series.dicom


def test_the_tumour_is_on_the_side_where_it_was(written: tuple[Path, dict[str, Written]]) -> None:
    """In every series its middle lies at the place in mm that the head has it at."""
    study = read_study(written[0])
    there = small_heads.affine() @ [*small_heads.CENTRE, 1]
    for slot in ("flair", "t1c"):
        series = study[study.chosen[slot]]
        bright = np.argwhere(series.voxels > 600).mean(axis=0)
        assert series.grid.affine @ [*bright, 1] == pytest.approx(there, abs=1.0)
