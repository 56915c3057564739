"""Put a finished run into checkpoints/: `python -m train bundle --run runs/studio --name digits`.

Writes NAME.safetensors, enters it in SHA256SUMS, and keeps the run's record in NAME-run for
replay. Scores of cross-validation folds can ride along in the header.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.files.runs import MODEL, RunError, RunFolder
from train.bench import CHECKPOINTS


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="a finished run folder")
    parser.add_argument("--name", required=True, help="name of the checkpoint, for example digits")
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="runs that left data out")
    parser.set_defaults(action=bundle)


def bundle(arguments: argparse.Namespace) -> int:
    run = RunFolder(arguments.run)
    if run.status()["state"] != "finished":
        raise RunError(f"The run {run.name} is not finished. Resume it first.")
    checkpoint = load_checkpoint(run.checkpoints / MODEL)
    folds = {}
    for folder in arguments.folds:
        header = load_checkpoint(folder / "checkpoints" / MODEL).header
        folds[header["provenance"]["left_out"]] = header["metrics"]["test"]
    header = checkpoint.header | ({"left_out": folds} if folds else {})
    target = CHECKPOINTS / f"{arguments.name}.safetensors"
    digest = save_checkpoint(target, checkpoint.tensors, header)
    record = CHECKPOINTS / f"{arguments.name}-run"
    record.mkdir(exist_ok=True)
    for name in ("records.jsonl", "status.json"):
        shutil.copyfile(run.path / name, record / name)
    config = run.config() | {"provenance": header["provenance"]}
    (record / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {digest}")
    print(json.dumps(header["metrics"] | header.get("left_out", {}), indent=2))
    return 0
