"""The Brain tumours tab: open a case, switch sequences off, see what the model still finds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from mckd.studio.services import Services
from mckd.studio.services.tumour import (
    SEQUENCES,
    SLOTS,
    Choice,
    Desk,
    TumourService,
    Update,
)
from mckd.studio.widgets.findings import findings
from mckd.studio.widgets.intake import intake
from mckd.studio.widgets.sequences import sequences
from mckd.studio.widgets.viewer import viewer

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# Of several quick switches only the newest waits while an answer is on its way.
AT_ONCE: dict[str, Any] = {**QUIET, "queue": False, "trigger_mode": "always_last"}
Shown = tuple[Any, Any, Any]  # values of the viewer, the switches and the findings


# --- Handlers -------------------------------------------------------------------------------------


def open_case(tumour: TumourService, desk: Desk, wish: Any) -> Iterator[Shown]:
    """Open what the intake asks for, and show every stage of it."""
    try:
        choice = choice_of(tumour, wish)
    except ValueError as problem:
        yield show(tumour, desk, Update(desk.begin(), problem=str(problem)))
        return
    for update in tumour.open(desk, choice):
        yield show(tumour, desk, update)


def choice_of(tumour: TumourService, wish: Any) -> Choice:
    """The bundled case or the uploaded files of a wish; whatever a browser sent is checked.

    Raises:
        ValueError: no such case, or paths that are no uploads.
    """
    wish = wish if isinstance(wish, dict) else {}
    if "case" in wish:
        return tumour.bundled(wish["case"])
    listed = wish.get("files")
    files: dict[str, Path] = {}
    uploads = Path(get_upload_folder()).resolve()
    for entry in listed if isinstance(listed, list) else []:
        path = Path(str(entry.get("path", ""))).resolve() if isinstance(entry, dict) else uploads
        if not (path.is_relative_to(uploads) and path.is_file()):
            raise ValueError("A file is no longer here. Please drop the files again.")
        if entry.get("slot") in files:
            raise ValueError("Two files are marked as the same. Say which is which.")
        files[str(entry.get("slot"))] = path
    return tumour.own(files)


def switch(tumour: TumourService, desk: Desk, value: Any) -> Shown:
    """Answer for the sequences that are switched on now."""
    wanted = value.get("on") if isinstance(value, dict) else None
    update = tumour.switch(desk, wanted)
    return (gr.skip(), gr.skip(), gr.skip()) if update is None else show(tumour, desk, update)


def score(tumour: TumourService, desk: Desk) -> Any:
    """Dice and HD95 for the answer on screen: they may take longer than the answer."""
    update = tumour.score(desk)
    return gr.skip() if update is None else tumour.findings(update)


def download(tumour: TumourService, desk: Desk) -> str | None:
    """Write the label file of the answer on screen, for the browser to fetch."""
    try:
        name, data = tumour.label_file(desk)
    except ValueError as problem:
        gr.Warning(str(problem), title="No download")
        return None
    return str(save_bytes_to_cache(data, name, get_upload_folder()))


def show(tumour: TumourService, desk: Desk, update: Update) -> Shown:
    """An update as values of the viewer, the switches and the findings."""
    opened, answer = update.opened, update.answer
    scene: dict[str, Any] = {
        "turn": update.turn,
        "stamp": update.stamp,
        "stage": {"text": update.stage, "fraction": update.fraction} if update.stage else None,
        "problem": update.problem,
        "case": None,
        "labels": None,
        "used": [s for s in SEQUENCES if s in update.used],
    }
    if opened is not None:
        if desk.sent.get("turn") != update.turn:
            desk.sent = {"turn": update.turn, "files": _send_case(opened)}
        files = desk.sent["files"]
        case = tumour.scene(opened)
        for name, facts in case["sequences"].items():
            facts["file"] = files[name]
        scene["case"] = {**case, "reference": files.get("reference")}
    if answer is not None:
        scene["labels"] = {"stamp": answer.stamp, "file": _send("labels", answer.labels)}
    switches: Any = gr.skip()
    if opened is not None and answer is None:
        given = [s for s in SEQUENCES if s in opened.case.present]
        switches = {"turn": update.turn, "given": given, **_importance(tumour)}
    return scene, switches, tumour.findings(update)


def _importance(tumour: TumourService) -> dict[str, Any]:
    return {"importance": tumour.about().get("importance", {})}


def _send_case(opened: Any) -> dict[str, Any]:
    files = {name: _send(name, packed.data) for name, packed in opened.packed.items()}
    if opened.reference is not None:
        files["reference"] = _send("reference", opened.reference)
    return files


def _send(name: str, data: bytes) -> dict[str, Any]:
    """Bytes as a file that a browser may fetch: its address holds the hash of its content."""
    path = save_bytes_to_cache(data, f"{name}.gz", get_upload_folder())
    return gr.FileData(path=path).model_dump()


# --- Layout and wiring ----------------------------------------------------------------------------


def build(services: Services) -> None:
    """Lay the tab out inside the current `gr.Blocks` and wire it to `services.tumour`."""
    tumour = services.tumour

    def guess(names: Any) -> list[str]:
        return tumour.guess(names)

    desk = gr.State(Desk(), delete_callback=tumour.close)  # each visitor gets a fresh one
    chosen = intake(tumour.cases(), guess, SLOTS, elem_id="tumour-intake")
    with gr.Row(elem_id="tumour", equal_height=False):
        with gr.Column(elem_classes="mk-picture", min_width=320):
            pictures = viewer(elem_id="tumour-viewer")
        with gr.Column(elem_classes="mk-side", min_width=300):
            switches = sequences({s: SLOTS[s] for s in SEQUENCES}, elem_id="tumour-sequences")
            result = findings(elem_id="tumour-findings")
            file = gr.DownloadButton(visible="hidden", elem_id="tumour-labels")

    view = [pictures, switches, result]
    chosen.open(
        partial(open_case, tumour), [desk, chosen], view, trigger_mode="multiple",
        concurrency_limit=4, **QUIET,
    )  # fmt: skip
    switches.input(partial(switch, tumour), [desk, switches], view, **AT_ONCE).then(
        partial(score, tumour), desk, result, **AT_ONCE
    )
    result.download(partial(download, tumour), desk, file, **QUIET).success(
        None, None, None, js=FETCH
    )


FETCH = """() => setTimeout(() => {
  const box = document.getElementById("tumour-labels");
  const link = box && (box.matches("a, button") ? box : box.querySelector("a, button"));
  if (link) link.click();
}, 100)"""
