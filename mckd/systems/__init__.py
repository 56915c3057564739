"""The compared systems, one file each: they know no task, and a task knows none of them.

    system = system_class("mckd")
    network = system.build(parts, system.Options())
    network, weights = rebuild(checkpoint, parts)        # as it was trained

What needs PyTorch is imported when it is first asked for.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mckd.systems.restore import rebuild
    from mckd.systems.system import Moment, Parts, System, Trainer

# A system is one more line here and one more file beside.
SYSTEMS = {
    "mckd": "mckd.systems.mckd:MCKD",
    "lower-bound": "mckd.systems.bounds:LowerBound",
    "upper-bound": "mckd.systems.bounds:UpperBound",
    "shaspec": "mckd.systems.shaspec:ShaSpec",
}

__all__ = ["SYSTEMS", "Moment", "Parts", "System", "Trainer", "rebuild", "system_class"]


def system_class(name: str) -> type[System]:
    """The system of a name in SYSTEMS.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in SYSTEMS:
        near = difflib.get_close_matches(name, SYSTEMS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(SYSTEMS)}."
        raise ValueError(f"There is no system {name!r}.{hint}")
    module, attribute = SYSTEMS[name].split(":")
    found: type[System] = getattr(import_module(module), attribute)
    return found


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = "restore" if name == "rebuild" else "system"
        return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
