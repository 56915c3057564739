"""How far a volume can be trusted, by what was measured on cases that the model did not see.

A checkpoint may carry the mean Dice of each region from each subset of the sequences (`unseen` in
its header; `python -m train bundle --scores` puts it there). Where it is low, that has to stand
beside the number; where a checkpoint has no such figures, what is known of the images does: that
enhancement is seen only after contrast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mckd.tumour.naming import key_of

UNRELIABLE, ROUGH = "unreliable", "rough"
BELOW = {UNRELIABLE: 0.3, ROUGH: 0.5}
"""A region whose Dice on unseen cases lies below is called so."""
SIGNS = {UNRELIABLE: "?", ROUGH: "~", "": ""}
LEGEND = (
    "Beside a volume: ? unreliable, ~ rough; on cases that the model did not see, the Dice of this "
    "region from these sequences was below .3, below .5."
)


def unseen_dice(about: Mapping[str, Any], subset: Iterable[str], region: str) -> float | None:
    """Of a region from these sequences, on cases the checkpoint did not see; None if not known.

    about: the checkpoint's header.
    """
    unseen = about.get("unseen")
    rows = unseen.get("dice", {}) if isinstance(unseen, Mapping) else {}
    value = rows.get(key_of(subset), {}).get(region)
    return None if value is None else float(value)


def caution(about: Mapping[str, Any], subset: Iterable[str], region: str) -> str:
    """UNRELIABLE, ROUGH or ""."""
    names = frozenset(subset)
    dice = unseen_dice(about, names, region)
    if dice is None:
        return UNRELIABLE if region == "et" and "t1c" not in names else ""
    return next((word for word, least in BELOW.items() if dice < least), "")


def cautioned(about: Mapping[str, Any], subset: Iterable[str], region: str) -> str:
    """What stands beside a volume: `unreliable: Dice .15 on unseen cases`; "" if nothing must."""
    names = frozenset(subset)
    word, dice = caution(about, names, region), unseen_dice(about, names, region)
    if word and dice is not None:
        return f"{word}: Dice {short(dice)} on unseen cases"
    return f"{word} without T1c" if word else ""


def no_tumour(volume_ml: float, interval: tuple[float, float] | None) -> str:
    """What has to be said where there may be no tumour at all; "" where there is one.

    volume_ml, interval: of the whole tumour.
    """
    if not volume_ml:
        most = f" Up to {interval[1]:.0f} mL cannot be ruled out." if interval else ""
        return f"No tumour found.{most}"
    if interval and not interval[0]:
        return (
            "No tumour found that is certain: what is outlined looks no surer than in heads "
            "without a tumour, so its range begins at 0."
        )
    return ""


def ranged(interval: tuple[float, float] | None) -> str:
    """`35 to 51`, below 10 mL with a decimal; "" without one."""
    if interval is None:
        return ""
    digits = 1 if interval[1] < 10 else 0
    return f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def short(dice: float) -> str:
    """`.15`, `1.00`."""
    return f"{dice:.2f}".removeprefix("0")
