"""Other systems in the panes of the Compare tab, as plain Python: small bundled models, each loaded
when somebody first asks for it.

They segment the case on a desk from any subset of its sequences, one after the other. What is found
is kept with the case. Features are not: a window is encoded and decoded at once, so only weights
stay in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.studio.services import faults
from mckd.studio.services.line import Line, Superseded, Waiting
from mckd.studio.services.model import Model, trained_on
from mckd.studio.tasks.tumour.cases import FAILED, CaseService
from mckd.studio.tasks.tumour.desk import Desk, Stage, asks
from mckd.studio.tasks.tumour.opened import Opened, Outlined, Wish, now, overlaps
from mckd.studio.tasks.tumour.segmentation import before_yours
from mckd.studio.tasks.tumour.volumes import pack_regions
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.naming import key_of

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter

SYSTEMS = {
    "baseline": (
        "Baseline",
        "what is missing is filled by the mean of the others, no distillation",
    ),
    "shaspec": ("ShaSpec", "what sequences share and what is each one's own, kept apart"),
    "mckd": ("Compact MCKD", "the Baseline with the method's distillation"),
    "hemis": ("U-HeMIS", "mean and variance over the features of what is there"),
    "hved": ("U-HVED", "sequences as a product of Gaussians"),
    "robust-mseg": ("Robust-MSeg", "content and style apart"),
    "mmformer": ("mmFormer", "transformers within sequences and between them"),
}
"""Key, which is the name of its checkpoint, to what it is called and what it is. The first three
are those of the paper's Fig. 6 and 7, in its order: the panes line them up."""
MOST_WISHES = 4  # a pane each
NOT_THERE = "{0} It belongs into checkpoints/compared; put it there and start the app again."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SystemsUpdate:
    """How far each of the wishes of a desk is: found, or at a stage; neither before its turn."""

    turn: int
    found: dict[Wish, Outlined] = field(default_factory=dict)
    stages: dict[Wish, Stage] = field(default_factory=dict)
    stamp: int = field(default_factory=now)


class SystemsService:
    """What other systems find in the case on a desk."""

    def __init__(self, cases: CaseService, folder: Path) -> None:
        """folder: of the checkpoints, `KEY.safetensors` each."""
        self._cases = cases
        self._line = Line()
        self._models = {
            key: Model(key, partial(_load, folder / f"{key}.safetensors"), partial(_why, label))
            for key, (label, _) in SYSTEMS.items()
        }

    def run(self, desk: Desk, asked: object) -> Iterator[SystemsUpdate]:
        """Segment what is asked for, {"turn": int, "wanted": ["hemis t1+t2", ...]}, all of it.

        Work for what is asked for no more stops; another call that is at something still wanted
        goes on with it. Each update says how far all of it is.
        """
        turn, wishes = desk.turn, wishes_of(asked, desk.turn, desk.present)
        opened = self._cases.opened(desk) if wishes else None
        desk.wishes = frozenset(wishes)
        self._line.reconsider()
        if opened is None or asks(desk, opened):
            yield SystemsUpdate(turn)
            return
        for wish in wishes:
            if wish not in opened.systems and desk.begin_stage(wish):
                for _ in self._segment(desk, turn, opened, wish):
                    yield _update(desk, turn, opened)
        yield _update(desk, turn, opened)

    def _segment(self, desk: Desk, turn: int, opened: Opened, wish: Wish) -> Iterator[None]:
        """Work for a wish; its stage is on the desk at every step."""

        def wanted() -> bool:
            return desk.turn == turn and wish in desk.wishes

        label, problem = SYSTEMS[wish[0]][0], ""
        try:
            yield
            for step in self._line.run(partial(self._work, opened, wish), wanted):
                waits = isinstance(step, Waiting)
                desk.stages[wish] = (
                    Stage(before_yours(step)) if waits else Stage(f"{label} segments…", step)
                )
                yield
            problem = self._models[wish[0]].reason
        except Superseded:
            pass
        except Exception as error:
            faults.record(log, "A compared system failed.", error)
            problem = FAILED
        finally:
            desk.stages.pop(wish, None)
        if problem:
            desk.stages[wish] = Stage(problem=problem)

    def _work(self, opened: Opened, wish: Wish, report: Callable[[float], None]) -> None:
        """Segment, unless somebody did; nothing where the system's model cannot be loaded."""
        system, used = wish
        model, case = self._models[system], opened.case
        if wish in opened.systems:
            return
        if not model.settled:
            model.load()
        if model.status != "ready":
            return
        report(0.0)
        segmenter: TumourSegmenter = model.loaded
        found = segmenter.decide(segmenter.encode(case), used, progress=report).canonical
        opened.systems[wish] = Outlined(
            pack_regions(found),
            overlaps(case, found),
            trained_on(segmenter.about),
            TAGS[segmenter.saw(case)],
        )
        self._cases.shelf.trim()  # the case has grown


def wishes_of(asked: object, turn: int, present: frozenset[str]) -> list[Wish]:
    """What a browser asks for, as far as there is such a thing: a system, and some of the sequences
    that the case of that turn has."""
    said = asked if isinstance(asked, dict) and asked.get("turn") == turn else {}
    listed = said.get("wanted")
    wishes = []
    for text in listed[:MOST_WISHES] if isinstance(listed, list) else []:
        system, _, named = text.partition(" ") if isinstance(text, str) else ("", "", "")
        used = frozenset(named.split("+"))
        if system in SYSTEMS and used <= present:
            wishes.append((system, used))
    return wishes


def spell(wish: Wish) -> str:
    """A wish as the panes spell it: `hemis t1+t2`."""
    system, used = wish
    return f"{system} {key_of(used)}"


def _update(desk: Desk, turn: int, opened: Opened) -> SystemsUpdate:
    wishes = desk.wishes
    found = {wish: opened.systems[wish] for wish in wishes if wish in opened.systems}
    return SystemsUpdate(turn, found, {w: s for w, s in [*desk.stages.items()] if w in wishes})


def _load(path: Path) -> Any:
    from mckd.tumour import TumourSegmenter

    return TumourSegmenter.load(path, budget=0)


def _why(label: str, error: Exception) -> str:
    """Why a system cannot be shown, in plain sentences."""
    if isinstance(error, ModuleNotFoundError):
        return "Segmenting needs PyTorch. Run: pip install -r requirements.txt"
    said = str(error) if isinstance(error, ValueError) else f"{label} could not be loaded."
    return NOT_THERE.format(said)
