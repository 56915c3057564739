"""Which case: the bundled ones as buttons, or files that are dropped and sorted here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from mckd.studio.widgets import widget


def intake(
    cases: list[dict[str, str]],
    guess: Callable[[Any], list[str]],
    slots: dict[str, str],
    **kwargs: Any,
) -> gr.HTML:
    """`cases`: {"key", "name", "about"} of each bundled case. `slots`: what a file can be.

    The server function `guess(names)` says what each file seems to be; the visitor can say
    otherwise. It fires `open` with its value set to {"case": key} or
    {"files": [{"slot", "ticket"}]}.
    `mckd:open` {case} in the browser is as good as a click on that case, or on the first.
    """
    return widget("intake", None, cases=cases, slots=slots, server_functions=[guess], **kwargs)
