"""The page around the tabs: theme, header, research banner."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from mckd.studio import api
from mckd.studio.calls import Call, Functions
from mckd.studio.door import NOT_HERE, browser_of
from mckd.studio.services import Services
from mckd.studio.tabs import training
from mckd.studio.tasks import sheet_of, tab_of
from mckd.studio.widgets.drop import drop
from mckd.studio.widgets.privacy import privacy
from mckd.tasks import TASKS, abouts, variable

HERE = Path(__file__).parent
TITLE = "MCKD Studio"
WRONG = "The page never asks like this. Please reload it."
HEADER = """
<header class="mk-header">
  <div class="mk-mark" aria-hidden="true"><i></i><i></i><i></i></div>
  <div><h1>MCKD Studio</h1>
  <p>Learning and deciding from several modalities when some of them are missing</p></div>
  <p class="mk-banner" role="note"><strong>Research software.</strong> Not a medical device.
  {cautions}</p>
</header>
"""


def build(services: Services, by_name: bool = False) -> gr.Blocks:
    """The whole page, ready to launch with `**look()`. by_name: programs may call functions."""
    page = gr.Blocks(title=TITLE, fill_width=True, delete_cache=(600, 1800))
    with page:
        cautions = " ".join(task.caution for task in abouts() if task.caution)
        gr.HTML(HEADER.format(cautions=cautions), elem_id="header", apply_default_css=False)
        for key in services.tasks:
            tab_of(key).above()
        taken = [tab.drop for tab in map(tab_of, services.tasks) if tab.drop]
        drop([asdict(one) for one in taken], elem_id="drop")
        with gr.Tabs(elem_id="tabs"):
            for key, service in services.tasks.items():
                tab_of(key).build(service)
            with gr.Tab("Training", id="training"):
                training.build(services)
        foot = privacy(elem_id="privacy")

        def delete(request: gr.Request) -> dict[str, bool]:
            forget(page, str(request.session_hash))
            assert request.request is not None
            if browser := browser_of(dict(request.request.scope)):
                services.folders.forget_sender(browser)  # also what lies with no page
            return {"deleted": True}

        if by_name:
            api.build(services)
        foot.delete(
            delete, None, foot, queue=False, show_progress="hidden", api_visibility="private"
        )
    return page


def forget(page: gr.Blocks, session: str) -> None:
    """A visitor is gone: hand each of their states to its `delete_callback`, and drop them.

    Gradio's own way calls it only for states that were an output, and an hour later.
    """
    holder = page.state_holder
    left = holder.session_data.pop(session, None)
    holder.time_last_used.pop(session, None)
    for key, value in [*left.state_data.items()] if left else []:
        state = page.blocks[key]
        assert isinstance(state, gr.State)
        state.delete_callback(value)


def functions(page: gr.Blocks, tools: bool = False) -> Functions:
    """What can be called on the page, as the door asks for it. tools: also by MCP."""
    sent = frozenset().union(*(tab_of(key).large for key in TASKS))
    large = {
        number
        for number, function in page.fns.items()
        if any(block.elem_id in sent for block in function.inputs)
    }

    latest = {n for n, function in page.fns.items() if function.trigger_mode == "always_last"}

    def waiting(session: str) -> int:
        return len(page._queue.pending_event_ids_session.get(session, ()))

    def skipped(number: int) -> dict[str, Any]:
        return {"data": [gr.skip() for _ in page.fns[number].outputs], "is_generating": False}

    return Functions(
        frozenset(large),
        partial(check, page),
        waiting,
        frozenset(latest),
        skipped,
        api.endpoints(page),
        tools,
    )


def check(page: gr.Blocks, call: Call) -> None:
    """Whether the page could have made this call: the function is there, and takes such values.

    Raises:
        ValueError: it could not; a sentence.
    """
    if call.name:
        function = getattr(page.blocks.get(call.function), call.name, None)
        if not getattr(function, "_is_server_fn", False):
            raise ValueError(NOT_HERE)
        return
    called = page.fns.get(call.function)
    if called is None or called.fn is None or called.js is not None:
        raise ValueError(NOT_HERE)
    if len(call.data) != len(called.inputs):
        raise ValueError(WRONG)
    state = page.state_holder[call.session]
    for value, block in zip(call.data, called.inputs, strict=True):
        if block.stateful:
            continue
        try:
            state[block._id].preprocess(value)
        except Exception:  # a component's own sentence would repeat the value
            raise ValueError(WRONG) from None


def look() -> dict[str, Any]:
    """What `launch` needs to make the page look like ours; no font or file comes from a network."""
    tabs = [HERE / "tabs" / "training.css", *map(sheet_of, TASKS)]
    sheets = [HERE / "theme.css", *(sheet for sheet in tabs if sheet.is_file())]
    return {"theme": _theme(), "css": colours(), "css_paths": sheets}


def colours() -> str:
    """The tasks' colours as CSS variables, for light and for dark."""
    blocks = (":root", ".dark")
    return "\n".join(
        f"{block} {{ {variable(task.key, key)}: {one.colours[look]}; }}"
        for look, block in enumerate(blocks)
        for task in abouts()
        for key, one in task.series.items()
    )


def _theme() -> gr.themes.Base:
    """Gradio's own components in the colours of theme.css, which switch with light and dark."""
    weights = (400, 700)  # the 600 that Gradio ships holds only some of the letters
    theme = gr.themes.Base(
        font=(gr.themes.LocalFont("IBM Plex Sans", weights), "system-ui", "sans-serif"),
        font_mono=(gr.themes.LocalFont("IBM Plex Mono", weights), "ui-monospace", "monospace"),
    )
    colours = {
        "body_background_fill": "page",
        "body_text_color": "ink",
        "body_text_color_subdued": "ink-3",
        "background_fill_primary": "surface",
        "background_fill_secondary": "sunken",
        "block_background_fill": "surface",
        "block_border_color": "line",
        "block_info_text_color": "ink-3",
        "block_label_background_fill": "surface",
        "block_label_border_color": "line",
        "block_label_text_color": "ink-2",
        "block_title_text_color": "ink-2",
        "border_color_primary": "line",
        "border_color_accent": "accent",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent-strong",
        "button_primary_border_color": "accent",
        "button_primary_text_color": "on-accent",
        "button_secondary_background_fill": "surface",
        "button_secondary_background_fill_hover": "sunken",
        "button_secondary_border_color": "line-strong",
        "button_secondary_text_color": "ink",
        "checkbox_background_color": "surface",
        "checkbox_background_color_selected": "accent",
        "checkbox_border_color": "line-strong",
        "checkbox_border_color_focus": "focus",
        "checkbox_border_color_selected": "accent",
        "checkbox_label_background_fill": "surface",
        "checkbox_label_background_fill_hover": "sunken",
        "checkbox_label_background_fill_selected": "accent-soft",
        "checkbox_label_border_color": "line",
        "checkbox_label_border_color_selected": "accent",
        "checkbox_label_text_color": "ink",
        "checkbox_label_text_color_selected": "ink",
        "color_accent_soft": "accent-soft",
        "error_background_fill": "bad-soft",
        "error_border_color": "bad",
        "error_text_color": "bad",
        "input_background_fill": "surface",
        "input_border_color": "line-strong",
        "input_border_color_focus": "focus",
        "input_placeholder_color": "ink-3",
        "link_text_color": "accent",
        "panel_background_fill": "surface",
        "panel_border_color": "line",
        "slider_color": "accent",
        "table_border_color": "line",
        "table_even_background_fill": "surface",
        "table_odd_background_fill": "page",
        "table_text_color": "ink",
    }
    both: dict[str, Any] = {}
    for name, colour in colours.items():
        both[name] = both[f"{name}_dark"] = f"var(--mk-{colour})"
    return theme.set(
        **both,
        color_accent="var(--mk-accent)",
        block_radius="10px",
        block_shadow="none",
        block_title_text_weight="600",
        button_large_radius="6px",
        button_medium_radius="6px",
        button_small_radius="6px",
        button_primary_shadow="none",
        button_secondary_shadow="none",
        container_radius="10px",
        input_radius="6px",
        layout_gap="16px",
    )
