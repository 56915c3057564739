"""At the foot of the page: where a visitor's data is, and a button that deletes it now."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.widgets import widget


def privacy(**kwargs: Any) -> gr.HTML:
    """It fires `delete` once the visitor has confirmed.

    When its value comes back as {"deleted": True}, it loads the page anew, so that nothing stays
    in the browser either, and then says that all is gone.
    """
    return widget("privacy", **kwargs)
