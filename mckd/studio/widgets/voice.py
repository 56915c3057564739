"""A voice recorder: microphone, sound file or example, decoded to 16 kHz mono in the browser."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.widgets import widget


def voice(**kwargs: Any) -> gr.HTML:
    """Its value is `{"pcm": base64 of 16-bit samples, "rate": 16000}`, at most 10 s, or None.

    It fires `input` when a sound is ready or removed. No sound file ever reaches the server, so the
    server needs no decoder. The service checks what arrives.
    """
    return widget("voice", **kwargs)
