"""Reference labels of any convention, as labels of this project and the regions they can tell.

    file numbers     convention                      1           2           3           4
    1 2 4, 1 2 3     BraTS to 2021, from 2023        core        oedema      enhancing   enhancing
    1 2 3            MSD Task01 and others           oedema      core        enhancing
    1 2 3 4          BraTS 2024, after surgery       core        oedema      enhancing   cavity
    1 2 3 4          BraTS-PED                       enhancing   core        cyst: core  oedema
    one number       a mask                          the whole tumour and no more

The numbers alone do not tell these apart. Where they lie does: oedema is what borders most, for
its size, on what is no tumour. What is enhancing is bright in T1c, a cavity dark. What remains
unknown is not scored: a wrong score is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from mckd.tumour.geometry import bounding_box
from mckd.tumour.naming import REGIONS, CaseError, listed
from mckd.tumour.nifti import Floats
from mckd.tumour.scope import AFTER, CHILD, beyond_scope

Bytes = npt.NDArray[np.uint8]

CORE, OEDEMA, ENHANCING = 1, 2, (3, 4)
WITHOUT_REFERENCE = "The reference is left out: it lies on the images as they were before."
EVERY = frozenset(REGIONS)
ONLY_WHOLE = frozenset({"wt"})
MOST_NUMBERS = 4  # that a convention has
LABEL_TOLERANCE = 0.02  # of a number: labels that were scaled to 255 / 256 and back, or so
MOST_LABELS_NAMED = 8
ENOUGH_VOXELS = 200  # of a label, for its place to say something
MORE_OUTSIDE = 1.5
"""How many times more often than another label, for its size, oedema borders on no tumour. In 15
cases of BraTS 2021 it is 2.5 times more often than core, and 1.6 times more often than what
enhances where that has 1,000 voxels."""
DARK_SHARE = 0.5
"""What is brighter in T1c than half of the brain: .87 to 1 of what enhances in those cases; less
than this share, and it is a cavity."""

_OEDEMA_FIRST = (0, OEDEMA, CORE, 3, 4)
_AFTER_SURGERY = (0, CORE, OEDEMA, 3, 0)
_CHILDREN = (0, 3, CORE, CORE, OEDEMA)
_WHOLE = (0, OEDEMA, OEDEMA, OEDEMA, OEDEMA)


@dataclass(frozen=True, eq=False)
class Reference:
    """labels: (X, Y, Z) uint8: 0 none, 1 core, 2 oedema, 3 or 4 enhancing. regions: those that
    may be scored. notes: sentences; among them how the numbers were understood, if not as usual.
    """

    labels: Bytes
    regions: frozenset[str]
    notes: tuple[str, ...] = ()


def whole_numbers(voxels: Floats, name: str) -> tuple[Bytes, tuple[str, ...]]:
    """The numbers of a label file, (X, Y, Z): 0 to 4, and sentences about them.

    A mask of any one number is 1, and 85, 170, 255 are 1, 2, 3. Plane by plane, to save memory.

    Raises:
        CaseError: values between whole numbers, or numbers that no convention has.
    """
    known: set[int] = set()
    for plane in voxels.T:
        rounded = np.rint(plane)
        if (np.abs(plane - rounded) > LABEL_TOLERANCE * np.maximum(1, np.abs(rounded))).any():
            raise CaseError(
                f"{name} holds values between whole numbers, so it is no label file "
                "(perhaps probabilities, or labels after interpolation). Give the labels as drawn."
            )
        known |= {int(label) for label in np.unique(rounded[rounded != 0])}
        if len(known) > MOST_LABELS_NAMED:
            break
    unit = 1
    if len(known) == 1 and min(known) > 0:
        unit = min(known)
    elif known and gcd(*known) > MOST_NUMBERS:
        unit = gcd(*known)
    if not {label / unit for label in known} <= {1, 2, 3, 4}:
        seen = [f"{label:.6g}" for label in sorted(known)[:MOST_LABELS_NAMED]]
        more = ["..."] if len(known) > MOST_LABELS_NAMED else []
        raise CaseError(
            f"{name} has the labels {', '.join(seen + more)}; wanted are 1, 2 and 4 (BraTS "
            "to 2021) or 1, 2 and 3 (from 2023). Renumber them."
        )
    labels = np.empty(voxels.shape, np.uint8)
    for plane, out in zip(voxels.T, labels.T, strict=True):
        out[:] = np.rint(plane / unit)
    if unit == 1 or len(known) == 1:
        return labels, ()
    return labels, (f"{name}: its labels are multiples of {unit} and are taken as such.",)


def understand(numbers: Bytes, name: str, t1c: Floats | None, msd: bool) -> Reference:
    """What the numbers of a label file mean.

    Args:
        numbers: (X, Y, Z), 0 to 4, see `whole_numbers`.
        t1c: the image after contrast on the same grid, air 0.
        msd: whether the file is of MSD Task01, by its place.

    Raises:
        CaseError: they may mean two things, of which one is no tumour.
    """
    box = bounding_box(numbers != 0, 1)
    part = box.crop(numbers)
    sizes = np.bincount(part.ravel(), minlength=5)
    here = {label for label in range(1, 5) if sizes[label]}
    if not here:
        return Reference(numbers, EVERY)
    if msd and 4 not in here:
        return Reference(_renumbered(numbers, _OEDEMA_FIRST), EVERY)
    if len(here) == 1:
        note = f"{name} has one label; it is taken as the whole tumour, and nothing else is scored."
        return Reference(_renumbered(numbers, _WHOLE), ONLY_WHOLE, (note,))
    outer = _Outside(part, sizes)
    if not outer.touching and any(map(outer.large, here)):  # tumours with a number each
        return _in_no_order(numbers, name, here)
    if 4 in here:
        dark = _is_dark(part, None if t1c is None else box.crop(t1c), t1c)
        return _with_four(numbers, name, here, outer, dark)
    if {1, 2} <= here and outer.more(1, 2) and not outer.more(3, 1):
        note = f"{name} is understood as 1 oedema, 2 core, 3 enhancing, by where these lie."
        if 3 in here:
            return Reference(_renumbered(numbers, _OEDEMA_FIRST), EVERY, (note,))
        note = (
            f"{name} is understood as 1 oedema, 2 core, by where these lie; what enhances may be "
            "part of 2, and is not scored."
        )
        return Reference(_renumbered(numbers, _OEDEMA_FIRST), EVERY - {"et"}, (note,))
    if (outer.large(1, 2) and not outer.more(2, 1)) or outer.more(3, 2):
        return _in_no_order(numbers, name, here)
    return Reference(numbers, EVERY)


def _with_four(numbers: Bytes, name: str, here: set[int], outer: _Outside, dark: bool) -> Reference:
    """A file with a label 4: enhancing, a cavity, or the oedema of children."""
    inner = [label for label in here - {4} if outer.large(label)]
    if inner not in ([], [1], [3]) and all(outer.more(4, label) for label in inner):
        note = (
            f"{name} is understood as 1 enhancing, 2 core, 3 cyst, 4 oedema (BraTS-PED), by where "
            "these lie."
        )
        beyond = beyond_scope("The labels are those of children", CHILD)
        return Reference(_renumbered(numbers, _CHILDREN), EVERY, (note, beyond))
    if (dark and outer.large(4)) or ({2, 3} <= here and outer.more(2, 4)):
        note = (
            f"{name} is understood as 1 core, 2 oedema, 3 enhancing, 4 cavity after surgery "
            "(BraTS 2024); the cavity is no tumour."
        )
        beyond = beyond_scope("There is a cavity in the reference", AFTER)
        return Reference(_renumbered(numbers, _AFTER_SURGERY), EVERY, (note, beyond))
    if 3 in here or 1 not in here:
        raise CaseError(
            f"{name} has the labels {_named(here)}, and 4 may be enhancing tumour (BraTS to 2021) "
            "or a cavity after surgery (2024). Renumber them: 1 core, 2 oedema, 3 enhancing."
        )
    if outer.more(4, 2):
        return _in_no_order(numbers, name, here)
    return Reference(numbers, EVERY)


def _in_no_order(numbers: Bytes, name: str, here: set[int]) -> Reference:
    """All labels are tumour, but which is which cannot be told."""
    note = (
        f"{name}: by where its labels {_named(here)} lie, they are in no order that is known; "
        "only the whole tumour is scored."
    )
    return Reference(_renumbered(numbers, _WHOLE), ONLY_WHOLE, (note,))


class _Outside:
    """How much of each label borders on no tumour, for its size, and whether any two touch."""

    def __init__(self, part: Bytes, sizes: npt.NDArray[np.int64]) -> None:
        """part: (x, y, z) labels, with a margin where the image allows."""
        borders = np.zeros(5)
        self.touching = False
        for axis in range(3):
            along = np.moveaxis(part, axis, 0)
            for a, b in ((along[:-1], along[1:]), (along[1:], along[:-1])):
                borders += np.bincount(a[b == 0], minlength=5)
            self.touching |= bool(((a != b) & (a > 0) & (b > 0)).any())
        self._sizes = sizes
        self._shares = borders / np.maximum(sizes, 1)

    def large(self, *labels: int) -> bool:
        """Whether all have voxels enough."""
        return all(self._sizes[label] >= ENOUGH_VOXELS for label in labels)

    def more(self, a: int, b: int) -> bool:
        """Whether one label borders on no tumour clearly more than another, both being large."""
        return self.large(a, b) and bool(self._shares[a] >= MORE_OUTSIDE * self._shares[b])


def _is_dark(part: Bytes, inside: Floats | None, t1c: Floats | None) -> bool:
    """Whether label 4 is dark after contrast, as no enhancing tumour is."""
    if inside is None or t1c is None:
        return False
    brain = t1c[t1c != 0][::7]
    values = inside[part == 4]
    return bool(brain.size) and bool(np.mean(values > np.median(brain)) < DARK_SHARE)


def _renumbered(numbers: Bytes, meaning: tuple[int, ...]) -> Bytes:
    renumbered: Bytes = np.array(meaning, np.uint8)[numbers]
    return renumbered


def _named(labels: set[int]) -> str:
    return listed(map(str, sorted(labels)))
