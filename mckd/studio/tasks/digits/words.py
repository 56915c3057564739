"""The sentences of the Digits tab: confidence in words, agreement, hints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SURE = 0.95  # probability from which the verdict says "Sure": wrong in 1 % of a new speaker's words
PROBABLE = 0.50  # and "Probably"; below it says "Not sure"
WORTH_NAMING = 0.10  # a second digit at least this probable is named as well

ASK = "Draw or say a digit"
LOADING = "The model is loading (a few seconds)…"
FAILED = "The model could not answer"
FILE_GONE = "The file could not be kept. Please load it again."
TRY_AGAIN = "Something went wrong inside. Clear the inputs and try again; the log has the details."
HOW_TO_START = "Use the pad, the microphone, or one of the examples."
UNLIKE = (
    "The {} is unlike the digits that the model learned; it names the nearest of the ten whatever "
    "it is given."
)
BOTH_OFF = "Both inputs are switched off. Switch on the picture, the voice, or both."


def verdict(
    rows: dict[str, np.ndarray], on: dict[str, bool], unlike: Sequence[str] = ()
) -> dict[str, Any]:
    """The decision in words.

    rows: ten probabilities for "picture", "voice" and perhaps "both"; on: the two switches;
    unlike: "picture", "voice" where that is like no digit: what a model says of it means little.
    """
    row = rows.get("both", next(iter(rows.values())))
    first, second = (int(digit) for digit in np.argsort(row, kind="stable")[::-1][:2])
    also = float(row[second]) >= WORTH_NAMING
    conflict = _votes(rows)[0] != _votes(rows)[-1]
    used = [name for name in ("picture", "voice") if name in rows]
    if len(unlike) == len(used):
        level, headline = "unsure", f"No digit? The nearest is {first}"
    elif row[first] >= SURE and not conflict and not unlike:
        level, headline = "sure", f"Sure: {first}"
    elif row[first] >= PROBABLE:
        level = "probable"
        headline = f"Probably {first}, perhaps {second}" if also else f"Probably {first}"
    else:
        level, headline = "unsure", f"Not sure: {first} or {second}?"
    return {
        "digit": first,
        "probability": round(float(row[first]), 4),
        "level": level,
        "headline": headline,
        "summary": _summary(rows, on, first),
        "used": used,
        "conflict": conflict,
    }


def _votes(rows: dict[str, np.ndarray]) -> list[int]:
    return [int(np.argmax(rows[name])) for name in ("picture", "voice") if name in rows]


def _summary(rows: dict[str, np.ndarray], on: dict[str, bool], decision: int) -> str:
    votes = _votes(rows)
    if len(votes) == 1:
        name, other = ("picture", "voice") if "picture" in rows else ("voice", "picture")
        why = "missing" if on[other] else "switched off and was not read"
        return f"From the {name} alone; the {other} is {why}."
    if votes[0] == votes[1]:
        return f"Picture and voice agree on {votes[0]}."
    return (
        f"The picture says {votes[0]}, the voice says {votes[1]}; "
        f"together the model decides {decision}."
    )


def remarks(unlike: Sequence[str], heard: Any) -> list[str]:
    """What else the visitor should know about this answer."""
    told = [UNLIKE.format(name) for name in unlike]
    if heard is not None and int(heard.words) > 1:
        told.append(f"{int(heard.words)} words were heard; the loudest one counts.")
    return told


def unlike(seen: Any, heard: Any) -> list[str]:
    """Which of "picture" and "voice" is like no digit that the model learned."""
    given = {"picture": seen, "voice": heard}
    return [name for name, x in given.items() if x is not None and x.unlike]


def worth(calibrated_on: str | None) -> str:
    """What the probabilities are worth, in a sentence."""
    if not calibrated_on:
        return "Its probabilities are not calibrated."
    return f"Its probabilities are calibrated, measured on {calibrated_on}."


def nothing_given(picture: object, voice: object) -> str:
    """Why there is no answer although at least one switch is on."""
    if picture is not None:
        return "The picture is switched off and nothing has been said yet."
    if voice is not None:
        return "The voice is switched off and nothing is drawn yet."
    return HOW_TO_START


def model_unavailable(error: Exception) -> str:
    """One or two plain sentences for a model that cannot be loaded, and what to do about it."""
    if isinstance(error, ImportError):
        return "The digit model needs PyTorch. Run: pip install -r requirements.txt"
    why = str(error) if isinstance(error, ValueError) else "The digit model could not be loaded."
    return (
        f"{why} To get it back: git checkout checkpoints. To make one: "
        "python -m train digits --preset studio. Then start the app again."
    )
