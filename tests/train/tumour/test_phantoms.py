"""Synthetic gliomas: the physics on numbers worked out by hand, and two whole cases."""

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from mckd.tumour import read_case
from mckd.tumour.geometry import Grid
from train.__main__ import main
from train.tumour.check import check
from train.tumour.phantoms import growth
from train.tumour.phantoms.acquisition import SIGMA
from train.tumour.phantoms.anatomy import SHAPE
from train.tumour.phantoms.fields import enlarged, smooth_field, waves
from train.tumour.phantoms.generate import AFFINE, make_phantom, make_phantoms
from train.tumour.phantoms.growth import KINDS, sample_tumour
from train.tumour.phantoms.signal import InversionRecovery, SpinEcho, Substance, sample_contrast

SEED = 11  # its case 1 enhances in a ring, its case 2 nowhere
RING, NONE = f"phantom_{SEED}_00001", f"phantom_{SEED}_00002"
FILES = ("flair", "t1", "t1ce", "t2", "seg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two cases, made by two processes."""
    out = tmp_path_factory.mktemp("phantoms")
    make_phantoms(out, cases=2, seed=SEED, jobs=2, say=lambda line: None)
    return out


def load(folder: Path, case: str, name: str):
    return nibabel.load(folder / case / f"{case}_{name}.nii.gz")


@lru_cache(maxsize=10)
def voxels(folder: Path, case: str, name: str):
    return np.asarray(load(folder, case, name).dataobj)


class TestFields:
    def test_a_smooth_field_has_mean_0_and_variance_1_up_to_the_edge(self):
        field = np.stack([smooth_field((9, 8, 7), 5, np.random.default_rng(i)) for i in range(900)])
        assert np.abs(field.mean(0)).max() < 0.2
        assert np.abs(field.var(0) - 1).max() < 0.3
        assert np.corrcoef(field[:, 3, 3, 3], field[:, 4, 3, 3])[0, 1] > 0.7

    def test_waves_cross_zero_twice_per_wavelength(self):
        field = waves((60, 60, 60), 12, np.random.default_rng(0))
        # Sheets of an isotropic field cut a line sqrt(3) times more rarely than half a wave.
        crossings = np.count_nonzero(np.diff(np.sign(field), axis=0)) / field.size
        assert crossings == pytest.approx(2 / 12 / math.sqrt(3), rel=0.15)

    def test_enlarging_keeps_the_known_values_and_joins_them_by_lines(self):
        coarse = np.random.default_rng(0).standard_normal((3, 4, 2)).astype(np.float32)
        fine = enlarged(coarse, 2, (6, 8, 4))
        np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, atol=1e-6)
        np.testing.assert_allclose(fine[1, 0, 0], (coarse[0, 0, 0] + coarse[1, 0, 0]) / 2, 1e-5)


class TestSignal:
    def test_spin_echo(self):
        # TR = T1 ln 2 recovers a half, TE = T2 ln 4 leaves a quarter.
        tissue = Substance(1000, 100, 0.8)
        sequence = SpinEcho(1000 * math.log(2), 100 * math.log(4))
        assert sequence.signal(tissue) == pytest.approx(0.8 * 0.5 * 0.25)

    def test_inversion_is_silent_at_t1_ln_2_for_a_long_tr(self):
        sequence = InversionRecovery(tr=1e6, te=0, ti=900 * math.log(2))
        assert sequence.signal(Substance(900, 80, 1)) == pytest.approx(0, abs=1e-9)
        assert sequence.signal(Substance(400, 80, 1)) > 0.5

    def test_contrast_agent_adds_to_both_rates(self):
        # 1 mM: 1 + 4.5 per second in T1, 10 + 5.5 in T2.
        tissue = Substance(1000, 100, 1).with_agent(1)
        assert (tissue.t1, tissue.t2) == pytest.approx((1000 / 5.5, 1000 / 15.5))

    @pytest.mark.parametrize("kind", KINDS)
    def test_tissues_stand_in_the_order_of_real_scans(self, kind):
        for seed in range(30):
            contrast = sample_contrast(kind, np.random.default_rng(seed))
            csf, grey, white = (
                {s: contrast.signal(name, s) for s in contrast.sequences}
                for name in ("csf", "grey", "white")
            )
            assert csf["t1"] < grey["t1"] < white["t1"]
            assert csf["t1c"] < grey["t1c"] < white["t1c"]
            assert white["t2"] < grey["t2"] < csf["t2"]
            assert csf["flair"] < 0.5 * white["flair"]
            assert contrast.signal("oedema", "flair") > white["flair"]
            bright = contrast.signal("enhancing", "t1c", contrast.agent)
            assert bright > contrast.signal("enhancing", "t1c")
            # The agent is given before one sequence only.
            assert contrast.signal("blood", "t1", 2.0) == contrast.signal("blood", "t1")


class TestGrowth:
    def setup_method(self):
        self.mobility = np.ones((24, 24, 24), np.float32)
        self.seeds = np.zeros((24, 24, 24), np.float32)
        self.seeds[8:11, 12, 12] = 1

    def test_it_stops_at_the_volume(self):
        u = growth._spread(self.seeds, self.mobility, front_mm=3, volume_ml=8)
        assert np.count_nonzero(u > 0.5) * 8 / 1000 == pytest.approx(8, rel=0.25)
        assert u.min() >= 0
        assert u.max() <= 1.001

    def test_nothing_crosses_a_place_without_mobility(self):
        self.mobility[14] = 0
        u = growth._spread(self.seeds, self.mobility, front_mm=3, volume_ml=100)
        assert u[13].max() > 0.5
        assert u[14:].max() == 0

    def test_it_runs_ahead_along_white_matter(self):
        self.mobility[:] = 0.15
        self.mobility[:, 10:15, 10:15] = 1
        u = growth._spread(self.seeds, self.mobility, front_mm=3, volume_ml=6)
        along, across = (np.count_nonzero(u.max(axis) > 0.5) for axis in (1, 0))
        assert along > across

    def test_the_outline_of_a_ball_is_a_distance(self):
        grid = np.indices((24, 24, 24)) - 12
        apart_mm = 2 * np.sqrt((grid**2).sum(0))
        u = (1 / (1 + np.exp((apart_mm - 12) / 1.5))).astype(np.float32)
        outline = growth._outline(u)
        near = np.abs(apart_mm - 12) < 6
        np.testing.assert_allclose(outline[near], (12 - apart_mm)[near], atol=1.5)

    def test_an_earlier_visit_has_the_same_tumour_when_it_was_smaller(self):
        """In white matter everywhere, of which nothing pushes back."""
        shape = tuple(n // 2 for n in growth.BOX)
        tissues = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        room = np.full(shape, 50, np.float32)
        tumour = replace(
            sample_tumour(np.random.default_rng(1)), core_ml=8.0, oedema_ml=20.0, push=0.0,
            foci=1, satellite=False,
        )  # fmt: skip
        earlier, later = (
            growth.grow(tumour, *tissues, room, np.random.default_rng(2), share)
            for share in (0.5, 1.0)
        )
        for outline in ("core", "oedema"):
            before, after = (getattr(lesion, outline) > 0 for lesion in (earlier, later))
            assert before.sum() / after.sum() == pytest.approx(0.5, abs=0.1)
            assert (before & after).sum() > 0.97 * before.sum()

    def test_the_mix_of_kinds_is_as_written(self):
        kinds = [sample_tumour(np.random.default_rng([0, n])).kind for n in range(2000)]
        for kind, part in KINDS.items():
            assert kinds.count(kind) / 2000 == pytest.approx(part, abs=0.04)

    def test_the_size_of_a_ring_does_not_tell_that_of_its_oedema(self):
        """A network that never sees little core in much oedema calls too much of it core."""
        drawn = [sample_tumour(np.random.default_rng([0, n])) for n in range(2000)]
        rings = [t for t in drawn if t.kind == "ring"]
        small = [t.oedema_ml for t in rings if t.core_ml < 6]
        large = [t.oedema_ml for t in rings if t.core_ml > 40]
        assert min(len(small), len(large)) > 0.1 * len(rings)
        assert np.median(small) == pytest.approx(np.median(large), rel=0.2)
        assert np.median(small) > 35


class TestCases:
    def test_both_are_read_without_a_warning_and_pass_the_check(self, folder):
        for case in (RING, NONE):
            read = read_case(folder / case)
            assert read.present == {"flair", "t1", "t1c", "t2"}
            assert read.warnings == ()
            assert read.grid.same_as(Grid(SHAPE, AFFINE))
        told = []
        assert check(folder, told.append) == 0
        assert "2 cases, 0 with problems" in told[-1]

    def test_files_say_that_they_are_synthetic(self, folder):
        for name in FILES:
            header = load(folder, RING, name).header
            assert bytes(header["descrip"]).startswith(b"MCKD synthetic")
        note = (folder / "README.txt").read_text(encoding="utf-8")
        assert f"--cases 2 --seed {SEED}" in note
        assert "Copyright (C)" in note
        assert "MNI152" in note

    def test_images_share_one_brain_of_human_size(self, folder):
        for case in (RING, NONE):
            brain = voxels(folder, case, "t1") > 0
            assert 1.0e6 < brain.sum() < 1.9e6
            for name in ("flair", "t1ce", "t2"):
                image = voxels(folder, case, name)
                assert image.dtype == np.int16
                np.testing.assert_array_equal(image > 0, brain)
            assert not voxels(folder, case, "seg")[~brain].any()

    def test_labels_and_regions(self, folder):
        ring, none = voxels(folder, RING, "seg"), voxels(folder, NONE, "seg")
        assert set(np.unique(ring)) == {0, 1, 2, 4}
        assert set(np.unique(none)) == {0, 1, 2}  # nothing enhances, so nothing is labelled so
        for labels in (ring, none):
            core, whole = np.isin(labels, (1, 4)), labels > 0
            around = ndimage.binary_dilation(core, iterations=4) & ~core
            assert (whole & around).sum() > 0.2 * around.sum()
        core_ml = np.isin(ring, (1, 4)).sum() / 1000
        planned = sample_tumour(np.random.default_rng([SEED, 1])).core_ml
        assert planned / 2 < core_ml < planned * 2

    def test_each_part_has_the_brightness_that_a_reader_expects(self, folder):
        labels = voxels(folder, RING, "seg")
        image = {name: voxels(folder, RING, name).astype(float) for name in FILES[:4]}
        healthy = (labels == 0) & (image["t1"] > 0)
        median = {
            (name, part): np.median(image[name][where])
            for name in image
            for part, where in {
                "healthy": healthy,
                "core": labels == 1,
                "oedema": labels == 2,
                "enhancing": labels == 4,
            }.items()
        }
        assert median["t1ce", "enhancing"] > median["t1ce", "oedema"] + SIGMA / 2
        assert median["t1ce", "enhancing"] > median["t1ce", "core"] + SIGMA / 4  # a faint case
        assert median["flair", "oedema"] > median["flair", "healthy"] + SIGMA / 4
        assert median["t2", "core"] > median["t2", "healthy"] + SIGMA / 4

    def test_a_case_is_decided_by_seed_and_number_alone(self, folder):
        """Made here again: another process, one case alone, all threads allowed."""
        phantom = make_phantom(SEED, 2)
        np.testing.assert_array_equal(phantom.labels, voxels(folder, NONE, "seg"))
        for sequence, name in (("flair", "flair"), ("t1c", "t1ce")):
            np.testing.assert_array_equal(phantom.images[sequence], voxels(folder, NONE, name))

    def test_no_time_is_written(self, folder):
        for name in FILES:
            data = (folder / RING / f"{RING}_{name}.nii.gz").read_bytes()
            assert data[4:8] == bytes(4)  # gzip's time stamp


def test_a_healthy_head_has_no_tumour_and_is_brain_all_the_same():
    phantom = make_phantom(SEED, 1, healthy=True)
    assert not phantom.labels.any()
    inside = phantom.images["t1"] > 0
    assert 0.9e6 < np.count_nonzero(inside) < 2.2e6  # a brain of 0.9 to 2.2 litres


class TestCommand:
    def test_finished_cases_stay(self, folder, capsys):
        path = folder / RING / f"{RING}_t2.nii.gz"
        before = path.stat().st_mtime_ns
        killed = folder / f".{RING}.part"
        killed.mkdir()
        assert main(["data", "phantoms", "--cases", "2", "--seed", "11", "--out", str(folder)]) == 0
        assert path.stat().st_mtime_ns == before
        assert not killed.exists()
        assert "2 of 2 cases are there already." in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--cases", "2", "--seed", "12"], "holds phantoms of another seed or version"),
            (["--cases", "2", "--seed", "11", "--healthy"], "holds phantoms of another seed"),
            (["--cases", "0", "--seed", "11"], "at least one case"),
            (["--cases", "2", "--seed", "11", "--jobs", "0"], "one job"),
            (["--cases", "2", "--seed", "11", "--share", "0.6"], "holds phantoms of another seed"),
            (["--cases", "2", "--seed", "11", "--share", "0"], "share of its size above 0"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, folder, capsys, words, message):
        assert main(["data", "phantoms", *words, "--out", str(folder)]) == 2
        assert message in capsys.readouterr().err

    def test_out_is_a_file(self, tmp_path, capsys):
        (tmp_path / "made").write_text("mine")
        words = ["--cases", "1", "--out", str(tmp_path / "made")]
        assert main(["data", "phantoms", *words]) == 2
        assert "a file where the folder made should be" in capsys.readouterr().err
