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
SPECTROGRAM = Input((1, 40, 80), "the log-mel spectrogram of mckd.digits.sound.log_mel")
MFCC = {
    "paper": Input((1, 20, 20), "the MFCC of mckd.digits.data.paper_mfcc"),
    "mfcc": Input((1, 20, 20), "the MFCC of mckd.digits.data.whole_clip_mfcc"),
}
"""By the `features` of the header."""


def parts(checkpoint: Checkpoint) -> DigitParts:
    """What the checkpoint's system is built from again."""
    return parts_of(checkpoint.header)


def inputs(checkpoint: Checkpoint) -> dict[str, Input]:
    """{modality: the shape of one sample, and what it holds}."""
    header = checkpoint.header
    sound = SPECTROGRAM if header["network"] == "studio" else MFCC[header.get("features", "paper")]
    return {name: {"visual": PICTURE, "audio": sound}[name] for name in header["modalities"]}
