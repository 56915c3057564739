"""The door for DICOM files: what a header says, and what a hostile one cannot do."""

from __future__ import annotations

import logging
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, MRImageStorage, generate_uid

from mckd.clinic import headers
from mckd.clinic.headers import read_frames
from mckd.clinic.intake import read_study
from mckd.clinic.pixels import read_voxels
from mckd.clinic.series import StudyError
from mckd.clinic.stacks import stacked
from mckd.tumour.survey import is_dicom
from tests import small_heads
from tests.clinic.written import PLANS, Written, enhanced, save, write_series

ABOUT = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 4, "StudyDate": "20240305"}
ABOUT |= {"AcquisitionTime": "101500"}
PERSON = "Doe^Jane"


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Written:
    about = {**ABOUT, "PatientName": PERSON, "PatientBirthDate": "19700101"}
    head = small_heads.volume("flair")
    folder = tmp_path_factory.mktemp("classic")
    return write_series(folder, head, small_heads.affine(), PLANS["flair"], about, coarser=9.0)


@pytest.fixture(scope="module")
def whole(classic: Written, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return enhanced(classic, tmp_path_factory.mktemp("enhanced") / "enhanced.dcm")


def test_classic_and_enhanced_say_the_same(classic: Written, whole: Written) -> None:
    one = read_frames(classic.files[0])[0]
    frames = read_frames(whole.files[0])
    assert len(frames) == len(classic.files)
    for frame in (one, frames[0]):
        facts = frame.facts
        assert facts.description == "t2_space_dark-fluid_sag_p2_iso"
        assert (facts.tr_ms, facts.te_ms, facts.ti_ms, facts.flip_deg) == (5000, 387, 1800, 120)
        assert facts.sequence == ("SE", "IR")
        assert facts.three_d
        assert facts.thickness_mm == 9
    a, b = (stacked([read_frames(f)[0] for f in classic.files]), stacked(frames))
    assert np.abs(a.grid.affine - b.grid.affine).max() < 1e-6
    assert np.array_equal(read_voxels(a), read_voxels(b))


def test_nothing_of_a_person_leaves(
    classic: Written, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = dcmread(classic.files[0])
    dataset.SpecificCharacterSet = "ISO_IR Jane"
    dataset.private_block(0x0011, "SECRET", create=True).add_new(1, "LO", PERSON)
    save(dataset, tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    assert data.count(b"387.0") == 1  # the echo time
    (tmp_path / "x").write_bytes(data.replace(b"387.0", b"Jane!"))
    with caplog.at_level(logging.DEBUG):
        frame = read_frames(tmp_path / "x")[0]
    said = f"{vars(frame)} {frame.facts} {caplog.text}"
    assert "Jane" not in said
    assert frame.person.number
    assert frame.person.born
    assert "19700101" not in said
    assert frame.facts.te_ms is None


def altered(written: Written, path: Path, **values: object) -> Path:
    dataset = dcmread(written.files[0])
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    save(dataset, path)
    return path


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"Rows": 60000, "Columns": 60000}, "more pixels than any scan"),
        ({"NumberOfFrames": 2_000_000_000}, "more pixels than any scan"),
        ({"NumberOfFrames": -5}, "more pixels than any scan"),
        ({"NumberOfFrames": 30}, "does not say where each of its frames lies"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
    ],
)
def test_what_a_header_may_not_claim(
    classic: Written, tmp_path: Path, values: dict[str, object], sentence: str
) -> None:
    with pytest.raises(StudyError, match=sentence):
        read_frames(altered(classic, tmp_path / "x", **values))


def test_a_value_longer_than_any_is_taken_as_absent(classic: Written, tmp_path: Path) -> None:
    path = altered(classic, tmp_path / "x", SeriesDescription="T1 " * 100_000)
    assert read_frames(path)[0].facts.description == ""


@pytest.mark.parametrize("time", ["101010", "101010.000", "10:10:10", "101010.00+0100"])
def test_one_time_in_several_spellings(classic: Written, tmp_path: Path, time: str) -> None:
    path = altered(classic, tmp_path / "x", AcquisitionTime=time)
    assert read_frames(path)[0].time == "101010"


def test_the_time_of_acquisition_before_that_of_the_series(
    classic: Written, tmp_path: Path
) -> None:
    said = {"AcquisitionDateTime": "20240306000500.250000", "SeriesTime": "235000"}
    path = altered(classic, tmp_path / "x", AcquisitionTime="", **said)
    assert (read_frames(path)[0].date, read_frames(path)[0].time) == ("20240306", "000500.25")


def element(tag: tuple[int, int], vr: bytes, value: bytes) -> bytes:
    """Of explicit little endian, with a length of four bytes."""
    numbers = b"".join(part.to_bytes(2, "little") for part in tag)
    return numbers + vr + b"\0\0" + len(value).to_bytes(4, "little") + value


def with_more(written: Written, path: Path, more: bytes) -> Path:
    """The file with elements put in front of its pixels."""
    data = written.files[0].read_bytes()
    place = data.index(b"\xe0\x7f\x10\x00O")  # (7FE0,0010) OW
    path.write_bytes(data[:place] + more + data[place:])
    return path


OPEN = b"\xff\xff\xff\xff"


def test_an_agent_by_its_name_or_as_a_code(classic: Written, tmp_path: Path) -> None:
    path = altered(classic, tmp_path / "x", ContrastBolusAgent="Gadovist")
    assert read_frames(path)[0].facts.contrast == "Gadovist"
    path = altered(classic, tmp_path / "y", ContrastBolusAgentSequence=[Dataset()])
    assert read_frames(path)[0].facts.contrast == "given"


ITEM = b"\xfe\xff\x00\xe0"
GROUPS = b"\x00\x52\x29\x92SQ\0\0"  # the shared functional groups, which are read


@pytest.mark.parametrize(
    "more",
    [
        pytest.param((GROUPS + OPEN + ITEM + OPEN) * 5000, id="nested"),
        pytest.param(GROUPS + OPEN + ITEM + b"\0\0\0\0" * 5000, id="items"),
        pytest.param(b"\x09\x00\x10\x10LO\0\0" * 5000, id="elements"),
        pytest.param(element((0x0008, 0x103E), b"UT", bytes(2**14)), id="long"),
    ],
)
def test_a_header_without_end_is_refused(
    classic: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    """By limits that are lower here, so that reaching them takes no time."""
    monkeypatch.setattr(headers, "MOST_READS", 2**11)
    monkeypatch.setattr(headers, "LARGEST_HEADER", 2**14)
    assert len(read_frames(classic.files[0])) == 1
    with pytest.raises(StudyError, match="its header is"):
        read_frames(with_more(classic, tmp_path / "x", more))


def test_what_is_private_is_skipped_unread(classic: Written, tmp_path: Path) -> None:
    more = element((0x0011, 0x1010), b"OB", bytes(headers.LARGEST_HEADER))
    assert len(read_frames(with_more(classic, tmp_path / "x", more))) == 1


def test_a_deflated_bomb_is_not_inflated(classic: Written, tmp_path: Path) -> None:
    dataset = dcmread(classic.files[0])
    save(dataset, tmp_path / "honest", DeflatedExplicitVRLittleEndian)
    frames = read_frames(tmp_path / "honest")
    assert frames[0].facts.te_ms == 387
    data = (tmp_path / "honest").read_bytes()
    meta = data[: 144 + int.from_bytes(data[140:144], "little")]
    packing = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = b"".join(packing.compress(bytes(2**20)) for _ in range(100)) + packing.flush()
    (tmp_path / "bomb").write_bytes(meta + bomb)
    with pytest.raises(StudyError, match="deflated and too large"):
        read_frames(tmp_path / "bomb")


@pytest.mark.parametrize("uid", ["", "1.2.3"])
def test_slices_without_uids_of_their_own_stay_a_series(
    classic: Written, tmp_path: Path, uid: str
) -> None:
    """None, or all the same, as anonymisers write them."""
    for number, path in enumerate(classic.files):
        dataset = dcmread(path)
        dataset.SOPInstanceUID = uid
        dataset.save_as(tmp_path / f"{number}")
    [series] = read_study(tmp_path).series
    assert series.grid.shape == classic.shape


def test_without_a_preamble_it_is_still_dicom(classic: Written, tmp_path: Path) -> None:
    data = classic.files[0].read_bytes()
    bare = tmp_path / "bare"
    bare.write_bytes(data[data.index(b"\x08\x00\x08\x00CS") :])
    assert is_dicom(bare)
    assert read_frames(bare)[0].facts.te_ms == 387
    (tmp_path / "text").write_text("no image " * 100)
    assert not is_dicom(tmp_path / "text")


def test_no_picture(tmp_path: Path) -> None:
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = MRImageStorage, generate_uid()
    report.Modality = "SR"
    save(report, tmp_path / "x")
    with pytest.raises(StudyError, match="no picture"):
        read_frames(tmp_path / "x")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file with bytes exchanged, cut off, taken out or repeated, mostly in its header."""
    changed = bytearray(data)
    last = min(len(changed), chance.choice([400, 2000, len(changed)]))
    first = chance.randrange(132, last)
    until = chance.randrange(first, min(len(changed), first + 500))
    match chance.randrange(5):
        case 0:
            for _ in range(chance.randrange(1, 30)):
                changed[chance.randrange(last)] = chance.randrange(256)
        case 1:
            del changed[chance.randrange(len(changed)) :]
        case 2:
            changed[first : first + 4] = chance.choice(
                [OPEN, b"\0\0\0\0", b"SQ\0\0", b"\xfe\xff\0\xe0"]
            )
        case 3:
            del changed[first:until]
        case _:
            changed[first:first] = changed[first:until] * chance.randrange(1, 20)
    return bytes(changed)


def test_200_mutated_files(classic: Written, whole: Written, tmp_path: Path) -> None:
    """Each is read or refused by a StudyError, nothing else is raised; every voxel is a number."""
    chance = random.Random(18)
    sources = [classic.files[3].read_bytes(), whole.files[0].read_bytes()]
    others = list(classic.files[:3] + classic.files[4:])
    read = 0
    for place in range(200):
        path = tmp_path / f"{place}.dcm"
        kind = place % 2
        path.write_bytes(mutated(sources[kind], chance))
        try:
            study = read_study([path] if kind else [path, *others])
            for series in study.series:
                assert np.isfinite(series.voxels).all()
            read += bool(study.series)
        except StudyError:
            pass
    assert read > 20  # so that not only the first bytes were tried
