"""Weights stored in 8 bits: a whole number from -127 to 127 each, and a step per output channel.

    w = code * step,    step = max |w| over the channel / 127

so that no weight moves by more than half a step. For models that are shown beside others, where the
size of a file counts; none that is trained on or measured is stored so.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

STEP = ":step"
"""After the name of a weight: the name of its steps."""
LEAST = 4096
"""Fewer elements are not worth it: scales, shifts and biases stay in 16 bits."""
LARGEST_CODE = 127


def narrowed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Large weights (D, ...) as codes (D, ...) int8 and steps (D,) float32; other numbers in
    float16, and what is no floating-point number as it is."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.ndim > 1 and tensor.numel() >= LEAST:
            found[name], found[name + STEP] = _in_codes(tensor.float())
        else:
            found[name] = tensor.half() if tensor.is_floating_point() else tensor
    return found


def widened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `narrowed` made as float32 weights again; of other tensors nothing changes.

    Raises:
        ValueError: steps that do not fit their codes.
    """
    found = {name: t for name, t in tensors.items() if not name.endswith(STEP)}
    for name in tensors.keys() - found.keys():
        weight, steps = name.removesuffix(STEP), tensors[name]
        codes = found.get(weight)
        if codes is None or codes.dtype != torch.int8 or steps.shape != codes.shape[:1]:
            raise ValueError(f"The steps {name} fit no codes.")
        found[weight] = codes * _per_channel(steps, codes)
    return found


def _in_codes(weight: Tensor) -> tuple[Tensor, Tensor]:
    steps = weight.flatten(1).abs().amax(1) / LARGEST_CODE
    steps = torch.where(steps > 0, steps, 1.0)  # of a channel of zeros any step will do
    return (weight / _per_channel(steps, weight)).round().to(torch.int8), steps


def _per_channel(steps: Tensor, weight: Tensor) -> Tensor:
    return steps.view(-1, *[1] * (weight.ndim - 1))
