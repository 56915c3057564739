"""The result beside the viewer: volumes, scores against a reference, notes, the model's line."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import ALIAS, HERE
from mckd.studio.widgets import widget


def findings(words: dict[str, Any], **kwargs: Any) -> gr.HTML:
    """`words`: as of the viewer.

    Its value is the dictionary that `presentation.findings` returns.

    It fires `download` when the visitor wants the label file, called as "alias" and "own" in its
    value say, and `accept` when they want images segmented that the model was not made for.
    """
    return widget("findings", shared=ALIAS, words=words, folder=HERE, **kwargs)
