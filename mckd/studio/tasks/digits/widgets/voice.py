"""A voice recorder: microphone, sound file or example, decoded to 16 kHz mono in the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from mckd.studio.tasks.digits.widgets import HERE
from mckd.studio.widgets import widget


def voice(read: Callable[[str], dict[str, Any]], **kwargs: Any) -> gr.HTML:
    """Its value is `{"pcm": base64 of 16-bit samples, "rate": 16000}`, at most 10 s, or None.

    It fires `input` when a sound is ready or removed. The browser decodes sound files itself. A WAV
    or AIFF that it cannot decode is uploaded, and the server function `read(ticket)` returns it in
    the same form, or `{"problem"}`. The service checks what arrives.
    """
    return widget("voice", folder=HERE, server_functions=[read], **kwargs)
