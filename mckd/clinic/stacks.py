"""From slices, as their headers place them, to volumes: what belongs together, and in which order.

DICOM's patient space is LPS, mm: x to the left, y to the back, z up. A grid here is RAS+, as in
NIfTI: the signs of x and y change, nothing else does. The axes of a volume are column, row, slice;
slices run along the cross product of the directions of a row and of a column (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mckd.clinic.headers import Frame
from mckd.clinic.series import Facts, StudyError
from mckd.tumour.geometry import Doubles, Grid
from mckd.tumour.nifti_affine import VOXEL_MM

FEWEST_SLICES = 8
LEAST_COVER_MM = 30.0
MOST_VOXELS = 2**28
UNEVEN = 0.1
"""Steps between slices may differ by this part of the usual one: positions are rounded."""
UNEVEN_MM = 0.02
MOST_LEAN = 0.5  # of a step to the side, for each mm along the normal: a stack that leans
# What two headers of one volume may differ by, where they were rounded
SAME_DIRECTION = 2e-3  # of the components of unit vectors
SAME_SIZE = 1e-3  # of the distance of two pixels, as a part of it
SAME_TIME_MS = 0.5  # of echo and inversion
SAME_WEIGHTING = 0.5  # s/mm2, of b-values
ABSENT = -1e9
PARALLEL = 0.95  # cosine between the normals of slices
ELSEWHERE = 0.25  # of a step, from the places of a stack


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices that make one volume, in the order of its last axis, and the grid that they lie on."""

    frames: tuple[Frame, ...]
    grid: Grid

    @property
    def facts(self) -> Facts:
        return self.frames[0].facts


def volumes_of(frames: Iterable[Frame]) -> list[list[Frame]]:
    """The frames of one series, apart where they are not of one volume.

    A localizer has several planes, a series may hold several echoes, magnitude beside phase, or
    several b-values. The same image twice is taken once; one UID on images of other places or
    times, as careless anonymisation leaves it, makes them not the same. Slices that differ in
    ImageType alone and complete each other on one grid are one volume.
    """
    volumes: list[list[Frame]] = []
    for alike in _grouped([*frames], _taken):
        kinds = [_each_once(kind) for kind in _grouped(alike, _image_types)]
        whole = [frame for kind in kinds for frame in kind]
        volumes += [whole] if len(kinds) > 1 and _is_volume(whole) else kinds
    return volumes


def _each_once(frames: Sequence[Frame]) -> list[Frame]:
    return [same[0] for same in _grouped(frames, _images)]


def _is_volume(frames: Sequence[Frame]) -> bool:
    try:
        stacked(frames)
    except StudyError:
        return False
    return True


def _grouped(
    frames: Sequence[Frame], keys_of: Callable[[Sequence[Frame]], Iterable[Hashable]]
) -> list[list[Frame]]:
    """The frames of each key, in the order in which the keys first come."""
    groups: dict[Hashable, list[Frame]] = defaultdict(list)
    for frame, key in zip(frames, keys_of(frames), strict=True):
        groups[key].append(frame)
    return list(groups.values())


def _image_types(frames: Sequence[Frame]) -> list[tuple[str, ...]]:
    return [frame.facts.image_type for frame in frames]


def at_each_place(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The frames that lie at one place, of each place."""
    return _grouped(frames, _places)


def _places(frames: Sequence[Frame]) -> list[tuple[int, ...]]:
    return _levels([_or_absent(frame.position, 3) / UNEVEN_MM for frame in frames])


def _images(frames: Sequence[Frame]) -> Iterable[Hashable]:
    """Which image each frame is."""
    said = [(frame.instance, frame.date, frame.time) for frame in frames]
    return zip(_places(frames), said, strict=True)


def _taken(frames: Sequence[Frame]) -> Iterable[Hashable]:
    """How each frame was taken, and how it lies."""
    measured = _levels([_measured(frame) for frame in frames])
    said = [(frame.rows, frame.columns, frame.inverted) for frame in frames]
    return zip(measured, said, strict=True)


def _measured(frame: Frame) -> Doubles:
    """(11,): what a header measures, each number in units of what its rounding may change."""
    facts = frame.facts
    times = (ABSENT if ms is None else ms / SAME_TIME_MS for ms in (facts.te_ms, facts.ti_ms))
    return np.array(
        [
            *_or_absent(frame.directions.ravel(), 6) / SAME_DIRECTION,
            *np.log(np.maximum(frame.pixel_mm, np.finfo(float).tiny)) / SAME_SIZE,
            *times,
            ABSENT if facts.b_value is None else facts.b_value / SAME_WEIGHTING,
        ]
    )


def _or_absent(values: Doubles, count: int) -> Doubles:
    return values if values.size == count else np.full(count, ABSENT)


def _levels(rows: Sequence[Doubles]) -> list[tuple[int, ...]]:
    """A key for each of N rows of K numbers: in each column, numbers at most 1 above the lowest of
    a level are of that level. No edge lies where numbers are, as those of buckets may."""
    values = np.array(rows)
    levels = np.zeros(values.shape, int)
    for column, out in zip(values.T, levels.T, strict=True):
        level, lowest = 0, -np.inf
        for place in np.argsort(column):
            if not column[place] - lowest <= 1:
                level, lowest = level + 1, column[place]
            out[place] = level
    return [tuple(row) for row in levels.tolist()]


def stacked(frames: Sequence[Frame]) -> Stack:
    """The volume that frames make.

    Raises:
        StudyError: they do not lie on one regular grid, or are too few for one: why, in a few words
            that follow the name of the series.
    """
    first = frames[0]
    if any(frame.position.size != 3 or frame.directions.size != 6 for frame in frames):
        raise StudyError("its header does not say where its slices lie")
    normal = _normal(first)
    if len(frames) < FEWEST_SLICES:
        count = "one slice" if len(frames) == 1 else f"{len(frames)} slices"
        raise StudyError(f"too few slices for a volume: {count}")
    if first.rows * first.columns * len(frames) > MOST_VOXELS:
        raise StudyError("it holds more voxels than any scan of a head")
    along = np.array([frame.position @ normal for frame in frames])
    order = np.argsort(along, kind="stable")
    slices = tuple(frames[place] for place in order)
    step = _step(np.array([frame.position for frame in slices]), normal)
    affine = np.eye(4)
    affine[:3, 0] = first.directions[:, 0] * first.pixel_mm[0]
    affine[:3, 1] = first.directions[:, 1] * first.pixel_mm[1]
    affine[:3, 2] = step
    affine[:3, 3] = slices[0].position
    affine[:2] *= -1  # LPS to RAS+
    grid = Grid((first.columns, first.rows, len(slices)), affine)
    if not all(VOXEL_MM[0] <= mm <= VOXEL_MM[1] for mm in grid.spacing_mm):
        raise StudyError("its voxels have a size that no scan of a head has")
    if why := too_little(grid):
        raise StudyError(why)
    return Stack(slices, grid)


def placed(series: Iterable[Frame]) -> Doubles:
    """(N, 6): of the slices of a series, place and normal in LPS, where headers say both."""
    told = [f for f in series if f.position.size == 3 and f.directions.size == 6]
    sides = np.array([frame.directions for frame in told]).reshape(-1, 3, 2)
    positions = np.array([frame.position for frame in told]).reshape(-1, 3)
    return np.hstack([positions, np.cross(sides[:, :, 0], sides[:, :, 1])])


def slices_elsewhere(stack: Stack, series: Doubles) -> int:
    """How many slices of its series, see `placed`, lie along a stack but at none of its places:
    between its slices or beyond them."""
    first, last = stack.frames[0], stack.frames[-1]
    normal = _normal(first)
    step = (last.position - first.position) @ normal / (len(stack.frames) - 1)
    along = series[np.abs(series[:, 3:] @ normal) > PARALLEL, :3] - first.position
    places = along @ normal / step
    nearest = np.clip(np.rint(places), 0, len(stack.frames) - 1)
    return int(np.count_nonzero(np.abs(places - nearest) > ELSEWHERE))


def too_little(grid: Grid) -> str:
    """Why a volume on this grid shows too little of a head, in words that follow its name; "" if it
    may show one."""
    if min(grid.shape) < FEWEST_SLICES:
        return f"too few slices for a volume: {' x '.join(map(str, grid.shape))} voxels"
    if min(n * mm for n, mm in zip(grid.shape, grid.spacing_mm, strict=True)) < LEAST_COVER_MM:
        return "its slices cover too little of a head"
    return ""


def _normal(frame: Frame) -> Doubles:
    row, column = frame.directions.T
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(row @ column) > 0.01:
        raise StudyError("the directions of its rows and columns are not at right angles")
    return np.asarray(np.cross(row, column))


def _step(positions: Doubles, normal: Doubles) -> Doubles:
    """(3,): from one slice to the next, the mean; positions (N, 3) in order.

    Raises:
        StudyError: several slices in one place, a missing one, or steps that differ.
    """
    along = np.diff(positions @ normal)
    usual = float(np.median(along))
    allowed = max(UNEVEN * usual, UNEVEN_MM)
    if (along < UNEVEN_MM).any():
        places = 1 + int((along >= UNEVEN_MM).sum())
        raise StudyError(
            f"several images at each place ({len(positions)} at {places}): a series in time, of "
            "diffusion, or of several echoes"
        )
    if (np.abs(along - usual) > allowed).any():
        missing = round(along.max() / usual) - 1
        raise StudyError(
            f"at least {missing} of its slices missing: some lie {along.max():.3g} mm apart, the "
            f"others {usual:.3g} mm"
            if missing
            else f"its slices lie unevenly, {along.min():.3g} to {along.max():.3g} mm apart"
        )
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    regular = positions[0] + np.arange(len(positions))[:, None] * step
    if np.abs(positions - regular).max() > max(usual / 2, UNEVEN_MM):
        raise StudyError("its slices do not lie behind each other")
    aside = np.linalg.norm(step - (step @ normal) * normal)
    if aside > MOST_LEAN * (step @ normal):
        raise StudyError("its slices do not lie behind each other")
    return np.asarray(step)
