"""A study onto one grid, without the skull: what the networks were trained on.

    prepared = prepare(study)
    prepared.case, prepared.steps

The best series keeps its place; the others are brought onto it by rigid motions, all are resampled
once, to 1 mm, and what is not brain is taken away. Images that are prepared already are the case as
they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mckd.clinic.brain import OUTSIDE, BrainError, Way, best_way, evidence, in_one_piece, network_of
from mckd.clinic.choosing import WHOLE_MM, best_reference
from mckd.clinic.registration import Registration, Volume, judged, register
from mckd.clinic.series import Facts, Prepared, Role, Series, Step, Study, StudyError
from mckd.clinic.steps import Progress, Tick, ticking, within
from mckd.clinic.thickness import cost_of
from mckd.files.names import plain_name
from mckd.tumour.background import above_air, without_background
from mckd.tumour.data import Case, air_found, case_of
from mckd.tumour.doubts import BRAIN_ML
from mckd.tumour.geometry import Bools, Doubles, Grid
from mckd.tumour.naming import SEQUENCE_NAMES, SEQUENCES
from mckd.tumour.nifti import Floats, read_header, read_image
from mckd.tumour.placing import near_place

SPACING_MM = 1.0
SPLINE = 3  # the order of splines through the voxels of a series
ROOM_MM = 20.0  # of the head around the brain, for people to see
PREPARED_MM = (0.75, 1.5)  # voxels of images that may be prepared already
NETWORKS: dict[Way, str] = {
    "light": "the bundled light network",
    "hd-bet": "HD-BET",
}
SURE = 2.0
"""The logit from which the light network is believed: scalp that is called brain shines like
enhancing tumour, which costs more than what is lost at the edge. Four heads chose it, see
RESULTS.md."""
ROUGH = (
    "The bundled network outlines the brain roughly: tumour at its edge may be missed, and skull "
    "be called tumour. HD-BET does it better: pip install .[hdbet]."
)
FLOOR = 1e-3  # of the brightness of a brain: darker than that nothing in it is, for 0 is air


def prepare(
    study: Study,
    *,
    reference: str = "",
    way: Way | None = None,
    progress: Progress = lambda kind, slot, share: None,
    cancelled: Callable[[], bool] = lambda: False,
    name: str = "study",
) -> Prepared:
    """The chosen series of a study as a case.

    Args:
        study: with at least one chosen series.
        reference: the slot whose series the others are brought onto; "" for the best.
        way: how the brain is found, see `brain`; None for HD-BET where it is installed.
        progress: told how far each step is, often.
        cancelled: asked as often; True ends it.
        name: of the case, for people.

    Raises:
        StudyError: nothing is chosen, or no brain was found.
        CancelledError: `cancelled` said so.
    """
    series = {slot: study[study.chosen[slot]] for slot in SEQUENCES if slot in study.chosen}
    if not series:
        raise StudyError("No series is chosen. Say which one is FLAIR, T1, T1c or T2.")
    tick = partial(ticking, progress, cancelled)
    done = _as_it_is(study, series, name)
    if done:
        return done
    series = {slot: replace(one, voxels=above_air(one.voxels)) for slot, one in series.items()}
    reference = reference or best_reference(series)
    motions = {
        slot: _registered(series[reference], one, tick("registration", slot))
        for slot, one in series.items()
        if slot != reference
    }
    return _on_one_grid(study, series, reference, motions, way or best_way(), tick, name)


def study_of(files: Mapping[str, Path | str], shown: Mapping[str, str] | None = None) -> Study:
    """A study of NIfTI files whose sequences are known, {slot: path}.

    Args:
        shown: {slot: what people call the file}, where files lie under other names.

    Raises:
        StudyError: an unknown slot.
        CaseError: a file that cannot be read.
    """
    unknown = sorted(set(files) - {*SEQUENCES})
    if unknown:
        raise StudyError(f"{plain_name(unknown[0])!r} is none of {', '.join(SEQUENCES)}.")
    series = []
    for slot, path in files.items():
        image = read_image(read_header(Path(path), (shown or {}).get(slot)))
        if image.header.volumes != 1:
            raise StudyError(f"{image.name} holds {image.header.volumes} volumes, one is wanted.")
        series.append(
            Series(
                key=slot,
                name=image.name,
                grid=image.grid,
                facts=Facts(),
                role=Role(slot, True, "as you said"),
                voxels=image.voxels,
                files=(Path(path),),
                sides_known=image.header.sides_known,
                synthetic=image.header.synthetic,
                warnings=image.warnings,
            )
        )
    return Study(tuple(series), {slot: slot for slot in files}, {})


def _as_it_is(study: Study, series: Mapping[str, Series], name: str) -> Prepared | None:
    """The case of images that are prepared already; None if they are not."""
    grid = next(iter(series.values())).grid
    low, high = PREPARED_MM
    if not all(low <= mm <= high for mm in grid.spacing_mm):
        return None
    if not all(near_place(one.grid, grid) for one in series.values()):
        return None
    given = {slot: one.grid.to_canonical(one.voxels) for slot, one in series.items()}
    volumes = {slot: without_background(volume) for slot, volume in given.items()}
    lifted = [slot for slot, volume in given.items() if volumes[slot] is not volume]
    case = _case(name, volumes, grid, series, air_found(lifted))
    if case.unlike_training:
        return None
    brain = np.any([volume != 0 for volume in volumes.values()], axis=0)
    return Prepared(study, case, given, brain, dict.fromkeys(series, np.eye(4)), (), untouched=True)


def _case(
    name: str,
    volumes: Mapping[str, Floats],
    grid: Grid,
    series: Mapping[str, Series],
    warnings: Sequence[str],
) -> Case:
    """The case of volumes that were made of these series, with all that was said of them before
    these warnings."""
    used = series.values()
    return case_of(
        name,
        volumes,
        grid,
        grid,
        given={slot: one.grid for slot, one in series.items()},
        synthetic=any(one.synthetic for one in used),
        sides_known=all(one.sides_known for one in used),
        warnings=[*(said for one in used for said in one.warnings), *warnings],
        called=[one.name for one in used],
    )


def _registered(fixed: Series, moving: Series, tick: Tick) -> Registration:
    """The motion onto the reference; what the scanner says, if that alone can be trusted."""
    a, b = (Volume(one.voxels, one.grid) for one in (fixed, moving))
    found = register(a, b, tick)
    if found.trouble:
        said = judged(a, b, np.eye(4))
        return found if said.trouble else said
    return found


def _on_one_grid(
    study: Study,
    series: Mapping[str, Series],
    reference: str,
    motions: Mapping[str, Registration],
    way: Way,
    tick: Callable[[str, str], Tick],
    name: str,
) -> Prepared:
    moved = {slot: np.eye(4) for slot in series} | {s: m.moved for s, m in motions.items()}
    grid, brain, found = _brain(series, reference, moved, way, tick)
    head, volumes = {}, {}
    for place, (slot, one) in enumerate(series.items()):
        tick("resampling", slot)(place / len(series))
        head[slot], seen = _sampled(one.voxels, one.grid, grid, moved[slot], SPLINE)
        volumes[slot] = without_skull(head[slot], brain & seen)
    steps = (*_steps(series, reference, motions, grid), found)
    warnings = [step.trouble for step in steps if step.trouble]
    case = _case(name, volumes, grid, series, warnings)
    return Prepared(study, case, head, brain, moved, steps)


def _brain(
    series: Mapping[str, Series],
    reference: str,
    moved: Mapping[str, Doubles],
    way: Way,
    tick: Callable[[str, str], Tick],
) -> tuple[Grid, Bools, Step]:
    """The grid of the case, the brain on it, and how it was found.

    HD-BET looks at the reference; the light network at every series, and the mean of what they
    say counts: what one of them hides, another shows. A head that came without its skull is asked
    of nobody.
    """
    bare = _bare(series[reference])
    every = way == "light" and bare is None
    asked = [reference, *(slot for slot in series if slot != reference and every)]
    grid, said = series[reference].grid.canonical, []
    for number, slot in enumerate(asked):
        one = series[slot]
        place = one.grid.canonical
        part = within(tick("brain", ""), number / len(asked), (number + 1) / len(asked))
        try:
            logits = bare if bare is not None else _evidence(one, way, part)
        except BrainError as error:
            if slot == reference:
                raise StudyError(f"{one.name}: {error}.") from None
            continue
        part(1.0)
        if slot == reference:
            grid = _around(in_one_piece(logits), place)
        found, seen = _sampled(logits, place, grid, moved[slot], 1)
        said.append(np.where(seen, found, OUTSIDE))
    brain = in_one_piece(np.mean(said, axis=0) - (SURE if every else 0.0))
    names = " and ".join(SEQUENCE_NAMES[slot] for slot in asked)
    how = f"found by {NETWORKS[way]} in {names}" if bare is None else "as it came, without a skull"
    return grid, brain, _found(brain, how, rough=every)


def _found(brain: Bools, how: str, rough: bool) -> Step:
    """The step of a brain (X, Y, Z) in voxels of SPACING_MM, for people."""
    ml = np.count_nonzero(brain) * SPACING_MM**3 / 1000
    trouble = ROUGH if rough else ""
    if not BRAIN_ML[0] <= ml <= BRAIN_ML[1]:
        trouble = f"What was taken for brain measures {ml:.0f} mL."
    return Step("brain", "", f"{ml:.0f} mL, {how}", trouble)


def _evidence(one: Series, way: Way, tick: Tick) -> Floats:
    head = one.grid.to_canonical(one.voxels)
    return evidence(network_of(way), head, one.grid.canonical.spacing_mm, tick)


def _bare(one: Series) -> Floats | None:
    """The evidence of brain where a head came without its skull: all that is not air, if that is
    a whole head's and no more than a brain; else None."""
    grid = one.grid.canonical
    inside = without_background(one.grid.to_canonical(one.voxels)) != 0
    ml = np.count_nonzero(inside) * grid.voxel_ml
    whole = grid.shape[2] * grid.spacing_mm[2] >= WHOLE_MM
    if not (whole and BRAIN_ML[0] <= ml <= BRAIN_ML[1]):
        return None
    return np.where(inside, -OUTSIDE, OUTSIDE).astype(np.float32)


def _around(brain: Bools, own: Grid) -> Grid:
    """Cubic voxels along the axes of space, around the brain and ROOM_MM of what is beside it."""
    inside = np.argwhere(brain) @ own.affine[:3, :3].T + own.affine[:3, 3]
    low = np.floor(inside.min(0) - ROOM_MM)
    x, y, z = np.ceil((inside.max(0) + ROOM_MM - low) / SPACING_MM).astype(int) + 1
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = low
    return Grid((int(x), int(y), int(z)), affine)


def _sampled(
    voxels: Floats, source: Grid, target: Grid, moved: Doubles, order: int
) -> tuple[Floats, Bools]:
    """A volume at the voxels of another grid by splines, and which of them lie within it.

    moved: from mm of the target to mm of the source.
    """
    there = np.linalg.inv(source.affine) @ moved @ target.affine
    turn, shift = there[:3, :3], there[:3, 3]
    sampled: Floats = ndimage.affine_transform(
        voxels, turn, shift, target.shape, order=order, mode="nearest"
    )
    seen = ndimage.affine_transform(
        np.ones(voxels.shape, np.uint8), turn, shift, target.shape, order=0, mode="constant"
    )
    return sampled * seen, seen > 0


def without_skull(head: Floats, brain: Bools) -> Floats:
    """0 but for the brain, in which nothing is: there 0 would mean air."""
    inside = head[brain]
    floor = np.float32(FLOOR * abs(np.median(inside)) if len(inside) else 0)
    return np.where(brain, np.maximum(head, floor), np.float32(0))


def _steps(
    series: Mapping[str, Series],
    reference: str,
    motions: Mapping[str, Registration],
    grid: Grid,
) -> list[Step]:
    """What was done, for people, in their order."""
    middle = np.append(grid.corners_mm().mean(0), 1.0)
    steps = [
        Step("registration", slot, _motion(found.moved, middle, reference), _doubt(slot, found))
        for slot, found in motions.items()
    ]
    thickest = max(series, key=lambda slot: max(series[slot].grid.spacing_mm))
    for slot, one in series.items():
        size = " x ".join(f"{mm:.2g}" for mm in one.grid.spacing_mm)
        cost = cost_of(one.grid) if slot == thickest else ""
        said = f"from voxels of {size} mm to {SPACING_MM:g} mm"
        steps.append(Step("resampling", slot, said, cost))
    return steps


def _doubt(slot: str, found: Registration) -> str:
    if not found.trouble:
        return ""
    return f"{SEQUENCE_NAMES[slot]} may not lie on the others: {found.trouble}."


def _motion(moved: Doubles, middle: Doubles, onto: str) -> str:
    """How far an image lay from another at the middle of the head, in words."""
    degrees = np.degrees(Rotation.from_matrix(moved[:3, :3]).magnitude())
    mm = np.linalg.norm(moved @ middle - middle)
    return f"turned by {degrees:.1f} degrees and shifted by {mm:.1f} mm onto {SEQUENCE_NAMES[onto]}"
