"""Visits of unequal sequences: growth told apart from protocol, by numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mckd.method import subsets
from mckd.tumour import TumourSegmenter, read_case
from mckd.tumour.days import SHARED, day_in, day_named
from mckd.tumour.diameters import Lesion
from mckd.tumour.followup import (
    GROWN,
    OPEN,
    SHRUNK,
    UNTOLD,
    FollowUp,
    Reading,
    Step,
    Visit,
    read_visit,
)
from mckd.tumour.geometry import Grid
from mckd.tumour.heads import Head
from mckd.tumour.persons import NOBODY, Person
from tests import small_heads
from tests.untrained import save_tumour


def reading(ml: float, around: tuple[float, float] | None = None, lesions=None) -> Reading:
    """The same volume and range of every region."""
    ranges = {} if around is None else dict.fromkeys(("et", "tc", "wt"), around)
    return Reading(dict.fromkeys(("et", "tc", "wt"), ml), ranges, lesions)


def visit(day: date | None = None, **readings: Reading) -> Visit:
    """By subsets such as flair_t1; the largest is the visit's own."""
    known = {frozenset(key.split("_")): found for key, found in readings.items()}
    return Visit("", max(known, key=len), known, day)


def patterns() -> tuple[np.ndarray, np.ndarray]:
    """Of heads, (20, 20, 20): one that says nothing where the other one does."""
    one, other = np.ones((2, 20, 20, 20), np.int8)
    one[::2] = -1
    return one, other


BEFORE = visit(date(2024, 1, 31), t1c_t2=reading(20, (15, 26)), t2=reading(24, (19, 30)))
HEAD, UNLIKE = (Head({"t2": pattern}) for pattern in patterns())
AFTER = visit(date(2024, 2, 29), flair_t2=reading(55, (47, 67)), t2=reading(40, (32, 52)))


class TestStep:
    def test_parts_the_difference_into_growth_and_protocol(self):
        """55 - 20 = 35 in all; from T2 alone 40 - 24 = 16; the rest is (55 - 40) - (20 - 24)."""
        change = Step(BEFORE, AFTER).changes["wt"]
        assert Step(BEFORE, AFTER).common == {"t2"}
        assert (change.whole_ml, change.growth_ml, change.protocol_ml) == (35, 16, 19)

    def test_a_growth_is_told_where_its_range_leaves_0_out(self):
        """16 less the root of 8^2 + 6^2, up to 16 and the root of 12^2 + 5^2; of the plain
        difference 35 the same: 8 and 6, 12 and 5."""
        change = Step(BEFORE, AFTER).changes["et"]
        assert change.growth_range_ml == pytest.approx((6, 29))
        assert change.plain_range_ml == pytest.approx((25, 48))
        assert change.verdict == GROWN
        assert Step(AFTER, BEFORE).changes["et"].growth_range_ml == pytest.approx((-29, -6))
        assert Step(AFTER, BEFORE).changes["et"].verdict == SHRUNK

    def test_a_change_within_the_ranges_is_not_called_growth(self):
        """The root of 15^2 + 6^2 is a little more than 16."""
        later = visit(flair_t2=reading(55, (45, 60)), t2=reading(40, (25, 52)))
        assert Step(BEFORE, later).changes["tc"].verdict == OPEN

    @pytest.mark.parametrize(("ends", "blurred"), [((19, 21), False), ((18, 22), True)])
    def test_common_sequences_that_tell_too_little_are_told(self, ends, blurred):
        """Ends that are all .95 off from own sequences, and 1 or 2 from the common one: the range
        of the growth is 1.05 or 2.1 times as wide as that of the plain difference."""
        near, far = (20.0, (19.05, 20.95)), (20.0, tuple(map(float, ends)))
        a = visit(t1_t2=reading(*near), t2=reading(*far))
        b = visit(flair_t2=reading(*near), t2=reading(*far))
        assert Step(a, b).changes["wt"].blurred is blurred

    def test_nothing_is_called_growth_without_ranges(self):
        step = Step(visit(t2=reading(1)), visit(t2=reading(90)))
        assert step.changes["wt"].verdict == UNTOLD
        assert "no ranges" in step.sentence
        assert not step.changes["wt"].blurred

    def test_visits_without_a_common_sequence_are_not_compared(self):
        step = Step(visit(t1c=reading(1)), visit(t2=reading(90)))
        assert step.changes == {}
        assert "cannot be compared" in step.sentence

    @pytest.mark.parametrize(
        ("parts", "why"),
        [
            (
                {"person": Person.of("P8", "", "", "")},
                "their DICOM headers name different patients",
            ),
            ({"head": UNLIKE}, "the folds of their brains do not fit onto each other"),
        ],
    )
    def test_visits_that_may_be_of_two_people_are_not_compared(self, parts, why):
        """What was 16 mL of growth is none any more, nor is there a change of protocol."""
        one = replace(BEFORE, person=Person.of("P7", "", "", ""), head=HEAD)
        assert (
            Step(one, replace(AFTER, person=one.person, head=HEAD)).changes["wt"].verdict == GROWN
        )
        step = Step(one, replace(AFTER, **parts))
        assert step.sentence.startswith("These visits may be of two people: ")
        assert why in step.sentence
        assert step.changes == {}
        assert FollowUp.of([step.earlier, step.later]).common == frozenset()

    def test_whoever_knows_that_they_are_of_one_patient_has_them_compared(self):
        """All that were there when it was said, no other one; and why it was asked stays told."""
        one, two = replace(BEFORE, person=Person.of("P7", "", "", "")), replace(AFTER, head=HEAD)
        two = replace(two, person=Person.of("P8", "", "", ""))
        said = [replace(visit, vouched=True) for visit in (one, two)]
        step = Step(*said)
        assert not step.doubt
        assert step.changes == Step(BEFORE, AFTER).changes
        assert step.sentence.endswith(
            "said to be of one patient, although their DICOM headers name different patients."
        )
        assert FollowUp.of(said).common == step.common
        assert Step(said[0], two).doubt
        assert "although" not in Step(BEFORE, replace(AFTER, vouched=True)).sentence

    def test_the_same_sequences_leave_no_change_of_protocol(self):
        step = Step(visit(t2=reading(7)), visit(t2=reading(9)))
        assert step.same
        assert step.changes["et"].protocol_ml == 0
        assert step.changes["et"].growth_ml == step.changes["et"].whole_ml == 2

    def test_counts_the_days(self):
        assert Step(BEFORE, AFTER).days == 29
        assert Step(BEFORE, AFTER).span == "29 days"
        assert Step(AFTER, visit(date(2024, 3, 1), t2=reading(1))).span == "1 day"
        undated = Step(BEFORE, visit(t2=reading(1)))
        assert (undated.days, undated.span) == (None, "")

    def test_visits_of_one_day_are_told_apart_by_their_order(self):
        again = replace(AFTER, day=BEFORE.day)
        step = FollowUp.of([again, BEFORE]).steps[0]
        assert (step.earlier, step.span) == (again, "the same day")
        assert step.sentence.endswith(
            "what differs is the scan or its sequences, hardly the tumour."
        )
        assert "of one day" not in Step(BEFORE, AFTER).sentence


class TestFollowUp:
    def test_is_in_the_order_of_dates(self):
        assert FollowUp.of([AFTER, BEFORE]).visits == (BEFORE, AFTER)

    def test_a_visit_without_a_date_keeps_its_place_and_the_dated_are_in_order(self):
        undated, other = visit(t2=reading(1)), visit(t2=reading(2))
        assert FollowUp.of([AFTER, BEFORE, undated]).steps[0].changes["wt"].verdict == GROWN
        assert FollowUp.of([AFTER, undated, BEFORE]).visits == (BEFORE, undated, AFTER)
        assert FollowUp.of([other, undated]).visits == (other, undated)

    def test_goes_from_visit_to_visit_and_from_first_to_last(self):
        third = visit(date(2025, 1, 1), t2=reading(50, (40, 60)))
        followed = FollowUp.of([BEFORE, AFTER, third])
        assert [(s.earlier, s.later) for s in followed.steps] == [(BEFORE, AFTER), (AFTER, third)]
        assert (followed.whole.earlier, followed.whole.later) == (BEFORE, third)
        assert FollowUp.of([BEFORE, AFTER]).whole is None

    def test_visits_of_other_people_are_on_no_line(self):
        """The first and the last are of one person, and told."""
        ids = [Person.of(number, "", "", "") for number in ("P7", "P8", "P7")]
        days = [date(2024, month, 1) for month in (1, 2, 3)]
        given = [
            replace(visit(day, t2=reading(ml, (ml - 1, ml + 1))), person=person)
            for day, person, ml in zip(days, ids, (10, 20, 30), strict=True)
        ]
        followed = FollowUp.of(given)
        assert [bool(step.doubt) for step in followed.steps] == [True, True]
        assert followed.whole.changes["wt"].growth_ml == 20
        assert (followed.common, followed.line("wt")) == (set(), [])

    def test_one_that_names_nobody_between_two_people_joins_them_to_no_line(self):
        """Nothing speaks against either step; the first and the last are of two people."""
        ids = [Person.of("P7", "", "", ""), NOBODY, Person.of("P8", "", "", "")]
        given = [
            replace(visit(date(2024, month, 1), t1c=reading(10)), person=person)
            for month, person in enumerate(ids, start=1)
        ]
        followed = FollowUp.of(given)
        assert followed.whole.doubt
        assert followed.common == frozenset()
        assert [step.rano for step in followed.steps] == ["", ""]

    def test_rano_is_against_the_smallest_and_the_first_of_the_line(self):
        """From T1c, as all visits with T1c have: 50 x 40, 20 x 20, then 30 x 20 mm; the lesion of
        9 x 8 mm is not measurable. 600 are 50 % more than 400 and 70 % less than 2000. The visit
        without T1c in between changes nothing."""
        sizes = ((50, 40), (20, 20), (30, 20))
        lesions = [(Lesion(*size, 9, 3, True), Lesion(9, 8, 2, 3, False)) for size in sizes]
        first, second, last = (visit(t1c=reading(1, lesions=some)) for some in lesions)
        first = visit(t1c_t2=reading(1, lesions=()), t1c=first.own, t2=reading(1))
        steps = FollowUp.of([first, second, visit(t2=reading(1)), last]).steps
        assert steps[0].rano == (
            "RANO, from T1c: largest enhancing lesion 50 x 40 mm, then 20 x 20 mm; sum of products "
            "400 mm²; smallest before 2000 mm² (-80 %), baseline 2000 mm² (-80 %): a sign of "
            "response."
        )
        assert steps[1].rano == ""
        assert steps[2].rano == (
            "RANO, from T1c: largest enhancing lesion 30 x 20 mm; sum of products 600 mm²; "
            "smallest before 400 mm² (+50 %), baseline 2000 mm² (-70 %): a sign of progression."
        )
        other = replace(last, person=Person.of("P8", "", "", ""))
        mixed = FollowUp.of([replace(first, person=Person.of("P7", "", "", "")), other])
        assert mixed.steps[0].rano == ""

    def test_a_line_is_drawn_from_what_all_visits_have(self):
        followed = FollowUp.of([BEFORE, AFTER])
        assert followed.common == {"t2"}
        assert followed.line("wt") == [(24, (19, 30)), (40, (32, 52))]
        alone = FollowUp.of([BEFORE, visit(t1=reading(3))])
        assert alone.line("wt") == []


def test_a_lesion_on_one_thick_slice_of_the_t1c_is_not_measurable_once_prepared(tmp_path):
    """9 x 9 mm on one slice of 7 mm, seven of 1 mm after the preparation: 12.7 mm are less than
    twice 7. How thick the slices of T2 are makes no difference."""
    case = read_case(small_heads.save_case(tmp_path / "head", words=("t1ce", "t2")))
    case = replace(case, grid=Grid((20, 20, 20), np.eye(4)))
    masks = np.zeros((3, 20, 20, 20), bool)
    masks[:, 5:14, 5:14, 5:12] = True
    for slices, measurable in (({"t1c": 7, "t2": 1}, False), ({"t1c": 1, "t2": 7}, True)):
        given_mm = {sequence: (1, 1, mm) for sequence, mm in slices.items()}
        read = Reading.of(frozenset({"t1c"}), masks, replace(case, given_mm=given_mm), {})
        assert [lesion.measurable for lesion in read.lesions] == [measurable]


@pytest.mark.usefixtures("one_thread")
def test_a_case_is_read_from_every_subset(tmp_path):
    save_tumour(tmp_path / "m.safetensors")
    segmenter = TumourSegmenter.load(tmp_path / "m.safetensors")
    case = read_case(small_heads.save_case(tmp_path / "head", words=("t1ce", "t2")))
    shares: list[float] = []
    found = read_visit(segmenter, case, date(2024, 1, 1), "", shares.append)
    assert set(found.readings) == set(subsets(["t1c", "t2"]))
    assert {*found.head.patterns} == {"t1c", "t2"}
    assert (found.present, found.day, found.name) == (case.present, date(2024, 1, 1), "head")
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    segmenter.set_case(case)
    alone = segmenter.predict({"t2"})
    assert found.readings[alone.present].volumes_ml == alone.volumes_ml
    assert found.readings[alone.present].lesions is None  # enhancement is not seen without T1c
    et = np.count_nonzero(segmenter.predict(case.present).cropped[0])
    assert bool(found.own.lesions) == bool(et)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("20240131", date(2024, 1, 31)),
        ("P7/visit_2024-01-31_b", date(2024, 1, 31)),
        ("2024.02.30 then 2024.03.01", date(2024, 3, 1)),
        ("31.01.2024", None),
        ("2099-01-01 then 2024-03-01", date(2024, 3, 1)),  # nobody was examined in the future
        ("Mueller_19560712_20240301", date(2024, 3, 1)),  # nor before there was MRI
        ("Mueller_19560712", None),
        ("case 120240131", None),
        ("2024-0131", None),
        ("", None),
    ],
)
def test_dates_are_read_from_the_year_down(words, day):
    assert day_in(words) == day


@pytest.mark.parametrize(
    ("names", "others", "day", "why"),
    [
        (["MUELLER_19850312_v1"], ["MUELLER_19850312_v2"], None, SHARED),
        (["MUELLER_1985-03-12_20240301"], ["MUELLER_19850312_v2"], date(2024, 3, 1), ""),
        (["v1_20240301", "P_19850312"], ["v2", "P_19850312"], date(2024, 3, 1), ""),
        (["v1", "P_19850312"], ["v2_20240528", "P_19850312"], None, SHARED),
        (["v1_20240301"], ["v2_20240528", "MUELLER"], date(2024, 3, 1), ""),
        (["v1"], ["v2_20240528"], None, ""),
    ],
)
def test_a_date_in_the_names_of_two_visits_is_that_of_none(names, others, day, why):
    """Patients who were born since there is MRI have their birthday in all."""
    assert day_named(names, others) == (day, why)


def test_of_one_scan_are_readings_that_agree_where_both_have_them():
    assert BEFORE.of_one_scan(visit(t2=BEFORE.readings[frozenset({"t2"})]))
    assert not BEFORE.of_one_scan(AFTER)
    assert not BEFORE.of_one_scan(visit(t1=reading(20)))  # nobody can tell
