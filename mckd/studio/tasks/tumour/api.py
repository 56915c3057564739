"""What programs may call of this task: segment a case, compare all subsets of it."""

# No `from __future__ import annotations`: Gradio reads the types of what is returned as they are.

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, Literal

import gradio as gr

from mckd.files.names import plain_name
from mckd.studio.api import caller, file_for
from mckd.studio.tasks import Api
from mckd.studio.tasks.tumour.desk import Desk, Update
from mckd.studio.tasks.tumour.export import Export
from mckd.studio.tasks.tumour.follow import MOST as MOST_VISITS
from mckd.studio.tasks.tumour.follow import require_kind
from mckd.studio.tasks.tumour.service import TumourService
from mckd.tumour.days import day_of
from mckd.tumour.naming import REGIONS, SEQUENCES
from mckd.tumour.scope import SCOPE

ONE_OF_TWO = "Give either images, by sequence, or the name of a bundled case."
UNLIKE = "With anyway=true it is segmented all the same."
PARTS = "date", "images", "case", "subset", "anyway"
VISITS = f"Give 2 to {MOST_VISITS} visits, each with images, by sequence, or a case."
NO_SUBSET = "A subset is a list of one or more of: flair, t1, t1c, t2."


def functions(tumour: TumourService) -> list[Callable[..., Any]]:
    def segment_case(
        request: gr.Request,
        images: dict[str, str] | None = None,
        case: str = "",
        subset: list[str] | None = None,
        anyway: bool = False,
    ) -> tuple[dict[str, Any], gr.FileData]:
        """Segment a case from some of its sequences.

        Research only, not a medical device. Made for adult glioma before surgery.

        Args:
            images: uploaded NIfTI files by sequence: flair, t1, t1c, t2 or stack (4-D), and seg.
            case: the name of a bundled case, in place of images; list_models names them.
            subset: the sequences that the model may use; all that there are if left out.
            anyway: also segment images that are unlike those of the training.

        Returns:
            figures: volumes in mL of et, tc, wt, with cautions; Dice, HD95 in mm if there is a seg
            labels as NIfTI on the grid of the images (with `anyway`, of images that lie on grids of
            their own: of the prepared case): 1 core, 2 oedema, 4 enhancing tumour
        """
        from mckd.report.tables import figures_json
        from mckd.tumour.labels import file_name, label_file

        with opened(tumour, request, images, case, anyway) as desk:
            used = chosen(subset, desk)
            update = last(tumour.compare.run(desk, used))
            if update.state != "complete":
                raise ValueError(update.problem or tumour.cases.segmentation.model.reason)
            subject = tumour.compare.subject(update, date.today(), only=used)
            name = file_name(subject.name, [s for s in SEQUENCES if s in used])
            mask = label_file(subject.maps[used], subject.case)
            figures = json.loads(figures_json(subject))
        return figures, file_for(tumour.cases.folders, request, name, mask)

    def compare_subsets(
        request: gr.Request,
        images: dict[str, str] | None = None,
        case: str = "",
        file: Literal["", "csv", "report", "archive"] = "",
        anyway: bool = False,
    ) -> tuple[dict[str, Any], gr.FileData | None]:
        """Segment a case from every subset of its sequences, and say what each sequence changes.

        Research only, not a medical device. Made for adult glioma before surgery.

        Args:
            images: uploaded NIfTI files by sequence: flair, t1, t1c, t2 or stack (4-D), and seg.
            case: the name of a bundled case, in place of images; list_models names them.
            file: also make a csv, a report (PDF), or an archive (ZIP) with all masks.
            anyway: also segment images that are unlike those of the training.

        Returns:
            figures: of every subset as of segment_case, and what each sequence changes (Shapley)
            the file, if one was asked for
        """
        with opened(tumour, request, images, case, anyway) as desk:
            figures = json.loads(made(tumour, desk, "json").data)
            export = made(tumour, desk, file) if file else None
        if export is None:
            return figures, None
        return figures, file_for(tumour.cases.folders, request, export.name, export.data)

    def follow_visits(
        request: gr.Request,
        visits: list[dict[str, Any]],
        file: Literal["", "csv", "report"] = "",
        one_patient: bool = False,
    ) -> tuple[dict[str, Any], gr.FileData | None]:
        """Compare visits of one patient, whose sequences may differ: growth apart from protocol.

        Research only, not a medical device. Made for adult glioma before surgery.

        Args:
            visits: two or more, each with a date and what segment_case takes: images or case, ...
                Without a date a visit stays at its place.
            file: also make a csv of the changes, or a report (PDF).
            one_patient: you know that all are of one, whatever their headers or brains say.

        Returns:
            figures: of every visit, and of each region what has grown and what the protocol changed
            the file, if one was asked for
        """
        if file:
            require_kind(file)  # before minutes of work
        kept = Desk()
        for visit in _visits(visits):
            day = day_of(str(visit["date"])) if visit.get("date") else None
            given = visit.get("images"), visit.get("case", ""), visit.get("anyway", False)
            with opened(tumour, request, *given) as desk:
                tumour.cases.switch(desk, chosen(visit.get("subset"), desk))
                problem = last(tumour.follow.keep(desk, kept, day)).problem
            if problem:
                raise ValueError(problem)
        if one_patient is True:
            tumour.follow.vouch(kept)
        figures = json.loads(tumour.follow.file(kept, "json")[1])
        if not file:
            return figures, None
        return figures, file_for(tumour.cases.folders, request, *tumour.follow.file(kept, file))

    return [segment_case, compare_subsets, follow_visits]


def _visits(visits: Any) -> list[dict[str, Any]]:
    """Visits as somebody sent them.

    Raises:
        ValueError: they are no list of two or more, or too many, or one has a part that means
            nothing: passed over, a date under another name would be lost.
    """
    right = isinstance(visits, list) and all(isinstance(visit, dict) for visit in visits)
    if not right or not 2 <= len(visits) <= MOST_VISITS:
        raise ValueError(VISITS)
    if unknown := [part for visit in visits for part in visit if part not in PARTS]:
        raise ValueError(f"A visit has {', '.join(PARTS)}, but no {plain_name(unknown[0])}.")
    return list(visits)


@contextmanager
def opened(
    tumour: TumourService, request: gr.Request, images: Any, case: Any, anyway: Any
) -> Iterator[Desk]:
    """A desk with a case on it that the model has read; cleared when the block ends.

    Raises:
        ValueError: no such case or files, images unlike those of the training, no model.
    """
    desk, cases = Desk(), tumour.cases
    try:
        if bool(images) == bool(case):
            raise ValueError(ONE_OF_TWO)
        if case:
            source = cases.sources.bundled(case)
        else:
            if not isinstance(images, dict):
                raise ValueError(ONE_OF_TWO)
            tickets = {str(slot): str(ticket) for slot, ticket in images.items()}
            given = cases.sources.own(caller(request), tickets)
            source = replace(given, as_is=anyway is not True)
        update = answered(cases.open(desk, source))
        if update.asks and update.opened is not None:
            if anyway is not True:
                raise ValueError(" ".join([*update.opened.case.warnings, UNLIKE]))
            update = answered(cases.accept(desk))
        if update.answer is None:
            raise ValueError(update.problem or cases.segmentation.model.reason)
        yield desk
    finally:
        cases.close(desk)


def answered(updates: Iterable[Update]) -> Update:
    """The first update with an answer, or the last; scores of the first answer are not waited for.

    The desk is new, so nothing supersedes its work and there is an update.
    """
    for update in updates:
        if update.answer is not None:
            break
    return update


def chosen(subset: Any, desk: Desk) -> frozenset[str]:
    """The sequences of a subset; all of the case where none is named.

    Raises:
        ValueError: it is no list of sequences that the case has.
    """
    if subset is None:
        return desk.present
    if not isinstance(subset, list) or not subset or not all(s in SEQUENCES for s in subset):
        raise ValueError(NO_SUBSET)
    if missing := [s for s in SEQUENCES if s in subset and s not in desk.present]:
        here = ", ".join(s for s in SEQUENCES if s in desk.present)
        raise ValueError(f"The case has no {missing[0]}. It has {here}.")
    return frozenset(subset)


def made(tumour: TumourService, desk: Desk, kind: str) -> Export:
    """An export of the case on a desk.

    Raises:
        ValueError: it cannot be made; a sentence.
    """
    export: Export = last(tumour.export.make(desk, kind))
    if export.problem:
        raise ValueError(export.problem)
    return export


def last(steps: Iterable[Any]) -> Any:
    """What the steps end with; there is one at least."""
    return deque(steps, maxlen=1).pop()


def models(tumour: TumourService) -> list[dict[str, Any]]:
    return [
        {
            "sequences": list(SEQUENCES),
            "regions": list(REGIONS),
            "made_for": SCOPE,
            "cases": [case["key"] for case in tumour.cases.sources.listed()],
            **tumour.cases.segmentation.about(),
        }
    ]


API = Api(functions, models)
