"""One recording as many programs would write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile


def written(folder: Path, samples: np.ndarray, rate: int) -> dict[str, Path]:
    """{what is odd about it: a file of the same recording}; samples: (n,) of full scale 1."""
    both = samples[:, None]
    forms = {
        "AIFF": ("x.aiff", both, "PCM_16", "AIFF"),
        "AIFF-C of floats": ("y.aif", both, "FLOAT", "AIFF"),
        "float64": ("double.wav", both, "DOUBLE", "WAV"),
        "float64, extensible": ("wide.wav", both * [1, 1], "DOUBLE", "WAVEX"),
        "RF64": ("rf64.wav", both, "PCM_16", "RF64"),
        "Wave64": ("x.w64", both, "PCM_24", "W64"),
        "mu-law": ("telephone.wav", both, "ULAW", "WAV"),
        "one side reversed": ("antiphase.wav", both * [1, -1], "PCM_16", "WAV"),
        "one side reversed, AIFF": ("antiphase.aiff", both * [0.9, -1], "PCM_24", "AIFF"),
        "all sides cancel": ("quad.wav", both * [1, -1, 0.5, -0.5], "FLOAT", "WAV"),
    }
    paths = {}
    for odd, (name, frames, kind, form) in forms.items():
        soundfile.write(folder / name, frames, rate, kind, format=form)
        paths[odd] = folder / name
    for claims in (0, 0x7FFFF000, 0xFFFFFFFF):
        paths[f"length {claims:#x}"] = path = folder / f"pipe_{claims:x}.wav"
        soundfile.write(path, samples, rate, "PCM_16")
        data = bytearray(path.read_bytes())
        at = data.index(b"data") + 4
        data[at : at + 4] = claims.to_bytes(4, "little")
        path.write_bytes(data)
    return paths
