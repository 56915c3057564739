"""python -m mckd.clinic.decoding FOLDER: compressed pixels, in a process that may end badly.

Reads a JSON list of DICOM files from its input and writes what each holds, as stored, to
FOLDER/0.npy, FOLDER/1.npy, ... The decoders are native code for what strangers made; here a fault
of theirs ends this process and no other, and the system gives it no more than MOST_BYTES.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.pixels import pixel_array

MOST_BYTES = 4 * 2**30


def main(folder: Path, files: list[str]) -> None:
    """Pixels as stored: (rows, columns), of several frames (frames, rows, columns)."""
    for number, path in enumerate(files):
        stored = pixel_array(dcmread(path), raw=True)
        np.save(folder / f"{number}.npy", stored, allow_pickle=False)


def _bound() -> None:
    """Memory and the size of any file written, where the system can bound them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, MOST_BYTES), (resource.RLIMIT_FSIZE, MOST_BYTES)):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    _bound()
    main(Path(sys.argv[1]), json.loads(sys.stdin.buffer.read()))
