"""Each door of the project, as the app walks a stranger's file to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from mckd.digits.drawing import prepare_picture
from mckd.digits.sound import find_voice
from mckd.digits.wave import read_wave
from mckd.files.checkpoint import load_checkpoint
from mckd.studio.tasks.digits.service import decode_picture, decode_sound
from mckd.tumour import read_case
from tests.hostile.files import Hostile
from tests.hostile.images import head, nifti


def lay_out(hostile: Hostile, folder: Path) -> Path:
    """Write a hostile file into an empty folder, with what has to lie beside it."""
    path, data = folder / hostile.name, hostile.make()
    path.write_bytes(data)
    if hostile.door == "reference":
        (folder / "x_t1.nii").write_bytes(nifti(head(np.random.default_rng(0))))
    if hostile.door == "checkpoint":
        digest = hashlib.sha256(data).hexdigest()
        (folder / "SHA256SUMS").write_text(f"{digest}  {path.name}\n")
    return path


def knock(door: str, path: Path) -> str:
    """Hand a file to its door; the sentence that refuses it, or "" if it was let in.

    What is not a refusal (any exception but ValueError) is raised: it is a crash.
    """
    try:
        if door == "image":
            case = read_case({"t1": path})
            assert all(np.isfinite(volume).all() for volume in case.volumes.values())
        elif door == "reference":
            case = read_case({"t1": path.with_name("x_t1.nii"), "seg": path})
            if case.labels is None:  # the images are let in without it
                return case.reference_notes[0]
            assert case.labels.max() <= 4
        elif door == "sound":
            assert np.isfinite(find_voice(*read_wave(path)).window).all()
        elif door == "recording":
            sound = decode_sound(json.loads(path.read_text(encoding="utf-8")))
            assert sound is not None
            find_voice(*sound)
        elif door == "picture":
            picture = decode_picture(path.read_text(encoding="ascii"))
            assert picture is not None
            assert np.isfinite(prepare_picture(picture)).all()
        else:
            load_checkpoint(path)
    except ValueError as refusal:
        return str(refusal)
    return ""
