"""Runs of before systems had files of their own: the same records, the same weights, bit by bit.

`before/*.json` was written by commit 55c3623, whose trainer knew no system by name, on a processor
with AVX-512 and PyTorch 2.13. Elsewhere sums are made in another order; there records agree as far
as rounding lets them.
"""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunFolder
from train.digits.commands import BUNDLED as DIGITS
from train.digits.protocol import PaperTask
from train.digits.settings import paper
from train.loop import train
from train.settings import override
from train.tumour.commands import BUNDLED as TUMOURS
from train.tumour.settings import smoke
from train.tumour.task import TumourTask
from train.workers import join_workers

RUNS = {
    "digits": lambda: digits(epochs=3, audio_rate=0.10),
    "visual-only": lambda: digits(epochs=2, system="lower-bound", only="visual"),
    "upper-bound": lambda: digits(epochs=2, system="upper-bound"),
    "tumour": lambda: tumour(epochs=1),
}


def digits(**changes):
    settings = override(paper(), {"image_encoder": "channels", **changes})
    return PaperTask(settings, DIGITS), settings


def tumour(**changes):
    settings = override(smoke(), changes)
    return TumourTask(settings, TUMOURS), settings


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_before(name, tmp_path):
    before = json.loads((Path(__file__).parent / "before" / f"{name}.json").read_text())
    task, settings = RUNS[name]()
    with join_workers() as workers:
        train(
            task, settings, RunFolder(tmp_path), workers,
            name=name, preset="", command="", say=lambda line: None,
        )  # fmt: skip
    rows, _ = RunFolder(tmp_path).records()
    here = torch.backends.cpu.get_cpu_capability(), torch.__version__.split("+")[0]
    exactly = here == (before["processor"], before["torch"])
    for row, expected in zip(rows, before["records"], strict=True):
        for key, value in expected.items():
            wanted = value if exactly else pytest.approx(value, rel=1e-2, abs=1e-3)
            assert row[key] == wanted, (row["step"], key)
    if exactly:
        assert network_sha256(tmp_path / "checkpoints" / MODEL) == before["network_sha256"]


def network_sha256(path):
    tensors = load_checkpoint(path).tensors
    digest = hashlib.sha256()
    for name in sorted(name for name in tensors if name.startswith("network/")):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
