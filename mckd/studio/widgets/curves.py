"""Live training curves: importance weights, losses, scores and fill distances over one x axis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from mckd.studio.widgets import PLOTS, widget

Reply = dict[str, Any]
_shown = itertools.count(1)


def curves(
    since: Callable[[Any], Reply],
    live: Callable[[Any], Reply],
    max_rows: int,
    **kwargs: Any,
) -> gr.HTML:
    """Its value is `point_at(run, over)`.

    The browser asks the server function `since({"run", "cursor"})` once a second for the rows
    written after its cursor, and only while the run is live and the curves are on screen;
    otherwise it asks `live({})` now and then whether a run was started elsewhere. Both are called
    outside the queue: keep them cheap. It fires `settled` (`run`, `state`) when a run changes its
    state and `appeared` (`run`) when another run went live.

    With the first rows of a run comes `names`, which maps the modalities and subsets that are
    drawn, as records.jsonl spells them, to `{"label", "colour"}`; the colour is a CSS variable;
    and `system`, what the run trains.
    """
    return widget(
        "curves",
        parts=("talk", "draw", "hands"),
        shared=PLOTS,
        max_rows=max_rows,
        server_functions=[since, live],
        **kwargs,
    )


def point_at(run: str | None, over: Sequence[str] = ()) -> dict[str, Any]:
    """The value that shows a run, and others over it in other strokes; the serial number makes the
    browser look again even if they are the same."""
    return {"run": run, "over": list(over), "at": next(_shown)}
