import itertools

import nibabel
import numpy as np
import pytest

from mckd.tumour.geometry import Box, Grid, axis_letters, bounding_box

LEANING = np.array([[0.9, -0.44, 0], [0.44, 0.9, 0], [0, 0, 1]])
ORDERS = [
    np.array(list(zip(order, signs, strict=True)))
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def name_of(order):
    return "".join(f"{'-' if s < 0 else '+'}{'xyz'[a]}" for a, s in order)


@pytest.mark.parametrize("order", ORDERS, ids=name_of)
class TestAxisOrders:
    def test_canonical_is_the_same_and_undone_exactly(self, order, heads):
        original = nibabel.Nifti1Image(heads.head(), heads.affine)
        turned = original.as_reoriented(order)
        volume = np.asarray(turned.dataobj)
        grid = Grid(volume.shape, turned.affine)
        canonical = grid.to_canonical(volume)
        assert (canonical == heads.head()).all()
        assert canonical.flags.c_contiguous
        np.testing.assert_allclose(grid.canonical.affine, heads.affine, atol=1e-9)
        assert grid.canonical.shape == heads.shape
        assert grid.canonical.axes == "RAS"
        back = grid.from_canonical(canonical)
        assert (back == volume).all()
        assert back.flags.c_contiguous

    def test_leading_axes_stay(self, order, heads):
        turned = nibabel.Nifti1Image(heads.head(), heads.affine).as_reoriented(order)
        volume = np.asarray(turned.dataobj)
        grid = Grid(volume.shape, turned.affine)
        both = np.stack([volume, volume + 1])
        assert (grid.to_canonical(both)[1] == grid.to_canonical(volume) + 1).all()
        assert (grid.from_canonical(grid.to_canonical(both)) == both).all()

    def test_volume_and_spacing(self, order, heads):
        turned = nibabel.Nifti1Image(heads.head(), heads.affine).as_reoriented(order)
        grid = Grid(turned.shape, turned.affine)
        assert grid.voxel_ml == pytest.approx(abs(np.linalg.det(heads.affine[:3, :3])) / 1000)
        first = Grid(heads.shape, heads.affine).spacing_mm
        assert grid.canonical.spacing_mm == pytest.approx(first)


def test_volume_of_anisotropic_voxels():
    assert Grid((2, 2, 2), np.diag([0.5, 0.5, 6.0, 1])).voxel_ml == pytest.approx(0.0015)
    assert Grid((2, 2, 2), np.diag([-0.5, 0.5, 6.0, 1])).voxel_ml == pytest.approx(0.0015)


def test_axes_are_named_by_where_they_point():
    assert Grid((2, 3, 4), np.diag([-1.0, -1, 1, 1])).axes == "LPS"


def test_same_grid_within_the_tolerance():
    grid = Grid((10, 10, 10), np.eye(4))
    near, far = np.eye(4), np.eye(4)
    near[0, 3], far[0, 3] = 0.04, 0.06
    assert grid.same_as(Grid((10, 10, 10), near))
    assert not grid.same_as(Grid((10, 10, 10), far))
    assert not grid.same_as(Grid((10, 10, 11), np.eye(4)))
    # A small turn counts by what it does to the far corner.
    turned = np.eye(4)
    turned[0, 1] = 0.01
    assert not grid.same_as(Grid((10, 10, 10), turned))


def test_a_mirrored_affine_is_another_grid():
    """Signed differences of these two cancel; corners do not."""
    mirrored = np.diag([-1.0, -1, 1, 1])
    assert not Grid((4, 4, 4), mirrored).same_as(Grid((4, 4, 4), np.eye(4)))


class TestBox:
    def test_by_hand(self):
        mask = np.zeros((6, 7, 8), bool)
        mask[2, 3, 4] = mask[4, 3, 5] = True
        assert bounding_box(mask) == Box((2, 3, 4), (5, 4, 6))
        assert bounding_box(mask, 1) == Box((1, 2, 3), (6, 5, 7))
        assert bounding_box(mask, 99) == Box((0, 0, 0), (6, 7, 8))

    def test_an_empty_mask_is_the_whole_image(self):
        assert bounding_box(np.zeros((3, 4, 5), bool)) == Box((0, 0, 0), (3, 4, 5))


@pytest.mark.parametrize(
    ("turn", "letters"),
    [
        (np.eye(3), [["L", "R"], ["P", "A"], ["I", "S"]]),
        (np.diag([-1, 1, 1]), [["R", "L"], ["P", "A"], ["I", "S"]]),
        (LEANING, [["LP", "RA"], ["PR", "AL"], ["I", "S"]]),
    ],
)
def test_letters_follow_the_affine(turn, letters):
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 1, 3])
    assert axis_letters(affine) == letters


def test_unknown_sides_have_no_letters():
    assert axis_letters(np.eye(4), False) == [["?", "?"], ["P", "A"], ["I", "S"]]
