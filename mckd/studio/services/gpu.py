"""A GPU that is lent for one call at a time, as on a ZeroGPU Space; elsewhere there is none.

There a call runs in a process of its own, forked from this one: what it is given and what it
returns are pickled, and nothing it keeps is found again. So a call has to do all of the work that
may be wanted, not a part of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
LENT = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def borrows(seconds: int) -> Callable[[Function], Function]:
    """Decorator of a function that needs a GPU for at most so long.

    Where none is lent it is the function itself. Where one is, a call raises what the lender says
    when it has none to spare, or the visitor's share is used up.
    """
    if not LENT:
        return lambda function: function
    import spaces  # part of every ZeroGPU Space

    lend: Callable[[Function], Function] = spaces.GPU(duration=seconds)
    return lend
