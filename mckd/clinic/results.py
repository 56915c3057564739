"""What was found, as a file for each series that it was found in."""

from __future__ import annotations

from mckd.clinic.segmentation import Algorithm, SegmentationError, dicom_seg
from mckd.clinic.series import Prepared
from mckd.tumour.geometry import Bools
from mckd.tumour.labels import label_image, region_bits


def nifti_files(prepared: Prepared, regions: Bools) -> dict[str, bytes]:
    """{`t1c.nii.gz`: label file on the grid of that series}, see `label_image`.

    regions: (3, X, Y, Z) ET, TC, WT on the canonical grid of the case.
    """
    return {
        f"{slot}.nii.gz": label_image(region_bits(prepared.native(regions, slot)), series.grid)
        for slot, series in prepared.used.items()
    }


def dicom_files(prepared: Prepared, regions: Bools, algorithm: Algorithm) -> dict[str, bytes]:
    """{`t1c.dcm`: DICOM-SEG that refers to that series}, of those that are DICOM.

    One whose headers lack what a DICOM-SEG refers to has a sentence instead, `t1c.txt`.

    regions: as of `nifti_files`.
    """
    made: dict[str, bytes] = {}
    for slot, series in prepared.used.items():
        if series.dicom:
            native = prepared.native(regions, slot)
            try:
                made[f"{slot}.dcm"] = dicom_seg(series, native, slot, algorithm)
            except SegmentationError as problem:
                made[f"{slot}.txt"] = f"{problem}\n".encode()
    return made
