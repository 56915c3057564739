"""Where the paper and its released code differ: what a run, and whoever loads it, can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class MethodOptions:
    """Where the paper and its released code differ; the paper's reading is the default.

    alpha: weight of the distillation in Eq. 4 (paper: 0.1 is best).
    p: norm of Eq. 5, 1 or 2 (the paper's ablation: 1).
    normalisation: of Eq. 6: softmax, sigmoid or relu.
    detach_teacher: stop-gradient on the teacher's feature (the code; the paper is silent).
    meta_gradient: `gating`, the code's surrogate for Eq. 3; `unrolled`, the gradient through
        one inner update as Eq. 3 and 4 are written.
    gating_scale: `one` (the code) or `modalities` (weights average 1); for `gating` only.
    fill: features of missing modalities: `mean` (Eq. 2) or `zero`, an ablation.
    meta_every: training steps between two meta steps; 0 leaves the IWV as it starts.
    iwv_lr: learning rate of the IWV's Adam.
    iwv_weight_decay: weight decay of the IWV's Adam.
    """

    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "p": (1, 2),
        "normalisation": ("softmax", "sigmoid", "relu"),
        "meta_gradient": ("gating", "unrolled"),
        "gating_scale": ("one", "modalities"),
        "fill": ("mean", "zero"),
    }

    alpha: float = 0.1
    p: int = 1
    normalisation: str = "softmax"
    detach_teacher: bool = True
    meta_gradient: str = "gating"
    gating_scale: str = "one"
    fill: str = "mean"
    meta_every: int = 6
    iwv_lr: float = 1e-2
    iwv_weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        for name, allowed in self.CHOICES.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(map(str, allowed))
                raise ValueError(f"{name} must be one of {listed}, not {getattr(self, name)!r}.")
        for name in ("meta_every", "iwv_weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)!r}.")
        if not self.iwv_lr > 0:
            raise ValueError(f"iwv_lr must be above 0, not {self.iwv_lr!r}.")
