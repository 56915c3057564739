"""A row of examples. A click puts strokes on the pad and a sound in the recorder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from mckd.studio.tasks.digits.widgets import HERE
from mckd.studio.widgets import widget


def examples(listed: list[dict[str, Any]], sound: Callable[[str], str], **kwargs: Any) -> gr.HTML:
    """Its value is a list of `{"name", "caption", "strokes", "says"}`.

    A WAV is fetched in base64 from the server function `sound(name)` only when it is wanted. It
    fires `select` first, so that the page can set its switches.
    """
    return widget("examples", listed, folder=HERE, server_functions=[sound], **kwargs)
