import itertools
import re
import threading

import nibabel
import numpy as np
import pytest

from mckd.tumour import SEQUENCES, CaseError, data, find_cases, read_case, regions
from mckd.tumour.data import MARGIN, standardise
from mckd.tumour.geometry import Grid, bounding_box
from mckd.tumour.metrics import volumes_ml
from mckd.tumour.nifti import read_image
from tests.patience import PATIENCE_S

ORDERS = [
    np.array(list(zip(order, signs, strict=True)))
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.fixture
def folder(heads, tmp_path):
    return heads.write_case(tmp_path / "BraTS_7")


def turn(folder, order):
    """The same head, every file's axes in another order and direction."""
    for path in folder.iterdir():
        turned = nibabel.load(path).as_reoriented(order)
        nibabel.save(nibabel.Nifti1Image(np.asarray(turned.dataobj), turned.affine), path)


class TestCase:
    def test_what_it_holds(self, folder, heads):
        case = read_case(folder)
        assert case.name == "BraTS_7"
        assert tuple(case.volumes) == SEQUENCES
        assert case.present == set(SEQUENCES)
        assert case.sides_known
        for seed, sequence in enumerate(SEQUENCES):
            assert case.volumes[sequence].dtype == np.float32
            assert (case.volumes[sequence] == heads.head(seed)).all()
        assert (case.labels == heads.labels()).all()
        assert case.labels.dtype == np.uint8
        np.testing.assert_allclose(case.affine, heads.affine, atol=1e-6)
        np.testing.assert_allclose(case.spacing_mm, Grid(heads.shape, heads.affine).spacing_mm)

    def test_from_paths(self, folder):
        paths = {
            "t1c": folder / "BraTS_7_t1ce.nii.gz",
            "seg": str(folder / "BraTS_7_seg.nii.gz"),
        }
        case = read_case(paths)
        assert case.name == "BraTS_7"
        assert case.present == {"t1c"}
        assert (case.labels == read_case(folder).labels).all()
        assert read_case(paths, name="mine", reference=False).labels is None
        assert read_case(paths, name="mine").name == "mine"

    def test_files_that_lie_under_other_names(self, folder, tmp_path):
        """Sentences and the case are named as people know the files, not as they lie there."""
        shown = {s: f"Clinic_4_{s}.nii.gz" for s in ("t1", "t2")}
        paths = {s: tmp_path / f"{number:032x}" for number, s in enumerate(shown)}
        for s, path in paths.items():
            (folder / f"BraTS_7_{s}.nii.gz").rename(path)
        case = read_case(paths, shown=shown)
        assert case.name == "Clinic_4"
        assert case.present == {"t1", "t2"}
        paths["t2"].write_bytes(b"GIF89a")
        with pytest.raises(CaseError, match=r"^Clinic_4_t2\.nii\.gz is not a NIfTI file"):
            read_case(paths, shown=shown)

    @pytest.mark.parametrize(
        ("names", "shared"),
        [
            (("BraTS-MET-00110-000-t1c", "BraTS-MET-00110-000-t2w"), "BraTS-MET-00110-000"),
            (("X_t1", "X_t1ce"), "X"),
            (("scan 7.t1", "scan 7.t1c"), "scan 7"),
            (("t1", "t1c"), "case"),
            (("a_t1", "b_t1c"), "case"),
        ],
    )
    def test_the_name_is_of_whole_words_that_the_files_share(self, tmp_path, heads, names, shared):
        paths = {}
        for slot, name in zip(("t1", "t1c"), names, strict=True):
            paths[slot] = heads.write(tmp_path / f"{name}.nii.gz", heads.head(len(slot)))
        assert read_case(paths).name == shared

    def test_files_are_unpacked_side_by_side(self, folder, monkeypatch):
        """Nobody gets on before another one has come."""
        pairs = threading.Barrier(2, timeout=PATIENCE_S)

        def meet(header):
            pairs.wait()
            return read_image(header)

        expected = read_case(folder)
        monkeypatch.setattr(data, "read_image", meet)
        case = read_case(folder, reference=False)
        assert list(case.volumes) == list(expected.volumes)
        for sequence, volume in expected.volumes.items():
            assert np.array_equal(case.volumes[sequence], volume)

    def test_one_file_is_enough(self, folder):
        case = read_case(folder / "BraTS_7_t2.nii.gz")
        assert case.present == {"t2"}
        assert case.labels is None

    def test_files_are_taken_by_slot_not_by_order_or_name(self, folder):
        """A user's correction beats the name."""
        a, b = folder / "BraTS_7_t1.nii.gz", folder / "BraTS_7_t2.nii.gz"
        case = read_case({"t2": a, "t1": b})
        assert tuple(case.volumes) == ("t1", "t2")
        assert (case.volumes["t2"] == read_case(a).volumes["t1"]).all()

    def test_volumes_in_ml_with_anisotropic_voxels(self, heads, tmp_path):
        case = read_case(heads.write_case(tmp_path / "x", np.diag([-0.8, 0.8, 6.0, 1])))
        assert case.voxel_ml == pytest.approx(0.00384)
        of_region = volumes_ml(regions(case.labels), case.grid.canonical)
        assert of_region == pytest.approx(
            {"et": 4 * 0.00384, "tc": 10 * 0.00384, "wt": 18 * 0.00384}
        )


class TestAxisOrders:
    @pytest.mark.parametrize("order", ORDERS, ids=lambda o: "".join(f"{a}{s:+d}" for a, s in o))
    def test_the_same_arrays_to_the_bit_and_the_same_place(self, order, folder, heads):
        first = read_case(folder)
        turn(folder, order)
        case = read_case(folder)
        assert case.brain == first.brain
        assert (case.labels == first.labels).all()
        prepared, wanted = case.prepared(), first.prepared()
        for sequence in SEQUENCES:
            assert (case.volumes[sequence] == first.volumes[sequence]).all()
            assert prepared[sequence].tobytes() == wanted[sequence].tobytes()
        assert case.voxel_ml == pytest.approx(first.voxel_ml)
        # A mark set in the crop lands on the same point of the head.
        mark = np.zeros(case.brain.shape, bool)
        mark[1, 2, 3] = True
        places = []
        for each in (first, case):
            index = np.argwhere(each.to_input_grid(mark))
            assert len(index) == 1
            places.append(nibabel.affines.apply_affine(each.affine, index[0]))
        np.testing.assert_allclose(places[0], places[1], atol=1e-4)
        assert case.to_input_grid(mark).shape == case.grid.shape

    def test_what_goes_out_is_what_the_file_held(self, folder):
        turn(folder, ORDERS[29])
        case = read_case(folder)
        stored = nibabel.load(folder / "BraTS_7_seg.nii.gz")
        assert (case.to_input_grid(case.labels) == np.asarray(stored.dataobj)).all()
        cropped = case.brain.crop(case.labels)
        assert (case.to_input_grid(cropped) == np.asarray(stored.dataobj)).all()
        three = case.to_input_grid(regions(cropped))
        assert (three == regions(np.asarray(stored.dataobj))).all()

    def test_a_result_of_another_shape_is_refused(self, folder):
        with pytest.raises(ValueError, match="this one is"):
            read_case(folder).to_input_grid(np.zeros((3, 3, 3), bool))


class TestPreparation:
    def test_the_crop_is_the_union_of_the_sequences_and_a_margin(self, folder, heads):
        volume = heads.head(9)
        volume[1, 3, 3] = 5
        heads.write(folder / "BraTS_7_t2.nii.gz", volume)
        case = read_case(folder)
        union = np.any([v != 0 for v in case.volumes.values()], axis=0)
        assert case.brain == bounding_box(union, MARGIN)
        assert all(p.shape == case.brain.shape for p in case.prepared().values())

    def test_each_sequence_over_its_own_voxels(self, folder):
        for prepared in read_case(folder).prepared().values():
            values = prepared[prepared != 0].astype(np.float64)
            assert values.mean() == pytest.approx(0, abs=1e-5)
            assert values.std() == pytest.approx(1, abs=1e-5)
            assert prepared.dtype == np.float32
            assert (prepared == 0).any()

    def test_by_hand(self):
        volume = np.zeros((2, 2, 2), np.float32)
        volume[0, 0] = 3, 5
        volume[1, 1] = 3, 5
        assert standardise(volume)[0, 0].tolist() == [-1, 1]
        assert standardise(volume)[0, 1].tolist() == [0, 0]

    def test_brightness_and_contrast_make_no_difference(self, folder):
        volume = read_case(folder).volumes["t1"]
        brighter = np.where(volume != 0, volume * 8 + 64, 0)
        np.testing.assert_allclose(standardise(brighter), standardise(volume), atol=1e-5)

    def test_nothing_to_standardise(self):
        empty = np.zeros((2, 2, 2), np.float32)
        assert (standardise(empty) == 0).all()
        assert np.isfinite(standardise(empty + 7)).all()

    def test_a_file_more_changes_no_other_sequence(self, folder):
        """Same crop, same values: what is absent has no say."""
        every = read_case(folder).prepared()
        (folder / "BraTS_7_t1ce.nii.gz").unlink()
        fewer = read_case(folder).prepared()
        assert all(fewer[s].tobytes() == every[s].tobytes() for s in fewer)

    def test_storage_makes_no_difference(self, folder, heads):
        wanted = read_case(folder).prepared()["flair"]
        path = folder / "BraTS_7_flair.nii.gz"
        path.unlink()
        heads.write(path.with_suffix(""), heads.head(0).astype(">f8"), kind=nibabel.Nifti2Image)
        assert read_case(folder).prepared()["flair"].tobytes() == wanted.tobytes()


AWAY = np.diag([1.0, 1.5, 3.0, 1.0])
AWAY[:3, 3] = 500


class TestOneGrid:
    def test_no_voxel_is_unpacked_before_the_grids_agree(self, folder, heads):
        """The last file is damaged among its voxels, and that never comes up."""
        heads.write(folder / "BraTS_7_t1.nii.gz", heads.head(shape=(9, 12, 30)), AWAY)
        path = folder / "BraTS_7_flair.nii.gz"
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(CaseError, match="not lie on the same grid"):
            read_case(folder)

    def test_the_odd_one_is_named_by_shape(self, folder, heads):
        heads.write(folder / "BraTS_7_t1.nii.gz", heads.head(shape=(9, 12, 30)), AWAY)
        with pytest.raises(CaseError, match=r"BraTS_7_t1\.nii\.gz .* 9 x 12 x 30 voxels, not 9 x"):
            read_case(folder)

    @pytest.mark.parametrize("odd", ["flair", "t1ce", "t2"])
    def test_the_odd_one_is_named_by_place(self, folder, heads, odd):
        moved = heads.affine.copy()
        moved[1, 3] += 300
        heads.write(folder / f"BraTS_7_{odd}.nii.gz", heads.head(), moved)
        with pytest.raises(CaseError, match=rf"^BraTS_7_{odd}\.nii\.gz .* up to 3e\+02 mm else"):
            read_case(folder)

    def test_a_flip_is_named(self, folder, heads):
        heads.write(
            folder / "BraTS_7_t2.nii.gz", heads.head(), heads.affine @ np.diag([-1.0, -1, 1, 1])
        )
        with pytest.raises(CaseError, match="its axes point to LPS, not RAS"):
            read_case(folder)

    def test_other_voxels_are_named(self, folder, heads):
        heads.write(
            folder / "BraTS_7_t2.nii.gz", heads.head(), heads.affine @ np.diag([1, 1, 2.0, 1])
        )
        with pytest.raises(
            CaseError, match=r"its voxels measure .* x 6\.018 mm, not .* x 3\.009 mm"
        ):
            read_case(folder)

    def test_two_against_two(self, folder, heads):
        moved = heads.affine.copy()
        moved[0, 3] += 100
        for word in ("t1ce", "t2"):
            heads.write(folder / f"BraTS_7_{word}.nii.gz", heads.head(), moved)
        (folder / "BraTS_7_seg.nii.gz").unlink()
        with pytest.raises(CaseError, match=r"t1ce\.nii\.gz does .* as BraTS_7_flair\.nii\.gz"):
            read_case(folder)

    def test_rounding_is_forgiven_on_both_sides_of_a_grid(self, folder, heads):
        for word, seed, mm in (("flair", 0, -0.04), ("t1", 1, 0.04)):
            near = heads.affine.copy()
            near[0, 3] += mm
            heads.write(folder / f"BraTS_7_{word}.nii.gz", heads.head(seed), near)
        assert read_case(folder).present == set(SEQUENCES)

    def test_rounding_is_forgiven(self, folder, heads):
        near = heads.affine.copy()
        near[0, 3] += 0.02
        heads.write(folder / "BraTS_7_t1.nii.gz", heads.head(1), near)
        assert read_case(folder).present == set(SEQUENCES)


class TestLabels:
    def put(self, folder, heads, volume):
        return heads.write(folder / "BraTS_7_seg.nii.gz", volume)

    def test_regions_by_hand(self):
        labels = np.array([[[0, 1, 2, 3, 4]]], np.uint8)
        et, tc, wt = regions(labels)[:, 0, 0].astype(int).tolist()
        assert et == [0, 0, 0, 1, 1]
        assert tc == [0, 1, 0, 1, 1]
        assert wt == [0, 1, 1, 1, 1]

    def test_both_numberings_mean_the_same(self, folder, heads):
        old = regions(read_case(folder).labels)
        self.put(folder, heads, heads.labels(enhancing=3))
        assert (regions(read_case(folder).labels) == old).all()
        assert old[0].sum() == 4

    def test_nearly_whole_numbers(self, folder, heads):
        rough = heads.labels().astype(np.float32) * np.float32(0.9999)
        self.put(folder, heads, rough)
        assert (read_case(folder).labels == heads.labels()).all()

    def test_an_empty_reference_is_valid(self, folder, heads):
        self.put(folder, heads, np.zeros(heads.shape, np.uint8))
        assert not regions(read_case(folder).labels).any()

    @pytest.mark.parametrize(
        ("volume", "match"),
        [
            (lambda x: x * 0.5, "between whole numbers"),
            (lambda x: np.where(x == 1, 6.0, x), "has the labels 2, 4, 6"),
            (lambda x: np.where(x == 1, 7.0, x), "has the labels 2, 4, 7"),
            (lambda x: -1.0 * x, "has the labels -4, -2, -1"),
            (lambda x: np.where(x == 1, 0, x), "4 may be enhancing tumour .* or a cavity"),
            (lambda x: np.stack([x] * 2, -1), "holds 2 volumes"),
        ],
    )
    def test_what_cannot_be_understood_is_left_out_and_said(self, folder, heads, volume, match):
        self.put(folder, heads, volume(heads.labels().astype(np.float32)))
        case = read_case(folder)
        assert case.present == set(SEQUENCES)
        assert case.labels is None
        assert case.reference_regions == set()
        (note,) = case.reference_notes
        assert note in case.warnings
        assert re.search(rf"BraTS_7_seg\.nii\.gz .*{match}.* The reference is left out", note)

    @pytest.mark.parametrize(
        ("labelled", "match"),
        [
            ((slice(0, 4), slice(2, 4), slice(3, 5)), "labels 50% of its voxels where the images"),
            ((slice(2, -1), slice(1, -3)), "labels 100% of the head, so it outlines"),
        ],
        ids=["half of it beside the head", "the brain"],
    )
    def test_what_outlines_no_tumour_of_these_images(self, folder, heads, labelled, match):
        """The head is 0 in its first two planes, see `Heads.head`."""
        labels = np.zeros(heads.shape, np.uint8)
        labels[labelled] = 1
        self.put(folder, heads, labels)
        case = read_case(folder)
        assert case.labels is None
        assert match in case.reference_notes[0]

    def test_a_damaged_reference_is_left_out_and_said(self, folder):
        path = folder / "BraTS_7_seg.nii.gz"
        path.write_bytes(path.read_bytes()[:-30])
        case = read_case(folder)
        assert case.labels is None
        assert "ends early" in case.reference_notes[0]

    def test_a_reference_elsewhere_is_left_out_and_said(self, folder, heads):
        heads.write(folder / "BraTS_7_seg.nii.gz", heads.labels(), np.diag([1.0, 1, 1, 1]))
        case = read_case(folder)
        assert case.labels is None
        assert "does not lie on the same grid" in case.reference_notes[0]

    def test_a_reference_on_another_grid_is_resampled(self, folder, heads):
        """One slice more below: the same places, other indices."""
        lower = heads.affine.copy()
        lower[:3, 3] -= lower[:3, 2]
        more = np.concatenate([np.zeros((9, 12, 1), np.uint8), heads.labels()], axis=2)
        heads.write(folder / "BraTS_7_seg.nii.gz", more, lower)
        case = read_case(folder)
        assert (case.labels == heads.labels()).all()
        assert "it was resampled" in case.reference_notes[0]


class TestRealCase:
    def test_none_of_the_real_cases_raises_a_doubt(self, brats):
        doubtful = {p.name: read_case(p).warnings for p in find_cases(brats)[:4]}
        assert not any(doubtful.values()), doubtful

    def test_from_files_to_the_input_grid(self, brats):
        case = read_case(brats / "BraTS2021_00000")
        assert case.grid.shape == (240, 240, 155)
        assert case.grid.axes == "LPS"
        assert case.warnings == ()
        assert case.voxel_ml == pytest.approx(0.001)
        inside = case.brain.crop(case.labels)
        assert np.count_nonzero(inside) == np.count_nonzero(case.labels)
        stored = nibabel.load(brats / "BraTS2021_00000" / "BraTS2021_00000_seg.nii.gz")
        truth = regions(np.asarray(stored.dataobj))
        assert (case.to_input_grid(regions(inside)) == truth).all()
        of_region = volumes_ml(truth, case.grid)
        assert of_region == pytest.approx({"et": 32.7, "tc": 44.5, "wt": 57.3}, abs=0.05)
        prepared = case.prepared()
        assert all(np.isfinite(p).all() and p.shape == case.brain.shape for p in prepared.values())
