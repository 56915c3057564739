"""A drop anywhere on the page: shown while something is dragged, handed to whom it belongs."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.widgets import widget


def drop(**kwargs: Any) -> gr.HTML:
    """It lives in the browser alone and has no value.

    A picture or a sound dropped while the Digits tab is open becomes `mckd:picture` or `mckd:sound`
    {file}; any other drop opens the Brain tumours tab and becomes `mckd:drop` {entries}, which are
    `FileSystemEntry` objects, or files in a browser that has none.
    """
    return widget("drop", None, **kwargs)
