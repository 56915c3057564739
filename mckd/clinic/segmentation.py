"""Regions of a series as a DICOM Segmentation object that refers to its images (PS3.3 A.51).

The terms are those of CID 7159, Lesion Segmentation Types (PS3.16): tumour core is a neoplasm
(SNOMED CT 108369006), the whole tumour, which holds oedema too, a lesion (SNOMED CT 52988006), both
morphologically abnormal structures (49755003) of the brain (12738006). SNOMED CT has no term for
what takes up contrast: enhancing tumour is `Enhancing Lesion` of the NCI Thesaurus (C113842), as
CID 7159 has it.

Patient and study are those of the images, for an archive sorts by them: whoever passes such a file
on passes on the person's name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mckd import __version__
from mckd.clinic.series import Series, StudyError
from mckd.tumour.geometry import LPS, Bools, Doubles, Grid
from mckd.tumour.looks import COLOURS
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES

if TYPE_CHECKING:
    from highdicom import PlanePositionSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset

RESEARCH = "Research use only, not a medical device"
MAKER = "MCKD Studio"
MEANINGS = {
    "et": "Tumour that takes up contrast",
    "tc": "Enhancing tumour, necrosis and core without enhancement",
    "wt": "Tumour core and oedema or infiltration",
}
ASKED_FOR = """
    PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime
""".split()  # noqa: SIM905
"""What every image has to have, if only empty; anonymised files may lack it."""
_BESIDE = """
    SpecificCharacterSet SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID SeriesNumber
    FrameOfReferenceUID PositionReferenceIndicator ReferringPhysicianName Modality Manufacturer
    ManufacturerModelName Rows Columns NumberOfFrames ImagePositionPatient ImageOrientationPatient
    PixelSpacing SliceThickness SpacingBetweenSlices LossyImageCompression
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
""".split()  # noqa: SIM905
READ: list[Any] = [*ASKED_FOR, *_BESIDE]
"""All that is read of an image: what else a header says, private elements too, goes nowhere."""


class SegmentationError(StudyError):
    """A series whose headers do not allow for a DICOM-SEG: one sentence."""


@dataclass(frozen=True)
class Algorithm:
    """What found the regions. version: of this software; model: the checkpoint's SHA-256."""

    model: str
    sequences: tuple[str, ...]
    name: str = "MCKD"
    version: str = __version__


def dicom_seg(series: Series, regions: Bools, slot: str, algorithm: Algorithm) -> bytes:
    """ET, TC and WT of a DICOM series as the bytes of a file.

    Args:
        series: read from DICOM files.
        regions: (3, x, y, z) on its grid. Segments 1, 2, 3 are ET, TC, WT; they overlap.
        slot: what the series shows.
        algorithm: what found them.

    Raises:
        SegmentationError: the series is no DICOM, or its headers lack what a DICOM-SEG refers to.
    """
    from highdicom import UID
    from highdicom.seg import Segmentation

    if not series.dicom:
        raise SegmentationError(f"{series.name} is no DICOM series; its regions are NIfTI only.")
    images = _images(series)
    frames = series.frames or range(int(images[0].get("NumberOfFrames") or 1))
    try:
        _require_uids(images)
        array, corners = _as_the_images(regions, series.grid, images[0])
        found = Segmentation(
            source_images=images,
            pixel_array=array,
            plane_positions=_planes(images, frames, corners),
            segmentation_type="BINARY",
            segment_descriptions=list(_segments(algorithm)),
            series_instance_uid=UID(),
            series_number=1000 + int(images[0].get("SeriesNumber") or 0),
            sop_instance_uid=UID(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=algorithm.name,
            software_versions=algorithm.version,
            device_serial_number=algorithm.model[:16],
            content_label="TUMOUR_REGIONS",
            content_description=RESEARCH,
            series_description=f"Tumour regions on {SEQUENCE_NAMES[slot]}, research use only",
        )
    except Exception as error:  # of an odd header highdicom raises whatever its parts do
        raise SegmentationError(
            f"The headers of {series.name} lack what a DICOM-SEG has to refer to; its regions are "
            "NIfTI only."
        ) from error
    _refer_to(found, frames)
    data = io.BytesIO()
    found.save_as(data)
    return data.getvalue()


def _images(series: Series) -> Sequence[Dataset]:
    """The headers of the series' files, with what every image has to have.

    Raises:
        SegmentationError: a file is gone or is no longer what was read.
    """
    from pydicom import dcmread

    try:
        images = [
            dcmread(path, stop_before_pixels=True, force=True, specific_tags=READ)
            for path in series.files
        ]
    except Exception as error:  # of a damaged header pydicom raises whatever its parts do
        raise SegmentationError(f"A file of {series.name} can no longer be read.") from error
    if not images:
        raise SegmentationError(f"{series.name} has no files to refer to.")
    for image in images:
        for keyword in ASKED_FOR:
            if keyword not in image:
                setattr(image, keyword, "")
        _share_planes(image)
    return images


def _require_uids(images: Sequence[Dataset]) -> None:
    """What is referred to must be there, and no two images may have it in common.

    Raises:
        ValueError: it is not, as anonymisers leave it.
    """
    levels = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"
    uids = [[str(image.get(level) or "") for level in levels] for image in images]
    if not all(map(all, uids)) or len({uid for *_, uid in uids}) < len(images):
        raise ValueError("images without UIDs of their own")


def _share_planes(image: Dataset) -> None:
    """What each frame of a multi-frame image says of its plane, said once for all.

    The standard allows for both; highdicom wants orientation and measures to be shared.
    """
    if "PerFrameFunctionalGroupsSequence" not in image:
        return
    shared = image.SharedFunctionalGroupsSequence[0]
    first = image.PerFrameFunctionalGroupsSequence[0]
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        if keyword not in shared and keyword in first:
            setattr(shared, keyword, getattr(first, keyword))


def _as_the_images(
    regions: Bools, grid: Grid, image: Dataset
) -> tuple[npt.NDArray[np.uint8], Doubles]:
    """Regions (3, x, y, z) as (plane, row, column, 3), and where each plane begins.

    Rows and columns as those of the image; planes along the cross product of the directions of a
    row and a column. (plane, 3): the centre of the first voxel, LPS mm.
    """
    from highdicom.spatial import ImageToReferenceTransformer

    frame = 1 if "NumberOfFrames" in image else None
    to_lps = ImageToReferenceTransformer.for_image(image, frame_number=frame).affine
    seen = Grid(grid.shape, np.linalg.inv(to_lps) @ LPS @ grid.affine)  # column, row, plane
    array = seen.to_canonical(regions).transpose(3, 2, 1, 0).astype(np.uint8)
    lps = to_lps @ seen.canonical.affine
    return array, lps[:3, 3] + np.arange(len(array))[:, None] * lps[:3, 2]


def _planes(
    images: Sequence[Dataset], frames: Sequence[int], corners: Doubles
) -> list[PlanePositionSequence]:
    """Where the images say that each plane begins, exactly as they say it.

    Args:
        frames: which of a multi-frame image. corners: (plane, 3), where the planes are, LPS mm.

    Raises:
        ValueError: the images are not as many, or lie elsewhere.
    """
    from highdicom import PlanePositionSequence

    groups = images[0].get("PerFrameFunctionalGroupsSequence")
    said = [groups[frame].PlanePositionSequence[0] for frame in frames] if groups else images
    places = np.array([plane.ImagePositionPatient for plane in said], np.float64)
    apart = np.linalg.norm(corners[:, None] - places, axis=-1)
    nearest = apart.argmin(axis=1)
    half = np.linalg.norm(corners[1] - corners[0]) / 2  # slices may lie a little unevenly
    if len(set(nearest)) < len(places) or apart.min(axis=1).max() > half:
        raise ValueError("the images are not the planes of the series")
    return [PlanePositionSequence("PATIENT", places[place]) for place in nearest]


def _refer_to(found: Segmentation, frames: Sequence[int]) -> None:
    """Of a multi-frame image refer only to these frames; others may lie in the same place."""
    for group in found.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence", ()):
            derivation.SourceImageSequence = [
                image
                for image in derivation.SourceImageSequence
                if image.get("ReferencedFrameNumber", frames[0] + 1) - 1 in frames
            ]


def _segments(algorithm: Algorithm) -> Iterator[SegmentDescription]:
    """What each segment is, and what found it."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    terms = {
        "et": codes.cid7159.EnhancingLesion,
        "tc": codes.cid7159.Neoplasm,
        "wt": codes.cid7159.Lesion,
    }
    for number, region in enumerate(REGIONS, 1):
        segment = SegmentDescription(
            segment_number=number,
            segment_label=REGION_NAMES[region],
            segmented_property_category=codes.cid7150.MorphologicallyAbnormalStructure,
            segmented_property_type=terms[region],
            algorithm_type="AUTOMATIC",
            algorithm_identification=AlgorithmIdentificationSequence(
                name=algorithm.name,
                family=codes.cid7162.ArtificialIntelligence,
                version=algorithm.version,
                source=MAKER,
                parameters={
                    "checkpoint SHA-256": algorithm.model,
                    "sequences": "+".join(algorithm.sequences),
                },
            ),
            anatomic_regions=[codes.SCT.Brain],
            display_color=CIELabColor.from_string(COLOURS[region]),
        )
        segment.SegmentDescription = f"{MEANINGS[region]}. {RESEARCH}."
        yield segment
