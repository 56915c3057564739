"""Cases by the files that there are: 4-D, in folders, blank and doubtful ones."""

import re
import shutil

import nibabel
import numpy as np
import pytest

from mckd.tumour import SEQUENCES, CaseError, find_cases, read_case, regions


@pytest.fixture
def folder(heads, tmp_path):
    return heads.write_case(tmp_path / "BraTS_7")


class TestMsd:
    @pytest.fixture
    def image(self, heads, tmp_path):
        task = tmp_path / "Task01_BrainTumour"
        four = np.stack([heads.head(seed) for seed in range(4)], -1)
        theirs = np.array([0, 2, 1, 3], np.uint8)[heads.labels(enhancing=3)]
        heads.write(task / "labelsTr" / "BRATS_001.nii.gz", theirs)
        return heads.write(task / "imagesTr" / "BRATS_001.nii.gz", four)

    def test_order_and_labels(self, image, heads):
        case = read_case(image)
        assert case.name == "BRATS_001"
        for seed, sequence in enumerate(("flair", "t1", "t1c", "t2")):
            assert (case.volumes[sequence] == heads.head(seed)).all()
        assert (regions(case.labels) == regions(heads.labels())).all()

    def test_named_as_a_stack(self, image):
        labels = image.parents[1] / "labelsTr" / image.name
        case = read_case({"stack": image, "seg": labels})
        assert (case.labels == read_case(image).labels).all()

    def test_warnings_come_once(self, image, heads):
        four = np.stack([heads.head(seed) for seed in range(4)], -1).astype(np.float32)
        four[4, 4, 4, 2] = np.nan
        heads.write(image, four)
        assert sum("no number" in w for w in read_case(image).warnings) == 1

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_other_numbers_of_volumes(self, image, heads, count):
        heads.write(image, np.stack([heads.head()] * count, -1))
        with pytest.raises(CaseError, match=r"not the four of MSD Task01|holds 5 volumes"):
            read_case(image)

    def test_a_stack_as_one_sequence(self, image):
        with pytest.raises(CaseError, match="holds 4 volumes, one is wanted"):
            read_case({"t1": image})

    def test_a_stack_and_a_sequence(self, image):
        with pytest.raises(CaseError, match="not both"):
            read_case({"t1": image, "stack": image})


class TestFolders:
    def test_bids(self, heads, tmp_path):
        anat = tmp_path / "sub-01" / "anat"
        for seed, word in enumerate(("FLAIR", "T1w", "ce-gad_T1w", "T2w")):
            heads.write(anat / f"sub-01_{word}.nii.gz", heads.head(seed))
        case = read_case(tmp_path / "sub-01")
        assert case.name == "sub-01"
        assert case.present == set(SEQUENCES)
        assert (case.volumes["t1c"] == heads.head(2)).all()
        assert find_cases(tmp_path) == [anat]

    def test_brats_2023(self, folder, heads):
        for old, new in zip(
            ("flair", "t1", "t1ce", "t2"), ("t2f", "t1n", "t1c", "t2w"), strict=True
        ):
            (folder / f"BraTS_7_{old}.nii.gz").rename(folder / f"BraTS-7-{new}.nii.gz")
        case = read_case(folder)
        assert all((case.volumes[s] == heads.head(i)).all() for i, s in enumerate(SEQUENCES))

    def test_unknown_images_are_left_out_and_said(self, folder, heads):
        heads.write(folder / "other.nii.gz", heads.head())
        assert any(w.startswith("other.nii.gz: its name") for w in read_case(folder).warnings)

    def test_nothing_known(self, heads, tmp_path):
        heads.write(tmp_path / "a" / "scan.nii.gz", heads.head())
        with pytest.raises(CaseError, match=r"a has no NIfTI .* There is scan\.nii\.gz\. Name"):
            read_case(tmp_path / "a")

    def test_only_labels(self, folder):
        with pytest.raises(CaseError, match="has no image"):
            read_case({"seg": folder / "BraTS_7_seg.nii.gz"})
        with pytest.raises(CaseError, match="has no image"):
            read_case({})

    def test_unknown_slot(self, folder):
        with pytest.raises(CaseError, match="'t1ce' is no sequence"):
            read_case({"t1ce": folder / "BraTS_7_t1ce.nii.gz"})

    def test_find(self, folder, heads, tmp_path):
        task = tmp_path / "msd" / "imagesTr"
        heads.write(task / "BRATS_001.nii.gz", heads.head())
        heads.write(task / "._BRATS_001.nii.gz", heads.head())
        heads.write(tmp_path / "msd" / "labelsTr" / "BRATS_001.nii.gz", heads.labels())
        (tmp_path / "empty").mkdir()
        assert find_cases(tmp_path) == [folder, task / "BRATS_001.nii.gz"]
        assert find_cases(folder) == [folder]
        assert find_cases(tmp_path / "empty") == []


class TestBlankAndDoubtful:
    @pytest.mark.parametrize(
        ("volume", "match"),
        [
            (lambda x: x * 0, "blank: every voxel is 0"),
            (lambda x: x * 0 + 7, "blank: every voxel is 7"),
            (lambda x: (x > 0).astype(np.uint8), "like a mask"),
        ],
    )
    def test_refused(self, folder, heads, volume, match):
        heads.write(folder / "BraTS_7_t1.nii.gz", volume(heads.head()))
        with pytest.raises(CaseError, match=rf"BraTS_7_t1\.nii\.gz .*{match}"):
            read_case(folder)

    def test_the_same_image_twice(self, folder):
        shutil.copy(folder / "BraTS_7_t1.nii.gz", folder / "BraTS_7_t1ce.nii.gz")
        assert any("t1 and t1c are identical" in w for w in read_case(folder).warnings)

    def test_a_brain_raises_no_doubt_but_its_oddities_do(self, heads, tmp_path):
        x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (34, 42, 36)), indexing="ij")
        inside = x**2 + y**2 + z**2 < 0.9
        noise = np.random.default_rng(0).integers(100, 900, inside.shape)

        def warnings_of(volume, spacing):
            affine = np.diag([*spacing, 1.0])
            heads.write(tmp_path / "x_t1.nii.gz", volume.astype(np.int16), affine)
            return " ".join(read_case(tmp_path).warnings)

        assert warnings_of(noise * inside, (4, 4, 4)).count("Outside") == 1  # thick, no more
        assert read_case(tmp_path).unlike_training
        assert "are too thick" in warnings_of(noise * inside, (4, 4, 4))
        assert "spans" in warnings_of(noise * inside, (1, 1, 1))
        assert "less than a whole brain" in warnings_of(noise * inside, (1, 1, 1))
        assert "nearly every voxel" in warnings_of(noise, (4, 4, 4))
        assert "litres, more than a brain" in warnings_of(noise * inside, (5, 5, 5))
        right = noise * inside * (x > 0)
        assert re.search(r"spans \d\d x 1\d\d x 1\d\d mm", warnings_of(right, (4, 4, 4)))

    @pytest.mark.parametrize(
        ("thickness", "unlike", "said"),
        [
            (2, False, ""),
            (3, False, "Slices of 3 mm are thick"),
            (4, True, "slices of 4 mm are too"),
        ],
    )
    def test_thick_slices(self, heads, tmp_path, thickness, unlike, said):
        shape = (34, 42, 144 // thickness)
        x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
        noise = np.random.default_rng(0).integers(100, 900, shape)
        head = (noise * (x**2 + y**2 + z**2 < 0.9)).astype(np.int16)
        fine = np.repeat(np.repeat(head, 2, 0), 2, 1)
        affine = np.diag([2.0, 2, thickness, 1])
        affine[:3, 3] = -70, -80, -60
        heads.write(tmp_path / "x_t1.nii.gz", fine, affine)
        case = read_case(tmp_path)
        assert case.unlike_training == unlike
        assert said in " ".join(case.warnings)
        assert bool(case.warnings) == bool(said)

    def test_sequences_that_show_other_parts(self, folder, heads):
        half = heads.head(2)
        half[:, 6:] = 0
        heads.write(folder / "BraTS_7_t1ce.nii.gz", half)
        warnings = " ".join(read_case(folder).warnings)
        assert re.search(r"show together, no more than \d\d% is seen in T1c;", warnings)

    def test_names_are_shown_plainly(self, heads, tmp_path):
        heads.write(tmp_path / "Doe\u202e\n_t1.nii.gz", heads.head())
        heads.write(tmp_path / "Doe\u202e\n_t2.nii.gz", heads.head(3))
        heads.write(tmp_path / "ot\x07her.nii.gz", heads.head())
        case = read_case({"t1": tmp_path / "Doe\u202e\n_t1.nii.gz"})
        assert case.name == "Doe??_t1"
        assert any(w.startswith("ot?her.nii.gz: its name") for w in read_case(tmp_path).warnings)

    def test_unknown_sides_are_flagged(self, heads, tmp_path):
        image = nibabel.Nifti1Image(heads.head(), None)
        image.header.set_sform(None, 0)
        image.header.set_qform(None, 0)
        nibabel.save(image, tmp_path / "x_t1.nii.gz")
        case = read_case(tmp_path)
        assert not case.sides_known
        assert any("left and right unknown" in w for w in case.warnings)
