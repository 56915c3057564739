"""What is recorded of a network's features while it trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from mckd.method import (
    Batch,
    MissingModalityNetwork,
    evaluating,
    feature_deviation,
    fill_distance,
)


@torch.no_grad()
def describe(
    network: MissingModalityNetwork,
    batches: Sequence[Batch],
    autocast: Callable[[], AbstractContextManager[object]],
) -> dict[str, Any]:
    """Features of some batches, for a record.

    Returns:
        fill_l1, fill_cosine: {modality: how far the deepest feature that Eq. 2 fills is from the
        true one} (paper Fig. 5), without those that never meet another. feature_std: {scale:
        deviation}, "1" the deepest.
    """
    device = next(network.parameters()).device
    filled, deviations = [], []
    with evaluating(network):
        for batch in (given.to(device) for given in batches):
            with autocast():
                features = network.encode(batch.inputs, batch.present)
            filled.append(torch.stack(fill_distance(features[0], batch.present)))
            deviations.append(torch.stack([feature_deviation(f, batch.present) for f in features]))
    l1, cosine = torch.stack(filled).nanmean(0)
    deviation = torch.stack(deviations).mean(0).tolist()
    return {
        "fill_l1": _finite(network.modalities, l1),
        "fill_cosine": _finite(network.modalities, cosine),
        "feature_std": {str(scale): x for scale, x in enumerate(deviation, start=1)},
    }


def _finite(names: Sequence[str], values: Tensor) -> dict[str, float]:
    return {n: x for n, x in zip(names, values.tolist(), strict=True) if math.isfinite(x)}
