"""The method of arXiv 2405.07155, without any knowledge of a task.

`equations` holds one pure function per equation, `algorithm` the two updates of Algorithm 1,
`contract` what a network and a batch are, `presence` which modalities are there, `options` what
can be chosen. What needs PyTorch is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mckd.method.options import MethodOptions

if TYPE_CHECKING:
    from mckd.method.algorithm import (
        Learner,
        Losses,
        gradient,
        inner_loss,
        meta_step,
        training_step,
    )
    from mckd.method.contract import (
        Batch,
        MissingModalityNetwork,
        NonFiniteLossError,
        TaskLoss,
        evaluating,
        predict,
        stop_if_not_finite,
    )
    from mckd.method.equations import (
        distillation,
        encode_available,
        feature_deviation,
        fill_columns,
        fill_distance,
        fill_missing,
        gate,
        importance,
        normalise_channels,
        one_scale,
        stack_modalities,
        unbind_modalities,
        zero_missing,
    )
    from mckd.method.presence import presence_mask, sample_presence, subsets

__all__ = [
    "Batch",
    "Learner",
    "Losses",
    "MethodOptions",
    "MissingModalityNetwork",
    "NonFiniteLossError",
    "TaskLoss",
    "distillation",
    "encode_available",
    "evaluating",
    "feature_deviation",
    "fill_columns",
    "fill_distance",
    "fill_missing",
    "gate",
    "gradient",
    "importance",
    "inner_loss",
    "meta_step",
    "normalise_channels",
    "one_scale",
    "predict",
    "presence_mask",
    "sample_presence",
    "stack_modalities",
    "stop_if_not_finite",
    "subsets",
    "training_step",
    "unbind_modalities",
    "zero_missing",
]

_OF_ALGORITHM = ("Learner", "Losses", "gradient", "inner_loss", "meta_step", "training_step")
_OF_CONTRACT = (
    "Batch",
    "MissingModalityNetwork",
    "NonFiniteLossError",
    "TaskLoss",
    "evaluating",
    "predict",
    "stop_if_not_finite",
)
_OF_PRESENCE = ("presence_mask", "sample_presence", "subsets")
_HOMES = {
    **dict.fromkeys(__all__, "equations"),
    **dict.fromkeys(_OF_ALGORITHM, "algorithm"),
    **dict.fromkeys(_OF_CONTRACT, "contract"),
    **dict.fromkeys(_OF_PRESENCE, "presence"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
