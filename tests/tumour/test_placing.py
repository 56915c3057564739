"""Files of one head whose grids differ, and voxels finer than the networks know."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from mckd.tumour import CaseError, read_case, regions
from mckd.tumour.geometry import Grid
from mckd.tumour.labels import label_file, region_bits
from mckd.tumour.metrics import dice, volumes_ml
from mckd.tumour.placing import coarsened, head_onto, onto

SHAPE = (80, 96, 72)
ORIGIN = (-1.0, 2.0, 1.0)  # mm, of the first voxel; at 0 it would be a program's default


def grid(mm=(2.0, 2.0, 2.0), shape=SHAPE, shift=(0.0, 0.0, 0.0)) -> Grid:
    affine = np.diag([*mm, 1.0])
    affine[:3, 3] = np.add(ORIGIN, shift)
    return Grid(shape, affine)


def ball(where: Grid, centre_mm=(80.0, 95.0, 70.0), radius_mm=60.0) -> np.ndarray:
    """A head with values that say where it is, in air of 0."""
    index = np.indices(where.shape).reshape(3, -1)
    place = where.affine[:3, :3] @ index + where.affine[:3, 3:]
    far = np.linalg.norm(place - np.reshape(centre_mm, (3, 1)), axis=0)
    values = np.where(far < radius_mm, 500 + place[0] + 2 * place[1], 0)
    return values.reshape(where.shape).astype(np.float32)


def save(folder, word, volume, where):
    folder.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, where.affine), folder / f"x_{word}.nii.gz")


def test_an_affine_a_little_off_is_one_grid_and_said(tmp_path):
    usual = grid()
    near = usual.affine.copy()
    near[0, 0] *= 1 + 7e-4  # 0.11 mm at the far corner
    save(tmp_path, "flair", ball(usual), usual)
    save(tmp_path, "t1", ball(usual), Grid(SHAPE, near))
    case = read_case(tmp_path)
    assert (case.volumes["t1"] == ball(usual)).all()
    assert case.warnings[0] == (
        "x_t1.nii.gz: its affine lies up to 0.11 mm off that of x_flair.nii.gz; taken as one grid."
    )


def test_files_in_other_axis_orders_are_one_grid(tmp_path):
    usual = grid()
    save(tmp_path, "flair", ball(usual), usual)
    image = nibabel.Nifti1Image(ball(usual), usual.affine)
    turned = image.as_reoriented(np.array([[1, -1], [0, 1], [2, -1]]))
    nibabel.save(turned, tmp_path / "x_t1.nii.gz")
    case = read_case(tmp_path)
    assert (case.volumes["t1"] == ball(usual)).all()
    assert not any("grid" in w for w in case.warnings)


@pytest.mark.parametrize(
    "other",
    [
        grid(shift=(3.0, -4.0, 2.0)),  # another place
        grid(shape=(84, 96, 70)),  # another field of view
        grid(mm=(1.8, 1.8, 2.2), shape=(90, 108, 66)),  # other voxels
    ],
)
def test_one_that_was_scanned_on_another_grid_is_resampled(tmp_path, other):
    """Every voxel shows the place that it shows in the first sequence."""
    usual = grid()
    save(tmp_path, "flair", ball(usual), usual)
    save(tmp_path, "t1", ball(other), other)
    case = read_case(tmp_path)
    wanted, found = ball(usual), case.volumes["t1"]
    assert any(w.startswith("x_t1.nii.gz lies on another grid") for w in case.warnings)
    assert any("it was resampled onto that of x_flair.nii.gz" in w for w in case.warnings)
    assert case.given_mm["t1"] == pytest.approx(other.spacing_mm)  # float32 in the file
    assert dice(found != 0, wanted != 0) > 0.98
    both = (found != 0) & (wanted != 0)
    deep = ndimage.binary_erosion(both, iterations=2)
    np.testing.assert_allclose(found[deep], wanted[deep], atol=0.1)
    assert np.abs(found[both] - wanted[both]).max() < 8  # the edge is as sharp as it was


def test_an_affine_that_contradicts_the_voxels(tmp_path):
    """The heads lie on each other to the voxel, the affine says otherwise."""
    usual = grid()
    save(tmp_path, "flair", ball(usual), usual)
    save(tmp_path, "t1", ball(usual), grid(shift=(6.0, 0.0, 0.0)))
    case = read_case(tmp_path)
    assert (case.volumes["t1"] == ball(usual)).all()
    assert any("its head lies on that of the others as it is" in w for w in case.warnings)


def test_heads_that_do_not_lie_on_each_other_are_refused(tmp_path):
    usual = grid()
    save(tmp_path, "flair", ball(usual), usual)
    other = grid(shape=(84, 96, 70))
    save(tmp_path, "t1", ball(other, centre_mm=(110.0, 130.0, 90.0), radius_mm=40.0), other)
    with pytest.raises(CaseError, match=r"x_t1\.nii\.gz does not lie on the same grid"):
        read_case(tmp_path)


def test_fine_voxels_are_seen_at_1_mm_and_results_lie_on_the_input_grid(tmp_path):
    """480 x 480 in plane."""
    fine = grid(mm=(0.5, 0.5, 4.0), shape=(480, 480, 32), shift=(-40.0, -20.0, 4.0))
    mark = ball(fine, centre_mm=(95.0, 110.0, 80.0), radius_mm=15.0) != 0
    save(tmp_path, "flair", ball(fine), fine)
    save(tmp_path, "seg", 2 * mark.astype(np.uint8), fine)
    case = read_case(tmp_path)
    assert case.input_grid.shape == (480, 480, 32)
    assert case.grid.shape == (240, 240, 32)
    np.testing.assert_allclose(case.spacing_mm, (1, 1, 4))
    assert any("Voxels of 0.5 x 0.5 x 4 mm are finer" in w for w in case.warnings)
    wanted = ball(case.grid)
    assert dice(case.volumes["flair"] != 0, wanted != 0) > 0.99
    found = regions(case.labels)
    true_ml = mark.sum() * 0.001
    assert volumes_ml(found, case.grid.canonical)["wt"] == pytest.approx(true_ml, rel=0.02)
    given = case.to_input_grid(found)
    assert given.shape == (3, 480, 480, 32)
    assert given.dtype == bool
    assert dice(given[2], mark) > 0.97
    saved = tmp_path / "labels.nii.gz"
    saved.write_bytes(label_file(region_bits(found), case))
    image = nibabel.load(saved)
    assert image.shape == (480, 480, 32)
    np.testing.assert_allclose(image.affine, fine.affine)
    assert dice(np.asarray(image.dataobj) == 2, mark) > 0.97


def test_coarser_voxels_cover_the_same_place():
    fine = grid(mm=(0.5, 0.6, 1.0), shape=(101, 80, 30))
    coarse = coarsened(fine)
    assert coarse.shape == (50, 48, 30)
    for axis, (n, mm) in enumerate(zip(coarse.shape, coarse.spacing_mm, strict=True)):
        assert n * mm == pytest.approx(fine.shape[axis] * fine.spacing_mm[axis])
        begins = coarse.affine[axis, 3] - mm / 2
        assert begins == pytest.approx(fine.affine[axis, 3] - fine.spacing_mm[axis] / 2)
    usual = grid(mm=(0.8, 1.0, 3.0))
    assert coarsened(usual) is usual


def test_by_hand():
    line = np.zeros((4, 2, 2), np.float32)
    line[1:] = 10
    fine = grid(mm=(0.5, 1, 1), shape=(4, 2, 2))
    assert head_onto(line, fine, coarsened(fine))[:, 0, 0].tolist() == [10, 10]
    assert onto(line, fine, fine)[:, 0, 0].tolist() == [0, 10, 10, 10]
