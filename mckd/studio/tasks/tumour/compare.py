"""What the Compare tab asks for, as plain Python: every subset of the sequences of one case.

It compares the case on the desk of the Brain tumours tab. Each subset is segmented and measured
once per case, whoever asks first; what is known is kept as long as the case is on the shelf of
`CaseService`.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mckd.studio.services import faults
from mckd.studio.services.line import Superseded
from mckd.studio.services.model import trained_on
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk, asks
from mckd.studio.tasks.tumour.opened import Opened, now, overlap, spoken
from mckd.studio.tasks.tumour.volumes import pack_map, unpack_bits
from mckd.systems import SYSTEMS
from mckd.tumour.advice import sentence
from mckd.tumour.evidence import LEGEND, SIGNS, caution, cautioned, ranged
from mckd.tumour.fingerprint import SAID, TAGS
from mckd.tumour.labels import bits_to_regions
from mckd.tumour.naming import REGION_NAMES, SEQUENCES
from mckd.tumour.scope import OUTSIDE

if TYPE_CHECKING:
    from datetime import date

    from mckd.report.subject import Subject
    from mckd.tumour.comparison import Comparison, RegionRow, Row, Subset
    from mckd.tumour.labels import Bytes

FAILED = "Something went wrong while comparing the subsets; the log of the app has the details."

log = logging.getLogger(__name__)


@dataclass
class Compared:
    """What is known of one case's subsets, for everybody who has it open.

    rows: in the order in which they were worked out. votes: {region: how many subsets say it, as
    `pack_map`}. contributions: {region: what each sequence changes}. The last two are empty until
    every subset is in.
    """

    rows: dict[frozenset[str], Row] = field(default_factory=dict)
    votes: dict[str, bytes] = field(default_factory=dict)
    contributions: dict[str, dict[str, Any]] = field(default_factory=dict)
    comparison: Comparison | None = None  # while subsets are missing
    lock: threading.Lock = field(default_factory=threading.Lock)


class Maps(Mapping["Subset", "Bytes"]):
    """The label maps of a case's subsets as `region_bits` makes them; each unpacked when it is
    first asked for, for figures need none."""

    def __init__(self, opened: Opened, compared: Compared) -> None:
        self._opened, self._subsets = opened, tuple(compared.rows)
        self._known: dict[Subset, Bytes] = {}

    def __getitem__(self, subset: Subset) -> Bytes:
        if subset not in self._known:
            shape = self._opened.case.grid.canonical.shape
            self._known[subset] = unpack_bits(self._opened.answers[subset].labels, shape)
        return self._known[subset]

    def __iter__(self) -> Iterator[Subset]:
        return iter(self._subsets)

    def __len__(self) -> int:
        return len(self._subsets)


@dataclass(frozen=True)
class CompareUpdate:
    """How far a comparison is.

    state: "empty" without a case; "waiting" for the model; "unavailable" without one; "asks" where
    the visitor has not accepted yet that the images are unlike those of the training; "running";
    "complete"; "problem". left_s: seconds that the missing subsets may take, once one was timed.
    problem: its sentence.
    """

    turn: int
    state: str
    opened: Opened | None = None
    compared: Compared | None = None
    left_s: float | None = None
    problem: str = ""
    stamp: int = field(default_factory=now)


class CompareService:
    """All subsets of the case on a desk."""

    def __init__(self, cases: CaseService) -> None:
        self._cases = cases
        self._kept: dict[int, Compared] = {}  # by the id of the opened case, as long as it lives
        self._keeping = threading.Lock()

    def run(self, desk: Desk, only: frozenset[str] | None = None) -> Iterator[CompareUpdate]:
        """Compare the case on a desk; a row more with each update. Ends when another is opened.

        only: the one subset that is measured, beside all sequences; None: every subset.
        """
        turn = desk.turn
        opened = self._cases.opened(desk)
        if opened is None:
            yield CompareUpdate(turn, "empty")
            return
        if self._cases.status != "ready":
            state = "waiting" if self._cases.status == "loading" else "unavailable"
            yield CompareUpdate(turn, state, opened)
            return
        if asks(desk, opened):
            yield CompareUpdate(turn, "asks", opened)
            return
        compared = self._compared(opened)
        update = partial(CompareUpdate, turn, opened=opened, compared=compared)
        try:
            whole, *others = _order(opened.case.present)
            subsets = [whole, *(s for s in others if only in (None, s))]
            for left_s in self._fill(opened, compared, subsets, lambda: desk.turn == turn):
                yield update("running", left_s=left_s)
        except Superseded:  # the visitor opened something else
            return
        except Exception as error:
            faults.record(log, "A comparison failed.", error)
            yield update("problem", problem=FAILED)
            return
        yield update("complete")

    def _compared(self, opened: Opened) -> Compared:
        with self._keeping:
            if id(opened) not in self._kept:
                self._kept[id(opened)] = Compared()
                weakref.finalize(opened, self._kept.pop, id(opened), None)
            return self._kept[id(opened)]

    def _fill(
        self,
        opened: Opened,
        compared: Compared,
        subsets: Sequence[frozenset[str]],
        wanted: Callable[[], bool],
    ) -> Iterator[float | None]:
        """Work out which of these is missing; after each the seconds that the others may take.

        Raises:
            Superseded: `wanted` said no.
        """
        missing = [s for s in subsets if s not in compared.rows]
        if missing:
            yield None
            for _ in self._cases.segmentation.encode(opened, wanted):  # a case that was put away
                pass
        timed = []
        for k, subset in enumerate(missing, 1):
            if not wanted():
                raise Superseded
            with compared.lock:
                if subset not in compared.rows:  # nobody else did it meanwhile
                    started = time.perf_counter()
                    self._add(opened, compared, subset, wanted)
                    timed.append(time.perf_counter() - started)
            yield sum(timed) / len(timed) * (len(missing) - k) if timed else None

    def _add(
        self, opened: Opened, compared: Compared, subset: frozenset[str], wanted: Callable[[], bool]
    ) -> None:
        from mckd.tumour.comparison import Comparison

        answer = self._cases.answer(opened, subset, wanted)
        shape = opened.case.grid.canonical.shape
        found = bits_to_regions(unpack_bits(answer.labels, shape))
        if compared.comparison is None:
            # Of all sequences: see _order.
            compared.comparison = Comparison(
                opened.case, found, intervals=answer.intervals, advice=answer.advice
            )
        comparison = compared.comparison
        row = comparison.add(subset, found, answer.intervals, answer.advice)
        if comparison.complete:
            compared.votes = {r: pack_map(comparison.votes(r)) for r in REGION_NAMES}
            compared.contributions = {
                region: {
                    "total_ml": each.total_ml,
                    "volume_ml": each.volume_ml,
                    "dice": each.dice,
                    "shared": each.shared,
                    "narrowed_ml": each.narrowed_ml,
                    "sentence": each.sentence,
                }
                for region, each in comparison.contributions().items()
            }
            compared.comparison = None  # it holds masks
        compared.rows[subset] = row

    def subject(
        self,
        update: CompareUpdate,
        day: date,
        alias: str | None = "",
        only: frozenset[str] | None = None,
    ) -> Subject:
        """A complete comparison as an export takes it. Costs nothing: see `Maps`.

        alias: what the case is called in it; None: as its files are. only: see `run`.
        """
        from mckd.report.subject import Subject
        from mckd.tumour.comparison import Figures

        opened, compared = update.opened, update.compared
        assert opened is not None
        assert compared is not None
        rows = [row for subset, row in compared.rows.items() if only in (None, subset)]
        figures, maps = Figures(opened.case, rows), Maps(opened, compared)
        about, weights = self._cases.segmentation.header()
        seen = self._cases.segmentation.seen(opened)
        called = opened.called(alias)
        return Subject(figures, maps, about, weights, day, called, seen, opened.prepared)

    # ---- what the widgets show

    def table(self, update: CompareUpdate) -> dict[str, Any]:
        """The table of the subsets and how far it is, as subsets.js shows it."""
        opened, compared = update.opened, update.compared
        shown: dict[str, Any] = {"turn": update.turn, "stamp": update.stamp, "state": update.state}
        if update.state == "unavailable":
            shown["problem"] = self._cases.segmentation.model.reason
        if update.state == "problem":
            shown["problem"] = update.problem
        if opened is None:
            return shown
        case = opened.case
        return shown | {
            "name": spoken(case.name) if case.synthetic else case.name,
            "synthetic": case.synthetic,
            "given": [s for s in SEQUENCES if s in case.present],
            "seen": TAGS[self._cases.segmentation.seen(opened)],
            "seen_note": SAID[self._cases.segmentation.seen(opened)],
            "doubts": [
                said
                for said in case.warnings
                if said in case.misleading.values() or said.startswith(OUTSIDE)
            ],
            "reference": opened.reference is not None,
            "left_s": update.left_s,
            "rows": [] if compared is None else [*map(self._shown, compared.rows.values())],
            "cautions": " ".join(filter(None, [LEGEND, self._intervals()])),
        }

    def _intervals(self) -> str:
        """What the ranges of volumes mean; "" without them."""
        if not self._cases.segmentation.ready:
            return ""
        return str(self._cases.segmentation.header()[0].get("intervals", ""))

    def _shown(self, row: Row) -> dict[str, Any]:
        """One subset, as a row of the table."""
        about, _ = self._cases.segmentation.header()
        scored = any(region.score for region in row.regions)
        return {
            "key": row.key,
            "used": [s for s in SEQUENCES if s in row.subset],
            "advice": sentence(row.advice, row.subset) if self._intervals() else "",
            "regions": {
                found.region: _measured(found, scored)
                | {
                    "sign": SIGNS[caution(about, row.subset, found.region)],
                    "caution": cautioned(about, row.subset, found.region),
                }
                for found in row.regions
            },
        }

    def contributions(self, update: CompareUpdate) -> dict[str, Any]:
        """How each region depends on each sequence, as contributions.js shows it."""
        from mckd.tumour.comparison import MEANING

        compared, segmentation = update.compared, self._cases.segmentation
        return {
            "turn": update.turn,
            "stamp": update.stamp,
            "state": "none" if compared is None else update.state,
            "regions": {} if compared is None else compared.contributions,
            "importance": segmentation.about().get("importance", {}),
            "meaning": MEANING,
            "seen": "" if update.opened is None else TAGS[segmentation.seen(update.opened)],
        }

    def maps(self, update: CompareUpdate) -> dict[str, Any]:
        """Bytes for the panes: {"labels": {key of the subset: bytes}, "votes": {region: bytes}}."""
        opened, compared = update.opened, update.compared
        if opened is None or compared is None:
            return {"labels": {}, "votes": {}}
        rows = list(compared.rows.values())
        labels = {row.key: opened.answers[row.subset].labels for row in rows}
        return {"labels": labels, "votes": compared.votes}

    def overlaps(self, update: CompareUpdate) -> dict[str, dict[str, Any]]:
        """{key of the subset: as `opened.overlaps`} for the panes."""
        rows = [] if update.compared is None else [*update.compared.rows.values()]
        return {
            row.key: {r.region: overlap(r.score) for r in row.regions if r.score} for row in rows
        }

    def model(self, update: CompareUpdate) -> dict[str, str]:
        """What the panes say of the model: its system, its data, and whether it saw the case."""
        from mckd.systems.restore import FIRST

        segmentation = self._cases.segmentation
        if update.opened is None or not segmentation.ready:
            return {}
        about, _ = segmentation.header()
        return {
            "name": SYSTEMS[about.get("system", FIRST)].label,
            "trained_on": trained_on(about),
            "seen": TAGS[segmentation.seen(update.opened)],
        }


def _order(present: frozenset[str]) -> list[frozenset[str]]:
    """The whole set, against which all others are measured, then those in the paper's order."""
    from mckd.method import subsets

    every = subsets([s for s in SEQUENCES if s in present])
    return [every[-1], *every[:-1]]


def _measured(row: RegionRow, scored: bool) -> dict[str, Any]:
    """One region of one subset, rounded for the table; None what the reference does not tell."""
    known: dict[str, Any] = {
        "volume_ml": round(row.volume_ml, 2),
        "change_ml": round(row.change_ml, 2),
        "agreement": _rounded(row.agreement, 4),
        "range": ranged(row.interval_ml),
    }
    if not scored:
        return known
    score = row.score
    return known | {
        "outcome": score and score.outcome,
        "dice": score and _rounded(score.dice, 4),
        "hd95_mm": score and _rounded(score.hd95_mm, 2),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
