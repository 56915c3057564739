"""Studies as a scanner writes them, made of heads that are known: each series on its own grid.

    study = write_study(folder, heads(), small_heads.affine(), coarser=2.0)    # {slot: Written}
    study["t2"].affine, study["t2"].files             # where its voxels must lie, RAS+ mm
    on_grid(labels, affine, study["t2"])              # the truth on that grid

Series differ in plane, spacing, tilt and matrix, and carry what a header of three vendors says.
Frames are written in the order of acquisition (odd slices first), not of place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from tests import small_heads

WORDS = {"flair": "flair", "t1": "t1", "t1c": "t1ce", "t2": "t2"}
FLUID_MM = 13.0
TO_RAS = np.diag([-1.0, -1.0, 1.0])  # of a direction in DICOM's LPS, and back
PLANES = {  # directions of a row and of a column in LPS
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
}


@dataclass(frozen=True)
class Plan:
    """How a series is taken. pixel_mm, step_mm: within and between slices; tilt_deg: about the
    patient's x, y, z; header: DICOM keywords and values; slope: of the rescaling."""

    description: str
    plane: str
    pixel_mm: float
    step_mm: float
    tilt_deg: tuple[float, float, float]
    header: Mapping[str, Any] = field(default_factory=dict)
    slope: float = 1.0


PLANS = {
    "flair": Plan(
        "t2_space_dark-fluid_sag_p2_iso",
        "sagittal",
        1.0,
        1.0,
        (0, 0, 4),
        {
            "Manufacturer": "SIEMENS",
            "ScanningSequence": ["SE", "IR"],
            "SequenceVariant": ["SK", "SP", "MP"],
            "MRAcquisitionType": "3D",
            "RepetitionTime": 5000.0,
            "EchoTime": 387.0,
            "InversionTime": 1800.0,
            "FlipAngle": 120.0,
        },
    ),
    "t1": Plan(
        "t1_se_tra",
        "axial",
        0.9,
        5.5,
        (12, 0, 0),
        {
            "Manufacturer": "SIEMENS",
            "ScanningSequence": "SE",
            "SequenceVariant": ["SK", "SP"],
            "MRAcquisitionType": "2D",
            "RepetitionTime": 550.0,
            "EchoTime": 8.4,
            "FlipAngle": 90.0,
        },
    ),
    "t2": Plan(
        "t2_tse_cor",
        "coronal",
        0.8,
        4.0,
        (-6, 3, 0),
        {
            "Manufacturer": "SIEMENS",
            "ScanningSequence": "SE",
            "SequenceVariant": ["SK", "SP"],
            "MRAcquisitionType": "2D",
            "RepetitionTime": 5200.0,
            "EchoTime": 101.0,
            "FlipAngle": 150.0,
        },
        slope=0.5,
    ),
    "t1c": Plan(
        "t1_mprage_sag_p2_iso_KM",
        "axial",
        1.0,
        1.0,
        (5, -4, 2),
        {
            "Manufacturer": "SIEMENS",
            "ScanningSequence": ["GR", "IR"],
            "SequenceVariant": ["SK", "SP", "MP"],
            "MRAcquisitionType": "3D",
            "RepetitionTime": 2300.0,
            "EchoTime": 2.98,
            "InversionTime": 900.0,
            "FlipAngle": 9.0,
            "ContrastBolusAgent": "Gadovist",
        },
    ),
}
"""In the order in which they are taken."""


def heads() -> dict[str, np.ndarray]:
    """The small head in four sequences, {slot: (X, Y, Z)}, with what tells them apart: fluid in its
    middle, bright on T2 and dark on all others. Its affine is `small_heads.affine()`."""
    middle = tuple((n - 1) / 2 for n in small_heads.SHAPE)
    fluid = small_heads.distance(middle) < FLUID_MM
    found = {}
    for slot, word in WORDS.items():
        found[slot] = small_heads.volume(word)
        found[slot][fluid] = 1100 if slot == "t2" else 60
    return found


@dataclass(frozen=True)
class Written:
    """A series on disk: where its voxels lie.

    affine: (4, 4), index (column, row, slice) to RAS+ mm; shape: (columns, rows, slices).
    files: in the order of the slices. stored: (columns, rows, slices) as rescaled.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    files: tuple[Path, ...]
    stored: np.ndarray = field(repr=False)


def write_study(
    folder: Path,
    heads: Mapping[str, np.ndarray],
    affine: np.ndarray,
    plans: Mapping[str, Plan] = PLANS,
    date: str = "20240305",
    coarser: float = 1.0,
) -> dict[str, Written]:
    """Write one study of these heads, {slot: (X, Y, Z)} with one affine to RAS+ mm.

    coarser: factor of all spacings, for heads of large voxels.
    """
    study, frame = generate_uid(), generate_uid()
    written = {}
    for place, slot in enumerate(slot for slot in plans if slot in heads):
        about = {
            "StudyInstanceUID": study,
            "FrameOfReferenceUID": frame,
            "StudyDate": date,
            "SeriesNumber": place + 2,
            "AcquisitionTime": f"10{5 * place:02d}00",
        }
        written[slot] = write_series(folder, heads[slot], affine, plans[slot], about, coarser)
    return written


def write_series(
    folder: Path,
    head: np.ndarray,
    affine: np.ndarray,
    plan: Plan,
    about: Mapping[str, Any],
    coarser: float = 1.0,
) -> Written:
    """One classic series of a head (X, Y, Z) with an affine to RAS+ mm."""
    shape, target = grid_of(head.shape, affine, plan, coarser)
    resampled = _sampled(head, affine, shape, target, order=1)
    pixels = np.clip(np.rint(resampled / plan.slope), 0, 2**15 - 1).astype(np.uint16)
    series = generate_uid()
    folder = folder / f"{int(about['SeriesNumber']):03d}"
    folder.mkdir(parents=True, exist_ok=True)
    acquired = [*range(1, shape[2], 2), *range(0, shape[2], 2)]
    files: list[Path] = [Path()] * shape[2]
    for number, k in enumerate(acquired, 1):
        dataset = header_of(plan, about, target, coarser)
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [*_decimal(TO_RAS @ (target @ [0, 0, k, 1])[:3])]
        dataset.Rows, dataset.Columns = shape[1], shape[0]
        dataset.PixelData = np.ascontiguousarray(pixels[:, :, k].T).tobytes()
        files[k] = folder / f"IM{number:04d}"
        save(dataset, files[k])
    return Written(shape, target, tuple(files), pixels * plan.slope)


def grid_of(
    shape: tuple[int, ...], affine: np.ndarray, plan: Plan, coarser: float = 1.0
) -> tuple[tuple[int, int, int], np.ndarray]:
    """The grid of a plan around the middle of a head, as large as the head's widest side."""
    row, column = (np.array(direction, float) for direction in PLANES[plan.plane])
    directions = np.stack([row, column, np.cross(row, column)], axis=1)
    turned = Rotation.from_euler("xyz", plan.tilt_deg, degrees=True).as_matrix() @ directions
    spacing = np.array([plan.pixel_mm, plan.pixel_mm, plan.step_mm]) * coarser
    sides = np.abs(affine[:3, :3]) @ np.array(shape)  # mm, RAS
    extent = np.abs(TO_RAS @ directions).T @ sides
    counts = np.maximum(np.ceil(extent / spacing), 1).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = TO_RAS @ turned * spacing
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    matrix[:3, 3] = middle - matrix[:3, :3] @ ((counts - 1) / 2)
    return (int(counts[0]), int(counts[1]), int(counts[2])), matrix


def on_grid(volume: np.ndarray, affine: np.ndarray, series: Written, order: int = 0) -> np.ndarray:
    """A volume of the head on the grid of a series: labels by the nearest voxel."""
    return _sampled(volume, affine, series.shape, series.affine, order)


def _sampled(
    volume: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, int, int],
    target: np.ndarray,
    order: int,
) -> np.ndarray:
    to_head = np.linalg.inv(affine) @ target
    kind = volume.dtype if order == 0 else np.float32
    return affine_transform(volume.astype(kind), to_head, output_shape=shape, order=order)


def header_of(
    plan: Plan, about: Mapping[str, Any], target: np.ndarray, coarser: float = 1.0
) -> Dataset:
    """What all slices of a series share."""
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.Modality = "MR"
    dataset.PatientName, dataset.PatientID = "Nobody^Known", "0000"
    dataset.BodyPartExamined = "HEAD"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]
    dataset.SeriesDescription = plan.description
    dataset.PatientPosition = "HFS"
    directions = TO_RAS @ target[:3, :2] / np.linalg.norm(target[:3, :2], axis=0)
    dataset.ImageOrientationPatient = [*_decimal(directions.T.ravel())]
    dataset.PixelSpacing = [*_decimal(np.repeat(plan.pixel_mm * coarser, 2))]
    dataset.SliceThickness = float(_decimal([plan.step_mm * coarser])[0])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope, dataset.RescaleIntercept = plan.slope, 0.0
    for keyword, value in {**plan.header, **about}.items():
        setattr(dataset, keyword, value)
    return dataset


MOVED = {  # what an enhanced image says in its functional groups
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "EchoTime": "MREchoSequence",
    "InversionTime": "MRModifierSequence",
}
RENAMED = {"EchoTime": "EffectiveEchoTime", "InversionTime": "InversionTimes"}
PER_SLICE = {"ImagePositionPatient", "InstanceNumber", "PixelData"}


def enhanced(written: Written, path: Path, orientation_in_each: bool = False) -> Written:
    """The slices of a classic series as one Enhanced MR image, frames in the order of acquisition.

    orientation_in_each: whether each frame says how it lies, not one group for all.
    """
    slices = sorted((dcmread(file) for file in written.files), key=lambda d: d.InstanceNumber)
    whole, shared, in_each = Dataset(), Dataset(), Dataset()
    for element in slices[0]:
        group = MOVED.get(element.keyword)
        if group:
            place = in_each if orientation_in_each and "Plane" in group else shared
            items = place.get(group) or [Dataset()]
            setattr(items[0], RENAMED.get(element.keyword, element.keyword), element.value)
            setattr(place, group, items)
        elif element.keyword not in PER_SLICE:
            whole.add(copy.copy(element))
    whole.SOPClassUID, whole.SOPInstanceUID = EnhancedMRImageStorage, generate_uid()
    whole.NumberOfFrames = len(slices)
    whole.SharedFunctionalGroupsSequence = [shared]
    frames = []
    spatial = [dcmread(file).SOPInstanceUID for file in written.files]
    for one in slices:
        position, content, frame = Dataset(), Dataset(), copy.deepcopy(in_each)
        position.ImagePositionPatient = one.ImagePositionPatient
        content.StackID = "1"
        content.InStackPositionNumber = 1 + spatial.index(one.SOPInstanceUID)
        content.DimensionIndexValues = [1, content.InStackPositionNumber]
        frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
        frames.append(frame)
    whole.PerFrameFunctionalGroupsSequence = frames
    whole.PixelData = b"".join(one.PixelData for one in slices)
    save(whole, path)
    return Written(written.shape, written.affine, (path,), written.stored)


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    """Write a dataset as a file of DICOM's format, with preamble and file meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    file = FileDataset(
        path,
        dataset,
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    file.save_as(path, enforce_file_format=True)


def _decimal(values: Any) -> list[str]:
    """Numbers as DICOM's decimal strings: at most 16 characters."""
    return [f"{value:.10g}"[:16] for value in values]
