from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from mckd.clinic.intake import read_study
from mckd.clinic.results import dicom_files, nifti_files
from mckd.clinic.segmentation import Algorithm
from mckd.clinic.series import Prepared, Study
from tests.clinic.moved import prepared_of
from tests.clinic.written import write_study

SHAPE = (48, 56, 40)


def read_head(folder: Path) -> tuple[Study, Prepared]:
    """A head of 2 mm in two DICOM series, FLAIR and T2; as it was read, and prepared."""
    head = np.zeros(SHAPE, np.float32)
    head[8:40, 8:48, 6:34] = 300
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    write_study(folder, {"flair": head, "t2": head}, affine)
    read = read_study(folder)
    return read, prepared_of({s: read[key] for s, key in read.chosen.items()}, SHAPE, affine)


def test_each_series_gets_a_file_of_either_kind_with_the_same_volume(tmp_path: Path) -> None:
    read, prepared = read_head(tmp_path)
    assert set(read.chosen) == {"flair", "t2"}
    found = np.zeros((3, *SHAPE), np.bool_)
    found[1:, 14:28, 16:30, 12:24] = True
    found[2, 12:32, 14:34, 10:28] = True
    ml = np.count_nonzero(found[2]) * 0.008
    labels, objects = nifti_files(prepared, found), dicom_files(prepared, found, Algorithm("m", ()))
    assert set(labels) == {"flair.nii.gz", "t2.nii.gz"}
    assert set(objects) == {"flair.dcm", "t2.dcm"}
    for slot in ("flair", "t2"):
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(labels[f"{slot}.nii.gz"]))
        grid = read[read.chosen[slot]].grid
        assert np.allclose(image.affine, grid.affine, atol=1e-3)
        core = np.count_nonzero(np.asarray(image.dataobj) == 1)
        whole = np.count_nonzero(np.asarray(image.dataobj))
        assert whole * grid.voxel_ml == pytest.approx(ml, rel=0.05)
        made = pydicom.dcmread(io.BytesIO(objects[f"{slot}.dcm"]))
        number = [
            int(f.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            for f in made.PerFrameFunctionalGroupsSequence
        ]
        per_segment = {
            n: int(made.pixel_array[[i for i, m in enumerate(number) if m == n]].sum())
            for n in set(number)
        }
        assert per_segment[2] == core
        assert per_segment[3] == whole


def test_a_series_that_cannot_be_referred_to_costs_the_others_nothing(tmp_path: Path) -> None:
    """Its file was lost since it was read: a sentence stands in its place."""
    read, prepared = read_head(tmp_path)
    found = np.zeros((3, *SHAPE), np.bool_)
    found[2, 16:32, 16:32, 12:24] = True
    read[read.chosen["t2"]].files[0].unlink()
    made = dicom_files(prepared, found, Algorithm("m", ()))
    assert set(made) == {"flair.dcm", "t2.txt"}
    assert b"can no longer be read" in made["t2.txt"]
