"""The report as PDF, A4: findings and key slices, every subset, where subsets agree, the method."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, PageBreak, Paragraph, Spacer, Table

from mckd.report.findings import findings
from mckd.report.paper import Paper
from mckd.report.preparation import preparation
from mckd.report.style import HEADING, LABEL, NONE, SMALL, TEXT, film
from mckd.report.subject import Subject
from mckd.report.subsets import subsets
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.labels import left_out
from mckd.tumour.naming import SEQUENCE_NAMES


def document(subject: Subject, pictures: Mapping[str, bytes]) -> bytes:
    """The PDF. pictures: the PNGs of `pictures`, by the names they have in an export."""
    count = len(subject.subsets)
    subsets_told = "1 subset" if count == 1 else f"{count} subsets"
    marks = ["synthetic case"] if subject.case.synthetic else []
    paper = Paper(
        "Brain tumour segmentation",
        f"{subsets_told} of the MRI sequences compared",
        subject.name,
        subject.day,
        tuple(filter(None, [*marks, TAGS[subject.seen]])),
    )
    return paper.printed(
        [
            *findings(subject, pictures),
            PageBreak(),
            *subsets(subject),
            PageBreak(),
            *_prepared(subject, pictures),
            *_agreement(subject, pictures),
            *_method(subject),
        ]
    )


# ---- the last page: where subsets agree, and how it was made


def _prepared(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    """A page of its own; none where the images were given prepared."""
    if subject.prepared is None:
        return []
    return [*preparation(subject.prepared, pictures), PageBreak()]


def _agreement(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    dashed = " Dashed: the reference." if subject.scored else ""
    return [
        Paragraph("One slice, every subset", HEADING),
        film(pictures["subsets.png"]),
        Paragraph("Where the subsets agree", HEADING),
        film(pictures["votes.png"]),
        Spacer(1, 1.5 * mm),
        Paragraph(
            f"The colour says how many of the subsets call a voxel by that name.{dashed}", SMALL
        ),
    ]


def _method(subject: Subject) -> list[Flowable]:
    model = subject.model
    weights = ", ".join(f"{SEQUENCE_NAMES[s]} {w:.2f}" for s, w in model["importance"].items())
    learned = weights and (
        "Learned weights (IWV, how strongly each sequence taught the others; together 1): "
        f"{weights}. "
    )
    digest = escape(str(model["sha256"] or NONE))
    facts = (
        (
            "Model",
            f"{escape(subject.model_line)} {learned}{left_out(model)} Its model card has the scores"
            " on unseen cases, and its limits.",
        ),
        ("Checkpoint", f"SHA-256 <font name='Courier'>{digest}</font>"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in subject.versions.items())),
    )
    table = Table(
        [[Paragraph(label, LABEL), Paragraph(words, SMALL)] for label, words in facts],
        colWidths=[20 * mm, TEXT - 20 * mm],
    )
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ]
    )
    return [Paragraph("How it was made", HEADING), table]
