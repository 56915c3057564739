"""A model as ONNX files: `python -m train export --checkpoint MODEL --out DIR`.

`encoder-NAME.onnx` takes one sample of a modality and gives its features, `feature_0` (deepest) and
so on, each (1, C, ...): Eq. 1. `decoder.onnx` takes those of all modalities, (1, M, C, ...) each,
and `present`, (1, M) bool; what is not present it fills by Eq. 2, whatever finite number is in its
place, and gives `output`. `export.json` says what goes in, in the order of the modalities. Shapes
are fixed, one sample at a time. Before anything is kept, ONNX Runtime works on noise: its outputs
are compared with those of PyTorch for every subset of the modalities.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import load_checkpoint
from mckd.method import MissingModalityNetwork, subsets
from mckd.systems import rebuild
from train.settings import SettingsError

TOLERANCE = 1e-4  # of the largest output, or of 1
NEEDS = "Exporting needs packages. Install them with: pip install 'mckd-studio[onnx]'"


@dataclass(frozen=True)
class Input:
    """What an encoder takes. shape: of one sample. holds: what that is, in a sentence."""

    shape: tuple[int, ...]
    holds: str


class Encoder(nn.Module):
    """F of Eq. 1 for one modality: (1, ...) to features per scale, (1, C, ...) each."""

    def __init__(self, network: MissingModalityNetwork, modality: int) -> None:
        super().__init__()
        self.network, self.modality = network, modality

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.network.encode_one(x, self.modality)


class Decoder(nn.Module):
    """Eq. 2 and G, without a step that depends on a value: what ONNX can hold."""

    def __init__(self, network: MissingModalityNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, present: Tensor, *features: Tensor) -> Tensor:
        return self.network.decode(tuple(self.filled(f, present) for f in features))

    def filled(self, features: Tensor, present: Tensor) -> Tensor:
        """(1, M, C, ...) with the mean of what is there, or 0, in place of what is not."""
        there = present.to(features.dtype).view(1, -1, *[1] * (features.ndim - 2))
        here = there * features
        if self.network.fill == "zero":
            return here
        mean = here.sum(1, keepdim=True) / there.sum(1, keepdim=True)
        return here + (1 - there) * mean


def export(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        CheckpointError: no model of ours.
        SettingsError: packages are missing, the network fills features in a way of its own, or
            ONNX Runtime gives something else than PyTorch.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise SettingsError(NEEDS) from None
    checkpoint = load_checkpoint(arguments.checkpoint)
    task = import_module(f"train.{checkpoint.header['task']}.export")
    network, weights = rebuild(checkpoint, task.parts(checkpoint))
    if type(network).complete is not MissingModalityNetwork.complete:
        raise SettingsError(
            f"The system {checkpoint.header['system']} fills missing features by networks of its "
            "own; only those that fill by Eq. 2 can be exported."
        )
    inputs = task.inputs(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        difference = write(network, inputs, Path(folder))
        arguments.out.mkdir(parents=True, exist_ok=True)
        for path in Path(folder).iterdir():
            write_atomically(arguments.out / path.name, path.read_bytes())
    told = {
        "task": checkpoint.header["task"],
        "sha256": checkpoint.sha256,
        "modalities": {
            name: {"shape": [1, *one.shape], "holds": one.holds} for name, one in inputs.items()
        },
        "output": task.OUTPUT,
        "temperatures": checkpoint.header.get("temperatures", {}),
        "importance": weights,
        "largest_difference": difference,
    }
    write_atomically(arguments.out / "export.json", (json.dumps(told, indent=2) + "\n").encode())
    count = 2 ** len(inputs) - 1
    print(
        f"{arguments.out}: {len(inputs)} encoders and a decoder. Outputs of {count} subsets differ"
    )
    print(f"from those of PyTorch by {difference:.1e} of the largest at most.")
    return 0


@torch.inference_mode()
def write(network: MissingModalityNetwork, inputs: Mapping[str, Input], folder: Path) -> float:
    """The files of a network in a folder; by how much their outputs differ, see `TOLERANCE`.

    Raises:
        SettingsError: by more than that.
    """
    noise = torch.Generator().manual_seed(0)
    samples = [torch.randn(1, *one.shape, generator=noise) for one in inputs.values()]
    encoded = [network.encode_one(x, m) for m, x in enumerate(samples)]
    features = [torch.stack(scale, 1) for scale in zip(*encoded, strict=True)]
    names = [f"feature_{scale}" for scale in range(len(features))]
    for m, (modality, x) in enumerate(zip(inputs, samples, strict=True)):
        path = folder / f"encoder-{modality}.onnx"
        _write(Encoder(network, m), (x,), path, [modality], names)
    everything = torch.ones(1, len(samples), dtype=torch.bool)
    path = folder / "decoder.onnx"
    _write(Decoder(network), (everything, *features), path, ["present", *names], ["output"])
    difference = compare(network, dict(zip(inputs, samples, strict=True)), features, folder)
    if not difference <= TOLERANCE:
        raise SettingsError(
            f"ONNX Runtime gives other outputs than PyTorch, by {difference:.1e} of the largest. "
            "Nothing was written. Try other versions of torch, onnxscript and onnxruntime."
        )
    return difference


def _write(
    part: nn.Module, given: Any, path: Path, takes: Sequence[str], gives: Sequence[str]
) -> None:
    program = torch.onnx.export(
        part.eval(), given, input_names=list(takes), output_names=list(gives), dynamo=True,
        verbose=False,
    )  # fmt: skip
    assert program is not None
    program.save(str(path))


def compare(
    network: MissingModalityNetwork,
    samples: Mapping[str, Tensor],
    features: Sequence[Tensor],
    folder: Path,
) -> float:
    """The largest difference between outputs of the files and of PyTorch, over every subset of the
    modalities; as a share of the largest output, or of 1 where that is less.

    samples: {modality: an input}. features: of all of them by PyTorch, (1, M, C, ...) per scale;
    those that are absent from a subset stay in, and must not matter.
    """
    encoded = [_run(folder / f"encoder-{m}.onnx", {m: x.numpy()}) for m, x in samples.items()]
    stacked = [np.stack(scale, 1) for scale in zip(*encoded, strict=True)]
    given = {f"feature_{k}": scale for k, scale in enumerate(stacked)}
    decoder, worst = _session(folder / "decoder.onnx"), 0.0
    for subset in subsets(list(samples)):
        present = torch.tensor([[name in subset for name in samples]])
        true = network.answer(tuple(features), present).numpy()
        (found,) = decoder.run(None, {"present": present.numpy(), **given})
        scale = max(1.0, float(np.abs(true).max()))
        worst = max(worst, float(np.abs(found - true).max()) / scale)
    return worst


def _run(path: Path, given: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = _session(path).run(None, dict(given))
    return found


def _session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
