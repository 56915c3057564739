"""The bundled segmenter at work: one encoding, one answer and one scoring at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mckd.studio.services import faults, gpu
from mckd.studio.services.line import Line, Waiting, result_of
from mckd.studio.services.model import Model, model_line
from mckd.studio.tasks.tumour.opened import Answer, Opened, now, rows_of, scores_of
from mckd.studio.tasks.tumour.volumes import pack_probabilities, pack_regions, unpack_bits
from mckd.tumour.fingerprint import NO
from mckd.tumour.labels import bits_to_regions, left_out
from mckd.tumour.naming import SEQUENCES
from mckd.tumour.signs import POSSIBLE

if TYPE_CHECKING:
    from mckd.tumour import Case, TumourSegmenter
    from mckd.tumour.advice import Advice

Intervals = dict[str, tuple[float, float]]

ENCODING = "The model reads the images…"

log = logging.getLogger(__name__)


class Segmentation:
    """What the model makes of open cases; what is worked out stays with the case.

    Visitors stand in line: two cores, many visitors.
    """

    def __init__(self, model: Model[TumourSegmenter]) -> None:
        self.model = model
        self.encodings = Line()  # and for reading files
        self.examinations = Line()  # whose headers may take minutes, before they come into that
        self._answers, self._scores = Line(), Line()

    def hurry(self) -> None:
        """Something else is wanted: who waited for what came before waits no more."""
        for line in (self.examinations, self.encodings, self._answers, self._scores):
            line.reconsider()

    def hurry_scores(self) -> None:
        """The same, of scores alone."""
        self._scores.reconsider()

    @property
    def ready(self) -> bool:
        return self.model.status == "ready"

    def encode(
        self, opened: Opened, wanted: Callable[[], bool]
    ) -> Iterator[tuple[str, float | None]]:
        """Let the model read a case, unless it has; yields what it is doing, and how far.

        Raises:
            Superseded: `wanted` said no.
        """
        if opened.encoded is not None or opened.answered:
            return

        def encode(report: Callable[[Any], None]) -> None:
            if gpu.LENT and not opened.answered:
                self._answer_all(opened)
            if opened.encoded is None and not opened.answered:
                report(0.0)
                started = time.perf_counter()
                opened.encoded = self.model.loaded.encode(opened.case, progress=report)
                opened.encode_s = time.perf_counter() - started

        yield ENCODING, None
        for step in self.encodings.run(encode, wanted):
            waits = isinstance(step, Waiting)
            yield (before_yours(step), None) if waits else (ENCODING, float(step))

    def _answer_all(self, opened: Opened) -> None:
        """Every answer at once, on a GPU that is lent; none if it cannot be had."""
        started = time.perf_counter()
        try:
            maps = on_gpu(self.model.loaded, replace(opened.case, labels=None))
        except Exception as error:  # none to spare, or the visitor's share of it is used up
            faults.record(log, "No GPU was lent.", error)
            return
        seconds = (time.perf_counter() - started) / len(maps)
        shape = opened.case.grid.canonical.shape
        for used, (labels, intervals, advice) in maps.items():
            rows = rows_of(opened.case, bits_to_regions(unpack_bits(labels, shape)))
            opened.answers[used] = Answer(used, labels, rows, seconds, now(), intervals, advice)

    def answer(self, opened: Opened, used: frozenset[str], wanted: Callable[[], bool]) -> Answer:
        """The prediction from these sequences, worked out once per case.

        The case was encoded, as it is once its first answer is there.

        Raises:
            Superseded: `wanted` said no while it waited.
        """
        if used not in opened.answers:
            result_of(self._answers.run(lambda _: self._decide(opened, used), wanted))
        return opened.answers[used]

    def _decide(self, opened: Opened, used: frozenset[str]) -> None:
        if used in opened.answers:  # somebody before it in the line asked for the same
            return
        started = time.perf_counter()
        found = self.model.loaded.decide(opened.encoded, used)
        packed, told = pack_regions(found.canonical), (found.intervals_ml, found.advice)
        seconds = time.perf_counter() - started
        rows = rows_of(opened.case, found.canonical)
        opened.answers[used] = Answer(used, packed, rows, seconds, now(), *told)

    def probabilities(
        self, opened: Opened, used: frozenset[str], wanted: Callable[[], bool]
    ) -> bytes:
        """Calibrated probabilities from these sequences, packed for the viewer; once per case.

        0 where the network says less than POSSIBLE: there no curve was fitted.

        Raises:
            Superseded: `wanted` said no while it waited.
        """
        if used not in opened.maps:
            result_of(self._answers.run(lambda _: self._map(opened, used), wanted))
        return opened.maps[used]

    def _map(self, opened: Opened, used: frozenset[str]) -> None:
        if used in opened.maps:
            return
        if opened.encoded is None:  # it was answered on a GPU that was lent
            opened.encoded = self.model.loaded.encode(opened.case)
        found = self.model.loaded.decide(opened.encoded, used)
        shown = found.calibrated * (found.cropped_probabilities > POSSIBLE)
        opened.maps[used] = pack_probabilities(shown, opened.case.brain)

    def score(self, opened: Opened, answer: Answer, wanted: Callable[[], bool]) -> None:
        """Dice and HD95 of an answer, worked out once. The case has a reference.

        Raises:
            Superseded: `wanted` said no while it waited.
        """

        def work(_: Callable[[Any], None]) -> None:
            if not answer.scores:
                bits = unpack_bits(answer.labels, opened.case.grid.canonical.shape)
                answer.scores.extend(scores_of(opened.case, bits))

        result_of(self._scores.run(work, wanted))

    def forget(self, opened: Opened) -> None:
        """A case is put away: its features need not stay either."""
        if opened.encoded is not None:
            self.model.loaded.forget(opened.encoded)

    def seen(self, opened: Opened) -> str:
        """Where the model saw a case before, one of `fingerprint`; NO as long as there is none."""
        if opened.seen is None and self.ready:
            opened.seen = self.model.loaded.saw(opened.case)
        return opened.seen or NO

    def about(self) -> dict[str, Any]:
        """Importance of each sequence and where the model comes from; empty until it is loaded."""
        if not self.ready:
            return {}
        weights, about = self.model.loaded.importance, dict(self.model.loaded.about)
        return {
            "importance": {s: round(float(w), 4) for s, w in weights.items()},
            "model": f"{model_line(about)} {left_out(about)}".strip(),
        }

    def header(self) -> tuple[dict[str, Any], dict[str, float]]:
        """The header of the model's checkpoint, and the importance of each sequence."""
        return dict(self.model.loaded.about), dict(self.model.loaded.importance)


@gpu.borrows(seconds=20)
def on_gpu(
    model: TumourSegmenter, case: Case
) -> dict[frozenset[str], tuple[bytes, Intervals, list[Advice]]]:
    """Of all subsets: the label map as `pack_regions` makes it, intervals of volumes, advice."""
    import torch

    from mckd.method import subsets

    segmenter = model.on("cuda" if torch.cuda.is_available() else "cpu")
    encoded = segmenter.encode(case)
    answers = {}
    for used in subsets([s for s in SEQUENCES if s in case.present]):
        found = segmenter.decide(encoded, used)
        answers[used] = pack_regions(found.canonical), found.intervals_ml, found.advice
    return answers


def before_yours(place: Waiting) -> str:
    """What somebody in the line is told."""
    return f"{place.ahead} case{'s' if place.ahead > 1 else ''} before yours…"


def model_unavailable(error: Exception) -> str:
    """Why there is no model, in plain sentences, and how to get one."""
    if isinstance(error, ModuleNotFoundError):
        return "Segmenting needs PyTorch. Run: pip install -r requirements.txt"
    why = str(error) if isinstance(error, ValueError) else "The tumour model could not be loaded."
    return (
        f"{why} To make one: python -m train tumour --preset studio. Then start the app again. "
        "Until then cases can be viewed, but not segmented."
    )
