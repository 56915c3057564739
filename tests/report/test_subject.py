"""What an export says of its case, without the names of anybody's files."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mckd.report.subject import Subject
from mckd.tumour import read_case
from mckd.tumour.comparison import Figures
from tests import small_heads


@pytest.mark.parametrize(
    ("warning", "note"),
    [
        ("HANS MUELLER T1.nii.gz: 3 were no numbers.", "One of the files: 3 were no numbers."),
        (
            "MUELLER_t2.nii was resampled onto that of HANS MUELLER T1.nii.gz.",
            "One of the files was resampled onto that of one of the files.",
        ),
        ("MUELLER_seg.NII has one label.", "One of the files has one label."),
        ("The air in T1 is not 0.", "The air in T1 is not 0."),
        ("MUELLER_HANS_19620301: 2 odd voxels.", "One of the files: 2 odd voxels."),
        ("Li MUELLER.img differs from Li.", "One of the files differs from one of the files."),
        ("The Limits of 2 mm are kept.", "The Limits of 2 mm are kept."),
    ],
)
def test_no_note_names_a_file(case, warning: str, note: str) -> None:
    """Wherever the name stands and whatever is in it; one that is not known by its ending."""
    files = {"HANS MUELLER T1.nii.gz", "MUELLER T1.nii.gz", "T1"}
    called = files | {"MUELLER_HANS_19620301", "Li MUELLER.img", "Li", "2"}
    other = re.sub(r"MUELLER_(\S*\.nii)", r"MEIER_\1", warning, flags=re.I)  # of another file
    warned = replace(case, warnings=(warning, other), called=frozenset(called))
    assert Subject(Figures(warned, []), {}, {}, {}, date(2026, 11, 2)).notes == [note]


def test_of_real_files_none_is_named(tmp_path: Path) -> None:
    """On two grids, with a reference of one label and a file that is nothing."""
    folder = small_heads.save_case(tmp_path / "Anna Mueller")
    for path in folder.iterdir():
        path.rename(folder / f"Anna Mueller {path.name}")
    moved = next(folder.glob("*t2.nii*"))
    image = nibabel.load(moved)
    shift = np.eye(4)
    shift[:3, 3] = 0.6
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(), shift @ image.affine), moved)
    (folder / "Anna Mueller notes.nii.gz").write_bytes(b"none")
    case = read_case(folder)
    assert any("Anna Mueller" in warning for warning in case.warnings)
    notes = Subject(Figures(case, []), {}, {}, {}, date(2026, 11, 2)).notes
    assert 0 < len(notes) <= len(case.warnings)
    assert not any("Mueller" in note for note in notes)


def test_a_file_without_an_ending_is_not_named(tmp_path: Path) -> None:
    """Its name is a person's, and what is said of it is that left and right are unknown."""
    folder = small_heads.save_case(tmp_path / "head", words=("flair",), reference=False)
    image = nibabel.load(next(folder.iterdir()))
    image.header.set_qform(None, 0)
    image.header.set_sform(None, 0)
    nameless = nibabel.Nifti1Image(image.get_fdata(), None, image.header)
    path = tmp_path / "MUELLER_HANS_19620301"
    path.write_bytes(nameless.to_bytes())
    case = read_case({"flair": path})
    assert case.warnings[0].startswith("MUELLER_HANS_19620301: left and right")
    notes = Subject(Figures(case, []), {}, {}, {}, date(2026, 11, 2)).notes
    assert notes[0].startswith("One of the files: left and right")
    assert not any("MUELLER" in note for note in notes)
