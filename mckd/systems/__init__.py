"""The compared systems, one file each: they know no task, and a task knows none of them.

    system = system_class("mckd")
    network = system.build(parts, system.Options())
    network, weights = rebuild(checkpoint, parts)        # as it was trained

What needs PyTorch is imported when it is first asked for.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mckd.systems.restore import rebuild
    from mckd.systems.system import Moment, Parts, System, Trainer


@dataclass(frozen=True)
class Entry:
    """Where a system is, and what a form says of it.

    of_one: it is trained on one modality. needs: what a task's features have to be for it, `maps`
    (at several scales, as in segmentation) or `vectors`; "" is either.
    """

    module: str
    name: str
    label: str
    note: str
    of_one: bool = False
    needs: str = ""


# A system is one more line here and one more file beside.
SYSTEMS = {
    "mckd": Entry("mckd", "MCKD", "MCKD", "This project's method: learned weights, distillation."),
    "shaspec": Entry("shaspec", "ShaSpec", "ShaSpec", "Shared and specific features (CVPR 2023)."),
    "lckd": Entry("lckd", "LCKD", "LCKD", "Elected teachers: MCKD's parent (2023)."),
    "hemis": Entry(
        "hemis", "HeMIS", "U-HeMIS", "Mean and variance over modalities (2016).", needs="maps"
    ),
    "hved": Entry(
        "hved", "UHVED", "U-HVED", "Modalities as a product of Gaussians (2019).", needs="maps"
    ),
    "robust-mseg": Entry(
        "robust_mseg", "RobustMSeg", "Robust-MSeg", "Content and style apart (2019).", needs="maps"
    ),
    "mmformer": Entry(
        "mmformer", "MMFormer", "mmFormer", "Transformers over modalities (2022).", needs="maps"
    ),
    "autoencoder": Entry(
        "autoencoder", "Autoencoder", "Auto-encoder", "Predicts missing features.", needs="vectors"
    ),
    "gan": Entry("gan", "GAN", "GAN", "Generates missing features.", needs="vectors"),
    "full2miss": Entry(
        "full2miss", "Full2miss", "Full2miss", "A full network teaches (2019).", needs="vectors"
    ),
    "smil": Entry(
        "smil", "SMIL", "SMIL", "Meta-learned imputation from priors (2021).", needs="vectors"
    ),
    "upper-bound": Entry("bounds", "UpperBound", "Upper bound", "Nothing is missing in training."),
    "lower-bound": Entry("bounds", "LowerBound", "Lower bound", "One modality alone.", of_one=True),
}

__all__ = [
    "SYSTEMS",
    "Entry",
    "Moment",
    "Parts",
    "System",
    "Trainer",
    "fitting",
    "rebuild",
    "system_class",
    "unfit",
]


def fitting(features: str) -> tuple[str, ...]:
    """The systems for a task whose features are `maps` or `vectors`, in the order of SYSTEMS."""
    return tuple(name for name in SYSTEMS if not unfit(name, features))


def unfit(name: str, features: str) -> str:
    """Why a system of SYSTEMS is not for features that are `maps` or `vectors`; "" where it is."""
    entry = SYSTEMS[name]
    if entry.needs in ("", features):
        return ""
    return (
        f"{entry.label} needs features that are {entry.needs}; those of this task are {features}."
    )


def system_class(name: str) -> type[System]:
    """The system of a name in SYSTEMS.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in SYSTEMS:
        near = difflib.get_close_matches(name, SYSTEMS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(SYSTEMS)}."
        raise ValueError(f"There is no system {name!r}.{hint}")
    entry = SYSTEMS[name]
    found: type[System] = getattr(import_module(f"{__name__}.{entry.module}"), entry.name)
    return found


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = "restore" if name == "rebuild" else "system"
        return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
