"""The pixels of a stack of slices.

Those that are stored plainly are read here. What is compressed is unpacked by native code, which a
damaged file may end: a process of its own does it, bounded in memory and time (`decoding`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

import mckd
from mckd.clinic.headers import Frame
from mckd.clinic.series import StudyError
from mckd.clinic.stacks import Stack, at_each_place
from mckd.files.names import plain_name
from mckd.tumour.nifti import Floats

PLAIN = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian}
DECODING_S = 300
DAMAGED = "its pixels are damaged or cut short; export it again"

Stored = npt.NDArray[Any]
Files = dict[Path, list[int]]  # places in the stack of what each file holds


def read_voxels(stack: Stack) -> Floats:
    """(X, Y, Z) float32: column, row, slice; value = slope * stored + inter, finite. Inverted greys
    are turned round, so that the darkest of the series is 0.

    Raises:
        StudyError: cut short, damaged, or stored in a way that cannot be read: why, in a few words.
    """
    out = np.empty(stack.grid.shape, np.float32)
    for place, stored in _stored(stack.frames):
        frame = stack.frames[place]
        if stored.shape != (frame.rows, frame.columns) or stored.dtype.kind not in "iuf":
            raise StudyError(DAMAGED)
        with np.errstate(all="ignore"):
            out[:, :, place] = stored.T * np.float64(frame.slope) + frame.inter
    out[~np.isfinite(out)] = 0
    if stack.frames[0].inverted:
        with np.errstate(over="ignore"):
            out = np.minimum(out.max() - out, np.finfo(np.float32).max)
    return out


def without_copies(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The frames, each once where all that lie at one place are one image to the bit, as an export
    under new UIDs leaves it; all of them where one differs, as those of a series in time do."""
    there = at_each_place(frames)
    pairs = [(first, other) for first, *others in there for other in others]
    if not pairs or any(_read_as(first) != _read_as(other) for first, other in pairs):
        return frames
    files = {(first.path, other.path) for first, other in pairs}
    return [same[0] for same in there] if all(_same_pixels(*two) for two in files) else frames


def _read_as(frame: Frame) -> tuple[object, ...]:
    """What makes values of the pixels of a file."""
    return frame.place, frame.syntax, frame.slope, frame.inter


def _same_pixels(one: Path, other: Path) -> bool:
    """Whether two files hold the same pixels as they are stored: nothing is unpacked."""
    try:
        a, b = (dcmread(path, force=True, specific_tags=["PixelData"]) for path in (one, other))
        return bool(a.PixelData == b.PixelData)
    except Exception:  # of a damaged file pydicom raises whatever its parts do
        return False


def _stored(frames: Sequence[Frame]) -> Iterator[tuple[int, Stored]]:
    """(place in the stack, (rows, columns) as stored), file by file: first the plain ones. Of one
    series some may be compressed and others not."""
    for syntax in sorted({frame.syntax for frame in frames} - PLAIN):
        _require_decoder(UID(syntax))
    plain: Files = {}
    packed: Files = {}
    for path, places in _by_file(frames).items():
        (plain if frames[places[0]].syntax in PLAIN else packed)[path] = places
    yield from _plain(frames, plain)
    if packed:
        yield from _decoded(frames, packed)


def _require_decoder(syntax: UID) -> None:
    """Refuse pixels that lie elsewhere, as a server's address, or that nothing here unpacks."""
    if syntax == DeflatedExplicitVRLittleEndian:
        return
    try:
        known = get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        name = plain_name(syntax.name)
        raise StudyError(f"its pixels are stored as {name}, not read here; export it uncompressed")


def _plain(frames: Sequence[Frame], files: Files) -> Iterator[tuple[int, Stored]]:
    """What these files hold."""
    for path, places in files.items():
        try:
            syntax = UID(frames[places[0]].syntax)
            stored = pixel_array(path, raw=True, transfer_syntax_uid=syntax)
        except Exception:  # of damaged pixels pydicom raises whatever its parts do
            raise StudyError(DAMAGED) from None
        yield from _picked(stored, frames, places)


def _decoded(frames: Sequence[Frame], files: Files) -> Iterator[tuple[int, Stored]]:
    """The same, of a process that may run DECODING_S seconds."""
    with TemporaryDirectory(prefix="mckd-dicom-") as folder:
        order = json.dumps([str(path.resolve()) for path in files])
        try:
            done = subprocess.run(
                [sys.executable, "-m", "mckd.clinic.decoding", folder],
                input=order.encode(),
                cwd=Path(mckd.__file__).parents[1],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=DECODING_S,
            )
        except subprocess.TimeoutExpired:
            raise StudyError("unpacking its pixels took too long; export it plainly") from None
        if done.returncode != 0:
            raise StudyError(DAMAGED)
        for number, places in enumerate(files.values()):
            stored = np.load(Path(folder) / f"{number}.npy", mmap_mode="r", allow_pickle=False)
            yield from _picked(stored, frames, places)


def _picked(
    stored: Stored, frames: Sequence[Frame], places: Sequence[int]
) -> Iterator[tuple[int, Stored]]:
    """Of what one file holds, the frames that lie in these places of the stack."""
    whole = stored if stored.ndim == 3 else stored[None]
    for place in places:
        if frames[place].place >= len(whole):
            raise StudyError(DAMAGED)
        yield place, whole[frames[place].place]


def _by_file(frames: Sequence[Frame]) -> Files:
    files: Files = defaultdict(list)
    for place, frame in enumerate(frames):
        files[frame.path].append(place)
    return files
