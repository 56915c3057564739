"""The cases among files that somebody opens in the app: as `layout` sorts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mckd.tumour.layout import layout_of


@dataclass(frozen=True)
class Group:
    """The files of one case: its name, and {path: slot}; "" where the name leaves it open."""

    name: str
    slots: dict[str, str]


def group(paths: Iterable[str]) -> tuple[list[Group], dict[str, str]]:
    """The cases among relative paths of NIfTI files, in the order of their names.

    Returns:
        The cases; and {path: why} of those that belong to none or are known to be no input.
    """
    layout = layout_of(paths)
    cases = [
        Group(case.name, {**case.slots, **dict.fromkeys((*case.asks, *case.spare), "")})
        for case in layout.cases
    ]
    asked = {path for case in cases for path in case.slots}
    return cases, {path: why for path, why in sorted(layout.left.items()) if path not in asked}
