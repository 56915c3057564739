"""References of other conventions: understood by where their labels lie, or not scored."""

import nibabel
import numpy as np
import pytest

from mckd.tumour import CaseError, read_case, regions
from mckd.tumour.comparison import Comparison
from mckd.tumour.metrics import score
from mckd.tumour.references import EVERY, ONLY_WHOLE, understand, whole_numbers

SHAPE = (60, 64, 56)
NAME = "x_seg.nii.gz"


def far(*centre: float) -> np.ndarray:
    grid = np.indices(SHAPE).astype(float)
    return np.sqrt(sum((grid[a] - centre[a]) ** 2 for a in range(3)))


def parts() -> dict[str, np.ndarray]:
    """A tumour: a core in a ring of enhancement, a cyst beside the core, oedema around."""
    distance = far(28, 30, 28)
    oedema = distance < 17
    ring = (distance < 10) & (distance >= 7)
    core = distance < 7
    cyst = core & (far(32, 30, 28) < 4)
    return {
        "oedema": oedema & ~ring & ~core,
        "et": ring,
        "core": core & ~cyst,
        "cyst": cyst,
    }


def drawn(**numbers: int) -> np.ndarray:
    """Labels with these numbers for the parts; parts that are not named are core."""
    labels = np.zeros(SHAPE, np.uint8)
    for part, mask in parts().items():
        labels[mask] = numbers.get(part, numbers.get("core", 0) if part == "cyst" else 0)
    return labels


def truth() -> np.ndarray:
    return regions(drawn(core=1, oedema=2, et=4))


def t1c(dark: str = "core") -> np.ndarray:
    """After contrast: the ring is bright, one of the parts is dark."""
    brain = 400 + np.random.default_rng(0).normal(0, 30, SHAPE)
    brain[parts()["et"]] = 900
    brain[parts()[dark]] = 60
    return (brain * (far(29.5, 31.5, 27.5) < 26)).astype(np.float32)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (drawn(core=1, oedema=2, et=4), ""),
        (drawn(core=1, oedema=2, et=3), ""),
        (drawn(core=2, oedema=1, et=3), "1 oedema, 2 core, 3 enhancing"),
        (drawn(core=2, cyst=3, oedema=4, et=1), "BraTS-PED"),
        (drawn(core=2, oedema=4, et=1), "BraTS-PED"),
    ],
    ids=["to 2021", "from 2023", "MSD's order", "children", "children, no cyst"],
)
def test_all_regions_are_understood(labels, told):
    found = understand(labels, NAME, t1c(), msd=False)
    assert found.regions == EVERY
    assert (regions(found.labels) == truth()).all()
    assert told in " ".join(found.notes)
    beyond = [note for note in found.notes if "this may be a child" in note]
    assert len(beyond) == (told == "BraTS-PED")
    assert len(found.notes) - len(beyond) == bool(told)


def test_a_place_in_msd_s_folders_says_the_order():
    found = understand(drawn(core=2, oedema=1, et=3), NAME, None, msd=True)
    assert (regions(found.labels) == truth()).all()
    assert found.notes == ()


@pytest.mark.parametrize("et", [3, None])
def test_a_cavity_is_no_tumour(et):
    """BraTS 2024: the middle was taken out; what enhances may be gone with it."""
    labels = drawn(core=4, cyst=1, oedema=2, et=et or 1)
    found = understand(labels, NAME, t1c(dark="core"), msd=False)
    inside = regions(found.labels)
    cavity = parts()["core"]
    assert not (inside & cavity).any()
    assert (inside[2] == (truth()[2] & ~cavity)).all()
    assert inside[0].any() == (et is not None)
    assert found.regions == EVERY
    assert "4 cavity after surgery" in found.notes[0]
    assert "outside what the model was made for, adult glioma before surgery" in found.notes[1]


def test_two_and_four_may_mean_two_things():
    with pytest.raises(CaseError, match=r"2 and 4, and 4 may be .* or a cavity"):
        understand(drawn(core=4, oedema=2, et=4), NAME, t1c(), msd=False)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_mask_tells_the_whole_tumour_and_no_more(number):
    labels = drawn(core=number, oedema=number, et=number)
    found = understand(labels, NAME, None, msd=False)
    assert found.regions == ONLY_WHOLE
    assert (regions(found.labels)[2] == truth()[2]).all()
    assert not regions(found.labels)[:2].any()
    assert "whole tumour" in found.notes[0]


def test_an_order_that_nothing_tells():
    """Two tumours of one label each: neither surrounds the other."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[far(20, 30, 28) < 9] = 1
    labels[far(42, 30, 28) < 9] = 2
    found = understand(labels, NAME, None, msd=False)
    assert found.regions == ONLY_WHOLE
    assert "only the whole tumour is scored" in found.notes[0]


@pytest.mark.parametrize(("one", "two"), [(1, 2), (2, 1), (1, 4), (2, 3)])
def test_a_number_for_each_tumour(one, two):
    """A small one beside a large one: of its voxels more border on no tumour, as of oedema."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[far(20, 30, 28) < 12] = one
    labels[far(42, 30, 28) < 4] = two
    found = understand(labels, NAME, None, msd=False)
    assert found.regions == ONLY_WHOLE
    assert (regions(found.labels)[2] == (labels != 0)).all()


def test_two_numbers_with_oedema_first_may_hold_what_enhances():
    found = understand(drawn(core=2, oedema=1, et=2), NAME, t1c(), msd=False)
    assert found.regions == {"tc", "wt"}
    assert (regions(found.labels)[1:] == truth()[1:]).all()
    assert "1 oedema, 2 core" in found.notes[0]


def test_without_enhancement_nothing_changes():
    labels = drawn(core=1, oedema=2, et=1)
    found = understand(labels, NAME, None, msd=False)
    assert (found.labels == labels).all()
    assert (found.regions, found.notes) == (EVERY, ())


@pytest.mark.parametrize("factor", [1, 0.9977, 1.0039, 85, 0.9999])
def test_labels_that_were_scaled(factor):
    labels = drawn(core=1, oedema=2, et=3)
    numbers, _ = whole_numbers((labels * factor).astype(np.float32), NAME)
    assert (numbers == labels).all()


@pytest.mark.parametrize("number", [1, 128, 255, 1000, 1.0039])
def test_a_mask_of_any_number(number):
    numbers, notes = whole_numbers((truth()[2] * number).astype(np.float32), NAME)
    assert (numbers == truth()[2]).all()
    assert notes == ()


@pytest.mark.parametrize("numbers", [(1, 2, 9), (17, 200, 255), (-1, 1), (3, 5)])
def test_numbers_of_no_convention(numbers):
    labels = np.zeros(SHAPE, np.float32)
    labels[::7] = 0
    for place, number in enumerate(numbers):
        labels[20 + place] = number
    with pytest.raises(CaseError, match="has the labels"):
        whole_numbers(labels, NAME)


def test_only_what_a_reference_tells_is_scored(tmp_path):
    """From the file to the figures."""
    for word, volume in (("t1c", t1c()), ("seg", truth()[2].astype(np.uint8))):
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / f"x_{word}.nii.gz")
    case = read_case(tmp_path)
    assert case.reference_regions == {"wt"}
    assert case.reference_notes[0] in case.warnings
    row = Comparison(case, truth()).rows[0]
    assert [found.score is None for found in row.regions] == [True, True, False]
    assert row["wt"].score.dice == 1
    told = score(truth(), regions(case.labels), case.grid.canonical, scored=case.reference_regions)
    assert [s.region for s in told] == ["wt"]


def test_real_references_are_read_as_they_are(brats):
    """All 15, in the numbers of either time."""
    for path in sorted(brats.glob("*/*_seg.nii.gz")):
        labels = np.asarray(nibabel.load(path).dataobj).astype(np.uint8)
        image = path.with_name(path.name.replace("seg", "t1ce"))
        after = np.asarray(nibabel.load(image).dataobj).astype(np.float32)
        newer = np.where(labels == 4, 3, labels).astype(np.uint8)
        other = np.array([0, 2, 1, 3], np.uint8)[newer]
        for numbers in (labels, newer):
            found = understand(numbers, path.name, after, msd=False)
            assert (found.labels == numbers).all()
            assert (found.regions, found.notes) == (EVERY, ()), path.name
        if {1, 2} <= set(np.unique(labels)) and min(np.bincount(labels.ravel())[1:3]) >= 200:
            found = understand(other, path.name, after, msd=False)
            assert (regions(found.labels) == regions(newer)).all(), path.name
            assert len(found.notes) == 1
