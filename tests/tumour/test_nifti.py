"""Files as they arrive: each bad one gets one sentence with its name and no folder."""

import contextlib
import gzip
import re
import struct
import tracemalloc

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mckd.tumour import CaseError
from mckd.tumour.nifti import read_header, read_image
from mckd.tumour.nifti_affine import UNKNOWN_SIDES


def open_image(path):
    return read_image(read_header(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "secret" / "x_t1.nii.gz"


@pytest.fixture
def good(path, heads):
    return heads.write(path, heads.head())


def refused(path, match):
    with pytest.raises(CaseError, match=match) as caught:
        open_image(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert "secret" not in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@contextlib.contextmanager
def flat_memory(limit_mb=2):
    """What is done within takes little more memory at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit_mb * 2**20
    finally:
        tracemalloc.stop()


def patch_header(path, offset, layout, *values):
    data = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(layout, data, offset, *values)
    path.write_bytes(gzip.compress(bytes(data)))


class TestAccepted:
    def test_the_file_itself(self, good, heads):
        image = open_image(good)
        assert image.name == "x_t1.nii.gz"
        assert image.voxels.dtype == np.float32
        assert (image.voxels == heads.head()).all()
        np.testing.assert_allclose(image.grid.affine, heads.affine, atol=1e-6)
        assert image.header.sides_known
        assert image.warnings == ()

    def test_plain_and_gzip_whatever_the_ending(self, good, tmp_path):
        data = gzip.decompress(good.read_bytes())
        (tmp_path / "plain.nii.gz").write_bytes(data)
        (tmp_path / "packed.nii").write_bytes(good.read_bytes())
        half = len(data) // 2
        members = gzip.compress(data[:half]) + gzip.compress(data[half:])
        (tmp_path / "members.nii.gz").write_bytes(members)
        for name in ("plain.nii.gz", "packed.nii", "members.nii.gz"):
            assert (open_image(tmp_path / name).voxels == open_image(good).voxels).all()

    @pytest.mark.parametrize("dtype", ["<u1", ">i2", "<u2", ">i4", "<f4", ">f8", "<i8"])
    @pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
    def test_any_type_byte_order_and_version(self, path, heads, dtype, kind):
        volume = np.minimum(heads.head(), 255)
        image = kind(volume.astype(dtype), heads.affine, dtype=np.dtype(dtype))
        swapped = kind(volume.astype(dtype), heads.affine, image.header.as_byteswapped(dtype[0]))
        path.parent.mkdir()
        nibabel.save(swapped, path)
        assert (open_image(path).voxels == volume).all()

    def test_scaling_is_applied(self, path, heads):
        image = nibabel.Nifti1Image(heads.head().astype(float) * 0.25, heads.affine)
        image.set_data_dtype(np.int16)
        path.parent.mkdir()
        nibabel.save(image, path)
        np.testing.assert_allclose(open_image(path).voxels, heads.head() * 0.25, atol=0.01)

    @pytest.mark.parametrize("slope", [0, np.nan, 1])
    def test_a_slope_that_says_nothing(self, good, heads, slope):
        patch_header(good, 112, "<2f", slope, 0)
        assert (open_image(good).voxels == heads.head()).all()

    @pytest.mark.parametrize("length", [0, 16, -5, 1_500_000_000])
    def test_extensions_are_skipped_whatever_they_claim(self, good, heads, length):
        data = gzip.decompress(good.read_bytes())
        extension = struct.pack("<4B2i24s", 1, 0, 0, 0, length, 2, b"Doe^Jane")
        good.write_bytes(gzip.compress(data[:348] + extension + data[352:]))
        patch_header(good, 108, "<f", 348.0 + len(extension))
        with flat_memory():
            assert (open_image(good).voxels == heads.head()).all()

    def test_an_offset_left_out(self, good, heads):
        patch_header(good, 108, "<f", 0)
        assert (open_image(good).voxels == heads.head()).all()

    def test_a_few_bytes_after_the_image(self, good, heads):
        good.write_bytes(gzip.compress(gzip.decompress(good.read_bytes()) + bytes(1000)))
        assert (open_image(good).voxels == heads.head()).all()
        good.write_bytes(good.read_bytes() + bytes(512))  # padding after gzip, as tar leaves it
        assert (open_image(good).voxels == heads.head()).all()

    def test_no_text_of_the_header_is_kept(self, path, heads):
        image = nibabel.Nifti1Image(heads.head(), heads.affine)
        for field in ("descrip", "aux_file", "db_name", "intent_name"):
            image.header[field] = b"Doe^Jane"
        path.parent.mkdir()
        nibabel.save(image, path)
        opened = open_image(path)
        assert "Doe" not in repr((opened.header, opened.warnings))

    def test_axes_of_length_one_at_the_end(self, path, heads):
        heads.write(path, heads.head()[..., None, None])
        assert open_image(path).voxels.shape == heads.shape

    def test_a_stack_has_four_dimensions(self, path, heads):
        heads.write(path, np.stack([heads.head(i) for i in range(4)], -1))
        image = open_image(path)
        assert image.voxels.shape == (*heads.shape, 4)
        assert (image.voxels[..., 2] == heads.head(2)).all()
        assert image.grid.shape == heads.shape


class TestMended:
    def test_some_voxels_that_are_no_numbers(self, path, heads):
        volume = heads.head().astype(np.float32)
        volume[4, 4, 4], volume[5, 4, 4], volume[5, 5, 4] = np.nan, np.inf, -np.inf
        image = open_image(heads.write(path, volume))
        assert image.voxels[4, 4, 4] == image.voxels[5, 4, 4] == image.voxels[5, 5, 4] == 0
        assert np.isfinite(image.voxels).all()
        assert image.warnings[0].startswith("x_t1.nii.gz: 3 voxels were no numbers")

    def test_numbers_too_large_for_float32_count_too(self, path, heads):
        volume = heads.head().astype(np.float64)
        volume[4, 4, 4] = 1e300
        assert "1 voxel was no number" in open_image(heads.write(path, volume)).warnings[0]

    def test_neither_qform_nor_sform(self, path, heads):
        image = nibabel.Nifti1Image(heads.head(), None)
        image.header.set_qform(None, 0)
        image.header.set_sform(None, 0)
        path.parent.mkdir()
        nibabel.save(image, path)
        opened = open_image(path)
        assert not opened.header.sides_known
        assert UNKNOWN_SIDES in opened.warnings[0]

    def test_forms_that_differ(self, path, heads):
        image = nibabel.Nifti1Image(heads.head(), heads.affine)
        moved = nibabel.affines.from_matvec(np.diag([1.0, 1.5, 3]), (-20, 11, 4))
        image.header.set_qform(moved, 1)
        image.header.set_sform(heads.affine, 1)
        path.parent.mkdir()
        nibabel.save(image, path)
        opened = open_image(path)
        assert "qform and sform differ" in opened.warnings[0]
        np.testing.assert_allclose(opened.grid.affine, heads.affine, atol=1e-6)
        assert opened.header.sides_known

    @pytest.mark.parametrize("turned", [(-1, 1, 1), (-1, -1, 1)], ids=["mirrored", "turned round"])
    def test_forms_that_contradict_each_other_on_what_is_right(self, path, heads, turned):
        image = nibabel.Nifti1Image(heads.head(), heads.affine)
        image.header.set_qform(heads.affine @ np.diag([*turned, 1]), 1)
        image.header.set_sform(heads.affine, 1)
        path.parent.mkdir()
        nibabel.save(image, path)
        opened = open_image(path)
        assert not opened.header.sides_known
        assert f"{UNKNOWN_SIDES}, its qform and sform contradict each other" in opened.warnings[0]
        np.testing.assert_allclose(opened.grid.affine, heads.affine, atol=1e-6)


RIGID = np.eye(4)
RIGID[:3, :3] = Rotation.from_euler("xyz", (10, -7, 4), degrees=True).as_matrix() * [1, 1.5, 3]
RIGID[:3, 3] = -20, 11, 4


class TestRareButValid:
    """Headers that programs write and the standard, or good will, can read."""

    @pytest.fixture
    def both(self, path, heads):
        """With a qform and an sform that say the same."""
        image = nibabel.Nifti1Image(heads.head(), RIGID)
        image.set_qform(RIGID, 1)
        path.parent.mkdir()
        nibabel.save(image, path)
        return path

    @pytest.mark.parametrize("factor", [0, 1, np.nan, 0.3, 7])
    def test_a_factor_of_the_third_axis_that_says_nothing(self, both, heads, factor):
        patch_header(both, 254, "<h", 0)  # sform_code
        patch_header(both, 76, "<f", factor)
        image = open_image(both)
        np.testing.assert_allclose(image.grid.affine, RIGID, atol=1e-4)
        assert image.header.sides_known
        assert image.warnings == ()

    def test_a_factor_of_minus_one_turns_the_third_axis(self, both, heads):
        patch_header(both, 254, "<h", 0)
        patch_header(both, 76, "<f", -1)
        turned = RIGID @ np.diag([1, 1, -1, 1])
        np.testing.assert_allclose(open_image(both).grid.affine, turned, atol=1e-4)

    @pytest.mark.parametrize("rows", [[0] * 12, [np.nan] * 12, [1, 1, 0, 0] * 3])
    def test_an_sform_that_says_nothing_beside_a_qform(self, both, heads, rows):
        patch_header(both, 280, "<12f", *rows)
        image = open_image(both)
        np.testing.assert_allclose(image.grid.affine, RIGID, atol=1e-4)
        assert image.warnings == ("x_t1.nii.gz: its sform says nothing; the qform is used.",)

    def test_a_quaternion_rounded_beyond_1(self, both):
        patch_header(both, 254, "<h", 0)
        patch_header(both, 256, "<3f", 0, 0, 1.00001)
        grid = open_image(both).grid
        assert grid.axes == "LPS"
        np.testing.assert_allclose(grid.spacing_mm, (1, 1.5, 3), atol=1e-4)

    @pytest.mark.parametrize(
        "dims", [(4, 9, 12, 7, 0, 1, 1, 1), (7, 9, 12, 7, 0, 0, 0, 0), (5, 9, 12, 7, 1, 0, 0, 0)]
    )
    def test_zeros_for_axes_that_are_not_there(self, both, heads, dims):
        patch_header(both, 40, "<8h", *dims)
        assert (open_image(both).voxels == heads.head()).all()

    def test_fields_that_do_not_matter(self, both, heads):
        patch_header(both, 92, "<4f", *[np.nan] * 4)  # pixdim of axes that are not there
        patch_header(both, 68, "<h", 1007)  # the intent: a vector
        patch_header(both, 123, "<b", 0)  # no units
        patch_header(both, 112, "<2f", np.nan, np.nan)
        image = open_image(both)
        assert (image.voxels == heads.head()).all()
        np.testing.assert_allclose(image.grid.affine, RIGID, atol=1e-6)

    def test_only_the_size_of_the_voxels(self, both):
        patch_header(both, 252, "<2h", 0, 0)
        image = open_image(both)
        np.testing.assert_allclose(image.grid.spacing_mm, (1, 1.5, 3), atol=1e-6)
        assert UNKNOWN_SIDES in image.warnings[0]

    @pytest.mark.parametrize(("unit", "factor"), [(1, 0.001), (3, 1000)])
    def test_metres_and_micrometres_that_say_so(self, path, heads, unit, factor):
        image = nibabel.Nifti1Image(heads.head(), np.diag([factor, factor, factor, 1]))
        image.header["xyzt_units"] = unit
        path.parent.mkdir()
        nibabel.save(image, path)
        np.testing.assert_allclose(open_image(path).grid.spacing_mm, (1, 1, 1), rtol=1e-5)

    @pytest.mark.parametrize(
        "tail", [b"\r\n", b"\n", bytes(700), bytes(300) + b"x", b"\x1f", b"garbage" * 1000]
    )
    def test_bytes_after_the_gzip_stream(self, both, heads, tail):
        both.write_bytes(both.read_bytes() + tail)
        assert (open_image(both).voxels == heads.head()).all()


class TestRefused:
    def test_missing(self, path):
        refused(path, "is missing")

    def test_a_folder(self, path):
        path.mkdir(parents=True)
        refused(path, "cannot be opened")

    @pytest.mark.parametrize(
        ("start", "what"),
        [
            (b"", "it is empty"),
            (b"\x89PNG\r\n" + bytes(500), "a PNG picture"),
            (b"PK\x03\x04" + bytes(500), "a ZIP archive"),
            (b"<html>" + bytes(500), "a web page"),
            (bytes(128) + b"DICM" + bytes(500), "a DICOM file"),
            (b"NRRD0004\n", "an NRRD image"),
            (b"ObjectType = Image\n", "a MetaImage"),
            (bytes([0, 0, 0, 1]) + bytes(500), r"a FreeSurfer .mgh or .mgz image"),
            (struct.pack("<i", 348) + bytes(500), "an Analyze header"),
            (b"hello", "is not a NIfTI file"),
            (bytes(2000), "is not a NIfTI file"),
        ],
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_something_else(self, path, start, what, pack):
        path.parent.mkdir()
        path.write_bytes(pack(start))
        refused(path, what)

    def test_gzip_within_gzip(self, good):
        good.write_bytes(gzip.compress(good.read_bytes()))
        refused(good, "gzip within gzip")

    @pytest.mark.parametrize("keep", [100, 200, 347, 900])
    def test_cut_short(self, good, keep):
        good.write_bytes(gzip.decompress(good.read_bytes())[:keep])
        refused(good, "ends early")

    def test_cut_short_within_gzip(self, good):
        good.write_bytes(good.read_bytes()[:-20])
        refused(good, "ends early")

    def test_wrong_checksum_of_gzip(self, good):
        data = bytearray(good.read_bytes())
        data[-6] ^= 0xFF
        good.write_bytes(bytes(data))
        refused(good, "damaged")

    def test_rubbish_within_gzip(self, good):
        data = bytearray(good.read_bytes())
        data[30:60] = bytes(30)
        good.write_bytes(bytes(data))
        refused(good, "damaged|ends early")

    def test_a_trailer_without_end_is_read_to_a_limit(self, good):
        bomb = gzip.compress(bytes(2**26)) * 24  # 1.5 GB after the image, in as many members
        good.write_bytes(good.read_bytes() + bomb)
        with flat_memory():
            refused(good, "goes on long after the image")

    def test_a_bomb_with_an_honest_header_is_one_volume_and_no_more(self, path):
        header = nibabel.Nifti1Image(np.zeros((280, 280, 280), np.uint8), np.eye(4)).header
        path.parent.mkdir()
        path.write_bytes(
            gzip.compress(header.binaryblock + bytes(4)) + gzip.compress(bytes(280**3))
        )
        with flat_memory(120):
            refused(path, "blank: every voxel is 0")

    @pytest.mark.parametrize(
        ("dims", "what"),
        [
            ((3, 1200, 1200, 1400, 1, 1, 1, 1), "has 1200 x 1200 x 1400 voxels"),
            ((3, 513, 10, 10, 1, 1, 1, 1), "has 513 x 10 x 10 voxels"),
            ((3, 512, 512, 201, 1, 1, 1, 1), "has 512 x 512 x 201 voxels"),
            ((4, 281, 280, 280, 4, 1, 1, 1), "has 281 x 280 x 280 x 4 voxels"),
            ((4, 64, 64, 40, 900, 1, 1, 1), "holds 900 volumes"),
            ((3, 280, 280, 280, 1, 1, 1, 1), "ends early"),
        ],
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_a_huge_image_in_a_tiny_file_is_never_allocated(self, good, dims, what, pack):
        patch_header(good, 40, "<8h", *dims)
        good.write_bytes(pack(gzip.decompress(good.read_bytes())))
        with flat_memory(100 if what == "ends early" else 1):
            refused(good, what)

    def test_freesurfer_s_long_vectors_are_not_followed(self, good):
        patch_header(good, 40, "<8h", 3, -1, 1, 1, 1, 1, 1, 1)
        patch_header(good, 140, "<2i", 0, 2**30)  # glmax, glmin: the length of the vector
        with flat_memory():
            refused(good, "-1 x 1 x 1, which is no 3-D image")
        patch_header(good, 40, "<8h", 3, 27307, 1, 6, 1, 1, 1, 1)
        refused(good, "27307 x 1 x 6, which is no 3-D image")

    @pytest.mark.parametrize(
        "dims", [(2, 9, 84, 1, 1, 1, 1, 1), (1, 756, 1, 1, 1, 1, 1, 1), (5, 9, 12, 1, 1, 7, 1, 1)]
    )
    def test_not_three_dimensions(self, good, dims):
        patch_header(good, 40, "<8h", *dims)
        refused(good, "no 3-D image")

    @pytest.mark.parametrize(
        "dims",
        [(0, *[1] * 7), (3, 0, 8, 8, *[1] * 4), (3, -4, 8, 8, *[1] * 4), (200, *[1] * 7)],
    )
    def test_dimensions_that_cannot_be(self, good, dims):
        patch_header(good, 40, "<8h", *dims)
        refused(good, r"x_t1")

    @pytest.mark.parametrize("offset", [float("nan"), float("inf"), -4.0, 8.0, 352.5, 1e9, 2.0**31])
    def test_voxels_that_begin_nowhere(self, good, offset):
        patch_header(good, 108, "<f", offset)
        with flat_memory():
            refused(good, "damaged header")

    def test_voxels_that_begin_after_the_end(self, good):
        patch_header(good, 108, "<f", 100_000.0)
        refused(good, "ends early")

    @pytest.mark.parametrize(
        ("slope", "inter"),
        [(np.inf, 0), (1e38, 0), (1e-30, 0), (1, np.nan), (1, np.inf), (2, 1e30)],
    )
    def test_scaling_that_no_scanner_does(self, good, slope, inter):
        patch_header(good, 112, "<2f", slope, inter)
        refused(good, "scales its values by")

    @pytest.mark.parametrize(
        ("code", "what"), [(0, "unknown"), (1, "single bits"), (1536, "128 bits")]
    )
    def test_other_types(self, good, code, what):
        patch_header(good, 70, "<h", code)
        refused(good, what)

    def test_a_header_that_contradicts_its_byte_order(self, good):
        patch_header(good, 0, ">i", 348)
        refused(good, "dimensions|damaged header")
        patch_header(good, 0, "<i", 99)
        refused(good, "damaged header")

    def test_many_empty_members_do_not_take_long(self, good):
        good.write_bytes(gzip.compress(b"") * 100_000 + good.read_bytes())
        refused(good, "damaged")

    @pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
    def test_complex(self, path, heads, dtype):
        heads.write(path, heads.head().astype(dtype))
        refused(path, "complex numbers")

    def test_colour(self, path, heads):
        colour = np.zeros(heads.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
        heads.write(path, colour)
        refused(path, "colours")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_affine_not_finite(self, good, value):
        patch_header(good, 280, "<f", value)
        refused(good, "where its voxels lie")

    def test_affine_singular(self, good):
        patch_header(good, 280, "<12f", *([1, 1, 0, 0] * 3))
        refused(good, "singular")

    def test_voxels_of_no_size(self, good):
        patch_header(good, 280, "<12f", *([0] * 12))
        refused(good, "singular")

    @pytest.mark.parametrize("size", [0.001, 1000])
    def test_voxels_measured_in_metres_or_micrometres(self, good, size):
        patch_header(good, 280, "<12f", size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0)
        refused(good, rf"voxels of {size:g} x {size:g} x {size:g} mm")

    def test_a_head_far_away(self, good):
        patch_header(good, 292, "<f", 1e20)
        refused(good, "10 m away")

    def test_a_quaternion_that_is_none(self, good):
        patch_header(good, 252, "<2h", 1, 0)
        patch_header(good, 256, "<3f", 5, 5, 5)
        refused(good, "where its voxels lie")

    def test_one_half_of_a_pair(self, good):
        patch_header(good, 344, "<4s", b"ni1")
        refused(good, r"one half of a \.hdr/\.img pair")

    def test_no_numbers_at_all(self, path, heads):
        heads.write(path, np.full(heads.shape, np.nan, np.float32))
        refused(path, "none of its voxels is a number")


def test_no_header_makes_anything_but_a_case_error(good):
    """Random damage to every field: read, or refused in a sentence."""
    data = gzip.decompress(good.read_bytes())
    rng = np.random.default_rng(0)
    sentences = []
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(0, 352, rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        good.write_bytes(bytes(damaged))
        try:
            image = open_image(good)
        except CaseError as error:
            sentences.append(str(error))
            continue
        assert np.isfinite(image.voxels).all()
        assert np.isfinite(image.grid.affine).all()
    assert all(re.match(r"x_t1\.nii\.gz ", sentence) for sentence in sentences)
    assert sentences
