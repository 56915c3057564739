"""One sequence of a head brought onto another: rigid, whatever their contrasts and slices.

    found = register(Volume(fixed, grid), Volume(moving, other))
    found.moved                      # (4, 4): mm in fixed to mm in moving
    found.trouble                    # "" where it can be trusted

Mattes mutual information (Mattes et al. 2003) is made largest, from several starts on a coarse
grid and from the best of them on finer ones. What comes out is judged by another measure than was
made largest: whether edges lie on edges (normalised gradients, Haber and Modersitzki 2006), more so
than with either image moved a little in any direction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813, as everybody calls it
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mckd.clinic.brain import not_air
from mckd.clinic.steps import Tick, silent, within
from mckd.tumour.geometry import LPS, Bools, Doubles, Grid, bounding_box
from mckd.tumour.nifti import Floats

LEVELS_MM = (6.0, 3.0, 1.5)
STARTS_TURNED = 15.0  # degrees, about each axis
KEPT_STARTS = 3
BINS = 40
THREADS = 2  # as many on every machine: sums of other parts differ in their last bits
SAMPLED = (1.0, 0.3, 0.06)  # share of the voxels of a level at which images are compared
STEPS = (100, 60, 40)  # at most, of a level
RADIUS_MM = 70.0  # of a head: so far its edge moves when it turns by a radian
JUDGED_MM = 3.0
ASIDE_MM = 5.0  # an image moved so far has to fit worse
ASIDE_DEGREES = 5.0
EDGES = 0.8  # the strongest fifth of gradients are edges
LEAST_GAIN = 1.0
"""Agreement of edges over that with an image moved aside. Of five pairs of real heads it was 1.12
to 1.21 where they fit, and less than 1 from 4 mm off."""
LEAST_SHARED = 0.5  # of the smaller head within the other's image


@dataclass(frozen=True, eq=False)
class Volume:
    """voxels: (X, Y, Z) float32; grid: where they lie."""

    voxels: Floats
    grid: Grid


@dataclass(frozen=True, eq=False)
class Registration:
    """moved: (4, 4) rigid, mm in the fixed image to mm in the moving one. gain: agreement of edges
    over the best of those with an image moved aside. shared: how much of the smaller head lies
    within the other image. trouble: why it cannot be trusted, a clause, or ""."""

    moved: Doubles
    gain: float
    shared: float
    trouble: str


def register(fixed: Volume, moving: Volume, tick: Tick = silent) -> Registration:
    """The rigid motion from one image of a head to another of the same person.

    Axes may point anywhere; both images are looked at in voxels of `LEVELS_MM`. The same input
    gives the same bits.
    """
    best: list[sitk.Euler3DTransform] = []
    for level, mm in enumerate(LEVELS_MM):
        images = _cubic(fixed, mm), _cubic(moving, mm)
        begin = best or _best_starts(*images)
        parts = np.linspace(level, level + 1, len(begin) + 1) / len(LEVELS_MM)
        tried = [
            _optimised(*images, start, level, within(tick, parts[n], parts[n + 1]))
            for n, start in enumerate(begin)
        ]
        best = [max(tried, key=lambda one: one[1])[0]]
    return judged(fixed, moving, _matrix(best[0]))


def judged(fixed: Volume, moving: Volume, moved: Doubles) -> Registration:
    """A motion from mm in `fixed` to mm in `moving` with what there is to say of it."""
    a, b = (_cubic_volume(volume, JUDGED_MM) for volume in (fixed, moving))
    head_a, head_b = (not_air(volume.voxels) for volume in (a, b))
    shared = max(_share_within(a, head_a, b, moved), _share_within(b, head_b, a, _back(moved)))
    at = _edges_agree(a, b, moved)
    aside = max(_edges_agree(a, b, one) for one in _moved_aside(moved, a, head_a))
    gain = at / aside if aside > 0 else 0.0
    trouble = ""
    if shared < LEAST_SHARED:
        trouble = f"only {shared:.0%} of the head is in both images"
    elif gain < LEAST_GAIN:
        trouble = "the edges of the two images do not lie on each other"
    return Registration(moved, gain, shared, trouble)


def _cubic_volume(volume: Volume, mm: float) -> Volume:
    """The head in cubic voxels, axes right, front, up; smoothed so far as that makes it coarser."""
    grid = volume.grid.canonical
    voxels = volume.grid.to_canonical(volume.voxels)
    box = bounding_box(not_air(voxels), 2)
    part = box.crop(voxels)
    blur = [max(0.0, mm / s - 1) / 2 for s in grid.spacing_mm]
    part = ndimage.gaussian_filter(part, blur)
    shape = [max(2, round(n * s / mm)) for n, s in zip(part.shape, grid.spacing_mm, strict=True)]
    step = np.divide(part.shape, shape)
    turn = np.diag([*step, 1.0])
    turn[:3, 3] = (step - 1) / 2 + box.start
    coarse = ndimage.affine_transform(
        part, step, (step - 1) / 2, tuple(shape), order=1, mode="nearest"
    )
    return Volume(coarse, Grid((shape[0], shape[1], shape[2]), grid.affine @ turn))


def _cubic(volume: Volume, mm: float) -> sitk.Image:
    return _image(_cubic_volume(volume, mm))


def _image(volume: Volume) -> sitk.Image:
    """As SimpleITK has it: axes z, y, x of the array, space to the left, back, up."""
    affine = LPS @ volume.grid.affine
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.voxels.T))
    image.SetSpacing(volume.grid.spacing_mm)
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / volume.grid.spacing_mm).ravel().tolist())
    return image


def _matrix(transform: sitk.Euler3DTransform) -> Doubles:
    """(4, 4) between mm in RAS+."""
    turn = np.reshape(transform.GetMatrix(), (3, 3))
    middle = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = middle + transform.GetTranslation() - turn @ middle
    return np.asarray(LPS @ matrix @ LPS, np.float64)


def _best_starts(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.Euler3DTransform]:
    """As the scanner says, and with the middles of the heads on each other; turned, and not."""
    middles = [_middle(image) for image in (fixed, moving)]
    starts = []
    for shift in (np.zeros(3), middles[1] - middles[0]):
        for angles in _turns():
            start = sitk.Euler3DTransform(middles[0].tolist())
            start.SetRotation(*angles)
            start.SetTranslation(shift.tolist())
            starts.append(start)
    method = _method(0)
    scored = []
    for start in starts:
        method.SetInitialTransform(start)
        try:
            scored.append(-method.MetricEvaluate(fixed, moving))
        except RuntimeError:  # the images hardly meet
            scored.append(-np.inf)
    order = np.argsort(np.negative(scored), kind="stable")[:KEPT_STARTS]
    return [starts[place] for place in order]


def _turns() -> Iterator[tuple[float, float, float]]:
    yield 0.0, 0.0, 0.0
    for axis, sign in itertools.product(range(3), (-1, 1)):
        angles = [0.0, 0.0, 0.0]
        angles[axis] = sign * np.radians(STARTS_TURNED)
        yield angles[0], angles[1], angles[2]


def _middle(image: sitk.Image) -> Doubles:
    """Of the head, in the space of SimpleITK."""
    head = not_air(sitk.GetArrayViewFromImage(image))
    z, y, x = np.argwhere(head).mean(0)
    return np.array(image.TransformContinuousIndexToPhysicalPoint((x, y, z)))


def _method(level: int) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    if SAMPLED[level] < 1:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(SAMPLED[level], 1)  # the seed
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        LEVELS_MM[level], 0.01, STEPS[level], relaxationFactor=0.7
    )
    method.SetOptimizerScales([RADIUS_MM**2] * 3 + [1.0] * 3)  # three angles, three shifts
    method.SetNumberOfThreads(THREADS)
    return method


def _optimised(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Euler3DTransform, level: int, tick: Tick
) -> tuple[sitk.Euler3DTransform, float]:
    """The motion that a start leads to, and its mutual information."""
    method = _method(level)
    motion = sitk.Euler3DTransform(start)
    method.SetInitialTransform(motion, True)
    ended: list[BaseException] = []

    def at_each_step() -> None:
        try:
            tick(method.GetOptimizerIteration() / STEPS[level])
        except BaseException as error:  # SimpleITK would lose what kind it is
            ended.append(error)
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, at_each_step)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # the images hardly meet
        return sitk.Euler3DTransform(start), -np.inf
    if ended:
        raise ended[0]
    return motion, -method.GetMetricValue()


def _edges_agree(a: Volume, b: Volume, moved: Doubles) -> float:
    """Mean squared cosine between gradients at the edges of the one image, 0 to 1; 0 where it has
    none that the other one reaches."""
    there = np.linalg.inv(b.grid.affine) @ moved @ a.grid.affine
    other = ndimage.affine_transform(
        b.voxels, there[:3, :3], there[:3, 3], a.voxels.shape, order=1, mode="nearest"
    )
    seen = ndimage.affine_transform(
        np.ones(b.voxels.shape, np.float32), there[:3, :3], there[:3, 3], a.voxels.shape, order=0
    )
    one, two = (np.stack([*np.gradient(v)]) for v in (a.voxels, other))
    strength = (one * one).sum(0)
    strength[seen == 0] = 0
    if not strength.any():
        return 0.0
    edges = strength > np.quantile(strength[strength > 0], EDGES)
    one, two = one[:, edges], two[:, edges]
    weak = np.mean(two * two) + 1e-12
    dots = (one * two).sum(0) ** 2 / (one * one).sum(0) / ((two * two).sum(0) + weak)
    return float(dots.mean())


def _moved_aside(moved: Doubles, fixed: Volume, head: Bools) -> Iterator[Doubles]:
    """The motion after a shift or a turn about the head's middle, each way along every axis."""
    middle = np.argwhere(head).mean(0) @ fixed.grid.affine[:3, :3].T + fixed.grid.affine[:3, 3]
    for axis, sign in itertools.product(range(3), (-1, 1)):
        step = np.zeros(3)
        step[axis] = sign
        shift, turn = np.eye(4), np.eye(4)
        shift[:3, 3] = ASIDE_MM * step
        turn[:3, :3] = Rotation.from_rotvec(ASIDE_DEGREES * step, degrees=True).as_matrix()
        turn[:3, 3] = middle - turn[:3, :3] @ middle
        yield moved @ shift
        yield moved @ turn


def _share_within(a: Volume, head: Bools, b: Volume, moved: Doubles) -> float:
    """How much of the head of an image lies within the box of another."""
    index = np.argwhere(head)[::7]
    there = np.linalg.inv(b.grid.affine) @ moved @ a.grid.affine
    places = index @ there[:3, :3].T + there[:3, 3]
    inside = (places >= -0.5) & (places <= np.array(b.voxels.shape) - 0.5)
    return float(inside.all(1).mean()) if len(index) else 0.0


def _back(moved: Doubles) -> Doubles:
    return np.asarray(np.linalg.inv(moved), np.float64)
