"""The one door for DICOM files: from a stranger's bytes to the pictures that a header declares.

    frames = read_frames(path)        # one for each slice in the file; no pixel is read

At most LARGEST_HEADER bytes and MOST_READS pieces of a file are looked at, only elements that are
named here are kept, values longer than LONGEST_VALUE are taken as absent, and nothing but frames
leaves: no private element, and of a person only digests, to tell two of them apart (see
`mckd.tumour.persons`). A refusal is a `StudyError`.
"""

from __future__ import annotations

import logging
import math
import re
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRSpectroscopyStorage,
    RawDataStorage,
)

from mckd.clinic.series import Facts, StudyError
from mckd.files.names import short, visible
from mckd.tumour.geometry import Doubles
from mckd.tumour.persons import NOBODY, Person

# What a header may hold that its standard forbids is judged here; pydicom's warnings, which quote
# values of the header, are neither shown nor logged.
config.settings.reading_validation_mode = config.IGNORE
warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

LARGEST_FILE = 2**30
LARGEST_HEADER = 2**23
"""Bytes before the pixels: 2,000 frames of an enhanced file with 4 kB each."""
LARGEST_DEFLATED = 2**26
"""Of a deflated file, inflated: it is unpacked as a whole."""
MOST_READS = 2**18
"""Pieces in which pydicom reads a header: several for each element, however deep it lies."""
LONGEST_VALUE = 1024
LONGEST_AGENT = 64  # characters, as the standard has it
MOST_FRAMES = 2**12
LARGEST_SIDE = 2048
MOST_PIXELS = 2**28

DARK_IS_HIGH = "MONOCHROME1"
"""The photometric interpretation under which the lowest value is white (PS3.3 C.7.6.3.1.2). An MR
image may have it (C.8.3.1.1); an enhanced one may not."""
_GREYS = {"", DARK_IS_HIGH, "MONOCHROME2"}
_NO_IMAGES = {RawDataStorage, MRSpectroscopyStorage}
_HEADER = """
    SOPClassUID SOPInstanceUID Modality StudyInstanceUID SeriesInstanceUID StudyDate
    SeriesDate SeriesTime AcquisitionDate AcquisitionTime AcquisitionDateTime SeriesNumber
    SeriesDescription ProtocolName BodyPartExamined ImageType ScanningSequence
    SequenceVariant SequenceName PulseSequenceName EchoPulseSequence EchoPlanarPulseSequence
    MRAcquisitionType RepetitionTime EchoTime InversionTime FlipAngle DiffusionBValue SliceThickness
    ContrastBolusAgent ContrastBolusAgentSequence AcquisitionContrast ComplexImageComponent
    ImagePositionPatient ImageOrientationPatient PixelSpacing Rows Columns NumberOfFrames
    SamplesPerPixel PhotometricInterpretation RescaleSlope RescaleIntercept
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
""".split()  # noqa: SIM905
# By whether types are left out, and whether the lowest byte comes first
_SHOWN: dict[tuple[bool | None, bool | None], UID] = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
_PERSON = "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate"
_GROUPS = {  # where the functional groups of an enhanced file keep what a classic one has on top
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "InversionRecovery": "MRModifierSequence",
    "InversionTimes": "MRModifierSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ComplexImageComponent": "MRImageFrameTypeSequence",
    "AcquisitionContrast": "MRImageFrameTypeSequence",
}


_TAGS = {keyword: Tag(keyword) for keyword in (*_HEADER, *_PERSON, *_GROUPS, *_GROUPS.values())}


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice in a file, as its header describes it.

    place: of the slice among those of its file, from 0. study, series, instance: UIDs, or what
    stands for them where a header has none, only to tell things apart. date, time: of the
    acquisition, else of the series (that of a study tells no order), YYYYMMDD and HHMMSS.FFFFFF
    without zeros at the end, "" where not told. number: of the series. rows, columns: of the
    picture. position: (3,) mm, of the first pixel's centre in LPS. directions: (3, 2), unit vectors
    in LPS along a row and down a column. pixel_mm: distance of two columns, and of two rows. slope,
    inter: value = slope * stored + inter. inverted: whether the higher of these is the darker.
    syntax: UID of how the pixels are stored. person: whom the header names.
    """

    path: Path
    place: int
    study: str
    series: str
    instance: str
    date: str
    time: str
    number: int | None
    rows: int
    columns: int
    position: Doubles
    directions: Doubles
    pixel_mm: tuple[float, float]
    slope: float
    inter: float
    inverted: bool
    syntax: str
    facts: Facts = field(repr=False)
    person: Person = field(default=NOBODY, repr=False)

    @property
    def title(self) -> str:
        """What people may call its series: number and description, one short line."""
        number = "" if self.number is None else f"{self.number} "
        return short(f"{number}{self.facts.description or 'without a description'}")


class _Bounded:
    """A file of which only so much can be read, in so many pieces."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._bytes, self._reads = LARGEST_HEADER, MOST_READS

    def read(self, size: int = -1) -> bytes:
        if size < 0:  # only of a deflated file pydicom asks for all, and then inflates it
            return self._inflatable()
        wanted = min(size, self._size)
        self._bytes -= wanted
        self._reads -= 1
        if self._bytes < 0 or self._reads < 0:
            raise StudyError("its header is larger than that of any scan of a head")
        return self._file.read(wanted)

    def _inflatable(self) -> bytes:
        packed = self._file.read(LARGEST_DEFLATED + 1)
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        if len(inflating.decompress(packed, LARGEST_DEFLATED + 1)) > LARGEST_DEFLATED:
            raise StudyError("it is deflated and too large for that; export it uncompressed")
        return packed

    def seek(self, *place: int) -> int:
        return self._file.seek(*place)

    def tell(self) -> int:
        return self._file.tell()


def read_frames(path: Path) -> list[Frame]:
    """The slices that the header of a file declares; none are read.

    Raises:
        StudyError: no DICOM image, damaged, or more of it than any scan of a head has. The
            sentence has no name of the file in it.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise StudyError(f"it is larger than {LARGEST_FILE >> 20} MB")
        with path.open("rb") as file:
            dataset = dcmread(
                _Bounded(file, size),
                stop_before_pixels=True,
                force=True,
                specific_tags=[_TAGS[keyword] for keyword in (*_HEADER, *_PERSON)],
            )
        return _frames(path, dataset)
    except StudyError:
        raise
    except OSError as error:
        raise StudyError(f"it cannot be opened ({error.strerror})") from None
    except Exception:  # of a damaged header pydicom raises whatever its parts do
        raise StudyError("its header is damaged; export it again") from None


def _frames(path: Path, dataset: Dataset) -> list[Frame]:
    count = int(_number(dataset, "NumberOfFrames") or 1)
    rows, columns = (int(_number(dataset, side) or 0) for side in ("Rows", "Columns"))
    if not (rows and columns) or _text(dataset, "SOPClassUID") in _NO_IMAGES:
        raise StudyError("it holds no picture")
    sides = (1 <= rows <= LARGEST_SIDE, 1 <= columns <= LARGEST_SIDE, 1 <= count <= MOST_FRAMES)
    if not all(sides) or rows * columns * count > MOST_PIXELS:
        raise StudyError("it holds more pixels than any scan of a head")
    greys = _text(dataset, "PhotometricInterpretation")
    if (_number(dataset, "SamplesPerPixel") or 1) != 1 or greys not in _GREYS:
        raise StudyError("its picture is in colour, so it is no scan")
    shared = _items(dataset, "SharedFunctionalGroupsSequence", 1)
    own = _items(dataset, "PerFrameFunctionalGroupsSequence", count)
    if count > 1 and len(own) != count:
        raise StudyError("it does not say where each of its frames lies")
    return [
        _frame(path, place, [*own[place : place + 1], *shared, dataset], rows, columns)
        for place in range(count)
    ]


def _frame(path: Path, place: int, levels: list[Dataset], rows: int, columns: int) -> Frame:
    """levels: where to look for a value: the frame's own groups, those of all, the file itself."""
    top = levels[-1]
    position = _numbers(levels, "ImagePositionPatient", 3)
    directions = _numbers(levels, "ImageOrientationPatient", 6)
    spacing = _numbers(levels, "PixelSpacing", 2)
    person = Person.of(*(_text(top, keyword) for keyword in _PERSON))
    moment = _text(top, "AcquisitionDateTime")
    date = (
        _text(top, "AcquisitionDate") or moment[:8] or _first_text(top, "StudyDate", "SeriesDate")
    ).replace(".", "")
    time = _text(top, "AcquisitionTime") or moment[8:] or _text(top, "SeriesTime")
    return Frame(
        path=path,
        place=place,
        study=_text(top, "StudyInstanceUID") or _study_without_uid(path, person, date),
        series=_text(top, "SeriesInstanceUID"),
        instance=f"{_text(top, 'SOPInstanceUID') or path}/{place}",
        date=date,
        time=_clock(time),
        number=int(n) if (n := _number(top, "SeriesNumber")) is not None else None,
        rows=rows,
        columns=columns,
        position=np.array(position),
        directions=np.array(directions).reshape(2, -1).T,
        pixel_mm=(spacing[1], spacing[0]) if spacing else (0.0, 0.0),
        slope=_of(levels, "RescaleSlope") or 1.0,
        inter=_of(levels, "RescaleIntercept") or 0.0,
        inverted=_text(top, "PhotometricInterpretation") == DARK_IS_HIGH,
        syntax=_syntax(top),
        facts=_facts(levels),
        person=person,
    )


def _syntax(top: Dataset) -> str:
    """UID of the transfer syntax; of a file without meta information what its elements show, for
    such a file is never compressed."""
    return str(top.file_meta.get("TransferSyntaxUID") or _SHOWN[top.original_encoding])


def _clock(time: str) -> str:
    """The one spelling of a time that DICOM may write with or without colons, as older headers do,
    seconds, zeros at the end and a zone."""
    whole, _, fraction = re.split(r"[+-]", time.replace(":", ""))[0].partition(".")
    return f"{whole:0<6}.{fraction}".rstrip("0").rstrip(".") if whole else ""


def _study_without_uid(path: Path, person: Person, date: str) -> str:
    """What stands for a study's UID: the day, of a person who can be compared; else the folder, for
    then nothing says that two of them hold one head."""
    return date if date and person != NOBODY else str(path.parent)


def _facts(levels: list[Dataset]) -> Facts:
    kinds = [_texts(level, "FrameType") or _texts(level, "ImageType") for level in levels]
    said = [_texts(level, "AcquisitionContrast") for level in levels]
    component = [_texts(level, "ComplexImageComponent") for level in levels]
    image_type = next((kind for kind in kinds if kind), ())
    for more in (next(filter(None, said), ()), next(filter(None, component), ())):
        image_type += tuple(word for word in more if word not in (*image_type, "UNKNOWN"))
    top = levels[-1]
    thickness = _of(levels, "SliceThickness")
    return Facts(
        description=_first_text(top, "SeriesDescription", "ProtocolName"),
        modality=_text(top, "Modality"),
        sequence=_texts(top, "ScanningSequence") or _enhanced_sequence(levels),
        variant=_texts(top, "SequenceVariant"),
        image_type=image_type,
        three_d={"3D": True, "2D": False}.get(_text(top, "MRAcquisitionType")),
        tr_ms=_of(levels, "RepetitionTime") or None,
        te_ms=_of(levels, "EffectiveEchoTime", "EchoTime") or None,
        ti_ms=_of(levels, "InversionTimes", "InversionTime") or None,
        flip_deg=_of(levels, "FlipAngle") or None,
        b_value=_of(levels, "DiffusionBValue"),
        contrast=_contrast(top),
        thickness_mm=thickness if thickness and thickness > 0 else None,
        pulse=_first_text(top, "PulseSequenceName", "SequenceName"),
        body=_text(top, "BodyPartExamined"),
    )


def _enhanced_sequence(levels: list[Dataset]) -> tuple[str, ...]:
    """ScanningSequence in the words of a classic header."""
    top = levels[-1]
    kinds = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}
    found = kinds.get(_text(top, "EchoPulseSequence"), ())
    if _text(top, "EchoPlanarPulseSequence") == "YES":
        found += ("EP",)
    if any(_text(level, "InversionRecovery") == "YES" for level in levels):
        found += ("IR",)
    return found


def _contrast(top: Dataset) -> str:
    """What a header says of an agent; "given" if it only says that there was one."""
    agent = _text(top, "ContrastBolusAgent")[:LONGEST_AGENT]
    return agent or ("given" if _items(top, "ContrastBolusAgentSequence", 1) else "")


# ---- single values: absent where they are longer, or other, than they may be


def _value(dataset: Dataset, keyword: str) -> Any:
    """A value, in the functional groups of a frame too; None where there is none of use."""
    group = _GROUPS.get(keyword)
    if group and (items := _items(dataset, group, 1)):
        dataset = items[0]
    tag = _TAGS[keyword]
    raw = dataset.get_item(tag)
    if raw is None or (isinstance(raw, RawDataElement) and len(raw.value or b"") > LONGEST_VALUE):
        return None
    try:
        return dataset[tag].value
    except Exception:  # pydicom raises whatever the parts of a damaged value do
        return None


def _items(dataset: Dataset, keyword: str, most: int) -> list[Dataset]:
    try:
        tag = _TAGS[keyword]
        return list(dataset[tag].value or [])[:most] if tag in dataset else []
    except Exception:  # as above
        return []


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, MultiValue)) else [value]


def _texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    parts = (visible(str(part)).strip() for part in _list(_value(dataset, keyword)))
    return tuple(part for part in parts if part)


def _text(dataset: Dataset, keyword: str) -> str:
    return " ".join(_texts(dataset, keyword))


def _first_text(dataset: Dataset, *keywords: str) -> str:
    return next(filter(None, (_text(dataset, keyword) for keyword in keywords)), "")


def _numbers(levels: list[Dataset], keyword: str, count: int) -> list[float]:
    """As many finite numbers as asked for, from the first level that has them; [] if none has."""
    for level in levels:
        try:
            found = [float(part) for part in _list(_value(level, keyword))]
        except (TypeError, ValueError, OverflowError):
            continue
        if len(found) >= count and all(map(math.isfinite, found)):
            return found[:count]
    return []


def _of(levels: list[Dataset], *keywords: str) -> float | None:
    for keyword in keywords:
        if found := _numbers(levels, keyword, 1):
            return found[0]
    return None


def _number(dataset: Dataset, keyword: str) -> float | None:
    return _of([dataset], keyword)
