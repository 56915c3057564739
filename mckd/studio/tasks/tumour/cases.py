"""What the Brain tumours tab asks for, as plain Python: no Gradio here, and torch only once warm.

One visitor has one `Desk` with one case on it. `open` reads a case and tells how far it is;
`switch` answers another set of sequences. The expensive parts, reading and encoding, are done
once per case, one case after the other, and kept on a shelf that all visitors share: bundled
cases under their name, a visitor's own under a key that nobody else has.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.cache import Cache
from mckd.memory import give_back
from mckd.studio.services import faults, gpu
from mckd.studio.services.folders import Folders
from mckd.studio.services.line import Before, Line, Superseded, outcome, told
from mckd.studio.services.model import model_line
from mckd.studio.tasks.tumour.volumes import (
    Packed,
    describe,
    pack_regions,
    pack_volume,
    unpack_bits,
)
from mckd.tumour.evidence import cautioned
from mckd.tumour.fingerprint import NO, SAID, TAGS
from mckd.tumour.labels import bits_to_regions, file_name, label_file, left_out
from mckd.tumour.naming import REGION_NAMES, SEG, SEQUENCE_NAMES, SEQUENCES, STACK

if TYPE_CHECKING:
    from mckd.tumour import Case, TumourSegmenter

SHELF_BYTES = 2_000_000_000  # of all open cases; one of 240 x 240 x 155 voxels takes 150 MB
IDLE_S = 600  # a case that nobody asked for is put away; reading it again takes a second
MOST_NAMES = 400  # of files that are sorted at once
LONGEST_PATH = 300
SLOTS = {**SEQUENCE_NAMES, STACK: "All four (4-D, MSD)", SEG: "Reference"}

READING = "Reading the images…"
LOADING = "The model is loading…"
ENCODING = "The model reads the images…"
SEGMENTING = "Segmenting…"
FAILED = "Something went wrong while segmenting this case; the log of the app has the details."
UNREADABLE = "Something went wrong while reading this case; the log of the app has the details."
GONE = "This case was deleted after a pause, as promised. Please open it again."
DROPPED = "A file is no longer here. Please drop the files again."
LEFT = "Your files were deleted when the page was gone, as promised. Please open them again."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """A case to open: its key on the shelf, and what `read_case` takes."""

    key: str
    source: Path | dict[str, Path]
    shown: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    """One prediction: its label map as `pack_regions` makes it, and its rows of the table.

    scores: the same rows with Dice and HD95; worked out afterwards, they take longer.
    """

    used: frozenset[str]
    labels: bytes
    rows: list[dict[str, Any]]
    seconds: float
    stamp: int
    scores: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Opened:
    """A case on the shelf, with everything that was worked out about it."""

    case: Case
    packed: dict[str, Packed]
    reference: bytes | None
    read_s: float
    encode_s: float = 0.0
    encoded: Any = None
    seen: str | None = None
    answers: dict[frozenset[str], Answer] = field(default_factory=dict)

    def called(self, alias: str | None) -> str:
        """In what a visitor takes home: the alias, or with None what the files are called."""
        return self.case.name if alias is None else alias

    @property
    def answered(self) -> bool:
        """Whether the answer for every subset is known; the features are needed no more."""
        return len(self.answers) + 1 == 1 << len(self.case.present)

    @property
    def size(self) -> int:
        """Bytes of all its arrays and files; the features lie with the model."""
        arrays = [*self.case.volumes.values(), self.case.labels]
        files = [self.reference, *(packed.data for packed in self.packed.values())]
        files += [answer.labels for answer in [*self.answers.values()]]
        return sum(a.nbytes for a in arrays if a is not None) + sum(len(f) for f in files if f)


@dataclass(frozen=True)
class Update:
    """The state of a desk, to be shown: a stage still going on, a problem, a case, an answer.

    asks: the images are unlike those of the training; nothing is segmented unless `accept`ed.
    """

    turn: int
    stage: str = ""
    fraction: float | None = None
    problem: str = ""
    opened: Opened | None = None
    answer: Answer | None = None
    used: frozenset[str] = frozenset()
    asks: bool = False
    stamp: int = field(default_factory=lambda: now())


class Desk:
    """What one visitor has open. A copy is a fresh, empty desk.

    owner: whose it is, a secret. turn: names the case that is open, growing; work for an earlier
    turn stops. busy: who opens it, until that one works out its first answer. job: who asked last
    for an answer; earlier ones stop waiting. present: the sequences of the case. wanted: those
    switched on now. accepted: the visitor wants images segmented that the model was not made for.
    shown: the answer on screen. scoring: who asked last for its scores.
    """

    def __init__(self) -> None:
        self.owner = secrets.token_hex(16)
        self.turn = 0
        self.busy = self.job = self.scoring = 0
        self.choice: Choice | None = None
        self.present: frozenset[str] = frozenset()
        self.wanted: frozenset[str] = frozenset()
        self.accepted = False
        self.shown: Answer | None = None
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Desk:
        return Desk()

    def begin(self) -> int:
        """Clear the desk for another case; returns its turn."""
        with self.lock:
            self.turn = self.busy = max(self.turn + 1, now())
            self.choice, self.shown, self.accepted = None, None, False
            return self.turn

    def lay(self, turn: int, choice: Choice, present: frozenset[str]) -> bool:
        """Put a case on the desk, all its sequences switched on; False if another one came."""
        with self.lock:
            if self.turn == turn:
                self.choice, self.present, self.wanted = choice, present, present
            return self.turn == turn

    def want(self, turn: int, used: frozenset[str]) -> int:
        """Note the switches; a job for the one who asks, or 0 if the case is still being opened:
        who opens it will answer."""
        with self.lock:
            if self.turn != turn:
                return 0
            self.wanted = used
            return 0 if self.busy else self._next()

    def accept(self, turn: int) -> int:
        """Images that are unlike the training are to be segmented; 0 if somebody is at it."""
        with self.lock:
            if self.turn != turn or self.busy:
                return 0
            self.accepted, self.busy = True, now()
            return self.busy

    def answering(self, turn: int, opener: int) -> int:
        """Whoever opens the case comes to its answer: a job like that of any switch."""
        with self.lock:
            if self.turn != turn or self.busy != opener:
                return 0
            self.busy = 0
            return self._next()

    def end(self, opener: int) -> None:
        """The case is no longer being opened by this one."""
        with self.lock:
            if self.busy == opener:
                self.busy = 0

    def _next(self) -> int:
        self.job += 1
        return self.job


class CaseService:
    """The bundled segmenter, loaded in the background; the cases, and the answers it gives."""

    def __init__(
        self, load: Callable[[], Any], cases: Path, folders: Folders | None = None
    ) -> None:
        """load: returns a TumourSegmenter; called once, by `warm`. cases: the bundled ones.

        folders: where files of visitors lie.
        """
        self._load = load
        self._cases = cases
        self._model: Any = None
        self._settled = threading.Event()
        self._line = Line()  # for reading and encoding: two cores, many visitors
        self._answers, self._scores = Line(), Line()
        self.folders = folders or Folders()
        self.shelf = Cache[str, Opened](
            SHELF_BYTES, lambda opened: opened.size, IDLE_S, self._let_go
        )
        self._freed = False  # whether a case left since the system got its memory back
        self.status = "loading"
        self.reason = ""

    @classmethod
    def from_checkpoint(
        cls, path: Path, cases: Path, folders: Folders | None = None
    ) -> CaseService:
        def load() -> Any:
            from mckd.tumour import TumourSegmenter

            return TumourSegmenter.load(path)

        return cls(load, cases, folders)

    def warm(self) -> None:
        """Load the model."""
        try:
            self._model = self._load()
            self.status = "ready"
        except Exception as error:
            log.warning("The tumour model could not be loaded: %s", error)
            self.reason = model_unavailable(error)
            self.status = "unavailable"
        finally:
            self._settled.set()

    # ---- which case

    def cases(self) -> list[dict[str, str]]:
        """The bundled cases: key, name and one line about each, in the order of their names."""
        if not self._cases.is_dir():
            return []
        folders = sorted(p for p in self._cases.iterdir() if p.is_dir() and any(p.glob("*.nii*")))
        return [
            {"key": folder.name, "name": spoken(folder.name), "about": _about(folder)}
            for folder in folders
        ]

    def sort(self, paths: object) -> dict[str, Any]:
        """The cases among files, by their relative paths, as intake.js lists them.

        Each case has a name and the slot of each of its files, "" where a name leaves it open;
        `left` says why of the files that belong to no case.
        """
        from mckd.tumour.gather import group

        listed = paths[:MOST_NAMES] if isinstance(paths, list) else []
        cases, left = group(path for path in map(str, listed) if len(path) <= LONGEST_PATH)
        return {
            "cases": [{"name": case.name, "slots": case.slots} for case in cases],
            "left": left,
        }

    def bundled(self, key: object) -> Choice:
        """The bundled case of that key.

        Raises:
            ValueError: none is called so.
        """
        if key not in [case["key"] for case in self.cases()]:
            raise ValueError("There is no such bundled case. Choose one of the list.")
        return Choice(f"bundled:{key}", self._cases / str(key))

    def own(
        self, desk: Desk, tickets: Mapping[str, str], browser: str = "", again: bool = False
    ) -> Choice:
        """A visitor's uploads, {slot: ticket}; from now on only they can open them.

        browser: theirs, a secret. again: their page was loaded anew and asks for what it had.

        Raises:
            ValueError: no image among them, a slot that does not exist, a file that is not here.
        """
        if not tickets or set(tickets) <= {"seg"}:
            raise ValueError("Say of at least one file that it is FLAIR, T1, T1c or T2.")
        if not set(tickets) <= set(SLOTS):
            raise ValueError("That is no sequence.")
        try:
            taken = {
                slot: self.folders.take(desk.owner, ticket, browser)
                for slot, ticket in tickets.items()
            }
        except FileNotFoundError:
            raise ValueError(LEFT if again else DROPPED) from None
        except OSError as error:
            faults.record(log, "An upload could not be kept.", error)
            raise ValueError(UNREADABLE) from None
        return Choice(
            f"own:{secrets.token_hex(16)}",
            {slot: upload.path for slot, upload in taken.items()},
            {slot: upload.name for slot, upload in taken.items()},
        )

    # ---- open and switch

    def open(self, desk: Desk, choice: Choice) -> Iterator[Update]:
        """Read a case, encode it, segment it; tells how far it is. Ends early when superseded."""
        turn = desk.begin()
        self._hurry()
        try:
            yield from self._open(desk, turn, choice)
        except Superseded:
            pass
        finally:
            desk.end(turn)

    def _open(self, desk: Desk, turn: int, choice: Choice) -> Iterator[Update]:
        def wanted() -> bool:
            return desk.turn == turn

        yield Update(turn, stage=READING)
        opened = self.shelf.get(choice.key, desk.owner)
        if opened is None:
            opened, problem = yield from self._reading(desk.owner, choice, wanted, turn)
            if opened is None:
                yield Update(turn, problem=problem)
                return
        if not desk.lay(turn, choice, opened.case.present):
            return
        state = partial(Update, turn, opened=opened, used=opened.case.present)
        if not self._settled.is_set():
            yield state(stage=LOADING)
            self._settled.wait()
        if self.status != "ready":
            yield state()
        elif asks(desk, opened):
            yield state(asks=True)
        else:
            yield from self._first_answer(desk, turn, turn, opened)

    def accept(self, desk: Desk) -> Iterator[Update]:
        """Segment the case on the desk although the model was not made for such images."""
        turn, choice = desk.turn, desk.choice
        job = desk.accept(turn) if choice is not None else 0
        if choice is None or not job:
            return
        try:
            opened, problem = self._take(desk.owner, choice, lambda: desk.turn == turn)
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
            for stage, fraction in self.encode(opened, lambda: desk.turn == turn):
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
        turn, choice = desk.turn, desk.choice
        if choice is None:  # `open` is at it, or all was deleted while the page stayed
            return None if desk.busy else Update(now(), problem=GONE)
        named = wanted if isinstance(wanted, (list, tuple, set, frozenset)) else ()
        used = frozenset(str(name) for name in named) & desk.present
        if not used:  # the browser keeps one on
            return None
        job = desk.want(turn, used)
        if not job:
            return None
        self._hurry()
        try:
            opened, problem = self._take(desk.owner, choice, lambda: desk.job == job)
            if opened is None:
                return Update(turn, problem=problem)
            if self.status != "ready" or asks(desk, opened):
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
            for _ in self.encode(opened, wanted):  # a case that was put away
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
            turn, choice, answer = desk.turn, desk.choice, desk.shown
            desk.scoring = asked = desk.scoring + 1
        self._scores.reconsider()
        if choice is None or answer is None or answer.scores:
            return None
        opened = self.shelf.get(choice.key, desk.owner)
        if opened is None or opened.case.labels is None:
            return None
        case = opened.case

        def work(_: Callable[[Any], None]) -> None:
            if not answer.scores:
                bits = unpack_bits(answer.labels, case.grid.canonical.shape)
                answer.scores.extend(_scores(case, bits))

        try:
            outcome(self._scores.run(work, lambda: desk.shown is answer and desk.scoring == asked))
        except Superseded:
            return None
        with desk.lock:  # its stamp must not be later than that of an answer shown meanwhile
            if desk.shown is not answer:
                return None
            return Update(turn, opened=opened, answer=answer, used=answer.used)

    def opened(self, desk: Desk) -> Opened | None:
        """The case on a desk, read anew if it was put away; None if there is none."""
        turn, choice = desk.turn, desk.choice
        if choice is None:
            return None
        try:
            return self._take(desk.owner, choice, lambda: desk.turn == turn)[0]
        except Superseded:
            return None

    def close(self, desk: Desk) -> None:
        """The visitor has left, or wants it so: stop their work, forget and delete what is theirs.

        A bundled case stays as long as somebody else has it open.
        """
        desk.end(desk.begin())
        self.shelf.forget(desk.owner)
        self.folders.forget(desk.owner)

    def tend(self) -> None:
        """Put away the cases that nobody asked for in a while."""
        self.shelf.expire()
        if self._freed:
            self._freed = False
            give_back()

    def _hurry(self) -> None:
        """Something else is wanted: who waited for what came before waits no more."""
        for line in (self._line, self._answers, self._scores):
            line.reconsider()

    def _take(
        self, owner: str, choice: Choice, wanted: Callable[[], bool]
    ) -> tuple[Opened | None, str]:
        """The case from the shelf, else read anew; or one sentence why it cannot be."""
        opened = self.shelf.get(choice.key, owner)
        return (opened, "") if opened else outcome(self._reading(owner, choice, wanted))

    def _reading(
        self, owner: str, choice: Choice, wanted: Callable[[], bool], turn: int = 0
    ) -> Generator[Update, None, tuple[Opened | None, str]]:
        """Read a case when its turn in the line comes; see `_take`."""

        def read(_: Callable[[Any], None]) -> Opened:
            kept = self.shelf.get(choice.key, owner)
            if kept is not None:
                return kept
            opened = _read(choice)
            if not wanted():
                raise Superseded
            return self.shelf.put(choice.key, owner, opened)

        def update(place: Before) -> Update:
            return Update(turn, stage=before_yours(place))

        try:
            return (yield from told(self._line.run(read, wanted), update)), ""
        except Superseded:
            raise
        except ValueError as problem:  # CaseError: its sentences are made for users
            return None, str(problem)
        except Exception as error:
            faults.record(log, "A case could not be read.", error)
            return None, UNREADABLE

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
                opened.encoded = self._model.encode(opened.case, progress=report)
                opened.encode_s = time.perf_counter() - started

        yield ENCODING, None
        for step in self._line.run(encode, wanted):
            waits = isinstance(step, Before)
            yield (before_yours(step), None) if waits else (ENCODING, float(step))

    def _answer_all(self, opened: Opened) -> None:
        """Every answer at once, on a GPU that is lent; none if it cannot be had."""
        started = time.perf_counter()
        try:
            maps = on_gpu(self._model, replace(opened.case, labels=None))
        except Exception as error:  # none to spare, or the visitor's share of it is used up
            faults.record(log, "No GPU was lent.", error)
            return
        seconds = (time.perf_counter() - started) / len(maps)
        shape = opened.case.grid.canonical.shape
        for used, labels in maps.items():
            found = bits_to_regions(unpack_bits(labels, shape))
            opened.answers[used] = Answer(used, labels, _rows(opened.case, found), seconds, now())

    def answer(self, opened: Opened, used: frozenset[str], wanted: Callable[[], bool]) -> Answer:
        """The prediction from these sequences, worked out once per case.

        The case was encoded, as it is once its first answer is there.

        Raises:
            Superseded: `wanted` said no while it waited.
        """
        if used not in opened.answers:
            outcome(self._answers.run(lambda _: self._decide(opened, used), wanted))
            self.shelf.trim()
        return opened.answers[used]

    def _decide(self, opened: Opened, used: frozenset[str]) -> None:
        if used in opened.answers:  # somebody before it in the line asked for the same
            return
        started = time.perf_counter()
        found = self._model.decide(opened.encoded, used).canonical
        seconds = time.perf_counter() - started
        rows = _rows(opened.case, found)
        opened.answers[used] = Answer(used, pack_regions(found), rows, seconds, now())

    def _let_go(self, opened: Opened) -> None:
        """A case left the shelf: its features need not stay either."""
        self._freed = True
        if opened.encoded is not None:
            self._model.forget(opened.encoded)

    # ---- what stands beside the viewer, and what can be taken home

    def findings(self, update: Update) -> dict[str, Any]:
        """The table, the notes and the model's line for an update, as findings.js shows them."""
        opened, answer = update.opened, update.answer
        found: dict[str, Any] = {"turn": update.turn, "stamp": update.stamp, **self.about()}
        if opened is None:
            return {**found, "status": "problem" if update.problem else "reading"}
        case = opened.case
        seen = self.seen(opened)
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
                row["caution"] = cautioned(self._model.about, answer.used, row["region"])
            found |= {"status": "answer", "rows": rows}
            found["seconds"]["answer"] = round(answer.seconds, 2)
            return found
        if self.status == "unavailable":
            return {**found, "status": "unavailable", "why": self.reason, "rows": _rows(case, None)}
        if update.asks:
            return {**found, "status": "asks", "rows": _rows(case, None)}
        return {**found, "status": "problem" if update.problem else "working"}

    def about(self) -> dict[str, Any]:
        """Importance of each sequence and where the model comes from; empty until it is loaded."""
        if self._model is None:
            return {}
        weights, about = self._model.importance, dict(self._model.about)
        return {
            "importance": {s: round(float(w), 4) for s, w in weights.items()},
            "model": f"{model_line(about)} {left_out(about)}".strip(),
        }

    def seen(self, opened: Opened) -> str:
        """Where the model saw a case before, one of `fingerprint`; NO as long as there is none."""
        if opened.seen is None and self._model is not None:
            opened.seen = self._model.saw(opened.case)
        return opened.seen or NO

    def model(self) -> tuple[dict[str, Any], dict[str, float]]:
        """The header of the model's checkpoint, and the importance of each sequence."""
        return dict(self._model.about), dict(self._model.importance)

    def scene(self, opened: Opened) -> dict[str, Any]:
        """What the viewer must know of a case; without its files, which the tab sends."""
        facts = describe(opened.case)
        facts["sequences"] = {
            s: {"label": SLOTS[s], **opened.packed[s].facts()}
            for s in SEQUENCES
            if s in opened.packed
        }
        return facts

    def label_file(self, desk: Desk, alias: str | None = "") -> tuple[str, bytes]:
        """Name and content of the label file of the answer on screen.

        Args:
            alias: what the case is called in the name; None: as its files are.

        Raises:
            ValueError: there is none.
        """
        with desk.lock:
            choice, answer = desk.choice, desk.shown
        if choice is None or answer is None:
            raise ValueError("There is no segmentation to download yet.")
        opened = self.opened(desk)
        if opened is None:
            raise ValueError(GONE)
        bits = unpack_bits(answer.labels, opened.case.grid.canonical.shape)
        name = file_name(opened.called(alias), [s for s in SEQUENCES if s in answer.used])
        return name, label_file(bits, opened.case)


def now() -> int:
    """Microseconds: the browser drops what is older than what it shows."""
    return time.time_ns() // 1000


@gpu.borrows(seconds=20)
def on_gpu(model: TumourSegmenter, case: Case) -> dict[frozenset[str], bytes]:
    """The label maps of all subsets, as `pack_regions` makes them."""
    import torch

    from mckd.method import subsets

    segmenter = model.on("cuda" if torch.cuda.is_available() else "cpu")
    encoded = segmenter.encode(case)
    return {
        used: pack_regions(segmenter.decide(encoded, used).canonical)
        for used in subsets([s for s in SEQUENCES if s in case.present])
    }


def asks(desk: Desk, opened: Opened) -> bool:
    """Whether the visitor must first say that the case is to be segmented all the same."""
    return opened.case.unlike_training and not desk.accepted


def before_yours(place: Before) -> str:
    """What somebody in the line is told."""
    return f"{place.count} case{'s' if place.count > 1 else ''} before yours…"


def spoken(name: str) -> str:
    """A folder's name as a title: `phantom_a` becomes `Phantom A`."""
    return " ".join(w.upper() if len(w) == 1 else w.capitalize() for w in re.split(r"[_\s]+", name))


def model_unavailable(error: Exception) -> str:
    """Why there is no model, in plain sentences, and how to get one."""
    if isinstance(error, ModuleNotFoundError):
        return "Segmenting needs PyTorch. Run: pip install -r requirements.txt"
    why = str(error) if isinstance(error, ValueError) else "The tumour model could not be loaded."
    return (
        f"{why} To make one: python -m train tumour --preset studio. Then start the app again. "
        "Until then cases can be viewed, but not segmented."
    )


def _read(choice: Choice) -> Opened:
    from mckd.tumour import read_case, regions

    started = time.perf_counter()
    if isinstance(choice.source, dict) and not all(p.is_file() for p in choice.source.values()):
        raise ValueError(GONE)
    case = read_case(choice.source, shown=choice.shown)
    packed = {s: pack_volume(volume, case.brain) for s, volume in case.volumes.items()}
    reference = None if case.labels is None else pack_regions(regions(case.labels))
    return Opened(case, packed, reference, time.perf_counter() - started)


def _rows(case: Case, found: Any) -> list[dict[str, Any]]:
    """One row per region with its volumes in mL.

    found: (3, X, Y, Z) canonical masks of a prediction, or None for the reference alone.
    """
    from mckd.tumour import regions
    from mckd.tumour.metrics import volumes_ml

    rows: list[dict[str, Any]] = [{"region": r, "name": name} for r, name in REGION_NAMES.items()]
    truth = None if case.labels is None else regions(case.labels)
    for key, masks in (("volume_ml", found), ("reference_ml", truth)):
        volumes = {} if masks is None else volumes_ml(masks, case.grid.canonical)
        told = REGION_NAMES if key == "volume_ml" else case.reference_regions
        for row in rows:
            if volumes and row["region"] in told:
                row[key] = round(volumes[row["region"]], 2)
    return rows


def _scores(case: Case, bits: Any) -> list[dict[str, Any]]:
    """The rows of `_rows` with Dice and HD95 of a prediction, (X, Y, Z) bits, in addition."""
    from mckd.tumour import regions
    from mckd.tumour.metrics import score

    assert case.labels is not None
    found = bits_to_regions(bits)
    grid = case.grid.canonical
    scores = {
        s.region: {
            "reference_ml": round(s.reference_ml, 2),
            "outcome": s.outcome,
            "dice": None if s.dice is None else round(s.dice, 4),
            "hd95_mm": None if s.hd95_mm is None else round(s.hd95_mm, 2),
        }
        for s in score(found, regions(case.labels), grid, told=case.reference_regions)
    }
    none = dict.fromkeys(("outcome", "dice", "hd95_mm"))
    return [row | scores.get(row["region"], none) for row in _rows(case, found)]


def _about(folder: Path) -> str:
    """The first line of a bundled case's about.txt, if it has one."""
    try:
        return (folder / "about.txt").read_text(encoding="utf-8").strip().splitlines()[0]
    except (OSError, IndexError):
        return ""
