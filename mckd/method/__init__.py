"""The method of arXiv 2405.07155, without any knowledge of a task.

`equations` holds one pure function per equation, `presence` says which modalities are there,
`options` what can be chosen, `steps` the two updates of Algorithm 1. What needs PyTorch is
imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mckd.method.options import MethodOptions

if TYPE_CHECKING:
    from mckd.method.equations import (
        distillation,
        encode_available,
        fill_distance,
        fill_missing,
        gate,
        importance,
        one_scale,
        unbind_modalities,
        zero_missing,
    )
    from mckd.method.presence import presence_mask, sample_presence, subsets
    from mckd.method.steps import (
        Batch,
        MissingModalityNetwork,
        NonFiniteLossError,
        TrainingLosses,
        meta_step,
        predict,
        training_step,
    )

__all__ = [
    "Batch",
    "MethodOptions",
    "MissingModalityNetwork",
    "NonFiniteLossError",
    "TrainingLosses",
    "distillation",
    "encode_available",
    "fill_distance",
    "fill_missing",
    "gate",
    "importance",
    "meta_step",
    "one_scale",
    "predict",
    "presence_mask",
    "sample_presence",
    "subsets",
    "training_step",
    "unbind_modalities",
    "zero_missing",
]

_OF_PRESENCE = ("presence_mask", "sample_presence", "subsets")
_OF_STEPS = (
    "Batch",
    "MissingModalityNetwork",
    "NonFiniteLossError",
    "TrainingLosses",
    "meta_step",
    "predict",
    "training_step",
)
_HOMES = {
    **dict.fromkeys(__all__, "equations"),
    **dict.fromkeys(_OF_PRESENCE, "presence"),
    **dict.fromkeys(_OF_STEPS, "steps"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
