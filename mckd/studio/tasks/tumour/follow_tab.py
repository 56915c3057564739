"""The follow-up below the viewer: visits that are kept, and what has changed between them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from mckd.studio.tasks.tumour.case_tab import MOST_WAITING, QUIET
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.follow import KINDS, FollowService, Kept
from mckd.studio.tasks.tumour.service import TumourService
from mckd.studio.tasks.tumour.widgets.followup import followup
from mckd.tumour.looks import words

Shown = dict[str, Any]


def act(cases: CaseService, follow: FollowService, desk: Desk, wish: Any) -> Iterator[Shown]:
    """Do what the follow-up asks for, and show every stage of it."""
    wish = wish if isinstance(wish, dict) else {}
    match wish.get("do"):
        case "keep":
            yield from _stages(follow, desk, follow.keep(desk))
        case "example":
            yield from _stages(follow, desk, follow.example(desk))
        case "date":
            yield _shown(follow, desk, follow.set_day(desk, wish.get("visit"), wish.get("day")))
        case "remove":
            yield _shown(follow, desk, follow.remove(desk, wish.get("visit")))
        case "vouch":
            follow.vouch(desk)
            yield _shown(follow, desk)
        case "undo":
            follow.undo(desk)
            yield _shown(follow, desk)
        case "take":
            yield _taken(cases, follow, desk, wish.get("kind"))
        case _:
            yield _shown(follow, desk)


def _stages(follow: FollowService, desk: Desk, steps: Iterator[Kept]) -> Iterator[Shown]:
    for step in steps:
        stage = {"stage": step.stage, "fraction": step.fraction}
        yield _shown(follow, desk, step.problem) | stage


def _taken(cases: CaseService, follow: FollowService, desk: Desk, kind: Any) -> Shown:
    """With a file for the browser to fetch."""
    try:
        name, data = follow.file(desk, kind)
        path = cases.folders.send(desk.owner, f"file{Path(name).suffix}", data)
    except ValueError as problem:  # DiskFull is one
        return _shown(follow, desk, str(problem))
    file = gr.FileData(path=str(path), orig_name=name).model_dump()
    return _shown(follow, desk) | {"file": file}


def _shown(follow: FollowService, desk: Desk, problem: str = "") -> Shown:
    return follow.view(desk) | {"stage": "", "fraction": None, "problem": problem, "file": None}


def build(tumour: TumourService, desk: gr.State) -> None:
    """Lay it out below the viewer; `desk` is that of the Brain tumours tab."""
    place = followup(words(), KINDS, tumour.follow.has_example, elem_id="tumour-followup")
    place.act(
        partial(act, tumour.cases, tumour.follow), [desk, place], place,
        trigger_mode="multiple", concurrency_limit=MOST_WAITING, **QUIET,
    )  # fmt: skip
