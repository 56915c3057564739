"""A drawing pad: mouse, pen, finger or arrow keys; a picture file can be dropped on it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.digits.widgets import HERE
from mckd.studio.widgets import widget


def pad(**kwargs: Any) -> gr.HTML:
    """Its value is a PNG data URL of at most 200 x 200 pixels, or None while the pad is blank.

    It fires `input` about eight times a second while drawing and at the end of each stroke. What
    arrives in Python is whatever a browser sent: the service checks it.
    """
    return widget("pad", folder=HERE, **kwargs)
