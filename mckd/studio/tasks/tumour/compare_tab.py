"""The Compare tab: all subsets of the open case's sequences, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from mckd.studio.services.folders import DiskFull
from mckd.studio.tasks.tumour.case_tab import MOST_WAITING, QUIET, alias_of, send, send_case
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.compare import CompareService, CompareUpdate
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.export import KINDS, ExportService
from mckd.studio.tasks.tumour.service import TumourService
from mckd.studio.tasks.tumour.systems import SYSTEMS, SystemsService, spell
from mckd.studio.tasks.tumour.widgets.contributions import contributions
from mckd.studio.tasks.tumour.widgets.exports import exports
from mckd.studio.tasks.tumour.widgets.panes import panes
from mckd.studio.tasks.tumour.widgets.subsets import subsets
from mckd.studio.tasks.tumour.widgets.systems import systems
from mckd.tumour.looks import words
from mckd.tumour.naming import SEQUENCE_NAMES

Shown = tuple[Any, Any, Any]  # values of the panes, the table and the contributions


# --- Handlers -------------------------------------------------------------------------------------


def run(tumour: CaseService, compare: CompareService, desk: Desk) -> Iterator[Shown]:
    """Compare the case on the desk and show every row as it comes."""
    for update in compare.run(desk):
        try:
            pictures = scene(tumour, compare, desk, update)
        except DiskFull as full:
            update = CompareUpdate(update.turn, "problem", problem=str(full))
            pictures = scene(tumour, compare, desk, update)
        yield pictures, compare.table(update), compare.contributions(update)


def scene(
    tumour: CaseService, compare: CompareService, desk: Desk, update: CompareUpdate
) -> dict[str, Any]:
    """What the panes may show; a file that was sent before is not made anew."""
    opened = update.opened
    shown: dict[str, Any] = {"turn": update.turn, "stamp": update.stamp, "case": None}
    if opened is None:
        return shown
    case = send_case(tumour, desk, opened)
    maps = {
        kind: {key: send(tumour, desk, kind, data) for key, data in known.items()}
        for kind, known in compare.maps(update).items()
    }
    said = {"overlaps": compare.overlaps(update), "model": compare.model(update)}
    return shown | {"case": case, **maps, **said}


def found_by_systems(
    tumour: CaseService, systems: SystemsService, desk: Desk, asked: Any
) -> Iterator[dict[str, Any]]:
    """What other systems find, as far as it is; all that is asked for in each."""
    for update in systems.run(desk, asked):
        shown: dict[str, dict[str, Any]] = {
            spell(wish): {"stage": stage.text, "fraction": stage.fraction, "problem": stage.problem}
            for wish, stage in update.stages.items()
        }
        for wish, found in update.found.items():
            try:
                file = send(tumour, desk, "labels", found.labels)
            except DiskFull as full:
                shown[spell(wish)] = {"problem": str(full)}
                continue
            said = {"trained_on": found.trained_on, "seen": found.seen}
            shown[spell(wish)] = {"file": file, "overlaps": found.overlaps, **said}
        yield {"turn": update.turn, "stamp": update.stamp, "found": shown}


def take_home(
    tumour: CaseService, export: ExportService, desk: Desk, wish: Any
) -> Iterator[dict[str, Any]]:
    """Make the file that the exports ask for, and show every stage of it."""
    kind = wish.get("kind") if isinstance(wish, dict) else None
    for step in export.make(desk, kind, alias_of(wish)):
        shown = {"stage": step.stage, "fraction": step.fraction, "problem": step.problem}
        file = None
        if step.name:  # on the disk it has none: it may be a person's
            try:
                path = tumour.folders.send(desk.owner, f"file{Path(step.name).suffix}", step.data)
                file = gr.FileData(path=str(path), orig_name=step.name).model_dump()
            except DiskFull as problem:
                shown["problem"] = str(problem)
        yield {**shown, "file": file}


# --- Layout and wiring ----------------------------------------------------------------------------


def build(tumour: TumourService, desk: gr.State) -> None:
    """Lay the tab out inside the current `gr.Blocks`; `desk` is that of the Brain tumours tab."""

    def find(desk: Desk, event: gr.EventData) -> Iterator[dict[str, Any]]:
        yield from found_by_systems(tumour.cases, tumour.systems, desk, event._data)

    pictures = panes(
        words(), {key: name for key, (name, _) in SYSTEMS.items()}, elem_id="compare-panes"
    )
    others = systems(SYSTEMS, elem_id="compare-systems")
    others.find(
        find, desk, others, trigger_mode="multiple", concurrency_limit=MOST_WAITING, **QUIET
    )
    with gr.Row(elem_id="compare", equal_height=False):
        table = subsets(words(), tumour.cases.sources.listed(), elem_id="compare-subsets")
        shares = contributions(SEQUENCE_NAMES, elem_id="compare-contributions")
    table.begin(
        partial(run, tumour.cases, tumour.compare), desk, [pictures, table, shares],
        trigger_mode="multiple", concurrency_limit=MOST_WAITING, **QUIET,
    )  # fmt: skip
    files = exports(KINDS, elem_id="compare-exports")
    files.make(
        partial(take_home, tumour.cases, tumour.export), [desk, files], files,
        concurrency_limit=MOST_WAITING, **QUIET,
    )  # fmt: skip
