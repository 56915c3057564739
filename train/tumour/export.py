"""What the networks of the tumour task take and give, for `python -m train export`."""

from __future__ import annotations

from mckd.files.checkpoint import Checkpoint
from mckd.tumour.designs import DESIGNS
from mckd.tumour.parts import USUAL, TumourParts
from train.export import Input

OUTPUT = "(1, 3, x, y, z) logits of enhancing tumour, tumour core and whole tumour in a window"


def parts(checkpoint: Checkpoint) -> TumourParts:
    """What the checkpoint's system is built from again."""
    return TumourParts(DESIGNS[checkpoint.header["network"]])


def inputs(checkpoint: Checkpoint) -> dict[str, Input]:
    """{sequence: the shape of one window, (channel, X, Y, Z), and what it holds}."""
    window = parts(checkpoint).design.window or USUAL
    holds = "a window of the brain in canonical axes, as mckd.tumour.data.standardise gives it"
    return {name: Input((1, *window), holds) for name in checkpoint.header["modalities"]}
