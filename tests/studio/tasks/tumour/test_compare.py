"""The Compare tab without its page: every subset once, in order, for whoever has the case open."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mckd.method import subsets
from mckd.studio.services.folders import DISK_FULL
from mckd.studio.tasks.tumour import compare_tab as tab
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.compare import CompareService, CompareUpdate
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.volumes import unpack_bits
from mckd.tumour import regions
from mckd.tumour.advice import Advice
from mckd.tumour.labels import bits_to_regions
from tests import small_heads

ALL = ("flair", "t1", "t1c", "t2")
VOXEL_ML = float(np.prod(small_heads.SPACING)) / 1000


class Layers:
    """A model whose answers can be worked out by hand: each sequence sees a part of the regions.

    T1c alone sees the enhancing tumour, T1c or T2 the core, FLAIR or T2 the oedema; T1 adds a
    cube in a corner that is no tumour at all.
    """

    importance: dict[str, float] = {"flair": 0.4, "t1": 0.1, "t1c": 0.3, "t2": 0.2}  # noqa: RUF012
    about: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.decided: list[frozenset[str]] = []
        self.broken = False
        self.advice: list[Advice] = []

    def encode(self, case: Any, progress: Any) -> Any:
        progress(1.0)
        return case

    def saw(self, case: Any) -> str:
        return "training"

    def forget(self, encoded: Any) -> None:
        pass

    def decide(self, encoded: Any, used: frozenset[str]) -> Any:
        if self.broken:
            raise RuntimeError("no memory for patient X")
        self.decided.append(used)
        grid = encoded.grid.canonical.shape
        true = regions(small_heads.labels()) if encoded.labels is None else regions(encoded.labels)
        found = np.zeros((3, *grid), bool)
        if "t1c" in used:
            found[0] = true[0]
        if used & {"t1c", "t2"}:
            found[1] = true[1]
        if used & {"flair", "t2"}:
            found[2] = true[2]
        if "t1" in used:
            found[2, :2, :2, :2] = True
        found[2] |= found[1]
        return SimpleNamespace(canonical=found, intervals_ml={}, advice=self.advice)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    small_heads.save_case(folder / "four")
    small_heads.save_case(folder / "other")
    small_heads.save_case(folder / "two", words=("flair", "t1ce"), reference=False)
    small_heads.save_case(folder / "one", words=("t2",))
    return folder


@pytest.fixture
def model() -> Layers:
    return Layers()


@pytest.fixture
def tumour(cases: Path, model: Layers) -> CaseService:
    service = CaseService(lambda: model, cases)
    service.warm()
    return service


@pytest.fixture
def compare(tumour: CaseService) -> CompareService:
    return CompareService(tumour)


def opened(tumour: CaseService, key: str = "four") -> Desk:
    desk = Desk()
    list(tumour.open(desk, tumour.sources.bundled(key)))
    return desk


def last(updates: Iterator[CompareUpdate]) -> CompareUpdate:
    return list(updates)[-1]


def by_key(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["key"]: row["regions"] for row in table["rows"]}


class TestRun:
    def test_an_empty_desk_has_nothing_to_compare(self, compare: CompareService) -> None:
        (update,) = compare.run(Desk())
        assert update.state == "empty"
        assert compare.table(update)["state"] == "empty"
        assert compare.contributions(update)["state"] == "none"

    def test_every_subset_comes_once_the_whole_first(
        self, compare: CompareService, tumour: CaseService, model: Layers
    ) -> None:
        updates = list(compare.run(opened(tumour)))
        assert [u.state for u in updates] == ["running"] * 16 + ["complete"]
        assert updates[1].left_s is not None
        assert updates[1].left_s > updates[14].left_s > 0
        assert updates[15].left_s == 0
        paper = subsets(ALL)
        assert model.decided == [paper[-1], *paper[:-1]]

    def test_coming_back_is_immediate(
        self, compare: CompareService, tumour: CaseService, model: Layers
    ) -> None:
        desk = opened(tumour)
        first = compare.table(last(compare.run(desk)))
        known = list(model.decided)
        (again,) = compare.run(desk)
        assert again.state == "complete"
        assert model.decided == known
        assert by_key(compare.table(again)) == by_key(first)

    def test_another_visitor_of_the_case_shares_the_work(
        self, compare: CompareService, tumour: CaseService, model: Layers
    ) -> None:
        one, two = opened(tumour), opened(tumour)
        both = zip(compare.run(one), compare.run(two), strict=True)
        assert list(both)[-1][1].state == "complete"
        assert len(model.decided) == len(set(model.decided)) == 15

    def test_it_stops_when_another_case_is_opened(
        self, compare: CompareService, tumour: CaseService, model: Layers
    ) -> None:
        desk = opened(tumour)
        run = compare.run(desk)
        for _ in range(5):
            assert next(run).state == "running"
        list(tumour.open(desk, tumour.sources.bundled("other")))
        known = len(model.decided)
        assert list(run) == []
        assert len(model.decided) == known
        table = compare.table(last(compare.run(desk)))
        assert (table["name"], len(table["rows"])) == ("Other", 15)

    def test_what_was_compared_goes_with_the_case(
        self, compare: CompareService, tumour: CaseService
    ) -> None:
        desk = opened(tumour)
        list(compare.run(desk))
        assert len(compare._kept) == 1
        tumour.close(desk)
        gc.collect()
        assert compare._kept == {}

    def test_a_model_that_fails_is_one_sentence(
        self,
        compare: CompareService,
        tumour: CaseService,
        model: Layers,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        desk = opened(tumour)
        model.broken = True
        with caplog.at_level(logging.ERROR):
            table = compare.table(last(compare.run(desk)))
        assert table["state"] == "problem"
        assert "the log of the app has the details" in table["problem"]
        assert "RuntimeError" in caplog.text
        assert "patient" not in caplog.text
        model.broken = False
        assert last(compare.run(desk)).state == "complete"

    def test_a_full_disk_is_said_and_comparing_again_goes_on(
        self, compare: CompareService, tumour: CaseService, full_disk: Any
    ) -> None:
        desk = opened(tumour)
        with full_disk():
            *_, (_, table, _) = tab.run(tumour, compare, desk)
        assert (table["state"], table["problem"]) == ("problem", DISK_FULL)
        *_, (_, table, _) = tab.run(tumour, compare, desk)
        assert table["state"] == "complete"
        assert "problem" not in table

    def test_without_a_model_it_says_why(self, cases: Path) -> None:
        def load() -> Any:
            raise ValueError("There is no file tumour.safetensors.")

        tumour = CaseService(load, cases)
        tumour.warm()
        compare = CompareService(tumour)
        table = compare.table(last(compare.run(opened(tumour))))
        assert table["state"] == "unavailable"
        assert table["problem"].startswith("There is no file tumour.safetensors. To make one:")


class TestTable:
    def test_advice_for_every_subset_that_lacks_something(
        self, compare: CompareService, tumour: CaseService, model: Layers
    ) -> None:
        same = dict.fromkeys(("et", "tc", "wt"), 0.05)
        model.advice = [Advice("t1", same, same)]
        rows = compare.table(last(compare.run(opened(tumour))))["rows"]
        assert {row["advice"] for row in rows} == {""}  # it is not calibrated
        model.about = {"intervals": "Measured on two stubs."}
        rows = compare.table(last(compare.run(opened(tumour, "other"))))["rows"]
        told = {row["key"]: row["advice"] for row in rows}
        assert told["flair+t1c+t2"] == "T1 would most likely raise the Dice of ET by .05."

    def test_volumes_changes_and_scores(self, compare: CompareService, tumour: CaseService) -> None:
        table = compare.table(last(compare.run(opened(tumour))))
        json.dumps(table)
        assert table["given"] == list(ALL)
        assert table["reference"]
        rows, true = by_key(table), regions(small_heads.labels())
        et, _, wt = (float(np.count_nonzero(mask)) * VOXEL_ML for mask in true)
        assert rows["flair+t2"]["wt"]["volume_ml"] == pytest.approx(wt, abs=0.01)
        assert rows["flair+t2"]["wt"]["change_ml"] == pytest.approx(-8 * VOXEL_ML, abs=0.01)
        assert rows["flair+t2"]["wt"]["dice"] == 1
        assert rows["flair+t2"]["wt"]["hd95_mm"] == 0
        assert rows["flair"]["et"]["outcome"] == "missed"
        assert rows["flair"]["et"]["dice"] == 0
        assert rows["flair"]["et"]["change_ml"] == pytest.approx(-et, abs=0.01)
        assert rows["flair"]["tc"]["agreement"] == 0
        assert rows["t1c+t2"]["tc"]["agreement"] == 1

    def test_the_panes_are_told_the_dice_and_whose_it_is(
        self, compare: CompareService, tumour: CaseService, model: Layers
    ) -> None:
        update = last(compare.run(opened(tumour)))
        overlaps = compare.overlaps(update)
        assert overlaps["flair+t2"]["wt"] == {"dice": 1, "outcome": "found"}
        assert overlaps["flair"]["et"] == {"dice": 0, "outcome": "missed"}
        seen = "seen in training"
        assert compare.model(update) == {"name": "MCKD", "trained_on": "", "seen": seen}
        model.about = {"system": "hemis", "data": {"name": "two cases."}}
        assert compare.model(update) == {
            "name": "U-HeMIS", "trained_on": "two cases", "seen": seen,
        }  # fmt: skip
        assert compare.overlaps(last(compare.run(opened(tumour, "two"))))["flair"] == {}

    def test_without_a_reference_it_is_agreement(
        self, compare: CompareService, tumour: CaseService
    ) -> None:
        table = compare.table(last(compare.run(opened(tumour, "two"))))
        assert table["given"] == ["flair", "t1c"]
        assert not table["reference"]
        rows = by_key(table)
        assert set(rows) == {"flair", "t1c", "flair+t1c"}
        assert "dice" not in rows["flair"]["wt"]
        assert rows["flair"]["wt"]["agreement"] == 1
        assert 0 < rows["t1c"]["wt"]["agreement"] < 1


def test_what_is_to_be_doubted_is_in_the_table(
    compare: CompareService, tumour: CaseService
) -> None:
    update = last(compare.run(opened(tumour)))
    table = compare.table(update)
    assert table["seen"] == compare.contributions(update)["seen"] == "seen in training"
    assert table["seen_note"].startswith("Seen in training")
    assert table["doubts"] == []
    for row in table["rows"]:  # a model without figures: ET without T1c
        doubted = "" if "t1c" in row["used"] else "?"
        assert row["regions"]["et"]["sign"] == doubted
        assert bool(row["regions"]["et"]["caution"]) == bool(doubted)
        assert row["regions"]["wt"]["sign"] == ""


def test_what_misleads_and_what_is_unlike_the_training_stands_above_the_table(
    compare: CompareService, tumour: CaseService
) -> None:
    update = last(compare.run(opened(tumour)))
    assert update.opened is not None
    moved, outside = "T1c does not lie on the others.", "Outside training conditions: half a head."
    update.opened.case = replace(
        update.opened.case,
        warnings=("Slices are thick.", moved, outside),
        misleading={"t1c": moved},
        unlike_training=True,
    )
    assert compare.table(update)["doubts"] == [moved, outside]


class TestContributions:
    def test_they_add_up_to_the_full_volume_and_dice(
        self, compare: CompareService, tumour: CaseService
    ) -> None:
        update = last(compare.run(opened(tumour)))
        full = by_key(compare.table(update))["flair+t1+t1c+t2"]
        found = compare.contributions(update)
        json.dumps(found)
        assert found["importance"] == Layers.importance
        assert found["meaning"]
        for region, each in found["regions"].items():
            volume = full[region]["volume_ml"]
            assert sum(each["volume_ml"].values()) == pytest.approx(volume, abs=0.01)
            assert sum(each["dice"].values()) == pytest.approx(full[region]["dice"], abs=1e-3)
        et = found["regions"]["et"]
        assert et["volume_ml"]["t1c"] == pytest.approx(et["total_ml"])
        assert et["volume_ml"]["t1"] == 0
        assert "Leaving out T1c changes the enhancing tumour most" in et["sentence"]

    def test_they_come_when_all_are_in(self, compare: CompareService, tumour: CaseService) -> None:
        for update in compare.run(opened(tumour)):
            found, rows = compare.contributions(update), compare.table(update)["rows"]
            assert set(found["regions"]) == ({"et", "tc", "wt"} if len(rows) == 15 else set())
        assert found["state"] == "complete"

    def test_one_sequence_has_it_all(self, compare: CompareService, tumour: CaseService) -> None:
        update = last(compare.run(opened(tumour, "one")))
        each = compare.contributions(update)["regions"]["wt"]
        assert each["volume_ml"] == {"t2": pytest.approx(each["total_ml"])}


class TestMaps:
    def test_labels_and_votes_are_those_of_the_subsets(
        self, compare: CompareService, tumour: CaseService
    ) -> None:
        maps = compare.maps(last(compare.run(opened(tumour))))
        votes = np.zeros((3, *small_heads.SHAPE), np.uint8)
        for data in maps["labels"].values():
            votes += bits_to_regions(unpack_bits(data, small_heads.SHAPE))
        for k, region in enumerate(("et", "tc", "wt")):
            sent = unpack_bits(maps["votes"][region], small_heads.SHAPE)
            assert np.array_equal(sent, votes[k])
        assert votes[0].max() == 8  # of the 15 subsets, those with T1c

    def test_the_panes_get_the_files_of_this_visitor(
        self, compare: CompareService, tumour: CaseService
    ) -> None:
        desk = opened(tumour)
        *_, (scene, table, _) = tab.run(tumour, compare, desk)
        assert set(scene["case"]["sequences"]) == set(ALL)
        assert set(scene["labels"]) == {row["key"] for row in table["rows"]}
        assert set(scene["votes"]) == {"et", "tc", "wt"}
        again = list(tab.run(tumour, compare, desk))[-1][0]
        assert again["labels"] == scene["labels"]
        stranger = list(tab.run(tumour, compare, opened(tumour)))[-1][0]
        assert stranger["labels"]["flair"]["path"] != scene["labels"]["flair"]["path"]
        empty, *_ = next(iter(tab.run(tumour, compare, Desk())))
        assert empty["case"] is None
