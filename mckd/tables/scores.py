"""How good a model is from every subset of its modalities, and what each of them adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from mckd.method import MissingModalityNetwork, evaluating, subsets
from mckd.shapley import shapley
from mckd.tables.target import Target

ALL_UP_TO = 6
"""Modalities of which every subset is scored."""
SAMPLED = 2**ALL_UP_TO - 1
"""Subsets that are scored of more modalities."""
ROWS = 4096  # decoded at once
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rows:
    """What is scored: inputs, one (n, D_m) per modality; present (n, M) bool; target (n,)."""

    inputs: tuple[Tensor, ...]
    present: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)


def scored_subsets(modalities: Sequence[str]) -> list[frozenset[str]]:
    """The subsets that are scored, by size, then as listed.

    All of up to 6 modalities. Of more, 63: each modality alone, all but one, all, and as many
    others, drawn once and for all.
    """
    every = subsets(modalities)
    count = len(modalities)
    if count <= ALL_UP_TO:
        return every
    fixed = [s for s in every if len(s) in (1, count - 1, count)]
    others = [s for s in every if s not in fixed]
    chosen = {*fixed, *Random(count).sample(others, SAMPLED - len(fixed))}
    return [s for s in every if s in chosen]


def key_of(subset: Iterable[str], modalities: Sequence[str]) -> str:
    """`all`, or the names in order: `blood+scan`."""
    names = frozenset(subset)
    if names == frozenset(modalities):
        return "all"
    return "+".join(m for m in modalities if m in names)


def subset_of(key: str, modalities: Sequence[str]) -> frozenset[str]:
    """What `key_of` named."""
    return frozenset(modalities if key == "all" else key.split("+"))


@torch.no_grad()
def score_subsets(
    network: MissingModalityNetwork, rows: Rows, target: Target, balanced: bool = False
) -> dict[frozenset[str], float]:
    """Accuracy of each of `scored_subsets`, or R2 where a number is predicted.

    Each is over the samples that have at least one of the subset's modalities. Every row is encoded
    once and then decoded for each subset.

    balanced: the mean of the classes' accuracies, so that rare classes count as much.
    """
    outputs: dict[frozenset[str], list[Tensor]] = {}
    targets: dict[frozenset[str], list[Tensor]] = {}
    modalities = network.modalities
    device = next(network.parameters()).device
    with evaluating(network):
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            present = rows.present[part].to(device)
            features = network.encode([x[part].to(device) for x in rows.inputs], present)
            for subset in scored_subsets(modalities):
                kept = present & torch.tensor([m in subset for m in modalities], device=device)
                some = kept.any(1)
                if some.any():
                    found = network.answer(tuple(f[some] for f in features), kept[some])
                    outputs.setdefault(subset, []).append(found.cpu())
                    targets.setdefault(subset, []).append(rows.target[part][some.cpu()])
    score = r2 if target.is_number else balanced_accuracy if balanced else accuracy
    return {s: score(torch.cat(o), torch.cat(targets[s])) for s, o in outputs.items()}


def accuracy(logits: Tensor, target: Tensor) -> float:
    """Share of right answers: (n, K), (n,)."""
    return (logits.argmax(1) == target).double().mean().item()


def balanced_accuracy(logits: Tensor, target: Tensor) -> float:
    """The mean over the classes that occur of the share of right answers."""
    right = (logits.argmax(1) == target).double()
    return torch.stack([right[target == k].mean() for k in target.unique()]).mean().item()


def r2(output: Tensor, target: Tensor) -> float:
    """1 - residual / total sum of squares: (n, 1), (n,). 0 is what the mean would score."""
    target = target.double()
    total = ((target - target.mean()) ** 2).sum().item()
    residual = ((output[:, 0].double() - target) ** 2).sum().item()
    return 1 - residual / total if total else 0.0


def score_of_nothing(target: Target, labels: Tensor, common: int, balanced: bool) -> float:
    """What is scored without any modality: (n,) labels against the class that was most frequent in
    training, `common`; of a number against its mean, R2 of 0."""
    if target.is_number:
        return 0.0
    logits = torch.eye(target.outputs)[common].expand(len(labels), -1)
    return (balanced_accuracy if balanced else accuracy)(logits, labels)


def with_mean(
    scores: Mapping[frozenset[str], float], modalities: Sequence[str]
) -> dict[str, float]:
    """By `key_of`: all, each modality alone, the mean of all subsets, then the other subsets."""
    first = [frozenset(modalities), *(frozenset({m}) for m in modalities)]
    ahead = {key_of(s, modalities): scores[s] for s in first if s in scores}
    mean = sum(scores.values()) / len(scores)
    return {**ahead, "mean": mean, **{key_of(s, modalities): x for s, x in scores.items()}}


def contributions(
    scores: Mapping[frozenset[str], float], nothing: float, modalities: Sequence[str]
) -> dict[str, float] | None:
    """Exact Shapley values of the score; None where not every subset was scored."""
    if len(scores) < 2 ** len(modalities) - 1:
        return None
    return shapley({**scores, NOTHING: nothing}, modalities)
