"""The result: the decision in words, three rows of ten bars, what the model saw and heard."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.digits.widgets import HERE
from mckd.studio.widgets import widget


def verdict(**kwargs: Any) -> gr.HTML:
    """Its value is the dictionary that `DigitService.answer` returns.

    It fires `again` on loading and while the model is not ready, so that an input given too early
    is answered without a new click.
    """
    return widget("verdict", folder=HERE, **kwargs)
