"""What the Tables tab shows, as HTML. Everything that a file or a run says is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape as _escape
from typing import Any

from mckd.studio.tasks.tables.service import BUNDLED, Answer, Desk, Given, sorted_subsets
from mckd.systems import SYSTEMS

MOST_BARS = 12  # classes that are shown, the most probable first
PARTS = {
    "train": "seen in training",
    "validation": "seen in validation",
    "test": "not seen in training",
    "": "not of this model's run",
}
MEANING = (
    "A share is an exact Shapley value: what a modality changes on average over every order in "
    "which the modalities could be added, starting from none."
)


def verdict(desk: Desk, answer: Answer) -> str:
    """The label, what is true, and the probability of each class."""
    target, prediction = desk.classifier.target, answer.prediction
    said = f"{prediction.label:.4g}" if target.is_number else str(prediction.label)
    truth = ""
    if answer.truth is not None:
        wrong = not target.is_number and answer.truth != prediction.label
        look, word = (" wrong", ", not what the model says") if wrong else ("", "")
        truth = f'<p class="truth{look}">Label: <b>{escape(str(answer.truth))}</b>{word}</p>'
    used = f"from {len(prediction.present)} of {len(desk.classifier.modalities)} modalities"
    head = (
        f'<div class="head"><div class="label">{escape(said)}</div><div>'
        f'<p class="headline" role="status">{escape(target.name)}: <b>{escape(said)}</b> {used}</p>'
        f'{truth}<p class="part">Sample {escape(answer.sample)}: {PARTS[answer.part]}.</p>'
        "</div></div>"
    )
    return head + _bars(desk, answer)


def _bars(desk: Desk, answer: Answer) -> str:
    """The most probable classes; nothing where a number is predicted."""
    p = answer.prediction.probabilities
    if not len(p):
        return ""
    order = sorted(range(len(p)), key=lambda k: -p[k])
    shown = sorted(order[:MOST_BARS])
    rows = "".join(
        f'<tr class="{"won" if k == order[0] else ""}"><th scope="row">'
        f"{escape(str(desk.classifier.classes[k]))}</th>"
        f'<td>{_bar(0, float(p[k]))}</td><td class="number">{100 * p[k]:.1f} %</td></tr>'
        for k in shown
    )
    rest = len(p) - len(shown)
    more = f"<p>The other {rest} classes are less probable.</p>" if rest else ""
    return (
        '<table class="bars"><caption>Probability of each class</caption><tbody>'
        f"{rows}</tbody></table>{more}"
    )


def contributions(desk: Desk, answer: Answer | None) -> str:
    """What each modality adds: to this answer, to the score; its learned weight."""
    given, classifier = desk.given, desk.classifier
    assert given is not None
    from mckd.tables.scores import contributions as shares_of

    to_score = shares_of(given.scores, given.nothing, classifier.modalities) or {}
    measure = _measure(desk)
    columns: list[tuple[str, str, Mapping[str, float]]] = [
        ("To this answer", "this sample", answer.shares if answer else {}),
        ("To the score", f"{measure}, all samples", to_score),
        ("IWV", "0 to 1, all samples", classifier.importance),
    ]
    columns = [column for column in columns if column[2]]
    scales = [
        (0.0, 1.0) if name == "IWV" else _scale(values.values()) for name, _, values in columns
    ]
    heads = "".join(
        f'<th scope="col">{name}<small>{note}</small></th>' for name, note, _ in columns
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(m)}</th>'
        + "".join(
            f"<td>{_signed(values[m])}{_bar(0, values[m], *scale)}</td>"
            if m in values
            else '<td class="absent">not used</td>'
            for (_, _, values), scale in zip(columns, scales, strict=True)
        )
        + "</tr>"
        for m in classifier.modalities
    )
    chance = (
        "the mean of the training part"
        if classifier.target.is_number
        else f"the 1 in {len(classifier.classes)} of no modality at all"
    )
    return (
        "<h3>What each modality adds</h3>"
        f'<table class="shares"><thead><tr><th scope="col">Modality</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f"<p>{MEANING} Those of this answer add up to what is predicted, above {chance}; the "
        "others to the score from all modalities, above the one without any.</p>"
    )


def subsets(desk: Desk) -> str:
    """The score of every subset, the one that is on marked."""
    given, modalities = desk.given, list(desk.classifier.modalities)
    assert given is not None
    heads = "".join(f'<th scope="col"><span>{escape(m)}</span></th>' for m in modalities)
    rows = []
    for subset in sorted_subsets(given.scores, modalities):
        score = given.scores[subset]
        now = ' class="now" aria-current="true"' if subset == desk.on else ""
        dots = "".join(f'<td class="dot">{"●" if m in subset else "○"}</td>' for m in modalities)
        title = escape(" + ".join(m for m in modalities if m in subset))
        rows.append(
            f'<tr{now} title="{title}">{dots}<td class="number">{_percent(desk, score)}</td>'
            f"<td>{_bar(0, max(0, score))}</td></tr>"
        )
    count = 2 ** len(modalities) - 1
    of = f"all {count}" if len(rows) == count else f"{len(rows)} of {count}, drawn once"
    mean = sum(given.scores.values()) / len(given.scores)
    return (
        f"<h3>{_measure(desk)} of every subset</h3>"
        f"<p>{_source(given)} Mean of {of} subsets: <b>{_percent(desk, mean)}</b>; without any "
        f"modality {_percent(desk, given.nothing)}.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Scores of subsets">'
        f'<table class="subsets"><thead><tr>{heads}<th scope="col">{_measure(desk)}</th><th></th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def about(desk: Desk) -> str:
    """One line on the model, and what of the samples could not be used."""
    known = desk.classifier.about
    given, said = desk.given, known["provenance"]
    own = given.samples if given is not None and given.name != BUNDLED else None
    notes = own.notes if own is not None else ()
    parts = said["samples"]
    line = (
        f"{escape(_system(known))}, trained on {parts['train']:,} samples, "
        f"{parts['validation']:,} more for validation, {parts['test']:,} for testing "
        f"({escape(str(said['data']))}). Research software, not a medical device."
    )
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<p class="model">{line}</p>' + (f"<ul>{listed}</ul>" if listed else "")


def problem(sentence: str) -> str:
    """A complaint in place of an answer."""
    return f'<p class="problem" role="alert">{escape(sentence)}</p>'


def _system(about: Mapping[str, Any]) -> str:
    """Of a checkpoint, as the Training tab calls it."""
    entry = SYSTEMS.get(about["system"])
    return entry.label if entry else str(about["system"])


def _measure(desk: Desk) -> str:
    if desk.classifier.target.is_number:
        return "R²"
    balanced = desk.classifier.about["settings"].get("balanced")
    return "Balanced accuracy" if balanced else "Accuracy"


def _source(given: Given) -> str:
    if given.of_run:
        return f"On the {given.scored:,} test samples of the model's run, which it did not see."
    seen = sum(part in ("train", "validation") for part in given.parts)
    but = f", of which {seen:,} were in its training or validation" if seen else ""
    return f"On your {given.scored:,} samples with labels{but}."


def _percent(desk: Desk, score: float) -> str:
    return f"{score:.3f}" if desk.classifier.target.is_number else f"{100 * score:.1f} %"


def _signed(value: float) -> str:
    return f'<span class="number">{"−" if value < 0 else ""}{abs(value):.3g}</span>'


def _scale(values: Iterable[float]) -> tuple[float, float]:
    known = [*values, 0.0]
    return min(known), max(*known, 1e-9)


def _bar(start: float, end: float, low: float = 0.0, high: float = 1.0) -> str:
    """A bar from `start` to `end` on a scale from `low` to `high`."""
    place = [100 * (min(max(v, low), high) - low) / (high - low) for v in sorted((start, end))]
    less = ' class="less"' if end < start else ""
    return (
        f'<span class="bar"><i{less} style="left:{place[0]:.2f}%;width:{place[1] - place[0]:.2f}%">'
        "</i></span>"
    )


def escape(text: str) -> str:
    """As HTML, and without the brackets of the templates that it is put into."""
    return _escape(text).replace("{", "&#123;").replace("$", "&#36;")
