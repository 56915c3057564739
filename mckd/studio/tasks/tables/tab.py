"""The Tables tab: a model, a sample, its modalities on and off, and what each of them is worth."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from mckd.studio.door import browser_of
from mckd.studio.tasks import Drop, Tab
from mckd.studio.tasks.tables import panels
from mckd.studio.tasks.tables.service import Desk, TableService
from mckd.studio.widgets import widget
from mckd.tables.about import ABOUT

HERE = Path(__file__).parent
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# Of several quick switches only the newest waits while an answer is on its way.
AT_ONCE: dict[str, Any] = {**QUIET, "queue": False, "trigger_mode": "always_last"}
Shown = tuple[Any, ...]


# --- Handlers -------------------------------------------------------------------------------------


def begin(tables: TableService, desk: Desk) -> Shown:
    """The bundled model and a sample, the first time that the tab is opened; then the list of
    models alone, for a run may have ended since."""
    models = gr.Dropdown(choices=_pairs(tables.models()), value=desk.model)
    try:
        begun = tables.begin(desk)
    except ValueError as problem:
        return (models, *_complaint(str(problem)))
    return (models, *(show(tables, desk) if begun else _unchanged()))


def choose_model(tables: TableService, desk: Desk, model: Any) -> Shown:
    """Another model for the samples that are open."""
    try:
        tables.choose_model(desk, model)
    except ValueError as problem:
        return _complaint(str(problem))
    return show(tables, desk)


def open_archive(tables: TableService, desk: Desk, wish: Any, browser: str = "") -> Shown:
    """The visitor's own tables, or the bundled ones again; the answer goes to the widget too."""
    wish = wish if isinstance(wish, dict) else {}
    try:
        if wish.get("back"):
            tables.close_archive(desk)
        else:
            tables.open_archive(desk, wish.get("ticket"), browser)
    except ValueError as problem:
        told = {"told": str(problem), "bad": True, "own": desk.own is not None}
        return (told, *_unchanged())
    name, count = (desk.own[0], len(desk.own[1])) if desk.own else ("", 0)
    said = f"{name}: {count:,} samples." if desk.own else ""
    return ({"told": said, "bad": False, "own": bool(desk.own)}, *show(tables, desk))


def choose_sample(tables: TableService, desk: Desk, key: Any) -> Shown:
    """Another sample, all of whose modalities are on."""
    try:
        tables.choose_sample(desk, key)
    except ValueError as problem:
        return _complaint(str(problem))[1:]
    return show(tables, desk)[1:]


def switch(tables: TableService, desk: Desk, on: Any) -> Shown:
    """Answer from the modalities that are on now."""
    try:
        tables.switch(desk, on)
    except ValueError as problem:
        return (gr.CheckboxGroup(value=sorted(desk.on), info=str(problem)), *[gr.skip()] * 4)
    return show(tables, desk)[1:]


def show(tables: TableService, desk: Desk) -> Shown:
    """Samples, switches and the four panels, as the desk stands."""
    answer = None
    try:
        answer = tables.answer(desk)
        said = panels.verdict(desk, answer)
    except ValueError as problem:
        said = panels.problem(str(problem))
    here = tables.present(desk)
    absent = [m for m in desk.classifier.modalities if m not in here]
    info = f"Not in this sample: {', '.join(absent)}." if answer and absent else ""
    return (
        gr.Dropdown(choices=_pairs(tables.samples(desk)), value=str(desk.row) if answer else None),
        gr.CheckboxGroup(choices=here, value=[m for m in here if m in desk.on], info=info),
        said,
        panels.contributions(desk, answer),
        panels.subsets(desk),
        panels.about(desk),
    )


def _complaint(sentence: str) -> Shown:
    """Why there is no answer, where the answer would be."""
    return (gr.skip(), gr.skip(), panels.problem(sentence), "", "", "")


def _unchanged() -> Shown:
    return (gr.skip(),) * 6


def _pairs(options: Any) -> list[tuple[str, str]]:
    return [(option.label, option.key) for option in options]


# --- Layout and wiring ----------------------------------------------------------------------------


def build(tables: TableService) -> None:
    """The tab inside the current `gr.Tabs`."""
    with gr.Tab(ABOUT.name, id=ABOUT.key) as tab:
        desk = gr.State(Desk(), delete_callback=tables.close)  # each visitor gets a fresh one
        with gr.Row(elem_id="tables", equal_height=False):
            with gr.Column(scale=4, min_width=300, elem_classes="mk-card"):
                model = gr.Dropdown(
                    _pairs(tables.models()), label="Model", elem_id="tables-model", filterable=False
                )
                sample = gr.Dropdown([], label="Sample", elem_id="tables-sample")
                switches = gr.CheckboxGroup(
                    [], label="Modalities the model may use", elem_id="tables-switches"
                )
                archive = _archive()
                line = _panel("tables-about")
            with gr.Column(scale=8, min_width=340):
                with gr.Column(elem_classes="mk-card"):
                    verdict = _panel("tables-verdict")
                with gr.Column(elem_classes="mk-card"):
                    shares = _panel("tables-shares")
                with gr.Column(elem_classes="mk-card"):
                    scores = _panel("tables-subsets")

    view: list[Any] = [sample, switches, verdict, shares, scores, line]

    def on_archive(desk: Desk, wish: Any, request: gr.Request) -> Shown:
        assert request.request is not None
        return open_archive(tables, desk, wish, browser_of(dict(request.request.scope)))

    tab.select(partial(begin, tables), desk, [model, *view], **QUIET)
    model.input(partial(choose_model, tables), [desk, model], view, **QUIET)
    archive.input(on_archive, [desk, archive], [archive, *view], **QUIET)
    sample.input(partial(choose_sample, tables), [desk, sample], view[1:], **AT_ONCE)
    switches.input(partial(switch, tables), [desk, switches], view[1:], **AT_ONCE)


def _panel(elem_id: str) -> gr.HTML:
    style = (HERE / "panels.css").read_text(encoding="utf-8")
    return gr.HTML("", css_template=style, apply_default_css=False, elem_id=elem_id)


def _archive() -> gr.HTML:
    """The button that sends an archive. To Python its value is {"ticket"} or {"back"}; from Python
    {"told", "bad", "own"}: a sentence, whether it is a complaint, whether own tables are open."""
    return widget("archive", folder=HERE, elem_id="tables-archive")


TAB = Tab(
    build,
    drop=Drop(
        ABOUT.name,
        "Drop a ZIP of your tables",
        "A file per modality, CSV or Parquet. Anything else opens under Brain tumours.",
        files={"mckd:tables": r"\.zip$"},
    ),
)
"""The tables task in the app."""
