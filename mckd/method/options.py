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
    distil_norm: features of Eq. 5 as they are, `none` (paper and code), or with mean 0 and
        deviation 1 in every channel, `instance`: a distance that shrinking them cannot lower.
    distil_scales: features that Eq. 5 compares: the `deepest` (paper and code) or `all`.
    clamp: largest ratio w_i / w_j of Eq. 5, its inverse the smallest; 0 is no limit.
    meta_gradient: `gating`, the code's surrogate for Eq. 3; `unrolled`, the gradient through
        one inner update as Eq. 3 and 4 are written.
    gating_scale: `one` (the code) or `modalities` (weights average 1); for `gating` only.
    gate: features that the weights gate: the `bottleneck` alone (the code) or `all` scales, skips
        included, as runs from before this option did; for `gating` only.
    fill: features of missing modalities: `mean` (Eq. 2), `zero`, an ablation, or what a small
        network makes of the available ones: `learned` one answer, `vae` a distribution.
    fill_reconstruction: weight of how far filled features are from the true ones that training
        dropped; for `learned` and `vae` only.
    fill_kl: weight of how far what the available features say of the latent variable is from what
        the true ones say; for `vae` only.
    meta_every: training steps between two meta passes; 0 leaves the IWV as it starts.
    meta_steps: meta steps of a pass, each on a batch of its own (the code: 20).
    iwv_lr: learning rate of the IWV's Adam.
    iwv_weight_decay: weight decay of the IWV's Adam.
    """

    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "p": (1, 2),
        "normalisation": ("softmax", "sigmoid", "relu"),
        "distil_norm": ("none", "instance"),
        "distil_scales": ("deepest", "all"),
        "meta_gradient": ("gating", "unrolled"),
        "gating_scale": ("one", "modalities"),
        "gate": ("all", "bottleneck"),
        "fill": ("mean", "zero", "learned", "vae"),
    }

    alpha: float = 0.1
    p: int = 1
    normalisation: str = "softmax"
    detach_teacher: bool = True
    distil_norm: str = "none"
    distil_scales: str = "deepest"
    clamp: float = 0.0
    meta_gradient: str = "gating"
    gating_scale: str = "one"
    gate: str = "all"
    fill: str = "mean"
    fill_reconstruction: float = 0.1
    fill_kl: float = 0.1
    meta_every: int = 6
    meta_steps: int = 1
    iwv_lr: float = 1e-2
    iwv_weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        for name, allowed in self.CHOICES.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(map(str, allowed))
                raise ValueError(f"{name} must be one of {listed}, not {getattr(self, name)!r}.")
        for name in ("meta_every", "iwv_weight_decay", "fill_reconstruction", "fill_kl"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)!r}.")
        if self.meta_steps < 1:
            raise ValueError(f"meta_steps must be at least 1, not {self.meta_steps!r}.")
        if self.clamp and not self.clamp >= 1:
            raise ValueError(f"clamp must be 0 or at least 1, not {self.clamp!r}.")
        if not self.iwv_lr > 0:
            raise ValueError(f"iwv_lr must be above 0, not {self.iwv_lr!r}.")
