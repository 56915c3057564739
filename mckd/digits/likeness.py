"""Whether a picture or a word is like the digits that a model learned, by its feature.

A classifier of ten digits answers one of the ten to whatever it is given, a letter or noise too,
and may be sure of it. Features of digits, though, point in few directions: one that points
elsewhere is of no digit. The directions are centres of the training samples of each class (nearest
class mean with several centroids, Mensink et al., TPAMI 2013); from which angle on something is
called unlike was chosen on digits that training did not see, so that it happens to few of them
(`python -m train calibrate-digits`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from mckd.files.checkpoint import Checkpoint

TENSORS, LIMITS = "likeness", "unlike_above"
"""Of a checkpoint: its tensors `likeness/MODALITY`, and {modality: limit} in its header."""


@dataclass(frozen=True)
class Likeness:
    """Of one modality. directions: (K, C), of length 1. limit: see `unlike`."""

    directions: Tensor
    limit: float

    def unlike(self, features: Tensor) -> Tensor:
        """(n, C) features to (n,) bool: whether their unlikeness is above the limit."""
        return unlikeness(features, self.directions) > self.limit


def unlikeness(features: Tensor, directions: Tensor) -> Tensor:
    """(n, C) features to (n,): 1 - the cosine of the angle to the nearest direction, 0..2."""
    return 1 - (F.normalize(features, dim=1) @ directions.T).amax(1)


def likenesses(checkpoint: Checkpoint) -> dict[str, Likeness]:
    """By modality, as a checkpoint keeps them; none of a model that was never calibrated."""
    limits = checkpoint.header.get(LIMITS, {})
    directions = checkpoint.part(TENSORS)
    return {name: Likeness(directions[name].float(), limit) for name, limit in limits.items()}


def kept(likenesses: Mapping[str, Likeness]) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Tensors (16 bits tell more than the limit needs) and limits; `likenesses` reads them."""
    tensors = {f"{TENSORS}/{name}": one.directions.half() for name, one in likenesses.items()}
    return tensors, {name: one.limit for name, one in likenesses.items()}
