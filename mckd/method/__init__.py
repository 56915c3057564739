"""The method of arXiv 2405.07155, without any knowledge of a task.

`equations` holds one pure function per equation, `presence` says which modalities are there,
`steps` holds the two updates of Algorithm 1.
"""

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
    MethodOptions,
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
