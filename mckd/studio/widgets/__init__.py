"""The studio's own components: each a .py with its .html, .css and .js of the same name.

A widget's JavaScript owns its DOM (the template holds no `${value}`), Python owns its value.
Widgets talk to each other in the browser through `mckd:*` events on `document`.

They are functions that return a `gr.HTML`, not subclasses of it: Gradio writes a .pyi stub beside
the source of every component subclass, at each import, into the working tree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

HERE = Path(__file__).parent


def source(name: str) -> dict[str, Any]:
    """Template, style and behaviour of a widget, as `gr.HTML` takes them."""
    parts = {"html_template": ".html", "css_template": ".css", "js_on_load": ".js"}
    return {key: (HERE / (name + end)).read_text(encoding="utf-8") for key, end in parts.items()}


def widget(name: str, value: Any = None, **kwargs: Any) -> gr.HTML:
    """The component whose .html, .css and .js are called `name`."""
    return gr.HTML(value, apply_default_css=False, **source(name), **kwargs)
