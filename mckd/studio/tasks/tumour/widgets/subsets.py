"""The table of all subsets of a case's sequences, to sort and to pick from, and its chart."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import PLOTS, widget


def subsets(words: dict[str, Any], cases: list[dict[str, str]], **kwargs: Any) -> gr.HTML:
    """Its value is the dictionary that `CompareService.table` returns, or None.

    `words`: as of the viewer. `cases`: the bundled ones, offered while
    none is open. It fires `begin` when the open case is to be compared: once it is visible and
    the viewer's `mckd:case` says that the case is ready. In the browser it fires `mckd:pick`
    {key} when a row is chosen, and `mckd:open` {case} for a bundled case.
    """
    return widget(
        "subsets", None, ("chart",), PLOTS, words=words, cases=cases, folder=HERE, **kwargs
    )
