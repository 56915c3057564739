"""Short runs of the digits task: in this process, or as the command that people start."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunFolder
from tests.patience import until
from train.digits.commands import BUNDLED
from train.digits.protocol import PaperTask
from train.digits.settings import PRESETS
from train.loop import train
from train.settings import override
from train.workers import join_workers

ROOT = Path(__file__).parents[2]


def run_here(folder, task=None, resume=False, **changes):
    settings = override(PRESETS["smoke"](), {"epochs": 2, "audio_rate": 0.5} | changes)
    task = task or PaperTask(settings, BUNDLED)
    with join_workers() as workers:
        return train(
            task,
            settings,
            RunFolder(folder),
            workers,
            name="digits",
            preset="smoke",
            command="python -m train digits --preset smoke",
            resume=resume,
            say=lambda line: None,
        )


def command(folder, *more, epochs=4):
    words = ["-m", "train", "digits", "--preset", "smoke", "--epochs", str(epochs)]
    return [sys.executable, *words, "--ema", "0.9", "--threads", "1", "--out", str(folder), *more]


def weights(folder):
    checkpoint = load_checkpoint(Path(folder) / "checkpoints" / MODEL)
    return checkpoint.tensors


def assert_same_weights(a, b):
    for name, tensor in weights(a).items():
        assert torch.equal(tensor, weights(b)[name]), name


def stable(row):
    """A record without what the clock decides."""
    return {k: v for k, v in row.items() if k not in ("time_s", "samples_per_s")}


def wait_for(condition, process):
    until(
        condition,
        lambda: "a record",
        lambda: "" if process.poll() is None else "the trainer ended early",
    )
