"""The air of an image: found whatever its value, and left alone where nobody can say."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from mckd.tumour import SEQUENCES, read_case
from mckd.tumour.background import above_air, without_background
from mckd.tumour.data import AIR_FOUND, standardise
from mckd.tumour.metrics import dice

SHAPE = (96, 112, 88)
AFFINE = np.diag([1.6, 1.6, 1.6, 1.0])
AFFINE[:3, 3] = -70, -90, -60


def head(seed: int = 0) -> np.ndarray:
    """A brain of folds in air of exactly 0, with a sharp edge, as skull-strippers leave it."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    x, y, z = grid
    angle = np.arctan2(y, x)
    inside = np.sqrt(x**2 + y**2 + z**2) < 0.8 + 0.05 * np.sin(9 * angle) * np.cos(7 * z)
    tissue = 500 + 150 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5) / 0.1
    return np.where(inside, np.clip(np.rint(tissue), 60, 2000), 0).astype(np.float32)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return head()


def noise(shape: tuple[int, ...], size: float) -> np.ndarray:
    return np.random.default_rng(7).uniform(-size, size, shape)


def magnitude(shape: tuple[int, ...]) -> np.ndarray:
    """As it is in the air of a scan, 0.3 % of a head; its tail is longer than that of `noise`."""
    return np.random.default_rng(7).rayleigh(1.5, shape)


CHANGED = {
    "shifted": lambda v: v - 1000,
    "scaled and shifted": lambda v: v * 0.37 + 12.5,
    "to -1..1": lambda v: 2 * (v - v.min()) / (v.max() - v.min()) - 1,
    "z-score over all voxels": lambda v: (v - v.mean()) / v.std(),
    "1e-6 in the air": lambda v: v + 1e-6 * (v == 0),
    "integers with an offset": lambda v: np.rint(v).astype(np.int16) - 1024,
    "noise in the air": lambda v: v + (v == 0) * noise(v.shape, 1e-3),
    "noise, values up to 1": lambda v: v / v.max() + (v == 0) * noise(v.shape, 1e-3),
    "the faint noise of a magnitude": lambda v: v + (v == 0) * magnitude(v.shape),
    "noise around -1000": lambda v: v - 1000 + (v == 0) * noise(v.shape, 1),
    "z-score over the head": lambda v: (v - v[v != 0].mean()) / v[v != 0].std() * (v != 0),
    "cropped to the head": lambda v: v[8:-8, 9:-9, 8:-8] - 1000,
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_the_network_sees_the_same_whatever_the_air_is(plain, change):
    wanted = standardise(plain)
    seen = standardise(without_background(change(plain).astype(np.float32)))
    if seen.shape != wanted.shape:
        wanted = wanted[8:-8, 9:-9, 8:-8]
    assert ((seen != 0) == (wanted != 0)).all()
    np.testing.assert_allclose(seen, wanted, atol=2e-4)


def shifted(order: int, by: float):
    return lambda v: ndimage.shift(v, (by,) * 3, order=order)


def turned(volume: np.ndarray, order: int) -> np.ndarray:
    return ndimage.rotate(volume, 7, (0, 1), reshape=False, order=order)


def there_and_back(volume: np.ndarray, order: int) -> np.ndarray:
    coarse = ndimage.zoom(volume, 0.5, order=order)
    return ndimage.zoom(coarse, np.divide(volume.shape, coarse.shape), order=order)


RESAMPLED = {
    "spline": shifted(3, 0.5),
    "spline, whole numbers": lambda v: np.rint(shifted(3, 0.5)(v)),
    "spline without negatives": lambda v: np.clip(shifted(3, 0.5)(v), 0, None),
    "spline around -1000": lambda v: shifted(3, 0.5)(v) - 1000,
    "linear": shifted(1, 0.5),
    "linear, a third of a voxel": shifted(1, 1 / 3),
    "spline to other voxels": lambda v: ndimage.zoom(v, 1 / 0.9, order=3),
    "linear to other voxels": lambda v: ndimage.zoom(v, 1 / 0.9, order=1),
    "linear to larger voxels": lambda v: ndimage.zoom(v, 1 / 1.2, order=1),
}


@pytest.mark.parametrize("change", RESAMPLED.values(), ids=RESAMPLED)
def test_a_resampled_head_ends_where_most_of_a_voxel_is_head(plain, change):
    """What the head covers is known: the share of each voxel, resampled without a spline."""
    volume = change(plain)
    if volume.shape == plain.shape:
        by = 1 / 3 if change is RESAMPLED["linear, a third of a voxel"] else 0.5
        covered = ndimage.shift((plain != 0).astype(np.float32), (by,) * 3, order=1)
    else:
        ratio = np.divide(volume.shape, plain.shape)
        covered = ndimage.zoom((plain != 0).astype(np.float32), ratio, order=1)
    found = without_background(volume) != 0
    assert dice(found, covered >= 0.5) > 0.985
    assert np.count_nonzero(found[covered == 0]) < 0.001 * np.count_nonzero(found)
    assert found[covered == 1].mean() > 0.998


@pytest.mark.parametrize("change", [turned, there_and_back], ids=["turned", "there and back"])
def test_ringing_is_found_where_some_edges_stay_sharp(plain, change):
    """Turned about one axis, or of half as many voxels for a while: only a part is blurred."""
    found = without_background(change(plain, 3)) != 0
    covered = change((plain != 0).astype(np.float32), 1) >= 0.5
    assert dice(found, covered) > 0.985


def test_what_is_faint_up_to_the_border_is_no_ringing(plain):
    """A scan with its skull, cut to 0 at the sides: its noise is what says that it is one."""
    rng = np.random.default_rng(0)
    scan = plain + (plain == 0) * np.rint(rng.rayleigh(4, SHAPE))
    scan[:6] = scan[-6:] = 0
    scan = scan.astype(np.float32)
    assert without_background(scan) is scan


@pytest.mark.parametrize(
    "volume",
    [
        head(),
        np.where(head() == 0, 0, head() - 700).astype(np.float32),  # a head with negative values
        (head() * noise(SHAPE, 1)).astype(np.float32),
        head()[20:-20, 20:-20, 20:-20],  # no air at all
    ],
    ids=["plain", "negative", "rough", "cut out of it"],
)
def test_air_of_0_leaves_the_image_as_it_is_to_the_bit(volume):
    before = volume.copy()
    assert without_background(volume) is volume
    assert volume.tobytes() == before.tobytes()


def test_a_speck_in_the_air_stays(plain):
    speck = plain.copy()
    speck[1, 3, 3] = 5
    assert without_background(speck) is speck


def test_air_as_a_scanner_leaves_it_is_not_taken_away(plain):
    """As it is acquired: to take its air away would hide the skull."""
    rng = np.random.default_rng(0)
    acquired = np.hypot(plain + rng.normal(0, 20, SHAPE), rng.normal(0, 20, SHAPE))
    acquired = acquired.astype(np.float32)
    assert without_background(acquired) is acquired


@pytest.fixture
def case_with(tmp_path):
    """Reads a case whose sequences `of` were changed."""

    def read(change, of=SEQUENCES):
        for seed, sequence in enumerate(SEQUENCES):
            volume = head(seed)
            changed = change(volume) if sequence in of else volume
            image = nibabel.Nifti1Image(changed.astype(np.float32), AFFINE)
            nibabel.save(image, tmp_path / f"x_{sequence}.nii.gz")
        return read_case(tmp_path)

    return read


def test_one_sequence_alone_and_it_is_said(case_with):
    plain = case_with(lambda v: v)
    assert plain.warnings == ()
    case = case_with(CHANGED["1e-6 in the air"], of=("t2",))
    assert case.warnings == (f"The air in T2 {AIR_FOUND}",)
    assert case.brain == plain.brain
    assert not case.unlike_training
    for sequence, wanted in plain.prepared().items():
        np.testing.assert_allclose(case.prepared()[sequence], wanted, atol=1e-5)


def test_a_skull_in_noise_stays_doubtful(case_with):
    def with_skull(volume):
        brain = volume != 0
        far = ndimage.distance_transform_edt(~brain)
        loud = np.abs(np.random.default_rng(1).normal(0, 30, SHAPE))
        return np.where((far > 2) & (far < 6), 900, volume) + loud * ~brain

    case = case_with(with_skull)
    assert case.unlike_training
    assert any("the skull or the background may not have been removed" in w for w in case.warnings)


@pytest.mark.parametrize("slices", [slice(None), slice(24)], ids=["all around", "at the bottom"])
def test_a_skull_in_air_of_0_is_doubtful(case_with, slices):
    """With the air between it and the brain at 0 too, so that neither fills the image."""

    def with_skull(volume):
        far = ndimage.distance_transform_edt(volume == 0)
        part = np.zeros(volume.shape, bool)
        part[..., slices] = True
        return np.where(part & (far > 2) & (far < 5), 900, volume)

    case = case_with(with_skull)
    assert case.unlike_training
    assert any("beside its largest part the image shows another" in w for w in case.warnings)


def test_a_speck_beside_the_brain_raises_no_doubt(case_with):
    def with_speck(volume):
        volume[2:5, 2:5, 2:5] = 300
        return volume

    case = case_with(with_speck, of=("t1",))
    assert not any("beside its largest part" in w for w in case.warnings)


def test_a_head_darker_than_its_air_is_doubtful(case_with):
    case = case_with(lambda v: v.max() - v, of=("flair", "t1"))
    assert case.unlike_training
    assert any("darker than the air around it in FLAIR and T1," in w for w in case.warnings)
    assert case.brain == case_with(lambda v: v).brain


def scanned() -> np.ndarray:
    """A head with its skull: noise of a magnitude in its air, 500 in the head, no value of 0."""
    air = np.random.default_rng(3).rayleigh(4, SHAPE)
    inside = ndimage.binary_dilation(head() != 0, iterations=4)
    return np.where(inside, 500 + 0.1 * head(), 0.5 + air).astype(np.float32)


SHIFTED = {
    "down": lambda v: v - 1000,
    "up": lambda v: v + 1000,
    "to a mean of 0": lambda v: (v - v.mean()) / v.std(),
    "padded": lambda v: np.pad(v, ((0, 0), (0, 0), (9, 9)), constant_values=-2000),
    "shifted and padded": lambda v: np.pad(v + 300, ((0, 0), (30, 30), (0, 0))) - 1024,
}


@pytest.mark.parametrize("change", SHIFTED.values(), ids=SHIFTED)
def test_a_head_as_it_was_scanned_stands_above_its_air(change):
    """All of it and nothing else is more than half as bright as its median."""
    found = above_air(np.float32(change(scanned())))
    room = [((a - b) // 2,) * 2 for a, b in zip(found.shape, SHAPE, strict=True)]
    inside = np.pad(scanned() > 450, room)
    assert found.min() == 0
    assert ((found > 0.5 * np.median(found[inside])) == inside).all()


@pytest.mark.parametrize("change", [lambda v: v, lambda v: np.rint(v), lambda v: v - 5])
def test_a_head_whose_air_is_around_0_is_left_as_it_is(change):
    volume = np.float32(change(scanned()))
    assert above_air(volume) is volume
