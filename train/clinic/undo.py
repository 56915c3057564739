"""`python -m train bench clinic`: undo the preparation of real cases, and prepare them again.

Each sequence of a prepared case gets somebody's skull, a motion of its own, voxels of its own and
noise; `prepare` does not know which. How far its motions are from the true ones is measured within
the brain, and how well the bundled model outlines the tumour, beside the case as it was prepared.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mckd.clinic.brain import find_brain
from mckd.clinic.preparation import prepare
from mckd.clinic.series import Facts, Prepared, Role, Series, Study
from mckd.tumour.data import Case, find_cases, read_case, regions
from mckd.tumour.geometry import Bools, Doubles, Grid, bounding_box
from mckd.tumour.metrics import dice
from mckd.tumour.naming import REGIONS
from mckd.tumour.nifti import Floats, read_header, read_image
from mckd.tumour.predictor import TumourSegmenter
from train.bench import peak_mb
from train.clinic.heads import Head, put_into
from train.clinic.thick import score

MOST_DEGREES = 15.0
MOST_MM = 20.0
IN_PLANE_MM = (0.8, 1.2)
SLICES_MM = (1.0, 2.0)  # of all but the first, which is 3-D of 1 mm
NOISE = 0.02  # of the median of a brain
ROOM_MM = 45.0  # of a field of view around the brain
GREYS = {"flair": (0.7, 0.7), "t1": (1.0, 1.0), "t1c": (1.0, 1.1), "t2": (1.5, 0.8)}
"""Of a T1-weighted skull in another sequence: the power, and the brightness."""


@dataclass(frozen=True, eq=False)
class Undone:
    """study: as scanned. true: {slot: (4, 4), mm in the case to mm in the series}. brain: mm."""

    study: Study
    true: Mapping[str, Doubles]
    brain: Doubles


def bench(arguments: argparse.Namespace) -> int:
    """A line per case; the last line is JSON."""
    segmenter = TumourSegmenter.load(arguments.checkpoint)
    skull = _skull_of(arguments.head)
    errors, changes, seconds = [], [], []
    for number, path in enumerate(find_cases(arguments.data)[: arguments.limit]):
        case = read_case(path)
        undone = undo(case, skull, np.random.default_rng(number))
        start = time.perf_counter()
        prepared = prepare(undone.study, way=arguments.way)
        seconds.append(time.perf_counter() - start)
        apart = {slot: errors_mm(prepared, undone, slot) for slot in case.volumes}
        before, after = score(segmenter, case, case), _score(segmenter, prepared, undone, case)
        errors.append(np.concatenate([*apart.values()]))
        changes.append([b - a for a, b in zip(before, after, strict=True)])
        far = {slot: round(float(np.percentile(mm, 95)), 2) for slot, mm in apart.items()}
        print(
            f"{case.name}: mm {far}, Dice {np.round(before, 3)} to {np.round(after, 3)}, brain "
            f"{brain_dice(prepared, undone, case):.3f}, {seconds[-1]:.0f} s",
            *[step.trouble for step in prepared.steps if step.trouble],
            flush=True,
        )
    mm = np.concatenate(errors)
    print(
        json.dumps(
            {
                "way": arguments.way,
                "cases": len(changes),
                "error in mm, percentiles 50 95": np.percentile(mm, (50, 95)).round(2).tolist(),
                "under 1 mm": round(float((mm < 1).mean()), 3),
                "mean change of Dice": dict(
                    zip(REGIONS, np.nanmean(changes, 0).round(3).tolist(), strict=True)
                ),
                "median seconds": round(float(np.median(seconds)), 1),
                "peak MB": round(peak_mb()),
            }
        )
    )
    return 0


def _skull_of(path: Path) -> Head:
    """A head whose brain is known, at 1 mm, its brain's median 1."""
    header = read_header(path)
    voxels = header.grid.to_canonical(read_image(header).voxels)
    spacing = header.grid.canonical.spacing_mm
    brain = find_brain(voxels, spacing)
    coarse = ndimage.zoom(voxels, spacing, order=1, grid_mode=True, mode="nearest")
    inside = (
        ndimage.zoom(brain.astype(np.float32), spacing, order=1, grid_mode=True, mode="nearest")
        > 0.5
    )
    return Head(path.name, coarse / np.median(coarse[inside]), inside, True)


def undo(case: Case, skull: Head, rng: np.random.Generator) -> Undone:
    """The sequences of a prepared case as a scanner might have shown them.

    skull: a head at 1 mm, into which each sequence is put.
    """
    place = case.grid.canonical.affine
    brain = np.any([volume != 0 for volume in case.volumes.values()], axis=0)
    inside = np.argwhere(brain)[::997] @ place[:3, :3].T + place[:3, 3]
    series, true = [], {}
    for slot, volume in case.volumes.items():
        power, gain = GREYS[slot]
        level = float(np.median(volume[brain]))
        outer = Head(skull.name, gain * skull.voxels.clip(0) ** power, skull.brain, True)
        inner = Head(slot, volume / level, brain, True)
        whole, origin = _placed(inner, outer, rng)
        true[slot] = _motion(inside.mean(0), rng)
        first = slot == min(case.volumes, key=("t1c", "t1", "flair", "t2").index)
        series.append(_scanned(slot, whole, place @ origin, true[slot], inside, first, level, rng))
    study = Study(tuple(series), {one.key: one.key for one in series}, {})
    return Undone(study, true, inside)


def _placed(inner: Head, outer: Head, rng: np.random.Generator) -> tuple[Floats, Doubles]:
    """A brain in a skull, and (4, 4): where its voxels are among those of the brain's image."""
    made = put_into(inner, outer, rng)
    shift = np.subtract(bounding_box(inner.brain).start, bounding_box(made.brain).start)
    origin = np.eye(4)
    origin[:3, 3] = shift
    return made.voxels, origin


def _motion(middle: Doubles, rng: np.random.Generator) -> Doubles:
    """A turn about the middle of the brain and a shift, each of up to its most."""
    axis = rng.standard_normal(3)
    angle = rng.uniform(0, MOST_DEGREES)
    turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis), degrees=True).as_matrix()
    way = rng.standard_normal(3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = middle - turn @ middle + rng.uniform(0, MOST_MM) * way / np.linalg.norm(way)
    return matrix


def _scanned(
    slot: str,
    voxels: Floats,
    affine: Doubles,
    motion: Doubles,
    inside: Doubles,
    fine: bool,
    level: float,
    rng: np.random.Generator,
) -> Series:
    """A head, moved, in voxels of its own, as whole numbers with a scanner's noise."""
    spacing = np.ones(3)
    if not fine:
        spacing[:] = rng.uniform(*IN_PLANE_MM)
        spacing[rng.integers(3)] = rng.uniform(*SLICES_MM)
    moved = inside @ motion[:3, :3].T + motion[:3, 3]
    low = moved.min(0) - ROOM_MM
    shape = np.ceil((moved.max(0) + ROOM_MM - low) / spacing).astype(int)
    own = np.diag([*spacing, 1.0])
    own[:3, 3] = low
    there = np.linalg.inv(affine) @ np.linalg.inv(motion) @ own
    thick = ndimage.gaussian_filter(voxels, np.sqrt(np.maximum(spacing**2 - 1, 0)) / 2.4)
    image = ndimage.affine_transform(
        thick, there[:3, :3], there[:3, 3], tuple(shape), order=1, mode="constant"
    )
    noise = NOISE * rng.standard_normal((2, *shape), np.float32)
    image = np.round(level * np.hypot(image + noise[0], noise[1]))
    grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), own)
    role = Role(slot, True)
    return Series(
        key=slot, name=slot, grid=grid, facts=Facts(), role=role, voxels=image.astype(np.float32)
    )


def errors_mm(prepared: Prepared, undone: Undone, slot: str) -> Doubles:
    """How far places of the brain are from where they truly are in a series, (N,)."""
    return np.asarray(
        np.linalg.norm(
            _moved(_to_prepared(prepared, undone), prepared.moved[slot])
            - _moved(undone.brain, undone.true[slot]),
            axis=1,
        )
    )


def _to_prepared(prepared: Prepared, undone: Undone) -> Doubles:
    """Places of the brain in the space of the prepared case, by the series that kept its place."""
    matrix = _between(prepared, undone)
    return _moved(undone.brain, matrix)


def _between(prepared: Prepared, undone: Undone) -> Doubles:
    """(4, 4), from mm in the case to mm in the prepared one, true for the reference."""
    registered = {step.slot for step in prepared.steps if step.kind == "registration"}
    (kept,) = {*prepared.moved} - registered
    return np.asarray(np.linalg.inv(prepared.moved[kept]) @ undone.true[kept])


def _moved(places: Doubles, matrix: Doubles) -> Doubles:
    return np.asarray(places @ matrix[:3, :3].T + matrix[:3, 3])


def _back(volume: Floats, prepared: Prepared, undone: Undone, case: Case) -> Bools:
    """Of a prepared case on the grid of the case that was undone."""
    grid = case.grid.canonical
    own = prepared.case.grid.canonical.affine
    there = np.linalg.inv(own) @ _between(prepared, undone) @ grid.affine
    moved = ndimage.affine_transform(volume, there[:3, :3], there[:3, 3], grid.shape, order=1)
    return np.asarray(moved > 0.5)


def _score(
    segmenter: TumourSegmenter, prepared: Prepared, undone: Undone, case: Case
) -> list[float]:
    """Dice of ET, TC, WT on the grid of the reference labels."""
    assert case.labels is not None
    segmenter.set_case(prepared.case)
    found = segmenter.predict(prepared.case.present).canonical
    back = (_back(one.astype(np.float32), prepared, undone, case) for one in found)
    return [
        (dice(a, b) or 0.0) if b.any() else float("nan")
        for a, b in zip(back, regions(case.labels), strict=True)
    ]


def brain_dice(prepared: Prepared, undone: Undone, case: Case) -> float:
    """Of the brain that was found and that of the case."""
    brain = np.any([volume != 0 for volume in case.volumes.values()], axis=0)
    return dice(_back(prepared.brain.astype(np.float32), prepared, undone, case), brain) or 0.0
