"""Two to four linked views of one case, each with a subset's regions, a difference or the votes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE, SLICES
from mckd.studio.widgets import widget

PARTS = ("systems", "maps", "looks")


def panes(words: dict[str, Any], systems: dict[str, str], **kwargs: Any) -> gr.HTML:
    """`words`: as of the viewer. systems: {key: name} of those that a view can show besides.

    Its value is a scene, complete each time, or None:

        {"turn": int, "stamp": int, "case": as of the viewer, or None,
         "labels": {key of a subset: file}, "votes": {region: file},
         "overlaps": {key of a subset: {region: {"dice", "outcome"}}},
         "model": {"name", "trained_on", "seen"}}

    where a key is like `flair+t1c` and file a `FileData` of gzip bytes. Only the files of what is
    shown are fetched, and the images are those of the viewer if it has them. In the browser it
    follows `mckd:pick` {key} and `mckd:region` {region}, which it also fires, and fires
    `mckd:panes` {shown: {letter: key}}. What it shows of other systems it asks the widget
    `systems` for, see there; for probabilities it asks the viewer with `mckd:likely` {key}, and
    hears `mckd:maps`.
    """
    return widget(
        "panes",
        parts=PARTS,
        shared=SLICES,
        words=words,
        systems=systems,
        folder=HERE,
        **kwargs,
    )
