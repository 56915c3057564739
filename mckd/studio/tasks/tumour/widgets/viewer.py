"""Three linked planes of an MRI case with the found regions over them, and the regions in 3-D."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import HERE, SLICES
from mckd.studio.widgets import PLOTS, widget

PARTS = ("planes", "maps", "solid", "measure", "picture", "keep")


def viewer(words: dict[str, Any], **kwargs: Any) -> gr.HTML:
    """`words`: of sequences and regions, as mckd/tumour/looks.py gives them.

    Its value is a scene, complete each time, or None:

        {"turn": int, "stamp": int, "stage": {"text", "fraction"} or None, "problem": str,
         "case": {"name", "shape", "spacing", "affine", "letters", "box", "sides_known",
                  "synthetic", "sequences": {key: {"label", "file", "low", "step", "clipped",
                  "window"}}, "reference": file or None} or None,
         "labels": {"stamp": int, "file": file} or None, "used": [key],
         "surfaces": {"of": stamp of the labels or 0, "files": {name: file}} or None,
         "maps": {"of": stamp of its labels, "key": like `flair+t1c`, "file": file,
                  "calibrated": bool} or None}

    where file is a `FileData` of gzip bytes (services/volumes.py; a surface: services/meshes.py).
    Files are fetched once: those of a case when `turn` changes, the labels when their stamp does.
    Everything else, scrubbing included, happens in the browser; only while the 3-D view is open it
    fires `surfaces`, and while probabilities are looked at `maps`, for those of what is on screen;
    when it hears `mckd:likely`, for its {"key"}. Maps are handed on as `mckd:maps`, with the turn.
    A scene older than the one on screen is dropped. In the browser it fires `mckd:case` with
    {turn, stage, problem, ready} at every scene, and hears `mckd:chosen` {again}: another case is
    on its way, or, again, the one of a page loaded anew.
    """
    return widget(
        "viewer", parts=PARTS, shared=(*SLICES, *PLOTS), words=words, folder=HERE, **kwargs
    )
