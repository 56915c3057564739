"""What the Brain tumours tab asks for, as plain Python: no Gradio here, and torch only once warm.

One visitor has one `Desk` with one case on it. `open` reads a case and tells how far it is;
`switch` answers another set of sequences. The expensive parts, reading and encoding, are done
once per case, one case after the other, and kept where all visitors find them: bundled cases under
their name, a visitor's own under a key that nobody else has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.cache import Cache
from mckd.memory import give_back
from mckd.studio.services import faults
from mckd.studio.services.folders import Folders
from mckd.studio.services.line import Superseded, Waiting, heard, result_of, translated
from mckd.studio.services.model import Model
from mckd.studio.tasks.tumour.desk import Desk, Update, asks
from mckd.studio.tasks.tumour.opened import (
    GONE,
    UNREADABLE,
    Answer,
    CaseFiles,
    Choice,
    Opened,
    Reading,
    looked_through,
    now,
    read,
)
from mckd.studio.tasks.tumour.segmentation import Segmentation, before_yours, model_unavailable
from mckd.studio.tasks.tumour.sources import Sources, own_key
from mckd.studio.tasks.tumour.volumes import unpack_bits
from mckd.tumour.labels import file_name, label_file
from mckd.tumour.naming import SEQUENCES

if TYPE_CHECKING:
    from mckd.studio.tasks.tumour.studies import Looked

KEPT_BYTES = 2_000_000_000  # of all open cases; one of 240 x 240 x 155 voxels takes 150 MB
IDLE_S = 600  # a case that nobody asked for is put away; reading it again takes a second

READING = "Reading the images…"
LOADING = "The model is loading…"
SEGMENTING = "Segmenting…"
STOPPED = "Stopped, as you asked. Go on below, or open another case."
FAILED = "Something went wrong while segmenting this case; the log of the app has the details."

log = logging.getLogger(__name__)


class CaseService:
    """The cases that visitors have open, and the answers of the bundled segmenter to them."""

    def __init__(
        self, load: Callable[[], Any], cases: Path, folders: Folders | None = None
    ) -> None:
        """load: returns a TumourSegmenter; called once, by `warm`. cases: the bundled ones.

        folders: where files of visitors lie.
        """
        self.folders = folders or Folders()
        self.sources = Sources(cases, self.folders)
        self.segmentation = Segmentation(Model("tumour", load, model_unavailable))
        self.shelf = Cache[str, Opened](
            KEPT_BYTES, lambda opened: opened.size, IDLE_S, self._let_go
        )
        self._freed = False  # whether a case left since the system got its memory back

    @classmethod
    def from_checkpoint(
        cls, path: Path, cases: Path, folders: Folders | None = None
    ) -> CaseService:
        def load() -> Any:
            from mckd.tumour import TumourSegmenter

            return TumourSegmenter.load(path)

        return cls(load, cases, folders)

    @property
    def status(self) -> str:
        """Of the model: loading, ready or unavailable."""
        return self.segmentation.model.status

    def warm(self) -> None:
        """Load the model."""
        self.segmentation.model.load()

    def open(self, desk: Desk, source: CaseFiles) -> Iterator[Update]:
        """Read a case, encode it, segment it; tells how far it is. Ends early when superseded."""
        turn = desk.begin()
        self.segmentation.hurry()
        try:
            for update in self._open(desk, turn, source):
                desk.note(turn, source, update.series)
                yield update
        except Superseded:
            pass
        finally:
            desk.end(turn)

    def _open(self, desk: Desk, turn: int, source: CaseFiles) -> Iterator[Update]:
        def wanted() -> bool:
            return desk.turn == turn

        yield Update(turn, stage=READING, examination=source.examination)
        opened = self.shelf.get(source.key, desk.owner)
        if opened is None:
            opened, failed = yield from self._reading(desk.owner, source, wanted, turn)
            if opened is None:
                yield failed
                return
        if not desk.place(turn, source, opened.case.present):
            return
        state = partial(Update, turn, opened=opened, used=opened.case.present)
        if not self.segmentation.model.settled:
            yield state(stage=LOADING)
            self.segmentation.model.wait()
        if not self.segmentation.ready:
            yield state()
        elif asks(desk, opened):
            yield state(asks=True)
        else:
            yield from self._first_answer(desk, turn, turn, opened)

    def prepare(self, desk: Desk, choice: Choice) -> Iterator[Update]:
        """Open the examination on the desk once more, its series used as the visitor says."""
        source = desk.examination
        if source is None:
            yield Update(now(), problem=GONE)
            return
        self.shelf.forget(desk.owner)  # as it was prepared before: nothing finds that again
        yield from self.open(desk, replace(source, key=own_key(), choice=choice))

    def stop(self, desk: Desk) -> Update:
        """Stop what is being opened; of an examination the series stay on the desk."""
        turn = desk.begin()
        desk.end(turn)
        self.segmentation.hurry()
        source = desk.examination
        return Update(turn, problem=STOPPED, examination=source.examination if source else None)

    def accept(self, desk: Desk) -> Iterator[Update]:
        """Segment the case on the desk although the model was not made for such images."""
        turn, source = desk.turn, desk.source
        job = desk.accept(turn) if source is not None else 0
        if source is None or not job:
            return
        try:
            opened, problem = self._take(desk.owner, source, lambda: desk.turn == turn)
            if opened is None:
                yield Update(turn, problem=problem)
            else:
                yield from self._first_answer(desk, turn, job, opened)
        except Superseded:
            pass
        finally:
            desk.end(job)

    def _first_answer(self, desk: Desk, turn: int, opener: int, opened: Opened) -> Iterator[Update]:
        """Encode a case and segment it with the sequences that are switched on.

        Raises:
            Superseded: another case came.
        """
        state = partial(Update, turn, opened=opened, used=desk.wanted)
        try:
            for stage, fraction in self.segmentation.encode(opened, lambda: desk.turn == turn):
                yield state(stage=stage, fraction=fraction)
        except Superseded:
            raise
        except Exception as error:
            faults.record(log, "The tumour model failed.", error)
            yield state(problem=FAILED)
            return
        yield state(stage=SEGMENTING)
        job = desk.answering(turn, opener)
        update = self._answer(desk, turn, job, opened) if job else None
        if update is not None:
            yield update
            scored = self.score(desk)
            if scored is not None:
                yield scored

    def switch(self, desk: Desk, wanted: object) -> Update | None:
        """The answer for another set of sequences; None if it is not wanted (any more).

        Whoever comes next ends the wait of the one before at once, whether that one stood in the
        line or its answer was being worked out. While a case is opened the switches are only
        noted: who opens it answers for those that were set last.
        """
        turn, source = desk.turn, desk.source
        if source is None:  # `open` is at it, or all was deleted while the page stayed
            return None if desk.busy else Update(now(), problem=GONE)
        named = wanted if isinstance(wanted, (list, tuple, set, frozenset)) else ()
        used = frozenset(str(name) for name in named) & desk.present
        if not used:  # the browser keeps one on
            return None
        job = desk.want(turn, used)
        if not job:
            return None
        self.segmentation.hurry()
        try:
            opened, problem = self._take(desk.owner, source, lambda: desk.job == job)
            if opened is None:
                return Update(turn, problem=problem)
            if not self.segmentation.ready or asks(desk, opened):
                return Update(turn, opened=opened, used=used, asks=asks(desk, opened))
            return self._answer(desk, turn, job, opened)
        except Superseded:
            return None

    def _answer(self, desk: Desk, turn: int, job: int, opened: Opened) -> Update | None:
        """For the switches as they are now; None if others were set, or another case opened."""
        used = desk.wanted

        def wanted() -> bool:
            return desk.turn == turn and desk.job == job

        try:
            for _ in self.segmentation.encode(opened, wanted):  # a case that was put away
                pass
            answer = self.answer(opened, used, wanted)
        except Superseded:
            return None
        except Exception as error:
            faults.record(log, "The tumour model failed.", error)
            return Update(turn, problem=FAILED, opened=opened, used=used)
        with desk.lock:
            if not wanted():
                return None
            desk.shown = answer
        return Update(turn, opened=opened, answer=answer, used=used)

    def score(self, desk: Desk) -> Update | None:
        """The answer on screen with Dice and HD95; None without a reference or if it has them."""
        with desk.lock:
            turn, source, answer = desk.turn, desk.source, desk.shown
            desk.scoring = asked = desk.scoring + 1
        self.segmentation.hurry_scores()
        if source is None or answer is None or answer.scores:
            return None
        opened = self.shelf.get(source.key, desk.owner)
        if opened is None or opened.case.labels is None:
            return None
        try:
            self.segmentation.score(
                opened, answer, lambda: desk.shown is answer and desk.scoring == asked
            )
        except Superseded:
            return None
        with desk.lock:  # its stamp must not be later than that of an answer shown meanwhile
            if desk.shown is not answer:
                return None
            return Update(turn, opened=opened, answer=answer, used=answer.used)

    def probabilities(
        self, desk: Desk, used: frozenset[str] = frozenset()
    ) -> tuple[Update, Answer, bytes] | None:
        """The state of a desk, an answer and its calibrated probabilities, see
        `Segmentation.probabilities`; None if there is none, or something else came.

        used: of one of the answers that there are; empty: of the one on screen.
        """
        turn, shown = desk.turn, desk.shown
        opened = self.opened(desk)
        answer = opened.answers.get(used) if opened and used else shown
        if opened is None or answer is None:
            return None

        def wanted() -> bool:
            return desk.turn == turn and (bool(used) or desk.shown is answer)

        try:
            packed = self.segmentation.probabilities(opened, answer.used, wanted)
        except Superseded:
            return None
        self.shelf.trim()  # the case has grown
        with desk.lock:  # its stamp must not be later than that of an answer shown meanwhile
            if not wanted():
                return None
            state = Update(turn, opened=opened, answer=desk.shown, used=desk.wanted)
            return state, answer, packed

    def opened(self, desk: Desk) -> Opened | None:
        """The case on a desk, read anew if it was put away; None if there is none."""
        turn, source = desk.turn, desk.source
        if source is None:
            return None
        try:
            return self._take(desk.owner, source, lambda: desk.turn == turn)[0]
        except Superseded:
            return None

    def on_screen(self, desk: Desk) -> tuple[Opened, Answer]:
        """The case and the answer that people see, which belong together.

        Raises:
            ValueError: there is no answer, or its case is gone.
        """
        with desk.lock:
            turn, answer = desk.turn, desk.shown
        if answer is None:
            raise ValueError("There is no segmentation to download yet.")
        opened = self.opened(desk)
        if opened is None or desk.turn != turn:  # another case came
            raise ValueError(GONE)
        return opened, answer

    def label_file(self, desk: Desk, alias: str | None = "") -> tuple[str, bytes]:
        """Name and content of the label file of the answer on screen.

        Args:
            alias: what the case is called in the name; None: as its files are.

        Raises:
            ValueError: there is none.
        """
        opened, answer = self.on_screen(desk)
        bits = unpack_bits(answer.labels, opened.case.grid.canonical.shape)
        name = file_name(opened.called(alias), [s for s in SEQUENCES if s in answer.used])
        return name, label_file(bits, opened.case)

    def close(self, desk: Desk) -> None:
        """The visitor has left, or wants it so: stop their work, forget and delete what is theirs.

        A bundled case stays as long as somebody else has it open.
        """
        desk.end(desk.begin())
        desk.examination, desk.visits, desk.removed = None, (), None
        self.shelf.forget(desk.owner)
        self.folders.forget(desk.owner)

    def tend(self) -> None:
        """Put away the cases that nobody asked for in a while."""
        self.shelf.expire()
        if self._freed:
            self._freed = False
            give_back()

    def answer(self, opened: Opened, used: frozenset[str], wanted: Callable[[], bool]) -> Answer:
        """The answer from these sequences; see `Segmentation.answer`."""
        known = used in opened.answers
        answer = self.segmentation.answer(opened, used, wanted)
        if not known:
            self.shelf.trim()  # the case has grown
        return answer

    def _take(
        self, owner: str, source: CaseFiles, wanted: Callable[[], bool]
    ) -> tuple[Opened | None, str]:
        """The case from the shelf, else read anew; or one sentence why it cannot be."""
        opened = self.shelf.get(source.key, owner)
        if opened is None:
            opened, failed = result_of(self._reading(owner, source, wanted))
            return opened, failed.problem
        return opened, ""

    def _reading(
        self, owner: str, source: CaseFiles, wanted: Callable[[], bool], turn: int = 0
    ) -> Generator[Update, None, tuple[Opened | None, Update]]:
        """Read a case when its turn in the line comes; with None what is said of its failure.

        An examination is looked through before it comes into the line, one at a time: its headers
        hold up nobody but the next examination.
        """
        said = Update(turn, examination=source.examination)
        segmentation = self.segmentation

        def work(report: Callable[[Any], None], looked: Looked | None = None) -> Opened:
            kept = self.shelf.get(source.key, owner)
            if kept is not None:
                return kept
            opened = read(source, report, looked)
            if not wanted():
                raise Superseded
            return self.shelf.put(source.key, owner, opened)

        def examine(report: Callable[[Any], None]) -> Opened:
            known = source.key in self.shelf
            looked = None if known else looked_through(source, report)
            read_on = partial(work, looked=looked)
            return heard(segmentation.encodings.run(read_on, wanted), report)

        def update(step: Waiting | Reading) -> Update:
            nonlocal said
            if isinstance(step, Waiting):
                said = replace(said, stage=before_yours(step), stamp=now())
            else:
                shown = step.examination or said.examination
                said = Update(turn, step.text, step.fraction, examination=shown)
            return said

        try:
            if source.raw:
                steps = segmentation.examinations.run(examine, wanted)
            else:
                steps = segmentation.encodings.run(work, wanted)
            return (yield from translated(steps, update)), said
        except Superseded:
            raise
        except ValueError as error:  # CaseError: its sentences are made for users
            problem = str(error)
        except Exception as error:
            faults.record(log, "A case could not be read.", error)
            problem = UNREADABLE
        return None, Update(turn, problem=problem, examination=said.examination)

    def _let_go(self, opened: Opened) -> None:
        """A case left the shelf."""
        self._freed = True
        self.segmentation.forget(opened)
