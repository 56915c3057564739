"""The answer on screen, taken home on the series that the scanner gave."""

from __future__ import annotations

from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.volumes import unpack_bits
from mckd.tumour.labels import bits_to_regions, portable_name
from mckd.tumour.naming import SEQUENCES

NIFTI, DICOM = "nifti", "dicom"
NO_DICOM = "None of its series is DICOM; its regions are NIfTI only."
KINDS = {NIFTI: "labels", DICOM: "dicom-seg"}  # what the archive's name says


def series_archive(cases: CaseService, desk: Desk, kind: str) -> tuple[str, bytes]:
    """Name and content of an archive with a file for each series of the examination.

    kind: one of KINDS.

    Raises:
        ValueError: there is nothing to take home, or not as that kind.
    """
    from mckd.clinic.results import dicom_files, nifti_files
    from mckd.clinic.segmentation import Algorithm
    from mckd.report.archive import zipped

    if kind not in KINDS:
        raise ValueError(f"That is no kind of file. There are: {', '.join(KINDS)}.")
    opened, answer = cases.on_screen(desk)
    if opened.prepared is None:
        raise ValueError("The case is not made of series of a scanner.")
    shape = opened.case.grid.canonical.shape
    regions = bits_to_regions(unpack_bits(answer.labels, shape))
    if kind == NIFTI:
        files = nifti_files(opened.prepared, regions)
    else:
        used = tuple(s for s in SEQUENCES if s in answer.used)
        model = cases.segmentation.header()[0]["sha256"]
        files = dicom_files(opened.prepared, regions, Algorithm(model, used))
        if not any(file.endswith(".dcm") for file in files):
            raise ValueError(" ".join(why.decode().strip() for why in files.values()) or NO_DICOM)
    name = portable_name(f"case_mckd_{'-'.join(s for s in SEQUENCES if s in answer.used)}")
    return f"{name}_{KINDS[kind]}.zip", zipped(files, name)
