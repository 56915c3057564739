"""A desk's state as the widgets of the Brain tumours tab show it."""

from __future__ import annotations

from typing import Any

from mckd.studio.tasks.tumour.desk import Update
from mckd.studio.tasks.tumour.opened import Opened, rows_of, spoken
from mckd.studio.tasks.tumour.segmentation import Segmentation
from mckd.studio.tasks.tumour.sources import SLOTS
from mckd.studio.tasks.tumour.volumes import describe
from mckd.tumour.advice import EXPECTED, sentence
from mckd.tumour.evidence import cautioned, no_tumour, ranged
from mckd.tumour.fingerprint import SAID, TAGS
from mckd.tumour.naming import SEQUENCES


def findings(segmentation: Segmentation, update: Update) -> dict[str, Any]:
    """The table, the notes and the model's line for an update, as findings.js shows them."""
    opened, answer = update.opened, update.answer
    model = segmentation.model
    found: dict[str, Any] = {"turn": update.turn, "stamp": update.stamp, **segmentation.about()}
    if opened is None:
        return {**found, "status": "problem" if update.problem else "reading"}
    case = opened.case
    seen = segmentation.seen(opened)
    found |= {
        "name": spoken(case.name) if case.synthetic else case.name,
        "synthetic": case.synthetic,
        "notes": [*filter(None, [SAID[seen]]), *case.warnings],
        "seen": TAGS[seen],
        "used": [SLOTS[s] for s in SEQUENCES if s in update.used],
        "off": [SLOTS[s] for s in SEQUENCES if s in case.present - update.used],
        "missing": [SLOTS[s] for s in SEQUENCES if s not in case.present],
        "reference": opened.reference is not None,
        "seconds": {"read": round(opened.read_s, 1), "encode": round(opened.encode_s, 1)},
    }
    if answer is not None:
        everything = opened.answers.get(case.present)
        compared = everything if everything is not answer else None
        rows = [dict(row) for row in answer.scores or answer.rows]
        for row, before in zip(rows, compared.rows if compared else [], strict=False):
            row["change_ml"] = round(row["volume_ml"] - before["volume_ml"], 2)
        for row in rows:
            row["caution"] = cautioned(segmentation.header()[0], answer.used, row["region"])
            row["range"] = ranged(answer.intervals.get(row["region"]))
        nothing = no_tumour(rows[-1]["volume_ml"], answer.intervals.get("wt"))
        found["notes"] = [*filter(None, [nothing]), *found["notes"]]
        meaning = segmentation.header()[0].get("intervals", "")
        further = sentence(answer.advice, answer.used) if answer.intervals else ""
        advice = f"{further} {EXPECTED}" if further else ""
        found |= {"status": "answer", "rows": rows, "ranges": meaning, "advice": advice}
        found["seconds"]["answer"] = round(answer.seconds, 2)
        return found
    if model.status == "unavailable":
        return {
            **found,
            "status": "unavailable",
            "why": model.reason,
            "rows": rows_of(case, None),
        }
    if update.asks:
        return {**found, "status": "asks", "rows": rows_of(case, None)}
    return {**found, "status": "problem" if update.problem else "working"}


def scene(opened: Opened) -> dict[str, Any]:
    """What the viewer must know of a case; without its files, which the tab sends."""
    facts = describe(opened.case)
    facts["sequences"] = {
        s: {"label": SLOTS[s], **opened.packed[s].facts()} for s in SEQUENCES if s in opened.packed
    }
    return facts
