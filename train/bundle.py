"""Put a finished run into checkpoints/: `python -m train bundle --run runs/studio --name digits`.

Writes NAME.safetensors, enters it in SHA256SUMS, and keeps the run's record in NAME-run for
replay. Scores of cross-validation folds can ride along in the header, by what each left out.
With --pane it writes what a pane of the Compare tab takes: the model alone, in at most 4 MB.
With --hub also as a repository folder (see train/hub.py); without --run, of what is there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from mckd.files.atomic import sweep, write_atomically
from mckd.files.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mckd.files.eight_bits import narrowed
from mckd.files.runs import MODEL, RunError, RunFolder

PANE_BYTES = 4_000_000 - 2**14  # of tensors; the rest is for the header


def bundle(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        RunError: nothing to do, a run without a name or not finished, a fold that left nothing out
            or what another did, scores of seen cases only, or a model too large for a pane.
        CheckpointError: a model that cannot be read.
    """
    if arguments.run is None and arguments.hub is None:
        raise RunError("Say what is to be bundled with --run, or where to with --hub.")
    if arguments.run is not None:
        if arguments.name is None:
            raise RunError("Give the model a name with --name, for example digits.")
        _keep(arguments)
    if arguments.hub is not None:
        from train.hub import write_repositories

        names = [arguments.name] if arguments.name else []
        for folder in write_repositories(arguments.into, arguments.hub, names):
            print(f"{folder}: push it with: hf upload OWNER/{folder.name} {folder}")
    return 0


def _keep(arguments: argparse.Namespace) -> None:
    """A run's model and record in the folder of checkpoints."""
    run, into = RunFolder(arguments.run), Path(arguments.into)
    checkpoint = _model_of(run)
    folds: dict[str, Any] = {}
    for folder in arguments.folds:
        fold = RunFolder(folder)
        header = _model_of(fold).header
        left_out = _left_out(fold.name, header)
        if left_out in folds:
            raise RunError(f"Two of --folds left out the same: {left_out}. Give each fold once.")
        folds[left_out] = header["metrics"]["test"]
    header = {**checkpoint.header, **({"left_out": folds} if folds else {})}
    if arguments.scores:
        where = f"train.{header['task']}.scores"
        if find_spec(where) is None:
            raise RunError(f"A model of {header['task']} has no tables of cases: omit --scores.")
        header["unseen"] = import_module(where).unseen(arguments.scores)
    sweep(into)
    target = into / f"{arguments.name}.safetensors"
    tensors = for_pane(checkpoint.tensors) if arguments.pane else checkpoint.tensors
    digest = save_checkpoint(target, tensors, header)
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {digest}")
    print(json.dumps(header["metrics"] | header.get("left_out", {}), indent=2))
    if not arguments.pane:
        _keep_record(run, into / f"{arguments.name}-run", header["provenance"])


def for_pane(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's tensors in 16 bits where they fit into a pane's file, else in 8 (`eight_bits`).

    Raises:
        RunError: they fit in neither.
    """
    halves = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    for smaller in (halves, narrowed(tensors)):
        if sum(t.nbytes for t in smaller.values()) <= PANE_BYTES:
            return smaller
    raise RunError("The model is over 4 MB even in 8 bits a weight. Choose a smaller --network.")


def _keep_record(run: RunFolder, record: Path, provenance: Mapping[str, Any]) -> None:
    """What the Training tab replays."""
    record.mkdir(exist_ok=True)
    for name in ("records.jsonl", "status.json"):
        write_atomically(record / name, (run.path / name).read_bytes())
    config = run.config() | {"provenance": provenance}
    write_atomically(record / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def _model_of(run: RunFolder) -> Checkpoint:
    if run.status()["state"] != "finished":
        raise RunError(f"The run {run.name} is not finished. Resume it first.")
    return load_checkpoint(run.checkpoints / MODEL)


def _left_out(name: str, header: Mapping[str, Any]) -> str:
    """What a run was tested on and not trained on: a speaker, or `fold 2 of 5` of the cases."""
    if speaker := header["provenance"].get("left_out"):
        return str(speaker)
    settings = header["settings"]
    if settings.get("fold", -1) < 0 or not header["metrics"]["test"]:
        raise RunError(
            f"The run {name} left nothing out, so it is no fold. Leave it out of --folds."
        )
    return f"fold {settings['fold']} of {settings['folds']}"
