"""The studio's own components: each a .py with its .html, .css and .js of the same name.

Here are those of no task; a task's own lie in `mckd/studio/tasks/<task>/widgets`.

A long behaviour has parts, `name.part.js`, which follow `name.js` and share its scope. What two
widgets have in common is a file of its own (plots.js, focus.js, slices.* of the tumour task), which
comes first.

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
PLOTS = (HERE / "plots.js",)
FOCUS = (HERE / "focus.js",)


def source(
    name: str, parts: tuple[str, ...] = (), shared: tuple[Path, ...] = (), folder: Path = HERE
) -> dict[str, Any]:
    """Template, style and behaviour of a widget, as `gr.HTML` takes them.

    parts: of its behaviour, in order. shared: files that come before its own, such as PLOTS.
    folder: where its own lie.
    """
    scripts = [f"{name}.js", *(f"{name}.{part}.js" for part in parts)]
    files: dict[str, list[Path | str]] = {
        "html_template": [f"{name}.html"],
        "css_template": [*(path for path in shared if path.suffix == ".css"), f"{name}.css"],
        "js_on_load": [*(path for path in shared if path.suffix == ".js"), *scripts],
    }
    return {
        key: "\n".join((folder / file).read_text(encoding="utf-8") for file in listed)
        for key, listed in files.items()
    }


def widget(
    name: str,
    value: Any = None,
    parts: tuple[str, ...] = (),
    shared: tuple[Path, ...] = (),
    folder: Path = HERE,
    **kwargs: Any,
) -> gr.HTML:
    """The component whose .html, .css and .js are called `name`."""
    if {*PLOTS} <= {*shared}:
        kwargs["library"] = library.ADDRESS.lstrip("/")  # beside the page, wherever that is
    files = source(name, parts, shared, folder)
    return gr.HTML(value, apply_default_css=False, **files, **kwargs)
