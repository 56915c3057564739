"""The series of an examination, what each is used as, and a look at the preparation."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import FOCUS, widget


def study(labels: dict[str, str], **kwargs: Any) -> gr.HTML:
    """`labels`: {slot: name} of the sequences.

    Its value is what `Examination.view` returns, with "turn", "busy" while it is being prepared,
    "prepared" then, and "kinds", the files that there are to take home. It fires `prepare` with
    "wish" {"study": its number, "slots": {slot: key of a series}, "reference": slot or ""} in its
    value, `stop`, and `download` with "kind".
    """
    return widget("study", None, shared=FOCUS, labels=labels, folder=HERE, **kwargs)
