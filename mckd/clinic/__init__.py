"""From the folder of a scanner or a PACS to a case, and back to its own series.

study = prepare_study(folder)              # or {"flair": path, "t1c": path}
study.series, study.case
study.native(regions, "t2")                # on the slices of the T2
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.files.names import plain_name
from mckd.tumour.naming import stem_of

if TYPE_CHECKING:
    from mckd.clinic.series import Prepared

NEEDS = "DICOM and images that are not prepared need: pip install 'mckd-studio[clinic]'"
"""What is said where a package is missing."""


def prepare_study(
    source: Path | str | Mapping[str, Path | str], study: int = 0, **options: Any
) -> Prepared:
    """A folder of a hospital, or {slot: NIfTI file}, on one grid and without the skull.

    Args:
        source: what `read_study` takes, or files whose sequences are known.
        study: which examination, where there are several: 0 is the newest.
        options: of `prepare`; without a name, the case is called as the folder or file is.

    Raises:
        StudyError, CaseError: what cannot be used, in a sentence.
    """
    from mckd.clinic.preparation import prepare, study_of

    if isinstance(source, Mapping):
        return prepare(study_of(source), **options)
    from mckd.clinic.intake import read_study

    if isinstance(source, (str, Path)):
        options = {"name": _name(Path(source).resolve())} | options
    return prepare(read_study(source, study), **options)


def _name(path: Path) -> str:
    return stem_of(path.name) or plain_name(path.name.removesuffix(".zip"))
