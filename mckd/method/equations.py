"""The equations of MCKD (arXiv 2405.07155, Sec. 3), each a pure function.

Shapes: `B` batch, `M` modalities, `C` channels, `...` any further feature axes. `present` is a
boolean mask (B, M): True where the sample has the modality. Features of absent modalities are
finite fillers that no function here reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

NORMALISATIONS = ("softmax", "sigmoid", "relu")


def encode_available(
    encoders: Sequence[Callable[[Tensor], Tensor]], inputs: Sequence[Tensor], present: Tensor
) -> Tensor:
    """Eq. 1: f_i = F(x_i; theta) for the available modalities only.

    An absent slot of `inputs` is never read: its samples are left out before the encoder runs,
    so whatever lies there (even NaN) changes no bit of the result or of a running statistic.

    Args:
        encoders: one per modality; the same object repeated where the encoder is shared.
        inputs: one tensor (B, ...) per modality.
        present: (B, M) bool.

    Returns:
        Features (B, M, C, ...), zero where absent.

    Raises:
        ValueError: no sample has any modality.
    """
    encoded: list[tuple[int, Tensor, Tensor]] = []
    for m, (encoder, x) in enumerate(zip(encoders, inputs, strict=True)):
        rows = present[:, m].nonzero().squeeze(1)
        if rows.numel():
            encoded.append((m, rows, encoder(x[rows])))
    if not encoded:
        raise ValueError("No modality is present. At least one input is needed.")
    f = encoded[0][2]
    features = f.new_zeros(len(present), present.shape[1], *f.shape[1:])
    for m, rows, f_m in encoded:
        where = torch.full_like(rows, m)
        features = features.index_put((rows, where), f_m.to(features.dtype))
    return features


def fill_missing(features: Tensor, present: Tensor) -> Tensor:
    """Eq. 2: f_n = (1 / |A|) sum_{i in A} f_i for every missing modality n.

    Args:
        features: (B, M, C, ...).
        present: (B, M) bool, at least one True per row.

    Returns:
        (B, M, C, ...): available features untouched, missing ones the mean of the available.
    """
    mask = _broadcast(present, features)
    available = torch.where(mask, features, torch.zeros_like(features))
    count = _broadcast(present.sum(1, keepdim=True), features)
    mean = available.sum(1, keepdim=True) / count
    return torch.where(mask, features, mean)


def distillation(
    features: Tensor,
    present: Tensor,
    w: Tensor,
    *,
    p: int = 1,
    detach_teacher: bool = True,
) -> Tensor:
    """Eq. 5: l_ckd = sum_{i != j in A} (w_i / w_j) ||sg(f_i) - f_j||_p.

    i teaches, j learns. Following the released code, the norm is the mean over the feature's
    elements, pairs are summed and samples averaged; a sample with one modality contributes 0.
    Without `detach_teacher` (no stop-gradient sg) the sum is symmetric in i and j, and the
    weights lose their direction.

    Args:
        features: (B, M, C, ...), the features distilled.
        present: (B, M) bool.
        w: (M,) positive importance weights (Eq. 6). Gradient flows into them unless detached.
        p: 1 (the paper's choice) or 2 (mean squared difference).

    Returns:
        Scalar >= 0.
    """
    if p not in (1, 2):
        raise ValueError(f"The norm p must be 1 or 2, not {p}.")
    f = torch.where(_broadcast(present, features), features, torch.zeros_like(features))
    teacher = f.detach() if detach_teacher else f
    difference = (teacher[:, :, None] - f[:, None, :]).flatten(3)  # (B, i, j, C...)
    norm = difference.abs().mean(3) if p == 1 else difference.square().mean(3)
    pair = present[:, :, None] & present[:, None, :]
    ratio = w[:, None] / w[None, :]
    ratio = ratio * (1 - torch.eye(len(w), device=w.device, dtype=w.dtype))
    return (ratio * norm * pair).sum((1, 2)).mean()


def importance(v: Tensor, normalisation: str = "softmax") -> Tensor:
    """Eq. 6: the importance weight vector (IWV) w from its raw vector v.

    Args:
        v: (M,) unbounded.
        normalisation: `softmax` (the paper), `sigmoid` or `relu` (its appendix ablation).

    Returns:
        (M,) positive weights that sum to 1.
    """
    if normalisation == "softmax":
        return v.softmax(0)
    if normalisation not in NORMALISATIONS:
        choices = ", ".join(NORMALISATIONS)
        raise ValueError(f"Unknown normalisation {normalisation!r}. Choose one of: {choices}.")
    raw = v.sigmoid() if normalisation == "sigmoid" else v.relu()
    raw = raw + 1e-6  # a weight of exactly 0 would make the ratios of Eq. 5 infinite
    return raw / raw.sum()


def gate(features: Tensor, w: Tensor, scale: float = 1.0) -> Tensor:
    """The released code's surrogate for Eq. 3: decode scale * w_i * f_i instead of f_i.

    With scale 1 features shrink to about 1/M of what the decoder was trained on; with scale M
    equal weights leave them as they are.

    Args:
        features: (B, M, C, ...).
        w: (M,).
    """
    return features * (scale * w).view(1, -1, *[1] * (features.ndim - 2))


def _broadcast(mask: Tensor, features: Tensor) -> Tensor:
    """(B, M) viewed so that it broadcasts over (B, M, C, ...)."""
    return mask.view(*mask.shape, *[1] * (features.ndim - 2))
