"""The command with a small network of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mckd.__main__ import main
from mckd.files.checkpoint import save_checkpoint
from mckd.tumour import SEQUENCES
from mckd.tumour.network import DESIGNS, Design, TumourNetwork


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network with random weights."""
    monkeypatch.setitem(DESIGNS, "tiny", Design(2, (4, 8), (0, 1), conditional=True))
    torch.manual_seed(3)
    network = TumourNetwork(DESIGNS["tiny"])
    for weights in network.parameters():
        weights.data += 0.1 * torch.randn(weights.shape)
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    path = tmp_path / "model" / "tiny.safetensors"
    header = {"network": "tiny", "modalities": list(SEQUENCES), "normalisation": "softmax"}
    save_checkpoint(path, {**tensors, "iwv": torch.zeros(4)}, header)
    return path


@pytest.fixture
def predict(tmp_path: Path, checkpoint: Path):
    """predict(folder, ...): the exit code and the folder of results.

    The small heads are no whole brains, so they are segmented `--anyway`.
    """

    def predict(*words: Path | str, anyway: bool = True) -> tuple[int, Path]:
        out = tmp_path / "out"
        options = ["--out", str(out), "--checkpoint", str(checkpoint)]
        return main(["predict", *options, *map(str, words), *["--anyway"] * anyway]), out

    return predict
