"""What each sequence changes of each region of a case, beside the weight that was learned."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import PLOTS, widget


def contributions(labels: dict[str, str], **kwargs: Any) -> gr.HTML:
    """Its value is the dictionary that `CompareService.contributions` returns, or None.

    `labels`: what each sequence is called, in order. The region it shows is that of the panes:
    `mckd:region` {region} in both directions. It fires `mckd:contributions` {sentence}.
    """
    return widget("contributions", None, shared=PLOTS, labels=labels, folder=HERE, **kwargs)
