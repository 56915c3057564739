"""What the Brain tumours tab asks for, as plain Python: no Gradio here, and torch only once warm.

One visitor has one `Desk` with one case on it. `open` reads a case and tells how far it is;
`switch` answers another set of sequences. The expensive parts, reading and encoding, are done
once per case and kept on a shelf that all visitors share: bundled cases under their name, a
visitor's own under a key that nobody else has.
"""

from __future__ import annotations

import logging
import queue
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.studio.services import words
from mckd.studio.services.volumes import (
    Packed,
    describe,
    pack_regions,
    pack_volume,
    unpack_bits,
)
from mckd.tumour.labels import bits_to_regions, file_name, label_file

if TYPE_CHECKING:
    from mckd.tumour import Case

KEPT = 4  # cases on the shelf; one takes a few hundred MB
MOST_FILES = 12
SLOTS = {
    "flair": "FLAIR",
    "t1": "T1",
    "t1c": "T1c",
    "t2": "T2",
    "stack": "All four (4-D, MSD)",
    "seg": "Reference",
}
SEQUENCES = ("flair", "t1", "t1c", "t2")
REGION_NAMES = {"et": "Enhancing tumour", "tc": "Tumour core", "wt": "Whole tumour"}

READING = "Reading the images…"
LOADING = "The model is loading…"
WAITING = "Waiting for another case to be done…"
ENCODING = "The model reads the images…"
SEGMENTING = "Segmenting…"
FAILED = "Something went wrong while segmenting this case; the log of the app has the details."
UNREADABLE = "Something went wrong while reading this case; the log of the app has the details."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """A case to open: its key on the shelf, and what `read_case` takes."""

    key: str
    source: Path | dict[str, Path]


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
    answers: dict[frozenset[str], Answer] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Update:
    """The state of a desk, to be shown: a stage still going on, a problem, a case, an answer."""

    turn: int
    stage: str = ""
    fraction: float | None = None
    problem: str = ""
    opened: Opened | None = None
    answer: Answer | None = None
    used: frozenset[str] = frozenset()
    stamp: int = field(default_factory=lambda: now())


class Desk:
    """What one visitor has open. A copy is a fresh, empty desk.

    turn: counts the cases opened; work for an earlier turn stops. wanted: the sequences switched
    on now. shown: the answer on screen. sent: what the tab notes about files that the
    browser has already.
    """

    def __init__(self) -> None:
        self.turn = 0
        self.busy = 0  # the turn that is being opened
        self.choice: Choice | None = None
        self.wanted: frozenset[str] = frozenset()
        self.shown: Answer | None = None
        self.sent: dict[str, Any] = {}
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Desk:
        return Desk()

    def begin(self) -> int:
        """Clear the desk for another case; returns its turn."""
        with self.lock:
            self.turn += 1
            self.choice, self.shown, self.sent, self.busy = None, None, {}, self.turn
            return self.turn

    def lay(self, turn: int, choice: Choice, present: frozenset[str]) -> bool:
        """Put a case on the desk, all its sequences switched on; False if another one came."""
        with self.lock:
            if self.turn == turn:
                self.choice, self.wanted = choice, present
            return self.turn == turn

    def want(self, turn: int, used: frozenset[str]) -> bool:
        """Note the switches; True if the one who asks must answer, False if `open` will."""
        with self.lock:
            if self.turn != turn:
                return False
            self.wanted = used
            return self.busy != turn

    def end(self, turn: int, only_if: frozenset[str] | None = None) -> bool:
        """Opening is over, unless the switches are no longer as they were answered."""
        with self.lock:
            if self.busy == turn and (only_if is None or self.wanted == only_if):
                self.busy = 0
            return self.busy != turn


class _Superseded(Exception):  # noqa: N818 - no error: the visitor opened something else
    """Nobody waits for this any more."""


class TumourService:
    """The bundled segmenter, loaded in the background; the cases, and the answers it gives."""

    def __init__(self, load: Callable[[], Any], cases: Path) -> None:
        """load: returns a TumourSegmenter; called once, by `warm`. cases: the bundled ones."""
        self._load = load
        self._cases = cases
        self._model: Any = None
        self._settled = threading.Event()
        self._encoding = threading.Lock()  # one case at a time: two cores, many visitors
        self._deciding = threading.Lock()
        self._shelf: OrderedDict[str, Opened] = OrderedDict()
        self._shelf_lock = threading.Lock()
        self.status = "loading"
        self.reason = ""

    @classmethod
    def from_checkpoint(cls, path: Path, cases: Path) -> TumourService:
        def load() -> Any:
            from mckd.tumour import TumourSegmenter

            return TumourSegmenter.load(path)

        return cls(load, cases)

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

    def guess(self, names: object) -> list[str]:
        """For each file name the slot it seems to be, "" if its name does not say."""
        from mckd.tumour.naming import slot_of

        if not isinstance(names, list):
            return []
        return [slot_of(str(name)[:300]) or "" for name in names[:MOST_FILES]]

    def bundled(self, key: object) -> Choice:
        """The bundled case of that key.

        Raises:
            ValueError: none is called so.
        """
        if key not in [case["key"] for case in self.cases()]:
            raise ValueError("There is no such bundled case. Choose one of the list.")
        return Choice(f"bundled:{key}", self._cases / str(key))

    def own(self, files: Mapping[str, Path]) -> Choice:
        """A visitor's files, {slot: path}; the paths were checked to be uploads.

        Raises:
            ValueError: no image among them, or a slot that does not exist.
        """
        if not files or set(files) <= {"seg"}:
            raise ValueError("Say of at least one file that it is FLAIR, T1, T1c or T2.")
        if not set(files) <= set(SLOTS):
            raise ValueError("That is no sequence.")
        return Choice(f"own:{secrets.token_hex(16)}", dict(files))

    # ---- open and switch

    def open(self, desk: Desk, choice: Choice) -> Iterator[Update]:
        """Read a case, encode it, segment it; tells how far it is. Ends early when superseded."""
        turn = desk.begin()
        try:
            yield from self._open(desk, turn, choice)
        except _Superseded:
            pass
        finally:
            desk.end(turn)

    def _open(self, desk: Desk, turn: int, choice: Choice) -> Iterator[Update]:
        yield Update(turn, stage=READING)
        opened, problem = self._take(choice)
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
            return
        try:
            for stage, fraction in self.encode(opened, lambda: desk.turn == turn):
                yield state(stage=stage, fraction=fraction)
            yield state(stage=SEGMENTING)
        except Exception as error:
            if isinstance(error, _Superseded):
                raise
            log.exception("The tumour model failed.")
            yield state(problem=FAILED)
            return
        while desk.turn == turn:
            wanted = desk.wanted
            update = self._segment(desk, turn, opened, wanted)
            if desk.end(turn, only_if=wanted):  # no switch was flipped meanwhile
                if update is not None:
                    yield update
                    scored = self.score(desk)
                    if scored is not None:
                        yield scored
                return

    def switch(self, desk: Desk, wanted: object) -> Update | None:
        """The answer for another set of sequences; None if it is not wanted (any more)."""
        turn, choice = desk.turn, desk.choice
        if choice is None:
            return None
        opened, problem = self._take(choice)
        if opened is None:
            return Update(turn, problem=problem)
        named = wanted if isinstance(wanted, (list, tuple, set, frozenset)) else ()
        used = frozenset(str(name) for name in named) & opened.case.present
        if not used or not desk.want(turn, used):  # the browser keeps one on; `open` will answer
            return None
        if self.status != "ready":
            return Update(turn, opened=opened, used=used)
        return self._segment(desk, turn, opened, used)

    def score(self, desk: Desk) -> Update | None:
        """The answer on screen with Dice and HD95; None without a reference or if it has them."""
        with desk.lock:
            turn, choice, answer = desk.turn, desk.choice, desk.shown
        if choice is None or answer is None or answer.scores:
            return None
        opened, _ = self._take(choice)
        if opened is None or opened.case.labels is None:
            return None
        bits = unpack_bits(answer.labels, opened.case.grid.canonical.shape)
        answer.scores.extend(_scores(opened.case, bits))
        if desk.shown is not answer:
            return None
        return Update(turn, opened=opened, answer=answer, used=answer.used)

    def opened(self, desk: Desk) -> Opened | None:
        """The case on a desk, read anew if it was put away; None if there is none."""
        choice = desk.choice
        return None if choice is None else self._take(choice)[0]

    def close(self, desk: Desk) -> None:
        """The visitor has left: stop their work and forget their own files."""
        choice = desk.choice
        desk.begin()
        if choice is not None and choice.key.startswith("own:"):
            with self._shelf_lock:
                self._shelf.pop(choice.key, None)

    def _segment(
        self, desk: Desk, turn: int, opened: Opened, used: frozenset[str]
    ) -> Update | None:
        try:
            for _ in self.encode(opened, lambda: desk.turn == turn):  # a case that was put away
                pass
            answer = self.answer(opened, used, lambda: desk.turn == turn and desk.wanted == used)
        except _Superseded:
            return None
        except Exception:
            log.exception("The tumour model failed.")
            return Update(turn, problem=FAILED, opened=opened, used=used)
        with desk.lock:
            if desk.turn != turn or desk.wanted != used:
                return None
            desk.shown = answer
        return Update(turn, opened=opened, answer=answer, used=used)

    def _take(self, choice: Choice) -> tuple[Opened | None, str]:
        """The case from the shelf, else read anew; or one sentence why it cannot be."""
        with self._shelf_lock:
            if choice.key in self._shelf:
                self._shelf.move_to_end(choice.key)
                return self._shelf[choice.key], ""
        try:
            opened = _read(choice)
        except ValueError as problem:  # CaseError: its sentences are made for users
            return None, str(problem)
        except Exception:
            log.exception("A case could not be read.")
            return None, UNREADABLE
        with self._shelf_lock:
            opened = self._shelf.setdefault(choice.key, opened)
            self._shelf.move_to_end(choice.key)
            while len(self._shelf) > KEPT:
                self._shelf.popitem(last=False)
        return opened, ""

    def encode(
        self, opened: Opened, wanted: Callable[[], bool]
    ) -> Iterator[tuple[str, float | None]]:
        """Let the model read a case, unless it has; yields what it is doing, and how far."""
        if opened.encoded is not None:
            return
        reports: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def report(fraction: float) -> None:
            if not wanted():
                raise _Superseded
            reports.put(fraction)

        def work() -> None:
            try:
                with opened.lock, self._encoding:
                    if opened.encoded is None:
                        report(0.0)
                        started = time.perf_counter()
                        opened.encoded = self._model.encode(opened.case, progress=report)
                        opened.encode_s = time.perf_counter() - started
                reports.put(None)
            except BaseException as error:  # handed on to the thread that waits
                reports.put(error)

        yield WAITING if self._encoding.locked() else ENCODING, None
        threading.Thread(target=work, daemon=True).start()
        while (news := reports.get()) is not None:
            if isinstance(news, BaseException):
                raise news
            yield ENCODING, float(news)

    def answer(self, opened: Opened, used: frozenset[str], wanted: Callable[[], bool]) -> Answer:
        """The prediction from these sequences, worked out once per case.

        The case was encoded, as it is once its first answer is there. When `wanted` says no while
        it waits for its turn, it raises what `open` and `switch` end on silently.
        """
        if used not in opened.answers:
            with self._deciding:
                if not wanted():
                    raise _Superseded
                started = time.perf_counter()
                prediction = self._model.decide(opened.encoded, used)
                seconds = time.perf_counter() - started
            opened.answers[used] = Answer(
                used, pack_regions(prediction.canonical), _rows(opened.case, prediction.canonical),
                seconds, now(),
            )  # fmt: skip
        return opened.answers[used]

    # ---- what stands beside the viewer, and what can be taken home

    def findings(self, update: Update) -> dict[str, Any]:
        """The table, the notes and the model's line for an update, as findings.js shows them."""
        opened, answer = update.opened, update.answer
        found: dict[str, Any] = {"turn": update.turn, "stamp": update.stamp, **self.about()}
        if opened is None:
            return {**found, "status": "problem" if update.problem else "reading"}
        case = opened.case
        found |= {
            "name": spoken(case.name) if case.synthetic else case.name,
            "synthetic": case.synthetic,
            "notes": [*case.warnings],
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
            found |= {"status": "answer", "rows": rows}
            found["seconds"]["answer"] = round(answer.seconds, 2)
            return found
        if self.status == "unavailable":
            return {**found, "status": "unavailable", "why": self.reason, "rows": _rows(case, None)}
        return {**found, "status": "problem" if update.problem else "working"}

    def about(self) -> dict[str, Any]:
        """Importance of each sequence and where the model comes from; empty until it is loaded."""
        if self._model is None:
            return {}
        weights = self._model.importance
        return {
            "importance": {s: round(float(weights[s]), 4) for s in SEQUENCES},
            "model": words.model_line(dict(self._model.about)),
        }

    def scene(self, opened: Opened) -> dict[str, Any]:
        """What the viewer must know of a case; without its files, which the tab sends."""
        facts = describe(opened.case)
        facts["sequences"] = {
            s: {"label": SLOTS[s], **opened.packed[s].facts()}
            for s in SEQUENCES
            if s in opened.packed
        }
        return facts

    def label_file(self, desk: Desk) -> tuple[str, bytes]:
        """Name and content of the label file of the answer on screen.

        Raises:
            ValueError: there is none.
        """
        with desk.lock:
            choice, answer = desk.choice, desk.shown
        if choice is None or answer is None:
            raise ValueError("There is no segmentation to download yet.")
        opened, problem = self._take(choice)
        if opened is None:
            raise ValueError(problem)
        bits = unpack_bits(answer.labels, opened.case.grid.canonical.shape)
        name = file_name(opened.case.name, [s for s in SEQUENCES if s in answer.used])
        return name, label_file(bits, opened.case)


def now() -> int:
    """Microseconds: the browser drops what is older than what it shows."""
    return time.time_ns() // 1000


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
    case = read_case(choice.source)
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
        for row in rows:
            if volumes:
                row[key] = round(volumes[row["region"]], 2)
    return rows


def _scores(case: Case, bits: Any) -> list[dict[str, Any]]:
    """The rows of `_rows` with Dice and HD95 of a prediction, (X, Y, Z) bits, in addition."""
    from mckd.tumour import regions
    from mckd.tumour.metrics import score

    assert case.labels is not None
    return [
        {
            "region": s.region,
            "name": REGION_NAMES[s.region],
            "volume_ml": round(s.volume_ml, 2),
            "reference_ml": round(s.reference_ml, 2),
            "outcome": s.outcome,
            "dice": None if s.dice is None else round(s.dice, 4),
            "hd95_mm": None if s.hd95_mm is None else round(s.hd95_mm, 2),
        }
        for s in score(bits_to_regions(bits), regions(case.labels), case.grid.canonical)
    ]


def _about(folder: Path) -> str:
    """The first line of a bundled case's about.txt, if it has one."""
    try:
        return (folder / "about.txt").read_text(encoding="utf-8").strip().splitlines()[0]
    except (OSError, IndexError):
        return ""
