"""Whether a sequence misleads, on the bundled synthetic cases and by figures worked out by hand."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mckd.tumour import SEQUENCES, read_case
from mckd.tumour.data import case_of
from mckd.tumour.geometry import Grid
from mckd.tumour.misleading import NOTHING, RULES, Looked, look_at, placed, suspects

ROOT = Path(__file__).parents[2]
SPACING = (1.0, 1.0, 1.0)
FLAT = dict.fromkeys(SEQUENCES, -3.0)


@pytest.fixture(scope="module")
def case():
    return read_case(ROOT / "assets/tumour/phantom_a", reference=False)


def found(volumes):
    return suspects(look_at(volumes, SPACING))


class TestSound:
    def test_nothing_is_suspected(self, case):
        assert case.misleading == {}
        assert case.warnings == ()

    @pytest.mark.parametrize("pair", [("t1", "t2"), ("flair", "t1c")])
    def test_nor_of_two_sequences(self, case, pair):
        assert found({s: case.volumes[s] for s in pair}) == {}

    def test_one_alone_has_nothing_to_lie_on(self, case):
        looked = look_at({"t2": case.volumes["t2"]}, SPACING)
        assert (looked.shared, looked.rules, suspects(looked)) == ({}, {}, {})

    def test_units_do_not_matter(self, case):
        scaled = {**case.volumes, "t2": case.volumes["t2"] * 250}
        assert look_at(scaled, SPACING).shared == pytest.approx(
            look_at(case.volumes, SPACING).shared, abs=1e-3
        )

    def test_nor_how_small_they_make_the_values(self, case):
        assert found({s: v * np.float32(1e-9) for s, v in case.volumes.items()}) == {}

    def test_voxels_on_which_no_limit_was_set(self, case):
        assert look_at(case.volumes, (2.0, 2.0, 2.0)) == NOTHING
        corner = {s: v[60:75, 60:75, 60:75] for s, v in case.volumes.items()}
        assert look_at(corner, SPACING) == NOTHING


class TestSpoilt:
    def test_one_that_lies_8_mm_off(self, case):
        moved = {**case.volumes, "t1c": np.roll(case.volumes["t1c"], 8, 1)}
        assert found(moved) == {
            "t1c": "T1c does not lie on the other sequences: another patient's image, a wrong "
            "position, or moved while it was scanned?"
        }

    def test_two_that_do_not_lie_on_each_other(self, case):
        two = {"t1": case.volumes["t1"], "t2": np.roll(case.volumes["t2"], 8, 0)}
        said = found(two)
        assert {*said} == {"t1", "t2"}
        assert said["t1"].startswith("T1 and T2 do not lie on each other: ")

    def test_a_copy_in_other_units(self, case):
        copied = {**case.volumes, "t2": np.rint(case.volumes["flair"] * 7)}
        said = found(copied)
        assert {*said} == {"flair", "t2"}
        assert said["t2"].startswith("FLAIR and T2 show the same scan, to the noise")

    def test_noise(self, case):
        inside = case.volumes["flair"] != 0
        noise = np.random.default_rng(0).normal(
            0, case.volumes["flair"][inside].std(), inside.shape
        )
        noisy = np.where(inside, np.abs(case.volumes["flair"] + noise), 0).astype(np.float32)
        assert found({**case.volumes, "flair": noisy}) == {
            "flair": "FLAIR is much noisier than scans that the model knows."
        }

    @pytest.mark.parametrize("pair", [*combinations(SEQUENCES, 2)], ids="+".join)
    def test_two_names_that_are_swapped(self, case, pair):
        a, b = pair
        said = found({**case.volumes, a: case.volumes[b], b: case.volumes[a]})
        assert {*said} == {a, b}
        assert "are the two swapped?" in said[a]

    def test_one_that_shows_another_part_of_the_head_is_named(self, case):
        """4 cm off: together the images fill more than a head, though each alone is one."""
        wide = {s: np.pad(v, ((0, 40), (0, 0), (0, 0))) for s, v in case.volumes.items()}
        grid = Grid(wide["t1c"].shape, case.grid.affine)
        read = case_of("moved", {**wide, "t1c": np.roll(wide["t1c"], 40, 0)}, grid, grid)
        assert read.unlike_training
        assert {*read.misleading} == {"t1c"}

    def test_nothing_is_said_of_images_that_are_no_brains(self, case):
        """Half a head each, and one of them moved."""
        halves = {s: v.copy() for s, v in case.volumes.items()}
        for volume in halves.values():
            volume[volume.shape[0] // 2 :] = 0
        halves["t1c"] = np.roll(halves["t1c"], 12, 1)
        read = case_of("halves", halves, case.grid, case.grid)
        assert read.unlike_training
        assert read.misleading == {}

    def test_is_a_warning_of_the_case(self, case, tmp_path):
        """By its files, which only carry other names."""
        folder = ROOT / "assets/tumour/phantom_a"
        files = {s: next(folder.glob(f"*_{word}.nii*")) for s, word in WORDS.items()}
        read = read_case({**files, "t1": files["t2"], "t2": files["t1"]})
        assert {*read.misleading} == {"t1", "t2"}
        assert read.misleading["t1"] in read.warnings
        assert len(read.warnings) == len(set(read.warnings))
        assert not read.unlike_training


WORDS = {"flair": "flair", "t1": "t1", "t1c": "t1ce", "t2": "t2"}


class TestByHand:
    """T2 shares .1 with each of the others, which share .4 with each other."""

    LOOKED = Looked(
        {p: 0.1 if "t2" in p else 0.4 for p in combinations(SEQUENCES, 2)}, {}, FLAT, {}
    )

    def test_how_well_each_is_placed(self):
        # t2: .1 / .4; each other: (.4 + .4 + .1) / 3 against (.4 + .1 + .1) / 3
        expected = {"flair": 1.5, "t1": 1.5, "t1c": 1.5, "t2": 0.25}
        assert placed(self.LOOKED) == pytest.approx(expected)
        assert {*suspects(self.LOOKED)} == {"t2"}

    def test_fluid_comes_before_the_other_rules(self):
        rules = {**dict.fromkeys(RULES, 1.0), ("t1", "t2"): -0.1, ("t1", "t1c"): -2.0}
        assert {*suspects(Looked({}, {}, FLAT, rules))} == {"t1", "t2"}

    def test_names_are_not_judged_where_one_lies_elsewhere(self):
        broken = replace(self.LOOKED, rules={("flair", "t1"): -1.0})
        assert {*suspects(broken)} == {"t2"}

    def test_a_copy_makes_nobody_else_suspect(self):
        """T1 and T2, copies, agree so well that the others' shares look small."""
        twins = ("t1", "t2")
        shared = {p: 2.0 if p == twins else 0.2 for p in combinations(SEQUENCES, 2)}
        assert {*suspects(Looked(shared, {}, FLAT, {}))} == {"flair", "t1c"}
        assert {*suspects(Looked(shared, {twins: 1.0}, FLAT, {}))} == {"t1", "t2"}
