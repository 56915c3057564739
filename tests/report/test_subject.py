"""What an export says of its case, without the names of anybody's files."""

from __future__ import annotations

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
    ],
)
def test_no_note_names_a_file(case, warning: str, note: str) -> None:
    """Wherever the name stands and whatever is in it; one that is not known by its ending."""
    called = frozenset({"HANS MUELLER T1.nii.gz", "MUELLER T1.nii.gz", "T1"})
    other = warning.replace("MUELLER_", "MEIER_")  # the same of another file
    warned = replace(case, warnings=(warning, other), called=called)
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
