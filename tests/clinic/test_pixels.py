"""Pixels as they are stored: plain and compressed, damaged and elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gdcm
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mckd.clinic import pixels
from mckd.clinic.headers import read_frames
from mckd.clinic.pixels import read_voxels
from mckd.clinic.series import StudyError
from mckd.clinic.stacks import Stack, stacked
from tests import small_heads
from tests.clinic.written import PLANS, Written, enhanced, save, write_series

ABOUT = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 4}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("series")
    head = small_heads.volume("t2")
    return write_series(folder, head, small_heads.affine(), PLANS["t2"], ABOUT, coarser=3.0)


def stack_of(paths: list[Path]) -> Stack:
    return stacked([frame for path in paths for frame in read_frames(path)])


def test_inverted_greys_are_turned_round(written: Written, tmp_path: Path) -> None:
    """MONOCHROME1: the lowest stored value is white. 4095 of 12 bits is the air."""
    assert written.stored.min() == 0
    for number, file in enumerate(written.files):
        dataset = dcmread(file)
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PixelData = (4095 - dataset.pixel_array).astype(np.uint16).tobytes()
        dataset.save_as(tmp_path / f"{number:03d}")
    voxels = read_voxels(stack_of(sorted(tmp_path.iterdir())))
    assert np.array_equal(voxels, written.stored.astype(np.float32))


def compressed(written: Written, folder: Path, syntax: str) -> list[Path]:
    paths = []
    for place, file in enumerate(written.files):
        dataset = dcmread(file)
        paths.append(folder / f"{place}")
        if syntax == JPEGLosslessSV1:  # which pydicom only unpacks
            by_gdcm(file, paths[-1], gdcm.TransferSyntax.JPEGLosslessProcess14_1)
        elif syntax == DeflatedExplicitVRLittleEndian:
            save(dataset, paths[-1], syntax)
        else:
            dataset.compress(syntax, generate_instance_uid=False)
            dataset.save_as(paths[-1])
    return paths


def by_gdcm(file: Path, out: Path, syntax: int) -> None:
    reader, change, writer = (
        gdcm.ImageReader(),
        gdcm.ImageChangeTransferSyntax(),
        gdcm.ImageWriter(),
    )
    reader.SetFileName(str(file))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(out))
    assert writer.Write()


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLSLossless, JPEGLosslessSV1, DeflatedExplicitVRLittleEndian]
)
def test_compressed_is_the_same_as_plain(written: Written, tmp_path: Path, syntax: str) -> None:
    stack = stack_of(compressed(written, tmp_path, syntax))
    assert {frame.syntax for frame in stack.frames} == {syntax}
    assert np.array_equal(read_voxels(stack), written.stored.astype(np.float32))


def test_one_plain_slice_lets_no_compressed_one_into_this_process(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [written.files[0], *compressed(written, tmp_path, RLELossless)[1:]]
    stack = stack_of(paths)
    here: list[Path] = []

    def seen(path: Path, **how: object) -> np.ndarray:
        here.append(path)
        return pixel_array(path, **how)

    monkeypatch.setattr(pixels, "pixel_array", seen)
    assert np.array_equal(read_voxels(stack), written.stored.astype(np.float32))
    assert here == [written.files[0]]


@pytest.mark.parametrize("place", [0, 5])
def test_one_slice_on_a_server_is_never_asked_for(written: Written, place: int) -> None:
    stack = stack_of(list(written.files))
    frames = [*stack.frames]
    frames[place] = replace(frames[place], syntax="1.2.840.10008.1.2.4.94")  # JPIP
    with pytest.raises(StudyError, match="not read here; export it uncompressed"):
        read_voxels(Stack(tuple(frames), stack.grid))


def test_big_endian(written: Written, tmp_path: Path) -> None:
    paths = []
    for place, file in enumerate(written.files):
        dataset = Dataset()  # that knows nothing of the byte order it was read in
        for element in dcmread(file):
            dataset.add(element)
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset["PixelData"].VR = "OW"
        paths.append(tmp_path / f"{place}")
        save(dataset, paths[-1], ExplicitVRBigEndian)
    assert np.array_equal(read_voxels(stack_of(paths)), written.stored.astype(np.float32))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_without_preamble_and_meta_information(
    written: Written, tmp_path: Path, syntax: str
) -> None:
    """As older archives send images: the dataset alone, whose first element is of group 8."""
    paths = []
    for place, file in enumerate(written.files):
        save(dcmread(file), tmp_path / "whole", syntax)
        data = (tmp_path / "whole").read_bytes()
        paths.append(tmp_path / f"{place}")
        paths[-1].write_bytes(data[144 + int.from_bytes(data[140:144], "little") :])
        assert paths[-1].read_bytes().startswith(b"\x08\0")
    stack = stack_of(paths)
    assert {frame.syntax for frame in stack.frames} == {syntax}
    assert np.array_equal(read_voxels(stack), written.stored.astype(np.float32))


def test_frames_of_one_file(written: Written, tmp_path: Path) -> None:
    whole = enhanced(written, tmp_path / "whole.dcm")
    stack = stack_of(list(whole.files))
    assert np.array_equal(read_voxels(stack), written.stored.astype(np.float32))


def test_each_slice_has_its_own_rescaling(written: Written, tmp_path: Path) -> None:
    """As Philips writes them: stored values times a slope, plus an intercept."""
    paths = []
    for place, file in enumerate(written.files):
        dataset = dcmread(file)
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + place, -10
        paths.append(tmp_path / f"{place}")
        save(dataset, paths[-1])
    stored = np.rint(written.stored / PLANS["t2"].slope)
    expected = stored * (1 + np.arange(len(paths))) - 10
    assert np.array_equal(read_voxels(stack_of(paths)), expected.astype(np.float32))


def cut(written: Written, folder: Path) -> Stack:
    paths = []
    for place, file in enumerate(written.files):
        data = file.read_bytes()
        paths.append(folder / f"{place}")
        paths[-1].write_bytes(data[:-100] if place == 2 else data)
    return stack_of(paths)


def test_cut_short(written: Written, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="damaged or cut short"):
        read_voxels(cut(written, tmp_path))


def named(stack: Stack, syntax: str) -> Stack:
    return Stack(tuple(replace(frame, syntax=syntax) for frame in stack.frames), stack.grid)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.102", "1.2.3"])
def test_pixels_on_a_server_films_and_unknown_ways(written: Written, syntax: str) -> None:
    """JPIP refers to an address; it is never asked."""
    with pytest.raises(StudyError, match="not read here; export it uncompressed"):
        read_voxels(named(stack_of(list(written.files)), syntax))


def test_a_decoder_is_bounded_in_time_and_ends_no_other_process(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = compressed(written, tmp_path, RLELossless)
    paths[3].write_bytes(paths[3].read_bytes()[:-200])
    with pytest.raises(StudyError, match="damaged or cut short"):
        read_voxels(stack_of(paths))
    monkeypatch.setattr(pixels, "DECODING_S", 0.01)
    with pytest.raises(StudyError, match="too long"):
        read_voxels(stack_of(paths))
