"""The studio's own components: each a .py with its .html, .css and .js of the same name.

A long behaviour has parts, `name.part.js`, which follow `name.js` and share its scope. What two
widgets have in common is a file of its own (slices.*, alias.*, plots.*), which comes first.

A widget's JavaScript owns its DOM (the template holds no `${value}`), Python owns its value.
Widgets talk to each other in the browser through `mckd:*` events on `document`.

They are functions that return a `gr.HTML`, not subclasses of it: Gradio writes a .pyi stub beside
the source of every component subclass, at each import, into the working tree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from mckd.studio import library

HERE = Path(__file__).parent
SLICES = ("slices.css", "slices.js", "slices.window.js", "slices.hands.js")
ALIAS = ("alias.css", "alias.js")
PLOTS = ("plots.js",)


def source(
    name: str, parts: tuple[str, ...] = (), shared: tuple[str, ...] = (), folder: Path = HERE
) -> dict[str, Any]:
    """Template, style and behaviour of a widget, as `gr.HTML` takes them.

    parts: of its behaviour, in order. shared: files that come before its own, such as SLICES.
    folder: where all of them lie; a task's own widgets lie in its folder.
    """
    scripts = [f"{name}.js", *(f"{name}.{part}.js" for part in parts)]
    files = {
        "html_template": [f"{name}.html"],
        "css_template": [*(f for f in shared if f.endswith(".css")), f"{name}.css"],
        "js_on_load": [*(f for f in shared if f.endswith(".js")), *scripts],
    }
    return {
        key: "\n".join((folder / file).read_text(encoding="utf-8") for file in listed)
        for key, listed in files.items()
    }


def widget(
    name: str,
    value: Any = None,
    parts: tuple[str, ...] = (),
    shared: tuple[str, ...] = (),
    folder: Path = HERE,
    **kwargs: Any,
) -> gr.HTML:
    """The component whose .html, .css and .js are called `name`."""
    if "plots.js" in shared:
        kwargs["library"] = library.ADDRESS.lstrip("/")  # beside the page, wherever that is
    files = source(name, parts, shared, folder)
    return gr.HTML(value, apply_default_css=False, **files, **kwargs)
