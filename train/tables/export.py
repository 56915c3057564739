"""What the networks of the tables task take and give, for `python -m train export`."""

from __future__ import annotations

from mckd.files.checkpoint import Checkpoint
from mckd.tables.parts import TableParts
from mckd.tables.predictor import parts_of as parts
from train.export import Input

__all__ = ["OUTPUT", "inputs", "parts"]

OUTPUT = "(1, K) logits of the classes of the checkpoint's header, or (1, 1), a standardised number"


def inputs(checkpoint: Checkpoint) -> dict[str, Input]:
    """{modality: the shape of one sample, and what it holds}."""
    made: TableParts = parts(checkpoint)
    return {
        name: Input((count,), "a row as mckd.tables.columns.Columns.encode gives it")
        for name, count in made.inputs.items()
    }
