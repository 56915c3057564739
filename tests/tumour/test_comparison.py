"""Subsets side by side, and what each sequence changes."""

import dataclasses
import re

import numpy as np
import pytest

from mckd.method import subsets
from mckd.tumour import REGIONS, SEQUENCES, read_case, regions
from mckd.tumour.comparison import (
    Comparison,
    Contribution,
    Figures,
    RegionRow,
    Row,
    listed,
    title_of,
)
from mckd.tumour.naming import key_of

SETS = {n: subsets(SEQUENCES[:n]) for n in range(1, 5)}


@pytest.fixture
def case(heads, tmp_path):
    return read_case(heads.write_case(tmp_path / "one"))


def block(case, et, tc, wt):
    """(3, X, Y, Z): that many voxels of each region, from the brain's first corner on."""
    found = np.zeros((3, *case.grid.canonical.shape), bool)
    for mask, count in zip(found, (et, tc, wt), strict=True):
        part = np.zeros(case.brain.shape, bool)
        part.ravel()[:count] = True
        mask[case.brain.slices] = part
    return found


def compared(case, **options):
    """All 15 subsets: T1c alone sees ET, FLAIR and T2 see oedema, others nothing of it."""
    whole = block(case, 10, 20, 40)
    result = Comparison(case, whole, **options)
    for subset in reversed(SETS[4]):
        et = 10 if "t1c" in subset else 0
        wt = 40 if subset & {"flair", "t2"} else 20
        result.add(subset, block(case, et, 20, wt))
    return result


class TestRows:
    def test_are_in_the_order_of_the_paper_however_they_came(self, case):
        assert [row.subset for row in compared(case).rows] == SETS[4]
        assert [row.key for row in compared(case).rows][4:6] == ["flair+t1", "flair+t1c"]

    def test_volumes_and_changes_in_ml(self, case):
        row = next(row for row in compared(case).rows if row.key == "t1+t2")
        ml = case.voxel_ml
        assert [found.region for found in row.regions] == list(REGIONS)
        assert [found.volume_ml for found in row.regions] == pytest.approx([0, 20 * ml, 40 * ml])
        assert [found.change_ml for found in row.regions] == pytest.approx([-10 * ml, 0, 0])
        assert row["tc"] is row.regions[1]

    def test_agreement_is_the_dice_with_all_sequences(self, case):
        row = next(row for row in compared(case).rows if row.key == "t1")
        assert row["et"].agreement == 0
        assert row["tc"].agreement == 1
        assert row["wt"].agreement == pytest.approx(2 * 20 / (20 + 40))

    def test_two_empty_masks_neither_agree_nor_disagree(self, case):
        nothing = Comparison(case, block(case, 0, 5, 5))
        assert nothing.rows[-1]["et"].agreement is None

    def test_scores_follow_the_policy_of_the_metrics(self, case):
        reference = regions(case.labels)
        score = Comparison(case, reference).rows[-1]["wt"].score
        assert (score.dice, score.hd95_mm, score.outcome) == (1, 0, "found")
        missed = Comparison(case, np.zeros_like(reference)).rows[-1]["et"].score
        assert (missed.dice, missed.outcome) == (0, "missed")

    def test_without_distances_or_a_reference(self, case):
        row = compared(case, distances=False).rows[0]
        assert row["wt"].score.hd95_mm is None
        assert row["wt"].score.dice is not None
        blind = compared(dataclasses.replace(case, labels=None))
        assert all(found.score is None for row in blind.rows for found in row.regions)

    def test_grow_one_by_one_and_a_second_answer_changes_nothing(self, case):
        result = Comparison(case, block(case, 1, 2, 3))
        assert [row.subset for row in result.rows] == [case.present]
        assert not result.complete
        first = result.add(["t1"], block(case, 0, 0, 3))
        again = result.add(["t1"], block(case, 3, 3, 3))
        assert again is first
        assert result.votes("wt").max() == 2
        assert compared(case).complete

    @pytest.mark.parametrize("subset", [[], ["t1", "adc"]])
    def test_a_subset_that_the_case_does_not_have(self, case, subset):
        with pytest.raises(ValueError, match="one or more of the sequences"):
            Comparison(case, block(case, 1, 2, 3)).add(subset, block(case, 1, 2, 3))


class TestVotes:
    def test_count_the_subsets_that_call_a_voxel_by_a_name(self, case):
        result = compared(case)
        inside = case.brain.crop(result.votes("et")).ravel()
        assert result.votes("et").shape == case.grid.canonical.shape
        assert result.votes("et").dtype == np.uint8
        assert set(inside[:10]) == {8}  # of the 15 subsets that have T1c
        assert set(inside[10:]) == {0}
        oedema = case.brain.crop(result.votes("wt")).ravel()
        assert set(oedema[20:40]) == {12}
        assert set(oedema[:20]) == {15}


class TestContributions:
    def test_go_to_who_sees_the_region(self, case):
        found = compared(case).contributions()
        ml = case.voxel_ml
        assert found["et"].volume_ml == pytest.approx(
            {"flair": 0, "t1": 0, "t1c": 10 * ml, "t2": 0}
        )
        assert found["et"].without_ml["t1c"] == 0
        assert found["wt"].total_ml == pytest.approx(40 * ml)
        assert found["wt"].volume_ml["flair"] == pytest.approx(found["wt"].volume_ml["t2"])
        for contribution in found.values():
            assert sum(contribution.volume_ml.values()) == pytest.approx(contribution.total_ml)

    def test_shares_of_the_dice_add_up_to_the_dice_of_all(self, case):
        result = compared(case)
        for region, contribution in result.contributions().items():
            score = result.rows[-1][region].score
            assert sum(contribution.dice.values()) == pytest.approx(score.dice)

    def test_no_dice_where_the_reference_has_nothing_of_a_region(self, case):
        labels = np.where(case.labels == 4, 2, case.labels)
        found = compared(dataclasses.replace(case, labels=labels)).contributions()
        assert found["et"].dice is None  # some subsets invent it, others leave it correctly empty
        assert found["wt"].dice is not None
        assert compared(dataclasses.replace(case, labels=None)).contributions()["wt"].dice is None

    def test_need_every_subset(self, case):
        with pytest.raises(ValueError, match="every subset"):
            Comparison(case, block(case, 1, 2, 3)).contributions()

    def test_of_a_single_sequence_is_everything(self, case):
        lone = dataclasses.replace(case, volumes={"t2": case.volumes["t2"]})
        result = Comparison(lone, block(lone, 0, 5, 9))
        assert result.complete
        found = result.contributions()["wt"]
        assert found.volume_ml == {"t2": pytest.approx(9 * case.voxel_ml)}
        assert found.without_ml == {"t2": 0.0}
        assert found.sentence == "T2 is the only sequence: from it 0.0 mL are called whole tumour."


AGREEMENT = {("t1",): 0.6, ("t2",): 0.2, ("t1", "t2"): 1.0}
INTERVALS = {("t1",): (2.0, 12.0), ("t2",): (0.0, 6.0), ("t1", "t2"): (3.0, 7.0)}


class TestAgreementAndRanges:
    """Two sequences, worked out by hand: T1 first or T2 first."""

    def of(self, case, agreement, intervals, whole_ml=5.0):
        two = dataclasses.replace(case, volumes={s: case.volumes[s] for s in ("t1", "t2")})
        rows = [
            Row(
                frozenset(subset),
                tuple(
                    RegionRow(region, whole_ml, 0.0, agreement[subset], None, intervals[subset])
                    for region in REGIONS
                ),
            )
            for subset in (("t1",), ("t2",), ("t1", "t2"))
        ]
        return Figures(two, rows).contributions()["wt"]

    def test_shares_of_the_agreement_with_all(self, case):
        found = self.of(case, AGREEMENT, INTERVALS)
        assert found.shared == pytest.approx({"t1": 0.7, "t2": 0.3})  # (.6 + .8) / 2, (.2 + .4) / 2

    def test_shares_of_what_the_range_narrows_by(self, case):
        """From 8 mL, the mean of 10 and 6, to 4: T1 -2 first, 2 second; T2 2 first, 6 second."""
        found = self.of(case, AGREEMENT, INTERVALS)
        assert found.narrowed_ml == pytest.approx({"t1": 0.0, "t2": 4.0})
        assert found.sentence.endswith(
            " Of the 4 mL by which the range of its volume is narrower from all sequences than "
            "from one, on average, T2 accounts for 4. Without a reference nothing here says which "
            "result is right."
        )

    def test_nothing_to_agree_with_and_no_ranges(self, case):
        found = self.of(case, dict.fromkeys(AGREEMENT), dict.fromkeys(AGREEMENT), 0.0)
        assert (found.shared, found.narrowed_ml) == (None, None)
        one_lacks = {**INTERVALS, ("t1",): None}
        assert self.of(case, AGREEMENT, one_lacks).narrowed_ml is None


class TestSentence:
    def of(self, volumes, without, agreement, dice=None):
        return Contribution("et", 13.0, volumes, without, agreement, dice).sentence

    def test_leads_with_the_agreement_and_credits_nobody_for_volume(self):
        """T1 adds most volume; what the result depends on is T1c."""
        sentence = self.of(
            {"flair": 0.3, "t1": 8.8, "t1c": 3.9, "t2": 0.0},
            {"flair": 12.9, "t1": 5.1, "t1c": 4.0, "t2": 13.0},
            {"flair": 0.97, "t1": 0.55, "t1c": 0.31, "t2": 0.98},
        )
        assert sentence == (
            "Leaving out T1c changes the enhancing tumour most: what is found from the others "
            "agrees with the result from all sequences by a Dice of 0.31 (4.0 mL instead of 13.0). "
            "Without a reference nothing here says which result is right."
        )

    def test_begins_with_what_is_right_where_there_is_a_reference(self):
        sentence = self.of(
            {"flair": 12.0, "t1c": 1.0},
            {"flair": 9.0, "t1c": 20.0},
            {"flair": 0.8, "t1c": 0.2},
            {"flair": 0.1, "t1c": 0.7},
        )
        assert sentence == (
            "T1c matters most to the enhancing tumour: of the Dice of 0.80 with the reference it "
            "contributes 0.70. Leaving out T1c changes the enhancing tumour most: what is found "
            "from the others agrees with the result from all sequences by a Dice of 0.20 (20.0 mL "
            "instead of 13.0)."
        )

    def test_names_all_who_matter_about_as_much(self):
        same = {"flair": 1.0, "t1": 1.0, "t2": 1.0}
        shares = {"flair": 0.31, "t1": 0.03, "t2": 0.30}
        sentence = self.of(same, same, dict.fromkeys(same, 0.99), shares)
        assert "FLAIR and T2 matter most" in sentence
        assert "they contribute 0.31 and 0.30." in sentence
        assert "Whichever one sequence is left out, the enhancing tumour hardly changes" in sentence

    def test_of_a_region_that_is_not_there(self):
        nothing = {"t1": 0.0, "t2": 0.0}
        unknown = dict.fromkeys(nothing)
        found = Contribution("et", 0.0, nothing, nothing, unknown, None).sentence
        assert found.startswith("No enhancing tumour is found, whichever one sequence is left out.")
        found = Contribution("et", 0.0, nothing, {"t1": 3.1, "t2": 0.0}, unknown, None).sentence
        assert found.startswith(
            "From all sequences no enhancing tumour is found; without T1 3.1 mL are called so."
        )

    def test_the_agreement_is_that_of_the_subset_without_it(self, case):
        found = compared(case).contributions()
        assert found["et"].agreement == {"flair": 1, "t1": 1, "t1c": 0, "t2": 1}
        assert found["wt"].agreement == {"flair": 1, "t1": 1, "t1c": 1, "t2": 1}
        assert "Leaving out T1c changes the enhancing tumour most" in found["et"].sentence

    @pytest.mark.parametrize("labelled", [True, False])
    def test_no_sentence_says_that_a_sequence_adds(self, case, labelled):
        seen = case if labelled else dataclasses.replace(case, labels=None)
        for contribution in compared(seen).contributions().values():
            assert not re.search(r"\badds?\b|\bgains?\b", contribution.sentence)


def test_names_of_subsets():
    assert key_of({"t2", "flair"}) == "flair+t2"
    assert title_of({"t1c", "flair"}) == "FLAIR + T1c"
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
