"""A study to a case: a moved and coarsened phantom, images that are prepared, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from mckd.clinic import prepare_study
from mckd.clinic.preparation import prepare, study_of
from mckd.clinic.series import Facts, Role, Series, Study, StudyError
from mckd.clinic.steps import CancelledError
from mckd.tumour import read_case
from mckd.tumour.geometry import Grid
from mckd.tumour.metrics import dice
from tests.clinic.moved import rigid

PHANTOM = Path(__file__).parents[2] / "assets" / "tumour" / "phantom_a"
MOTION = rigid((5.0, -7.0, 9.0), (12.0, -6.0, 9.0))


@pytest.fixture(scope="module")
def phantom():
    return read_case(PHANTOM, reference=False)


def scanned(phantom, slot: str, spacing_mm, motion: np.ndarray) -> Series:
    """A sequence of the phantom after a motion, on a grid of that spacing around it."""
    place = phantom.grid.canonical.affine
    brain = np.argwhere(phantom.volumes[slot] != 0)[::50] @ place[:3, :3].T + place[:3, 3]
    moved = brain @ motion[:3, :3].T + motion[:3, 3]
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = moved.min(0) - 12
    shape = tuple(int(n) for n in np.ceil((moved.max(0) + 12 - affine[:3, 3]) / spacing_mm))
    there = np.linalg.inv(place) @ np.linalg.inv(motion) @ affine
    voxels = ndimage.affine_transform(
        phantom.volumes[slot], there[:3, :3], there[:3, 3], shape, order=1
    )
    return Series(slot, slot, Grid(shape, affine), Facts(), Role(slot, True), voxels)


@pytest.fixture(scope="module")
def study(phantom):
    series = (
        scanned(phantom, "flair", (2.0, 2.0, 2.0), np.eye(4)),
        replace(
            scanned(phantom, "t2", (2.0, 2.0, 5.0), MOTION),
            name="5 BRAIN METS t2",
            synthetic=True,
            warnings=("t2: its voxels were odd.",),
        ),
    )
    return Study(series, {one.key: one.key for one in series}, {})


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def prepared(study, told):
    return prepare(study, way="light", progress=lambda *step: told.append(step))


def test_the_case_is_1_mm_and_its_axes_are_those_of_space(prepared) -> None:
    assert np.array_equal(prepared.case.grid.affine[:3, :3], np.eye(3))
    assert prepared.case.grid is prepared.case.input_grid
    assert {*prepared.case.volumes} == {"flair", "t2"}


def test_the_case_knows_the_slices_that_were_scanned(prepared) -> None:
    assert prepared.case.given_mm == {"flair": (2, 2, 2), "t2": (2, 2, 5)}


def test_the_finest_series_keeps_its_place(prepared) -> None:
    assert np.array_equal(prepared.moved["flair"], np.eye(4))
    [moved] = [step for step in prepared.steps if step.kind == "registration"]
    assert moved.slot == "t2"
    assert moved.said.endswith(" onto FLAIR")


def test_a_brain_without_its_skull_is_taken_as_it_came(phantom, prepared) -> None:
    [step] = [step for step in prepared.steps if step.kind == "brain"]
    assert step.said.endswith("as it came, without a skull")
    assert step.trouble == ""
    inside = np.count_nonzero(phantom.volumes["flair"]) * phantom.voxel_ml
    assert np.count_nonzero(prepared.brain) / 1000 == pytest.approx(inside, rel=0.03)


def test_places_are_found_in_the_other_series(prepared) -> None:
    corners = np.array(np.meshgrid(*[(-50.0, 50.0)] * 3)).reshape(3, 8).T
    found, true = (corners @ m[:3, :3].T + m[:3, 3] for m in (prepared.moved["t2"], MOTION))
    assert np.linalg.norm(found - true, axis=1).max() < 1.0


def test_the_brain_is_that_of_the_phantom(prepared, phantom) -> None:
    there = np.linalg.inv(phantom.grid.canonical.affine) @ prepared.case.grid.affine
    known = ndimage.affine_transform(
        np.float32(phantom.volumes["flair"] != 0),
        there[:3, :3],
        there[:3, 3],
        prepared.brain.shape,
        order=1,
    )
    assert dice(prepared.brain, known > 0.5) > 0.9


def test_nothing_is_left_around_the_brain_and_no_hole_within(prepared) -> None:
    for volume in prepared.case.volumes.values():
        assert (volume[~prepared.brain] == 0).all()
        assert (volume[prepared.brain] > 0).mean() > 0.95  # but where it was not scanned


def test_the_head_is_kept_to_be_looked_at(prepared) -> None:
    for slot, volume in prepared.case.volumes.items():
        inside = volume > 1
        assert np.array_equal(prepared.head[slot][inside], volume[inside])


def test_progress_is_told_for_each_step(prepared, told) -> None:
    kinds = [kind for kind, _, _ in told]
    assert sorted({*kinds}, key=kinds.index) == ["registration", "brain", "resampling"]
    for kind in {*kinds}:
        shares = [share for told_kind, _, share in told if told_kind == kind]
        assert shares == sorted(shares)
        assert shares[0] >= 0
        assert shares[-1] <= 1


def test_images_that_are_prepared_go_through_to_the_bit() -> None:
    files = {s: PHANTOM / f"phantom_a_{s}.nii.gz" for s in ("flair", "t2")}
    prepared = prepare_study(files)
    case = read_case(files)
    assert prepared.untouched
    assert prepared.steps == ()
    for slot, volume in case.volumes.items():
        assert prepared.case.volumes[slot].tobytes() == volume.tobytes()
        assert prepared.head[slot].tobytes() == volume.tobytes()
        assert np.array_equal(prepared.moved[slot], np.eye(4))
    assert prepared.case.grid.same_as(case.grid)
    assert prepared.case.synthetic
    assert prepared.case.warnings == case.warnings


def test_what_was_said_of_the_images_is_said_of_the_case(tmp_path: Path) -> None:
    """Voxels that are no numbers, a name that speaks of another kind of tumour, air that is not 0,
    and that the images show no patient."""
    path = tmp_path / "synthetic" / "child_mets_t2.nii.gz"
    path.parent.mkdir()
    image = nibabel.load(PHANTOM / "phantom_a_t2.nii.gz")
    voxels = np.asarray(image.dataobj, np.float32) + 7
    x, y, z = (n // 2 for n in voxels.shape)
    voxels[x : x + 2, y, z] = np.nan
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine, header), path)
    for source in (path.parent, {"t2": path}):
        case = prepare_study(source).case
        assert case.synthetic
        assert list(case.warnings) == list(read_case({"t2": path}, reference=False).warnings)
        assert any(said.startswith("child_mets_t2.nii.gz: 2 voxels") for said in case.warnings)
        assert sum("this may be" in said for said in case.warnings) == 2
    assert prepare_study(path.parent).case.name == "synthetic"


def test_what_was_said_of_a_series_is_said_of_the_case(prepared) -> None:
    """Of one that was moved and resampled, with the words of its protocol."""
    assert prepared.case.synthetic
    assert prepared.case.warnings[0] == "t2: its voxels were odd."
    assert any("The name says 'mets'" in said for said in prepared.case.warnings)


def test_it_can_be_ended(study) -> None:
    with pytest.raises(CancelledError):
        prepare(study, cancelled=lambda: True)


def test_nothing_chosen() -> None:
    with pytest.raises(StudyError, match="No series is chosen"):
        prepare(Study((), {}, {}))


def test_an_unknown_sequence() -> None:
    with pytest.raises(StudyError, match="'dwi' is none of flair"):
        study_of({"dwi": PHANTOM / "phantom_a_t2.nii.gz"})
