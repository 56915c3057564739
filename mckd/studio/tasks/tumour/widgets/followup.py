"""The follow-up: visits that were kept, what has changed between them, and a line over all."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import FOCUS, PLOTS, widget


def followup(
    words: dict[str, Any], kinds: dict[str, tuple[str, str]], example: bool, **kwargs: Any
) -> gr.HTML:
    """`words`: as of the viewer. `kinds`: of files to take home, as of the exports. `example`:
    whether there are bundled visits.

    Its value is what `FollowService.view` returns, with "stage", "fraction", "problem" and "file".
    It fires `act` with {"do": "keep", "example", "vouch", "undo"; "remove", "visit"; "date",
    "visit", "day"; "take", "kind"}. In the browser it keeps a visit on `mckd:keep`.
    """
    return widget(
        "followup", None, ("chart",), (*PLOTS, *FOCUS),
        words=words, kinds=kinds, example=example, folder=HERE, **kwargs,
    )  # fmt: skip
