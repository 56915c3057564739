"""Visits that a visitor keeps: whose they are, what is told of them, and that they go."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mckd.studio.tasks.tumour import follow as module
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.follow import FollowService
from mckd.studio.tasks.tumour.follow_tab import act
from mckd.studio.tasks.tumour.opened import CaseFiles
from mckd.tumour.days import SHARED
from mckd.tumour.persons import Person
from tests import small_heads
from tests.studio.tasks.tumour.stub import Stub, last, opened

VOXEL_ML = float(np.prod(small_heads.SPACING)) / 1000
ET_ML = float(np.count_nonzero(small_heads.labels() == 4)) * VOXEL_ML
WITHOUT_T1C = ["flair", "t1", "t2"]


@pytest.fixture
def follow(service: CaseService, tmp_path: Path) -> FollowService:
    """With two bundled visits of unequal sequences."""
    for day, words in {"2024-04-28": ("flair", "t2"), "2024-01-31": ("flair", "t1ce")}.items():
        small_heads.save_case(tmp_path / "visits" / day, words=words)
    return FollowService(service, tmp_path / "visits")


def keep(follow: FollowService, desk: Desk) -> str:
    """Why it could not be kept."""
    return [*follow.keep(desk)][-1].problem


@pytest.fixture
def two(service: CaseService, follow: FollowService) -> Desk:
    """A desk with the same head twice, the second time without T1c."""
    desk = opened(service)
    assert keep(follow, desk) == ""
    service.switch(desk, WITHOUT_T1C)
    assert keep(follow, desk) == ""
    return desk


class TestKeeping:
    def test_what_is_on_screen_becomes_a_visit(self, two, follow) -> None:
        """The model finds enhancement only where it has T1c: all of that is protocol."""
        told = follow.view(two)
        assert [visit["used"] for visit in told["visits"]] == [
            ["FLAIR", "T1", "T1c", "T2"],
            ["FLAIR", "T1", "T2"],
        ]
        (step,) = told["steps"]
        assert step["common"] == ["FLAIR", "T1", "T2"]
        et = step["regions"]["et"]
        assert [own["ml"] for own in et["own"]] == pytest.approx([ET_ML, 0], abs=0.01)
        assert [common["ml"] for common in et["common"]] == [0, 0]
        assert (et["growth"], et["protocol"]) == (0, pytest.approx(-ET_ML, abs=0.01))
        assert step["regions"]["wt"]["protocol"] == 0
        assert step["rano"] == ""  # T1c is not common

    def test_another_head_is_told(self, two, follow) -> None:
        """From its header, or from its folds: no growth is shown, and nothing on one line."""
        first, second = two.visits
        two.visits = first, replace(second, person=Person.of("P8", "", "", ""))
        assert not follow.view(two)["steps"][0]["doubt"]  # the first one names nobody
        two.visits = replace(first, person=Person.of("P7", "", "", "")), two.visits[1]
        told = follow.view(two)
        assert told["steps"][0]["doubt"]
        assert told["steps"][0]["regions"] == {}
        assert told["line"] is None
        assert "two people" in json.loads(follow.file(two, "json")[1])["changes"][0]["sentence"]
        follow.vouch(two)
        told = follow.view(two)
        assert not told["steps"][0]["doubt"]
        assert set(told["steps"][0]["regions"]) == {"et", "tc", "wt"}
        change = json.loads(follow.file(two, "json")[1])["changes"][0]
        assert (change["may_be_two_people"], change["said_to_be_one"]) == (False, True)

    def test_every_subset_of_its_sequences_is_read_and_no_voxel_kept(self, two) -> None:
        assert [len(visit.readings) for visit in two.visits] == [15, 7]
        assert [visit.own.lesions is None for visit in two.visits] == [False, True]  # no T1c

    def test_it_says_how_far_it_is(self, service, follow) -> None:
        shares = [step.fraction for step in follow.keep(opened(service))][:-1]
        assert shares == [k / 15 for k in range(15)]

    def test_the_same_is_not_kept_twice(self, two, follow) -> None:
        assert keep(follow, two) == module.TWICE
        assert len(two.visits) == 2

    def test_nothing_on_screen_cannot_be_kept(self, follow) -> None:
        assert keep(follow, Desk()) == module.NOTHING

    def test_no_more_than_can_be_looked_at(self, two, follow, monkeypatch) -> None:
        monkeypatch.setattr(module, "MOST", 2)
        assert keep(follow, two) == module.FULL
        assert follow.view(two)["full"]

    def test_another_case_meanwhile_ends_it(self, service, follow) -> None:
        desk = opened(service)
        steps = follow.keep(desk)
        next(steps)
        desk.begin()
        assert [*steps][-1].problem == module.OTHER
        assert desk.visits == ()

    def test_a_model_that_fails_is_a_sentence(self, service, follow, model: Stub) -> None:
        desk = opened(service)
        model.decide = lambda encoded, used: 1 / 0
        assert keep(follow, desk) == module.FAILED


class TestDates:
    @pytest.fixture
    def born(self, service: CaseService, follow: FollowService, tmp_path: Path) -> Desk:
        """A desk with two examinations of a patient whose birthday is in both names: the second
        tumour is smaller."""
        desk = Desk()
        for name, radius_mm in (("MUELLER_19850312_v1", 14), ("MUELLER_19850312_v2", 11)):
            folder = small_heads.save_case(tmp_path / name, synthetic=False)
            outlined = small_heads.labels()
            outlined[small_heads.distance(small_heads.CENTRE) >= radius_mm] = 0
            small_heads.save(folder / f"{name}_seg.nii.gz", outlined)
            assert last(service.open(desk, CaseFiles(name, folder))).answer is not None
            assert keep(follow, desk) == ""
        return desk

    def test_a_day_of_birth_in_both_names_is_the_date_of_none(self, born, follow) -> None:
        told = follow.view(born)
        assert [visit["day"] for visit in told["visits"]] == ["", ""]
        assert [visit["undated"] for visit in told["visits"]] == [SHARED, SHARED]
        assert "of one day" not in told["steps"][0]["sentence"]
        assert follow.set_day(born, 1, "2024-01-31") == ""
        assert [v["undated"] for v in follow.view(born)["visits"]] == ["", SHARED]
        assert b"1985" not in follow.file(born, "json")[1]

    def test_names_are_judged_anew_when_a_visit_goes_or_comes_back(self, born, follow) -> None:
        follow.remove(born, 1)
        assert [visit.day for visit in born.visits] == [date(1985, 3, 12)]  # nothing tells more
        follow.undo(born)
        assert [visit.day for visit in born.visits] == [None, None]

    def test_one_examination_kept_twice_keeps_its_date(self, born, service, follow) -> None:
        follow.remove(born, 1)
        service.switch(born, WITHOUT_T1C)
        assert keep(follow, born) == ""
        assert [visit.day for visit in born.visits] == [date(1985, 3, 12)] * 2


class TestChanging:
    def test_dates_put_visits_in_order(self, two, follow) -> None:
        first, second = two.visits
        assert follow.set_day(two, 1, "2024-04-28") == ""
        assert follow.set_day(two, 2, "2024-01-31") == ""
        assert [visit.present for visit in two.visits] == [second.present, first.present]
        assert follow.view(two)["steps"][0]["span"] == "88 days"
        assert follow.set_day(two, 1, "") == ""
        assert two.visits[0].day is None

    @pytest.mark.parametrize("number", [0, 3, -1, "1", None, True, 1.0])
    def test_a_visit_that_is_none_is_a_sentence(self, two, follow, number) -> None:
        assert follow.set_day(two, number, "2024-01-31") == module.MOVED
        assert follow.remove(two, number) == module.MOVED
        assert len(two.visits) == 2

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            ("31.1.2024", "no date"),
            ("2024-02-30", "no date"),
            ({"a": 1}, "no date"),
            ("9999-12-31", "in the future"),
        ],
    )
    def test_a_date_that_cannot_be_is_a_sentence(self, two, follow, words, why) -> None:
        assert why in follow.set_day(two, 1, words)
        assert two.visits[0].day is None

    def test_what_was_removed_comes_back(self, two, follow) -> None:
        before = two.visits
        assert follow.remove(two, 1) == ""
        assert two.visits == before[1:]
        assert follow.view(two)["undo"]
        follow.undo(two)
        assert two.visits == before
        assert not follow.view(two)["undo"]
        follow.undo(two)  # nothing is left to undo
        assert two.visits == before
        follow.remove(two, 2)
        follow.set_day(two, 1, "2024-01-31")
        follow.undo(two)  # would take the date back
        assert [visit.day for visit in two.visits] == [date(2024, 1, 31)]

    def test_all_go_with_the_visitor(self, two, service, follow) -> None:
        follow.remove(two, 1)
        service.close(two)
        assert (two.visits, two.removed) == ((), None)
        assert follow.view(two)["visits"] == []

    def test_no_other_visitor_sees_them(self, two, follow) -> None:
        assert follow.view(Desk())["visits"] == []


class TestExample:
    def test_bundled_visits_are_kept_and_what_is_open_stays(self, service, follow) -> None:
        desk = opened(service)
        turn = desk.turn
        assert [*follow.example(desk)][-1].problem == ""
        assert [visit.day for visit in desk.visits] == [date(2024, 1, 31), date(2024, 4, 28)]
        assert follow.view(desk)["line"]["common"] == ["FLAIR"]
        assert desk.turn == turn
        assert desk.source is not None

    def test_is_offered_where_it_is(self, service, follow, tmp_path) -> None:
        assert follow.has_example
        without = FollowService(service, tmp_path / "nowhere")
        assert not without.has_example
        assert [*without.example(Desk())][-1].problem == module.NO_EXAMPLE


class TestTakingHome:
    def test_figures_name_no_case(self, two, follow) -> None:
        for kind in module.KINDS:
            name, data = follow.file(two, kind)
            assert name == f"followup_mckd.{kind if kind != 'report' else 'pdf'}"
            assert b"hantom" not in data
        told = json.loads(follow.file(two, "json")[1])
        assert [visit["visit"] for visit in told["visits"]] == [1, 2]

    def test_takes_two_visits_and_a_kind(self, two, follow) -> None:
        for kind in ("exe", ["csv"], {"csv": 1}, None):
            with pytest.raises(ValueError, match="no such file"):
                follow.file(two, kind)
        follow.remove(two, 1)
        with pytest.raises(ValueError, match="two visits"):
            follow.file(two, "csv")


class TestHandler:
    def test_every_stage_holds_all_visits(self, two, service, follow) -> None:
        """A value that a stage lacks would be lost in the browser."""
        service.switch(two, ["flair"])
        for stage in act(service, follow, two, {"do": "keep"}):
            assert len(stage["visits"]) >= 2
        assert len(stage["visits"]) == 3

    def test_a_file_is_sent_without_a_name_on_the_disk(self, two, service, follow) -> None:
        (value,) = act(service, follow, two, {"do": "take", "kind": "csv"})
        assert value["file"]["orig_name"] == "followup_mckd.csv"
        assert Path(value["file"]["path"]).name.startswith("file")

    @pytest.mark.parametrize(
        "wish",
        [
            None, 7, {}, {"do": "format"}, {"do": "remove", "visit": []}, {"do": "take"},
            {"do": "take", "kind": ["csv"]}, {"do": "remove", "visit": True},
        ],
    )  # fmt: skip
    def test_what_makes_no_sense_changes_nothing(self, two, service, follow, wish) -> None:
        before = two.visits
        (value,) = act(service, follow, two, wish)
        assert two.visits == before
        assert value["file"] is None
