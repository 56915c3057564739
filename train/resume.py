"""How a run, or a table of runs, begins or goes on: whether it may, and from which checkpoint."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import mckd
from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import CheckpointError
from mckd.files.manifest import MANIFEST, ManifestError
from mckd.files.runs import RunError, RunFolder
from train.state import TrainingState

TOLD = "told.json"
"""Beside results: what the command that makes them was told."""


def check_start(run: RunFolder, config: dict[str, Any], resume: bool) -> bool:
    """Let a run begin, or go on, with this configuration.

    Returns:
        Whether it goes on for more epochs than it was started for. What it does after those is what
        a run of that length does from the start, if the learning rate does not depend on the length
        (`--schedule` constant or step, no `--lr-warmup`).

    Raises:
        RunError: it exists, or was started with another one or with other data.
    """
    run.check_start(resume)
    if resume:
        saved = run.config()
        processes = saved.get("processes", config["processes"])
        if processes != config["processes"]:
            raise RunError(
                f"The run {run.name} was started with {processes} processes, each with its share "
                f"of every batch. Resume it with as many, not {config['processes']}."
            )
        theirs, ours = saved.get("config", {}), config["config"]
        if since := _options(ours) - _options(theirs):
            raise RunError(
                f"The run {run.name} was started by an earlier version, which had no option "
                f"{min(since)!r}. Go on with that version, or start a new run."
            )
        changed = [k for k in ours if theirs.get(k) != ours[k]]
        before = theirs.get("epochs")
        longer = changed == ["epochs"] and isinstance(before, int) and before < ours["epochs"]
        if saved.get("task") != config["task"] or (changed and not longer):
            what = changed[0] if changed else "task"
            raise RunError(
                f"The run {run.name} was started with another {what}. Resume it with the command "
                f"it was started with and --resume: {saved.get('command', '')}"
            )
        _check_data(run.name, saved, config["provenance"])
        return longer
    return False


def _check_data(name: str, saved: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """Of what both configurations say of their data: an earlier version said less.

    Raises:
        RunError: it differs.
    """
    if other := _differing(saved.get("provenance", {}), provenance):
        raise RunError(
            f"The run {name} was started with other data: not the same {other}. Resume it with "
            "the data that it was started with, wherever they lie now, or start a new run with "
            f"another --out. It was started with: {saved.get('command', '')}"
        )


def check_results(out: Path, told: Mapping[str, Any]) -> None:
    """Let a command add to the results in `out`, which keeps beside them what it was told.

    Results of before that was kept are taken to be of the same.

    Args:
        told: {flag, or what stands for it: value}; of data what tells them apart.

    Raises:
        RunError: they are of another command.
    """
    path = out / TOLD
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps(told, indent=2) + "\n").encode())
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{TOLD} in {out.name} cannot be read. It says what the results beside it were made "
            "with; delete it if you know that they are of this command."
        ) from error
    if other := _differing(before, told):
        raise RunError(
            f"The results in {out.name} were made with another {other}, and would be mixed with "
            f"these. Give what {TOLD} there says, or choose another --out."
        )


def _differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What first differs of all that both say, "" if nothing does. Theirs comes from JSON."""
    said = json.loads(json.dumps(ours))
    return next((key for key in said if key in theirs and theirs[key] != said[key]), "")


def _options(config: Mapping[str, Any]) -> set[str]:
    """Names of all options, those of the method too."""
    method = config.get("method", {})
    return {*config, *(method if isinstance(method, dict) else ())}


def load_newest(
    state: TrainingState, run: RunFolder, saved_step: int
) -> tuple[dict[str, list[float]], str]:
    """Load the newest checkpoint that can be used; where there was none, the state stays at step 0.

    saved_step: of the last checkpoint, as the run's status says.

    Returns:
        The losses since the last record, and what else was found, in words; "" where there is
        nothing to say.

    Raises:
        RunError: there are checkpoints, or there was one, and none can be used.
    """
    refused: list[str] = []
    try:
        listed = run.resumable()
    except ManifestError as error:
        listed, refused = [], [str(error).rstrip(".")]
    for path in listed:
        try:
            header = state.load(path)
        except CheckpointError as error:
            refused.append(str(error).split(". ")[0].rstrip("."))
            continue
        note = (
            f"The newest checkpoint cannot be used ({'; '.join(refused)}). Going on from the "
            f"one before it, at step {state.step}."
        )
        return header["since_record"], note if refused else ""
    written = [path.name for path in run.written_checkpoints()]
    refused += [f"{name} is not listed in {MANIFEST}" for name in written if not listed]
    if not refused and saved_step:
        refused = [f"that of step {saved_step} is gone"]
    if refused:
        raise RunError(
            f"No checkpoint of the run {run.name} can be used: {'; '.join(refused)}. "
            f"Files that you trust can be listed again, in its folder checkpoints, with "
            f"'sha256sum step-*.safetensors > {MANIFEST}'. Else start anew with another --out."
        )
    return {}, "No checkpoint was written before the run ended, so it begins again at step 0."


def versions() -> dict[str, str]:
    """Of what a run was made with."""
    return {
        "mckd": mckd.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
