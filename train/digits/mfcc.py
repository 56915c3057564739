"""The MFCC of recordings, as computed now or as kept beside them.

    python -m train data mfcc --data DIR        writes DIR/mfcc-paper.npz and DIR/mfcc-mfcc.npz

A kept one is found by the SHA-256 of its recording, so it cannot be that of another. Whoever has
the files needs no librosa, and starts a hundred runs without computing the same a hundred times.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from mckd.digits.data import (
    DataError,
    Floats,
    Recording,
    paper_mfcc,
    read_recordings,
    whole_clip_mfcc,
)
from mckd.digits.wave import read_wave
from mckd.files.atomic import write_atomically

VARIANTS = {"paper": paper_mfcc, "mfcc": whole_clip_mfcc}


def mfcc_of(recordings: Sequence[Recording], variant: str, folder: Path) -> Floats:
    """(n, 20, 20) float32: coefficients x frames of each recording, by a variant of VARIANTS.

    Raises:
        DataError: the kept file is damaged, or a recording is.
    """
    kept = _kept(folder / _name(variant))
    return np.stack([_one(r.path, variant, kept) for r in recordings])


def keep_mfcc(folder: Path) -> int:
    """Write every variant for every recording of `folder`; returns how many recordings."""
    recordings = read_recordings(folder)
    keys = [_key(r.path) for r in recordings]
    for variant in VARIANTS:
        values = np.stack([_one(r.path, variant, {}) for r in recordings])
        file = io.BytesIO()
        np.savez_compressed(file, sha256=np.array(keys), mfcc=values)
        write_atomically(folder / _name(variant), file.getvalue())
    return len(recordings)


def _one(path: Path, variant: str, kept: dict[str, Floats]) -> Floats:
    found = kept.get(_key(path)) if kept else None
    return VARIANTS[variant](read_wave(path)[0]) if found is None else found


@lru_cache(maxsize=4)
def _kept(path: Path) -> dict[str, Floats]:
    """{SHA-256 of a recording: its MFCC}; nothing where there is no file."""
    if not path.is_file():
        return {}
    try:
        with np.load(path) as file:
            return dict(zip(file["sha256"].tolist(), file["mfcc"], strict=True))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path.name} is damaged. Delete it, or make it anew: python -m train data mfcc"
        ) from error


def _key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _name(variant: str) -> str:
    return f"mfcc-{variant}.npz"
