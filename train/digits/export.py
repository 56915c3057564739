"""What the networks of the digits task take and give, for `python -m train export`."""

from __future__ import annotations

from mckd.digits.parts import DigitParts, parts_of
from mckd.files.checkpoint import Checkpoint
from train.export import Input

OUTPUT = (
    "(1, 10) logits of the digits 0 to 9; divided by that of `temperatures` for what is present (a "
    "modality, or both), where it is, before the softmax"
)
PICTURE = Input((1, 28, 28), "the picture in 0..1, as mckd.digits.drawing.prepare_picture gives it")
SOUNDS = {
    "studio": Input((1, 40, 80), "the log-mel spectrogram of mckd.digits.sound.log_mel"),
    "paper": Input((1, 20, 20), "the MFCC of mckd.digits.sound.mfcc"),
}


def parts(checkpoint: Checkpoint) -> DigitParts:
    """What the checkpoint's system is built from again."""
    return parts_of(checkpoint.header)


def inputs(checkpoint: Checkpoint) -> dict[str, Input]:
    """{modality: the shape of one sample, and what it holds}."""
    known = {"visual": PICTURE, "audio": SOUNDS[checkpoint.header["network"]]}
    return {name: known[name] for name in checkpoint.header["modalities"]}
