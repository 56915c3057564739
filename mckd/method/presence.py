"""Which modalities a sample has: a boolean mask (B, M) inside, a set of names at the edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import torch
from torch import Tensor


def subsets(modalities: Sequence[str]) -> list[frozenset[str]]:
    """All non-empty subsets in the order of the paper's Table 1: by size, then as listed.

    Four modalities give 15 subsets, two give 3.
    """
    sizes = range(1, len(modalities) + 1)
    return [frozenset(c) for size in sizes for c in combinations(modalities, size)]


def presence_mask(
    present: Iterable[str], modalities: Sequence[str], batch: int, device: torch.device | str
) -> Tensor:
    """The mask (batch, M) that says `present` for every sample.

    Raises:
        ValueError: a name that is no modality, or an empty set.
    """
    names = frozenset(present)
    unknown = sorted(names - set(modalities))
    if unknown:
        raise ValueError(f"Unknown modality {unknown[0]!r}. Known: {', '.join(modalities)}.")
    if not names:
        raise ValueError("No modality is present. At least one input is needed.")
    row = torch.tensor([m in names for m in modalities], device=device)
    return row.expand(batch, -1)


def sample_presence(available: Tensor, generator: torch.Generator, per: str = "sample") -> Tensor:
    """Drop modalities at random: keep k ~ U{1..n} of the n available, any k equally likely.

    Args:
        available: (B, M) bool, what the data has; at least one True per row. On the CPU.
        per: `sample` draws for each row; `batch` draws once, and a row that would be left with
            nothing keeps all it has.

    Returns:
        (B, M) bool, a non-empty subset of `available` in every row.
    """
    if per not in ("sample", "batch"):
        raise ValueError(f"Modalities are dropped per 'sample' or per 'batch', not {per!r}.")
    batch, modalities = available.shape
    rows = batch if per == "sample" else 1
    pool = available if per == "sample" else torch.ones(1, modalities, dtype=torch.bool)
    # A random order with the unavailable last; the first k of it are kept.
    order = torch.rand(rows, modalities, generator=generator).masked_fill(~pool, 2.0)
    rank = order.argsort(1).argsort(1)
    n = pool.sum(1)
    k = 1 + (torch.rand(rows, generator=generator) * n).long().clamp(max=n - 1)
    kept = available & (rank < k[:, None])
    return torch.where(kept.any(1, keepdim=True), kept, available)
