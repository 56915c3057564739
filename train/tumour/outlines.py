"""How well a network outlines prepared cases from every subset of their sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from statistics import fmean
from typing import cast

import torch
from torch import Tensor

from mckd.method import MissingModalityNetwork, subsets
from mckd.tumour import REGIONS, SEQUENCES
from mckd.tumour.geometry import Triple
from mckd.tumour.naming import key_of
from mckd.tumour.network import TumourNetwork, depth_to_space
from mckd.tumour.outline import Credible
from mckd.tumour.predictor import draw
from mckd.tumour.windows import Windows, sliding_windows
from train.tumour.cases import TrainingCase

ORACLES = ("bottleneck", "skips")
"""Features that an oracle would know: the deepest, or those of all other scales."""


@torch.inference_mode()
def outlines(
    network: MissingModalityNetwork,
    case: TrainingCase,
    credible: Credible | None,
    oracle: str = "",
) -> Iterator[tuple[frozenset[str], Tensor]]:
    """What is drawn of a case from each subset of the sequences that it has.

    Args:
        network: in evaluation mode.
        credible: as prediction draws it, leaving this out; None is plain: where a voxel is more
            likely than not in a region, by no other rule.
        oracle: of ORACLES. There the decoder gets the features of all sequences, whatever the
            subset: what it would draw if those that are filled were the true ones.

    Yields:
        A subset in the paper's order, regions ET, TC, WT (3, x, y, z) bool.
    """
    trunk, names = cast(TumourNetwork, network.trunk), network.modalities
    size, device = trunk.design.patch, next(network.parameters()).device
    windows = sliding_windows(_shape(case), trunk.design)
    images = case.images.float().to(device)[:, None, None]
    given = dict(zip(SEQUENCES, case.present.tolist(), strict=True))

    @cache
    def features(m: int) -> tuple[Tensor, ...]:
        """Of one sequence in every window, (W, C, ...)."""
        volume = images[SEQUENCES.index(names[m])]
        parts = [windows.cut(volume, k) for k in range(len(windows.boxes))]
        return network.encode_one(torch.cat(parts), m)

    for subset in subsets(names):
        if not all(given[s] for s in subset):
            continue
        here = [m for m, s in enumerate(names) if s in subset]
        scales = network.of_subset({m: features(m) for m in here})
        if oracle:
            true = network.of_subset({m: features(m) for m, s in enumerate(names) if given[s]})
            bottleneck, skips = (true, scales) if oracle == "bottleneck" else (scales, true)
            scales = [bottleneck[0], *skips[1:]]
        patches = trunk.decode_patches(scales).float()

        probabilities = partial(_probabilities, windows, patches, size)
        if credible is None:
            yield subset, probabilities() > 0.5
        else:
            parts = patches.split(1)
            yield subset, draw(parts, probabilities, windows, size, credible, case.voxel_ml)


def subset_scores(
    network: MissingModalityNetwork,
    cases: Sequence[TrainingCase],
    credible: Credible | None,
    oracle: str = "",
) -> dict[str, float]:
    """Mean Dice over `cases`: et, tc, wt with every sequence, `mean`, then per subset over regions.

    Of the outlines that `outlines` draws. A region that is empty in the reference counts only
    where something was found: as 0. What has no case that counts is left out, `mean` too.
    """
    names = network.modalities
    was_training = network.training
    network.eval()
    dice: dict[frozenset[str], list[list[float]]] = {s: [[], [], []] for s in subsets(names)}
    for case in cases:
        target = region_targets(case.labels[None])[0]
        for subset, found in outlines(network, case, credible, oracle):
            target = target.to(found.device)
            for region, values in enumerate(dice[subset]):
                a, b = found[region], target[region]
                total = int(a.sum()) + int(b.sum())
                if total:
                    values.append(2 * int((a & b).sum()) / total)
    network.train(was_training)
    everything = dice[frozenset(names)]
    scores = {r: fmean(v) for r, v in zip(REGIONS, everything, strict=True) if v}
    means = {
        _name(subset, names): [fmean(v) for v in regions if v] for subset, regions in dice.items()
    }
    of_subsets = {name: fmean(values) for name, values in means.items() if values}
    mean = {"mean": fmean(of_subsets.values())} if of_subsets else {}
    return scores | mean | of_subsets


def region_targets(labels: Tensor) -> Tensor:
    """(B, x, y, z) labels to (B, 3, x, y, z) bool of ET, TC, WT, channels last in memory."""
    enhancing = labels >= 3
    regions = [enhancing, enhancing | (labels == 1), labels > 0]
    return torch.stack(regions, -1).movedim(-1, 1)


def _probabilities(windows: Windows, patches: Tensor, size: int) -> Tensor:
    """(3, x, y, z) of the whole case, from logits in patches (W, ...), one window each."""
    return windows.join(depth_to_space(patches, size).sigmoid().split(1))[0]


def _name(subset: frozenset[str], names: tuple[str, ...]) -> str:
    """`flair+t1c`; `all` for every one of several sequences."""
    return "all" if 1 < len(subset) == len(names) else key_of(subset)


def _shape(case: TrainingCase) -> Triple:
    x, y, z = case.labels.shape
    return x, y, z
