"""From a checkpoint back to the network that was trained: its header says how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mckd.files.checkpoint import Checkpoint, CheckpointError
from mckd.method import MissingModalityNetwork
from mckd.systems import system_class
from mckd.systems.system import Parts, System

FIRST = "mckd"
"""The system of checkpoints from before there were others; they name none."""
OF_THE_RUN = ("drop", "warmup_steps")
"""Settings of a run that the same checkpoints hold among the options of the system."""


def rebuild(
    checkpoint: Checkpoint, parts: Parts
) -> tuple[MissingModalityNetwork, dict[str, float] | None]:
    """The network of a checkpoint with every option it was trained with, and its weights.

    Returns:
        The network in evaluation mode; the importance of each modality, None where the system
        learns none.

    Raises:
        CheckpointError: a system or an option that this version does not know, or weights that do
            not fit the parts.
    """
    header = checkpoint.header
    try:
        system = system_class(header.get("system", FIRST))
        options = options_of(system, header.get("settings", {}))
        network = system.build(parts, options)
        network.load_state_dict(checkpoint.part("network"))
        w = system.weigh(options, checkpoint.tensors)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError("The checkpoint does not fit this version's network.") from error
    weights = None if w is None else dict(zip(parts.modalities, w.tolist(), strict=True))
    return network.eval(), weights


def options_of(system: type[System], settings: Mapping[str, Any]) -> Any:
    """The system's options among the settings of a run.

    Raises:
        TypeError: an option that this version does not know.
    """
    saved = {k: v for k, v in settings.get("method", {}).items() if k not in OF_THE_RUN}
    for field in dataclasses.fields(system.Options):
        if field.name in settings:  # as older checkpoints have the rates of the IWV
            saved.setdefault(field.name, settings[field.name])
    return system.Options(**saved)
