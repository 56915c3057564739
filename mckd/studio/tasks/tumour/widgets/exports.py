"""What can be taken home of the compared case: a button per kind of file."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.widgets import ALIAS, HERE
from mckd.studio.widgets import widget


def exports(kinds: dict[str, tuple[str, str]], **kwargs: Any) -> gr.HTML:
    """`kinds`: {kind: (title, what is in it)}.

    It fires `make` with {"kind", "at", "alias", "own"} as its value: what the case is to be called,
    or that it is called as its files are. From Python its value is
    {"stage", "fraction", "problem", "file"}, where file is a `FileData`, which it downloads.
    """
    return widget("exports", None, shared=ALIAS, kinds=kinds, folder=HERE, **kwargs)
