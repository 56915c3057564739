"""What the 3-D view asks for, as plain Python: the surfaces of the case on a desk.

Each surface is made once per case, whoever asks first, and kept packed with the case. A visitor
gets those of what they have open and of nothing else.
"""

from __future__ import annotations

import numpy as np

from mckd.studio.services.line import Line, Superseded, result_of
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk, Update
from mckd.studio.tasks.tumour.meshes import MOST_TRIANGLES, Millimetres, pack, surfaces
from mckd.studio.tasks.tumour.opened import Answer, Opened
from mckd.studio.tasks.tumour.volumes import unpack_bits
from mckd.tumour.geometry import Bools
from mckd.tumour.labels import BITS

LEVELS = {"et": 0.66, "tc": 0.42, "wt": 0.34}  # lower further out: equal borders stay apart
NET_TRIANGLES = 1_500  # of the reference, which is drawn as a net: what is in it stays in sight


class SolidService:
    """The surfaces of the case on a desk."""

    def __init__(self, cases: CaseService) -> None:
        self._cases = cases
        self._line = Line()

    def make(self, desk: Desk) -> tuple[Update, dict[str, bytes]] | None:
        """The state of a desk and its surfaces; None if there is no case, or something else came.

        Returns:
            {"brain", "et", "tc", "wt", "reference_et", ...: bytes as `pack` makes them}. A region
            that is empty has none; where nothing was segmented, ET, TC and WT are the reference's.
        """
        turn, answer = desk.turn, desk.shown
        opened = self._cases.opened(desk)
        if opened is None:
            return None

        def wanted() -> bool:
            return desk.turn == turn and desk.shown is answer

        try:
            packed = result_of(self._line.run(lambda _: surfaces_of(opened, answer), wanted))
        except Superseded:
            return None
        with desk.lock:  # its stamp must not be later than that of an answer shown meanwhile
            if not wanted():
                return None
            return Update(turn, opened=opened, answer=answer, used=desk.wanted), packed


def surfaces_of(opened: Opened, answer: Answer | None) -> dict[str, bytes]:
    """What is drawn of a case, by name; makes what is not kept yet."""
    kept, grid = opened.surfaces, opened.case.grid.canonical

    def of_map(data: bytes, most: int) -> dict[str, bytes]:
        bits = unpack_bits(data, grid.shape)
        return _packed({r: (bits & BITS[r] > 0, LEVELS[r]) for r in LEVELS}, grid.spacing_mm, most)

    if "brain" not in kept:
        kept["brain"] = _packed({"brain": (brain(opened), 0.5)}, grid.spacing_mm)
    found = dict(kept["brain"])
    if answer is not None:
        if answer.used not in kept:
            kept[answer.used] = of_map(answer.labels, MOST_TRIANGLES)
        found |= kept[answer.used]
    if opened.reference is not None:
        kind, most = ("net", NET_TRIANGLES) if answer else ("reference", MOST_TRIANGLES)
        if kind not in kept:
            kept[kind] = of_map(opened.reference, most)
        found |= {f"reference_{r}" if answer else r: data for r, data in kept[kind].items()}
    return found


def brain(opened: Opened) -> Bools:
    """(X, Y, Z): where the first sequence has any value; of a head that still has its skull, all
    that is not air."""
    return np.not_equal(next(iter(opened.case.volumes.values())), 0)


def _packed(
    regions: dict[str, tuple[Bools, float]], spacing: Millimetres, most: int = MOST_TRIANGLES
) -> dict[str, bytes]:
    return {name: pack(mesh) for name, mesh in surfaces(regions, spacing, most).items()}
