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
    drop: modalities dropped per `sample`, per `batch` (the code) or `never` (upper bounds).
    warmup_steps: steps with everything that is available, before dropping starts.
    """

    CHOICES: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "p": (1, 2),
        "normalisation": ("softmax", "sigmoid", "relu"),
        "meta_gradient": ("gating", "unrolled"),
        "gating_scale": ("one", "modalities"),
        "fill": ("mean", "zero"),
        "drop": ("sample", "batch", "never"),
    }

    alpha: float = 0.1
    p: int = 1
    normalisation: str = "softmax"
    detach_teacher: bool = True
    meta_gradient: str = "gating"
    gating_scale: str = "one"
    fill: str = "mean"
    drop: str = "sample"
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        for name, allowed in self.CHOICES.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(map(str, allowed))
                raise ValueError(f"{name} must be one of {listed}, not {getattr(self, name)!r}.")

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> MethodOptions:
        """As a checkpoint's header has them; the defaults where it says nothing.

        Raises:
            ValueError: options that this version does not know.
        """
        settings = header.get("settings", {})
        saved = dict(settings.get("method", {}))
        if "normalisation" in header:
            saved["normalisation"] = header["normalisation"]
        try:
            return cls(**saved)
        except TypeError as error:
            raise ValueError("It was trained with options that are not known here.") from error
