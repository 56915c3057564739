"""The Brain tumours tab: open a case, switch sequences off, see what the model still finds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from mckd.files.names import LONGEST_NAME
from mckd.studio.door import browser_of
from mckd.studio.services.folders import DiskFull
from mckd.studio.tabs import click_on
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk, Update
from mckd.studio.tasks.tumour.native import DICOM, NIFTI, series_archive
from mckd.studio.tasks.tumour.opened import CaseFiles, Choice, Opened
from mckd.studio.tasks.tumour.presentation import findings as findings_of
from mckd.studio.tasks.tumour.presentation import scene as scene_of
from mckd.studio.tasks.tumour.solid import SolidService
from mckd.studio.tasks.tumour.sources import DROPPED, SLOTS, sort
from mckd.studio.tasks.tumour.widgets.findings import findings
from mckd.studio.tasks.tumour.widgets.intake import intake
from mckd.studio.tasks.tumour.widgets.sequences import sequences
from mckd.studio.tasks.tumour.widgets.study import study
from mckd.studio.tasks.tumour.widgets.viewer import viewer
from mckd.tumour.looks import words
from mckd.tumour.naming import SEQUENCE_NAMES, SEQUENCES, key_of

MOST_ARCHIVES = 128  # of one examination
MOST_WAITING = 32  # they stand in the line of the service, which does one case after the other
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# Of several quick switches only the newest waits while an answer is on its way.
AT_ONCE: dict[str, Any] = {**QUIET, "queue": False, "trigger_mode": "always_last"}
Shown = tuple[Any, Any, Any, Any]  # values of viewer, switches, findings and examination


# --- Handlers -------------------------------------------------------------------------------------


def open_case(tumour: CaseService, desk: Desk, wish: Any, browser: str = "") -> Iterator[Shown]:
    """Open what the intake asks for, and show every stage of it. browser: the visitor's secret."""
    try:
        source = source_of(tumour, desk, wish, browser)
    except ValueError as problem:
        yield show(tumour, desk, Update(desk.begin(), problem=str(problem)))
        return
    for update in tumour.open(desk, source):
        yield show(tumour, desk, update)


def source_of(tumour: CaseService, desk: Desk, wish: Any, browser: str = "") -> CaseFiles:
    """The bundled case or the uploaded files of a wish; whatever a browser sent is checked.

    Raises:
        ValueError: no such case, or files that are no uploads of this visitor.
    """
    wish = wish if isinstance(wish, dict) else {}
    if "case" in wish:
        return tumour.sources.bundled(wish["case"])
    again = bool(wish.get("again"))
    if "study" in wish:
        sent = wish["study"] if isinstance(wish["study"], list) else []
        archives = [str(ticket) for ticket in sent[:MOST_ARCHIVES]]
        return tumour.sources.examination(desk.owner, archives, browser, again)
    listed = wish.get("files")
    tickets: dict[str, str] = {}
    for entry in listed[: len(SLOTS)] if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            raise ValueError(DROPPED)
        if str(entry.get("slot")) in tickets:
            raise ValueError("Two files are marked as the same. Say which is which.")
        tickets[str(entry.get("slot"))] = str(entry.get("ticket"))
    return tumour.sources.own(desk.owner, tickets, browser, again)


def prepare(tumour: CaseService, desk: Desk, wish: Any) -> Iterator[Shown]:
    """Open the examination once more, its series used as the visitor says."""
    said = wish.get("wish") if isinstance(wish, dict) else None
    said = said if isinstance(said, dict) else {}
    slots = said["slots"] if isinstance(said.get("slots"), dict) else {}
    chosen = {s: str(slots[s]) for s in SEQUENCES if slots.get(s)}
    reference, study = said.get("reference"), said.get("study")
    choice = Choice(
        study if isinstance(study, int) and study >= 0 else 0,
        chosen,
        reference if isinstance(reference, str) and reference in chosen else "",
    )
    for update in tumour.prepare(desk, choice):
        yield show(tumour, desk, update)


def stop(tumour: CaseService, desk: Desk) -> Shown:
    """Stop preparing the examination; its series stay on the page."""
    return show(tumour, desk, tumour.stop(desk))


def accept(tumour: CaseService, desk: Desk) -> Iterator[Shown]:
    """Segment images that the model was not made for; the visitor was told."""
    for update in tumour.accept(desk):
        yield show(tumour, desk, update)


def switch(tumour: CaseService, desk: Desk, value: Any) -> Shown:
    """Answer for the sequences that are switched on now."""
    wanted = value.get("on") if isinstance(value, dict) else None
    update = tumour.switch(desk, wanted)
    return (gr.skip(),) * 4 if update is None else show(tumour, desk, update)


def score(tumour: CaseService, desk: Desk) -> Any:
    """Dice and HD95 for the answer on screen: they may take longer than the answer."""
    update = tumour.score(desk)
    return gr.skip() if update is None else findings_of(tumour.segmentation, update)


def alias_of(wish: Any) -> str | None:
    """What a case is to be called in what is taken home; None: as its files are."""
    if not isinstance(wish, dict) or not isinstance(wish.get("alias"), str):
        return ""
    return None if wish.get("own") is True else wish["alias"][:LONGEST_NAME]


def download(tumour: CaseService, desk: Desk, wish: Any) -> str | None:
    """Write the label file of the answer on screen, for the browser to fetch."""
    try:
        name, data = tumour.label_file(desk, alias_of(wish))
        return str(tumour.folders.send(desk.owner, name, data))
    except ValueError as problem:
        gr.Warning(str(problem), title="No download")
        return None


def take_series(tumour: CaseService, desk: Desk, wish: Any) -> str | None:
    """Write the answer on screen as a file for each series, for the browser to fetch."""
    kind = wish.get("kind") if isinstance(wish, dict) else None
    try:
        name, data = series_archive(tumour, desk, str(kind))
        return str(tumour.folders.send(desk.owner, name, data))
    except ValueError as problem:
        gr.Warning(str(problem), title="No download")
        return None


def show(tumour: CaseService, desk: Desk, update: Update) -> Shown:
    """An update as values of the viewer, the switches and the findings."""
    try:
        return _shown(tumour, desk, update)
    except DiskFull as problem:
        return _shown(tumour, desk, Update(update.turn, problem=str(problem)))


def _shown(tumour: CaseService, desk: Desk, update: Update) -> Shown:
    """The same, with its files written.

    What was sent once is sent with every later stage: Gradio's client makes the next stage out of
    the last one, in place, so that a value followed by `skip` can be gone before it was shown.

    Raises:
        DiskFull: there is no room for them.
    """
    opened = update.opened
    switches: Any = gr.skip()
    if opened is not None:
        given = [s for s in SEQUENCES if s in opened.case.present]
        switches = {"turn": update.turn, "given": given, **_importance(tumour)}
    found = findings_of(tumour.segmentation, update)
    return _scene(tumour, desk, update), switches, found, _series(tumour, desk, update)


def _series(tumour: CaseService, desk: Desk, update: Update) -> dict[str, Any]:
    """The examination that an update is of, as study.js shows it; without one it shows nothing.

    Raises:
        DiskFull: there is no room for its pictures.
    """
    if update.series is None:
        return {"turn": update.turn}
    prepared = update.opened.prepared if update.opened else None
    busy = bool(update.stage) and update.opened is None
    state = {"turn": update.turn, "prepared": prepared is not None, "busy": busy, "kinds": []}
    if prepared and update.answer:
        dicom = any(series.dicom for series in prepared.study.series)
        state["kinds"] = [NIFTI, DICOM] if dicom else [NIFTI]
    return {**state, **update.series.view(partial(send_as, tumour, desk))}


def _scene(tumour: CaseService, desk: Desk, update: Update) -> dict[str, Any]:
    """An update as the viewer's value.

    Raises:
        DiskFull: there is no room for its files.
    """
    opened, answer = update.opened, update.answer
    scene: dict[str, Any] = {
        "turn": update.turn,
        "stamp": update.stamp,
        "stage": {"text": update.stage, "fraction": update.fraction} if update.stage else None,
        "problem": update.problem,
        "case": None,
        "labels": None,
        "surfaces": None,
        "maps": None,
        "used": [s for s in SEQUENCES if s in update.used],
    }
    if opened is not None:
        scene["case"] = send_case(tumour, desk, opened)
    if answer is not None:
        scene["labels"] = {
            "stamp": answer.stamp,
            "file": send(tumour, desk, "labels", answer.labels),
        }
    return scene


def surfaces(tumour: CaseService, solid: SolidService, desk: Desk) -> Any:
    """What is on the desk once more, with its surfaces for the 3-D view."""
    made = solid.make(desk)
    if made is None:
        return gr.skip()
    update, packed = made
    try:
        files = {name: send(tumour, desk, name, data) for name, data in packed.items()}
    except DiskFull as problem:
        gr.Warning(str(problem), title="No 3-D view")
        files = {}
    of = update.answer.stamp if update.answer else 0
    return {**_scene(tumour, desk, update), "surfaces": {"of": of, "files": files}}


def maps(tumour: CaseService, desk: Desk, wish: Any) -> Any:
    """What is on the desk once more, with the calibrated probabilities of its answer, or of the
    one whose key is wished for."""
    key = wish.get("key") if isinstance(wish, dict) else None
    made = tumour.probabilities(desk, frozenset(str(key).split("+")) if key else frozenset())
    if made is None:
        return gr.skip()
    update, answer, packed = made
    calibrated = bool(tumour.segmentation.header()[0].get("intervals"))
    try:
        file = send(tumour, desk, "probabilities", packed)
    except DiskFull as problem:
        gr.Warning(str(problem), title="No probabilities")
        return gr.skip()
    told = {"of": answer.stamp, "key": key_of(answer.used), "file": file, "calibrated": calibrated}
    return {**_scene(tumour, desk, update), "maps": told}


def _importance(tumour: CaseService) -> dict[str, Any]:
    return {"importance": tumour.segmentation.about().get("importance", {})}


def send_case(tumour: CaseService, desk: Desk, opened: Opened) -> dict[str, Any]:
    """What a viewer must know of a case, with its files; "reference" is None if it has none."""
    case = scene_of(opened)
    for name, facts in case["sequences"].items():
        facts["file"] = send(tumour, desk, name, opened.packed[name].data)
    case["reference"] = None
    if opened.reference is not None:
        case["reference"] = send(tumour, desk, "reference", opened.reference)
    return case


def send(tumour: CaseService, desk: Desk, name: str, data: bytes) -> dict[str, Any]:
    """Packed bytes as a file that this visitor's browser may fetch; see `send_as`."""
    return send_as(tumour, desk, f"{name}.gz", data)


def send_as(tumour: CaseService, desk: Desk, name: str, data: bytes) -> dict[str, Any]:
    """A file of that name, at an address nobody else knows."""
    path = tumour.folders.send(desk.owner, name, data)
    return gr.FileData(path=str(path)).model_dump()


# --- Layout and wiring ----------------------------------------------------------------------------


def build(tumour: CaseService, solid: SolidService) -> gr.State:
    """Lay the Brain tumours tab out inside the current `gr.Blocks` and wire it.

    Returns:
        The visitor's `Desk`, which the Compare tab shares.
    """

    def open_wish(desk: Desk, wish: Any, request: gr.Request) -> Iterator[Shown]:
        assert request.request is not None
        yield from open_case(tumour, desk, wish, browser_of(dict(request.request.scope)))

    def likely(desk: Desk, event: gr.EventData) -> Any:
        return maps(tumour, desk, event._data)

    desk = gr.State(Desk(), delete_callback=tumour.close)  # each visitor gets a fresh one
    chosen = intake(tumour.sources.listed(), sort, SLOTS, elem_id="tumour-intake")
    series = study(SEQUENCE_NAMES, elem_id="tumour-study")
    with gr.Row(elem_id="tumour", equal_height=False):
        with gr.Column(elem_classes="mk-picture", min_width=320):
            pictures = viewer(words(), elem_id="tumour-viewer")
        with gr.Column(elem_classes="mk-side", min_width=300):
            switches = sequences(SEQUENCE_NAMES, elem_id="tumour-sequences")
            result = findings(words(), elem_id="tumour-findings")
            file = gr.DownloadButton(visible="hidden", elem_id="tumour-labels")
            archive = gr.DownloadButton(visible="hidden", elem_id="tumour-series")

    view = [pictures, switches, result, series]
    chosen.open(
        open_wish, [desk, chosen], view, trigger_mode="multiple",
        concurrency_limit=MOST_WAITING, **QUIET,
    )  # fmt: skip
    series.prepare(
        partial(prepare, tumour), [desk, series], view, trigger_mode="multiple",
        concurrency_limit=MOST_WAITING, **QUIET,
    )  # fmt: skip
    series.stop(partial(stop, tumour), desk, view, **AT_ONCE)
    pictures.maps(likely, desk, pictures, trigger_mode="multiple", queue=False, **QUIET)
    pictures.surfaces(partial(surfaces, tumour, solid), desk, pictures, **AT_ONCE)
    switches.input(partial(switch, tumour), [desk, switches], view, **AT_ONCE).then(
        partial(score, tumour), desk, result, **AT_ONCE
    )
    result.accept(
        partial(accept, tumour), desk, view, trigger_mode="multiple",
        concurrency_limit=MOST_WAITING, **QUIET,
    )  # fmt: skip
    result.download(partial(download, tumour), [desk, result], file, **QUIET).success(
        None, None, None, js=click_on("tumour-labels")
    )
    series.download(partial(take_series, tumour), [desk, series], archive, **QUIET).success(
        None, None, None, js=click_on("tumour-series")
    )
    return desk
