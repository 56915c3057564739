"""What was found, as a file for each series that it was found in."""

from __future__ import annotations

from mckd.clinic.segmentation import Algorithm, dicom_seg
from mckd.clinic.series import Prepared
from mckd.tumour.geometry import Bools
from mckd.tumour.labels import label_image, region_bits
from mckd.tumour.naming import SEQUENCES


def nifti_files(prepared: Prepared, regions: Bools) -> dict[str, bytes]:
    """{`t1c.nii.gz`: label file on the grid of that series}, see `label_image`.

    regions: (3, X, Y, Z) ET, TC, WT on the canonical grid of the case.
    """
    study, files = prepared.study, {}
    for slot in _slots(prepared):
        found = prepared.native(regions, slot)
        grid = study[study.chosen[slot]].grid
        files[f"{slot}.nii.gz"] = label_image(region_bits(found), grid, prepared.case.sides_known)
    return files


def dicom_files(prepared: Prepared, regions: Bools, algorithm: Algorithm) -> dict[str, bytes]:
    """{`t1c.dcm`: DICOM-SEG that refers to that series}, of those that are DICOM.

    regions: as of `nifti_files`.

    Raises:
        SegmentationError: the headers of a series lack what a DICOM-SEG refers to.
    """
    files = {}
    for slot in _slots(prepared):
        series = prepared.study[prepared.study.chosen[slot]]
        if series.dicom:
            native = prepared.native(regions, slot)
            files[f"{slot}.dcm"] = dicom_seg(series, native, slot, algorithm)
    return files


def _slots(prepared: Prepared) -> list[str]:
    return [slot for slot in SEQUENCES if slot in prepared.study.chosen]
