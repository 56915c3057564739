"""A drop anywhere on the page: shown while something is dragged, handed to whom it belongs."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.widgets import widget


def drop(drops: list[dict[str, Any]], **kwargs: Any) -> gr.HTML:
    """It lives in the browser alone and has no value.

    drops: what each tab takes, as of `mckd.studio.tasks.Drop`; one of them has `entries`.
    """
    return widget("drop", None, drops=drops, **kwargs)
