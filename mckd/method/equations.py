"""The equations of MCKD (arXiv 2405.07155, Sec. 3), each a pure function.

Shapes: `B` batch, `M` modalities, `C` channels, `...` any further feature axes. `present` is a
boolean mask (B, M): True where the sample has the modality. Features of absent modalities are
finite fillers that no function here reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Encoder = Callable[[Tensor], tuple[Tensor, ...]]
NORMALISATIONS = ("softmax", "sigmoid", "relu")
TINY = 1e-8  # variance of a channel that says nothing; far below that of a collapsed one (.05^2)


def encode_available(
    encoders: Sequence[Encoder], inputs: Sequence[Tensor], present: Tensor
) -> tuple[Tensor, ...]:
    """Eq. 1: f_i = F(x_i; theta) for the available modalities only, at every scale.

    An absent slot of `inputs` is never read: its samples are left out before the encoder runs,
    so whatever lies there (even NaN) changes no bit of the result or of a running statistic.

    Args:
        encoders: one per modality; the same object repeated where the encoder is shared: it is
            called once, with the samples of all that share it. Each gives a tuple of scales
            (B, C, ...).
        inputs: one tensor (B, ...) per modality.
        present: (B, M) bool.

    Returns:
        Features per scale (B, M, C, ...), zero where absent; in memory the channels lie last.

    Raises:
        ValueError: no sample has any modality.
    """
    encoded: dict[int, tuple[Tensor, tuple[Tensor, ...]]] = {}
    sharing: dict[Encoder, dict[int, Tensor]] = {}
    for m, (encoder, mask) in enumerate(zip(encoders, _masks(present), strict=True)):
        if mask.any():
            sharing.setdefault(encoder, {})[m] = mask.nonzero().squeeze(1).to(present.device)
    for encoder, rows_of in sharing.items():
        given = [inputs[m][rows] for m, rows in rows_of.items()]
        scales = encoder(given[0] if len(given) == 1 else torch.cat(given))
        shares = zip(*(f.split([len(x) for x in given]) for f in scales), strict=True)
        for (m, rows), features in zip(rows_of.items(), shares, strict=True):
            encoded[m] = rows, features
    if not encoded:
        raise ValueError("No modality is present. At least one input is needed.")
    _, scales = next(iter(encoded.values()))
    absent = present.new_zeros(0, dtype=torch.long), tuple(f[:0] for f in scales)
    parts = [encoded.get(m, absent) for m in range(len(encoders))]
    return tuple(
        stack_modalities([_at_rows(rows, features[s], len(present)) for rows, features in parts])
        for s in range(len(scales))
    )


def one_scale(encoder: Callable[[Tensor], Tensor]) -> Encoder:
    """An encoder of a single scale as `encode_available` takes it."""
    return lambda x: (encoder(x),)


def fill_missing(features: Tensor, present: Tensor) -> Tensor:
    """Eq. 2: f_n = (1 / |A|) sum_{i in A} f_i for every missing modality n.

    Args:
        features: (B, M, C, ...).
        present: (B, M) bool, at least one True per row.

    Returns:
        (B, M, C, ...): available features untouched, missing ones the mean of the available.
    """
    if bool(present.all()):
        return features
    return stack_modalities(fill_columns(features, present))


def fill_columns(features: Tensor, present: Tensor) -> list[Tensor]:
    """Eq. 2 as `fill_missing`, one (B, C, ...) per modality."""
    masks, columns = _masks(present), unbind_modalities(features)
    zero = features.new_zeros(())
    available = [_choose(mask, f, zero) for mask, f in zip(masks, columns, strict=True)]
    count = _broadcast(present.sum(1), columns[0])
    mean = sum(f for f, mask in zip(available, masks, strict=True) if mask.any()) / count
    return [_choose(mask, f, mean) for mask, f in zip(masks, columns, strict=True)]


def zero_missing(features: Tensor, present: Tensor) -> Tensor:
    """Zero in place of Eq. 2: what the mean is compared with. Shapes as `fill_missing`."""
    zero = features.new_zeros(())
    columns = zip(_masks(present), unbind_modalities(features), strict=True)
    return stack_modalities([_choose(mask, f, zero.expand_as(f)) for mask, f in columns])


def fill_distance(features: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """How far the fill of Eq. 2 is from the truth, as in the paper's Fig. 5.

    Each available modality is taken for missing in turn, and the mean of the other available ones
    compared with its own feature.

    Args:
        features: (B, M, C, ...); present: (B, M) bool.

    Returns:
        L1 distance (mean over elements) and cosine similarity, each (M,), the mean over samples;
        NaN for a modality that never meets another.
    """
    distances, cosines = [], []
    for m in range(present.shape[1]):
        others = present.clone()
        others[:, m] = False
        rows = (present[:, m] & others.any(1)).nonzero().squeeze(1)
        true = features[rows, m].flatten(1).float()
        filled = fill_missing(features[rows], others[rows])[:, m].flatten(1).float()
        distances.append((true - filled).abs().mean())
        cosines.append(torch.cosine_similarity(true, filled, dim=1).mean())
    return torch.stack(distances), torch.stack(cosines)


def feature_deviation(features: Tensor, present: Tensor) -> Tensor:
    """Standard deviation over all elements of what is there: near 0 where features collapsed.

    Args:
        features: (B, M, C, ...); present: (B, M) bool, at least one True.
    """
    return features[present].float().std(correction=0)


def distillation(
    features: Tensor,
    present: Tensor,
    w: Tensor,
    *,
    p: int = 1,
    detach_teacher: bool = True,
    clamp: float = 0.0,
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
        clamp: largest w_i / w_j, its inverse the smallest; 0 is no limit.

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
    if clamp:
        ratio = ratio.clamp(1 / clamp, clamp)
    ratio = ratio * (1 - torch.eye(len(w), device=w.device, dtype=w.dtype))
    return (ratio * norm * pair).sum((1, 2)).mean()


def normalise_channels(features: Tensor) -> Tensor:
    """Each channel with mean 0 and deviation 1 over its space, as instance norm has it.

    Between features as they are, Eq. 5 is lowest where they shrink to nothing; between these no
    scale of theirs changes it. A feature without space is normalised over its channels.

    Args:
        features: (B, M, C, ...).
    """
    axes = tuple(range(3, features.ndim)) or (2,)
    variance, mean = torch.var_mean(features, axes, correction=0, keepdim=True)
    return (features - mean) * (variance + TINY).rsqrt()


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


def _at_rows(rows: Tensor, f: Tensor, batch: int) -> Tensor:
    """(n, C, ...) as the rows of (batch, C, ...), the others zero."""
    if len(rows) == batch:
        return f
    last = f.movedim(1, -1)
    blank = f.new_zeros(batch, *last.shape[1:])
    return (blank.index_copy(0, rows, last) if len(rows) else blank).movedim(-1, 1)


def unbind_modalities(features: Tensor) -> list[Tensor]:
    """(B, M, C, ...) as one (B, C, ...) per modality, channels last in memory, as is its gradient.

    Unbound directly they would get gradients in another layout, and each operation on the way
    back through the encoder would take several times as long on a CPU.
    """
    return [f.movedim(-1, 1) for f in features.movedim(2, -1).unbind(1)]


def stack_modalities(columns: Sequence[Tensor]) -> Tensor:
    """One (B, C, ...) per modality to (B, M, C, ...), the channels last in memory."""
    return torch.stack([f.movedim(1, -1) for f in columns], 1).movedim(-1, 2)


def _masks(present: Tensor) -> tuple[Tensor, ...]:
    """(B,) per modality, on the CPU: a GPU would be waited for each time that one is asked."""
    return present.cpu().unbind(1)


def _choose(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Per sample of (B, C, ...), by mask (B,); without reading a voxel where all agree."""
    if bool(mask.all()):
        return yes
    if not bool(mask.any()):
        return no
    return torch.where(_broadcast(mask.to(yes.device), yes), yes, no)


def _broadcast(mask: Tensor, features: Tensor) -> Tensor:
    """(B, M) or (B,) viewed so that it broadcasts over (B, M, C, ...) or (B, C, ...)."""
    return mask.view(*mask.shape, *[1] * (features.ndim - mask.ndim))
