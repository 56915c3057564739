"""What other systems find in the case: asked for by the panes, handed on to them, and explained."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE
from mckd.studio.widgets import widget


def systems(kinds: dict[str, tuple[str, str]], **kwargs: Any) -> gr.HTML:
    """`kinds`: {key: (name, what it is)} of the systems.

    In the browser it hears `mckd:ask` {turn, wanted: ["hemis t1+t2", ...]}, all that panes show of
    other systems, and fires `find` with that as the event's data. Its value is complete each time:

        {"turn": int, "stamp": int, "found": {"hemis t1+t2": {"stage", "fraction", "problem"} or
         {"file", "overlaps", "trained_on", "seen"}}}

    where file is a `FileData` of gzip bytes and overlaps as in the panes; it fires it as
    `mckd:systems`, unless it is older than the last.
    """
    return widget("systems", systems=kinds, folder=HERE, **kwargs)
