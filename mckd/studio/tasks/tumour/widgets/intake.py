"""Which case: the bundled ones as buttons, or files, folders and ZIP archives of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import FOCUS, widget

PARTS = ("gather", "pack", "send")


def intake(
    cases: list[dict[str, str]],
    sort: Callable[[Any], dict[str, Any]],
    slots: dict[str, str],
    **kwargs: Any,
) -> gr.HTML:
    """`cases`: {"key", "name", "about"} of each bundled case. `slots`: what a file can be.

    The server function `sort(paths)` finds the cases among files by their names, and says what
    each file seems to be; the visitor can say otherwise. It fires `open` with its value set to
    {"case": key}, to {"files": [{"slot", "ticket"}]}, or to {"study": [ticket]} of archives of
    DICOM files whose names are numbers; once more after the page was loaded anew, then with
    "again": True. `mckd:open` {case} in the browser is as good as a click on that case, or on the
    first; `mckd:drop` {entries} brings files. It says `mckd:chosen` {again} before.
    """
    return widget(
        "intake",
        None,
        parts=PARTS,
        shared=FOCUS,
        cases=cases,
        slots=slots,
        server_functions=[sort],
        folder=HERE,
        **kwargs,
    )
