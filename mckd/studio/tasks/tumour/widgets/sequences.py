"""Four switches: which sequences the model may use, with the weight that it learned for each."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import widget


def sequences(labels: dict[str, str], **kwargs: Any) -> gr.HTML:
    """`labels`: what each sequence is called, in order.

    From Python its value is {"turn", "given": [key], "importance": {key: weight}}: a new turn is
    another case, all of whose sequences are on. To Python it is the same with "on": [key]. It
    fires `input`, and `mckd:sequences` in the browser at the very click. One always stays on.
    A page that was loaded anew switches as it was (`mckd:chosen`).
    """
    return widget("sequences", None, labels=labels, folder=HERE, **kwargs)
