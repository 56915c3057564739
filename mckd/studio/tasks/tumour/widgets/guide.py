"""A guided tour: seven steps, each with the open case's own numbers."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import widget


def guide(labels: dict[str, str], **kwargs: Any) -> gr.HTML:
    """`labels`: what each sequence is called, in order.

    It lives in the browser alone and has no value. It reads what other widgets say (`mckd:case`,
    `mckd:findings`, `mckd:answer`, `mckd:table`, `mckd:contributions`) and asks for what a visitor
    could do as well (`mckd:open`, `mckd:use`, a click on a tab). Where somebody left it is kept in
    the browser; nothing of a case is.
    """
    return widget("guide", None, parts=("waits",), labels=labels, folder=HERE, **kwargs)
