"""Checkpoints: named tensors plus a readable JSON header in one safetensors file.

A folder of checkpoints has a manifest `SHA256SUMS` (check it with `sha256sum -c`). Nothing is
read from a file whose hash the manifest does not confirm, and nothing is ever unpickled.
Writing the manifest is the moment at which a checkpoint exists.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from mckd.files.eight_bits import widened
from mckd.files.manifest import MANIFEST, ManifestError, put, read_manifest

LARGEST_BYTES = 2**30
LONGEST_HEADER = 2**20
MOST_TENSORS = 10_000

_HEADER_KEY = "mckd"  # safetensors metadata maps strings to strings; ours is one JSON text


class CheckpointError(ValueError):
    """A checkpoint that cannot be trusted or read; the message says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """tensors by name, the JSON header, and the SHA-256 of the file they came from."""

    tensors: dict[str, Tensor]
    header: dict[str, Any]
    sha256: str

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors named `prefix/...`, without the prefix."""
        start = f"{prefix}/"
        return {n.removeprefix(start): t for n, t in self.tensors.items() if n.startswith(start)}


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """Write one checkpoint and enter it in its folder's manifest. Returns its SHA-256.

    One that it replaces can be read until the new one can, whenever this is broken off.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    data = safetensors.torch.save(plain, {_HEADER_KEY: json.dumps(header, allow_nan=False)})
    return put(path, data)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint that its folder's manifest confirms; weights in 8 bits become float32.

    Raises:
        CheckpointError: missing, unlisted, altered, truncated, another format, or with NaN weights.
    """
    path = Path(path)
    data = confirmed(path)
    digest = hashlib.sha256(data).hexdigest()
    try:
        header = _header(data)
        tensors = widened(safetensors.torch.load(data))
    except Exception as error:  # what a foreign file raises is not one family
        raise CheckpointError(f"{path.name} is not a checkpoint of this project.") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path.name} holds NaN or infinite values in {name}.")
    return Checkpoint(tensors, header, digest)


def confirmed(path: Path) -> bytes:
    """What a file holds that the manifest beside it confirms.

    Raises:
        CheckpointError: missing, unlisted or altered.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path.name}. Train one or fetch it again.")
    if path.stat().st_size > LARGEST_BYTES:
        raise CheckpointError(f"{path.name} is larger than any checkpoint of this project.")
    data = path.read_bytes()
    if data.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path.name} is a Git LFS pointer. Run 'git lfs pull' to fetch it.")
    listed = _listed(path)
    if not listed:
        raise CheckpointError(f"{path.name} is not listed in {MANIFEST} beside it; not loaded.")
    if hashlib.sha256(data).hexdigest() not in listed:
        raise CheckpointError(
            f"{path.name} differs from its entry in {MANIFEST}: damaged or altered. Fetch it again."
        )
    return data


def _listed(path: Path) -> tuple[str, ...]:
    """The SHA-256 that the manifest beside a file gives for it; see `read_manifest`."""
    try:
        return read_manifest(path.parent).get(path.name, ())
    except ManifestError as error:
        raise CheckpointError(f"{MANIFEST} beside {path.name} is damaged. Fetch both.") from error


def _header(data: bytes) -> dict[str, Any]:
    """Our JSON header; judged before safetensors makes tensors of what it lists."""
    length = int.from_bytes(data[:8], "little")
    if length > LONGEST_HEADER:
        raise ValueError("The header is too long.")
    listed = json.loads(data[8 : 8 + length])
    if len(listed) > MOST_TENSORS:
        raise ValueError("There are too many tensors.")
    header = json.loads(listed["__metadata__"][_HEADER_KEY])
    if not isinstance(header, dict):
        raise TypeError("The header is no mapping.")
    return header
