"""From which angle on a picture or a word is unlike a model's digits, and how well that tells.

The limit is a quantile of digits that training did not see: pictures by the model itself, words of
speakers who were left out by the models that never heard them, each with directions of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from torch import Tensor

from mckd.conformal import upper_quantile
from mckd.digits.data import MODALITIES, read_pictures, read_recordings
from mckd.digits.drawing import prepare_picture
from mckd.digits.likeness import Likeness, unlikeness
from mckd.digits.sound import find_voice, log_mel
from mckd.digits.wave import read_wave
from mckd.files.tables import as_markdown
from mckd.method import MissingModalityNetwork
from train.digits import nodigits
from train.digits.studio import Exam, changed_pictures, learned

LEVEL = 0.98
"""Of digits: one that is exchangeable with the unseen ones is called unlike with 2 % at most."""

CENTRES = 20
"""Of a digit's training samples. With one, a tenth less of what is no digit was found."""

PARTS = 10
SEED = 0
HEAD = ("given", "samples", "called unlike a digit")
NAMES = {"visual": "pictures", "audio": "sounds"}


@dataclass(frozen=True)
class Judge:
    """A network, whom its training did not hear ("" for none), and what else it did not see."""

    network: MissingModalityNetwork
    left_out: str
    exam: Exam

    def features(self, inputs: Tensor, modality: str) -> Tensor:
        """(n, ...) inputs to (n, C)."""
        m = MODALITIES.index(modality)
        with torch.inference_mode():
            return torch.cat([self.network.encode_one(x, m)[0] for x in inputs.split(256)])

    def directions(self, data: Path, modality: str) -> Tensor:
        """(K, C), from what it was trained on."""
        inputs, labels = learned(data, self.left_out, modality)
        return directions_of(self.features(inputs, modality), labels)

    def inputs(self, modality: str) -> Tensor:
        """(n, ...) digits that it did not see."""
        return self.exam.parts[modality].inputs[MODALITIES.index(modality)]

    def unseen(self, modality: str, directions: Tensor) -> Tensor:
        """(n,) their unlikeness."""
        return unlikeness(self.features(self.inputs(modality), modality), directions)


@dataclass(frozen=True)
class Fitted:
    """likenesses: of the model, by modality; none where fewer than 49 digits are unseen, which can
    promise nothing. unseen: what their limits were chosen by, (n,) for each judge."""

    likenesses: dict[str, Likeness]
    unseen: dict[str, list[Tensor]]


def fit(model: Judge, folds: Sequence[Judge], data: Path) -> Fitted:
    """See the module. folds: each with a speaker left out."""
    directions = {name: model.directions(data, name) for name in NAMES}
    unseen = {
        "visual": [model.unseen("visual", directions["visual"])],
        "audio": [fold.unseen("audio", fold.directions(data, "audio")) for fold in folds],
    }
    limits = {name: limit_of(torch.cat(u)) for name, u in unseen.items()}
    return Fitted(
        {
            name: Likeness(directions[name], limit)
            for name, limit in limits.items()
            if math.isfinite(limit)
        },
        unseen,
    )


def limit_of(unseen: Tensor) -> float:
    """The unlikeness (n,) that LEVEL of digits like these stay below; infinite for few."""
    return upper_quantile(unseen.double().numpy(), LEVEL)


def parts_of(lengths: Sequence[int]) -> Tensor:
    """Of samples that come from several judges, which part each is left out with: all of a judge,
    or every tenth where there is only one."""
    if len(lengths) > 1:
        return torch.cat([torch.full((n,), k) for k, n in enumerate(lengths)])
    return torch.arange(lengths[0]) % PARTS


def above_others(unseen: Sequence[Tensor]) -> Tensor:
    """(n,) bool: which digits are above the limit that all other parts give."""
    together, part = torch.cat([*unseen]), parts_of([len(u) for u in unseen])
    limits = [limit_of(together[part != k]) for k in range(int(part.max()) + 1)]
    return together > torch.tensor(limits)[part]


def directions_of(features: Tensor, labels: Tensor) -> Tensor:
    """(n, C) features of (n,) labels 0..9 to (10 CENTRES, C) of length 1, by k-means."""
    aligned = F.normalize(features, dim=1).numpy()
    of_digit = [np.unique(aligned[labels.numpy() == digit], axis=0) for digit in range(10)]
    centres = [kmeans2(x, min(CENTRES, len(x)), minit="++", rng=SEED)[0] for x in of_digit]
    return F.normalize(torch.from_numpy(np.concatenate(centres)), dim=1)


def report(model: Judge, fitted: Fitted, synthetic: Path) -> str:
    """Markdown: of digits, and of each kind of what is none, how many are called unlike.

    Digits that were left out are judged as the limits were found, words by the folds, and each part
    by a limit that it had no part in. synthetic: a folder of other digits, by machines.
    """
    tried, lines = _tried(model, synthetic), []
    for name, likeness in fitted.likenesses.items():
        lines.append(
            (f"digits that were left out, {NAMES[name]}", above_others(fitted.unseen[name]))
        )
        for kind, inputs in tried[name].items():
            found = likeness.unlike(model.features(inputs, name))
            lines.append((f"{kind}, {NAMES[name]}", found))
    cells = [[what, str(len(x)), f"{x.double().mean().item():.1%}"] for what, x in lines]
    return "\n".join(as_markdown(HEAD, cells))


def _tried(model: Judge, synthetic: Path) -> dict[str, dict[str, Tensor]]:
    """{modality: {kind: inputs of an encoder}}."""
    drawn, _ = read_pictures(synthetic)
    pictures = {"digits made by machines": [*drawn.images]} | nodigits.pictures(SEED)
    spoken = [read_wave(r.path) for r in read_recordings(synthetic)]
    sounds = {"digits made by machines": spoken} | nodigits.sounds(SEED)
    changed = changed_pictures(model.inputs("visual"), torch.Generator().manual_seed(SEED))
    return {
        "visual": {"the same by other hands and pens": changed}
        | {kind: torch.cat([_picture(x) for x in found]) for kind, found in pictures.items()},
        "audio": {kind: torch.cat([_sound(x) for x in found]) for kind, found in sounds.items()},
    }


def _picture(image: Any) -> Tensor:
    return torch.from_numpy(prepare_picture(image))[None, None]


def _sound(sound: tuple[Any, int]) -> Tensor:
    return log_mel(torch.from_numpy(find_voice(*sound).window)[None])
