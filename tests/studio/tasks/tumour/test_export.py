"""What can be taken home, without its page: tables at once, files that are drawn once, and how far
they are."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mckd.studio.tasks.tumour import export as module
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.compare import CompareService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.export import Export, ExportService
from mckd.tumour import regions
from mckd.tumour.fingerprint import NO
from tests import small_heads
from tests.patience import PATIENCE_S, until


class Found:
    """A model that finds the reference, moved by a voxel for every sequence that is missing."""

    importance: dict[str, float] = dict.fromkeys(("flair", "t1", "t1c", "t2"), 0.25)
    about: dict[str, Any] = {}  # noqa: RUF012

    def encode(self, case: Any, progress: Any) -> Any:
        return case

    def forget(self, encoded: Any) -> None:
        pass

    def saw(self, case: Any) -> str:
        return NO

    def decide(self, case: Any, used: frozenset[str]) -> Any:
        true = regions(case.labels)
        found = np.roll(true, len(case.present) - len(used), axis=1)
        return SimpleNamespace(canonical=found, intervals_ml={}, advice=[])


@pytest.fixture(scope="module")
def tumour(tmp_path_factory: pytest.TempPathFactory) -> CaseService:
    folder: Path = tmp_path_factory.mktemp("cases")
    small_heads.save_case(folder / "head")
    service = CaseService(Found, folder)
    service.warm()
    return service


@pytest.fixture(scope="module")
def compare(tumour: CaseService) -> CompareService:
    return CompareService(tumour)


@pytest.fixture
def export(compare: CompareService) -> ExportService:
    return ExportService(compare)


@pytest.fixture
def desk(tumour: CaseService, compare: CompareService) -> Iterator[Desk]:
    """One with a case whose table is complete."""
    desk = Desk()
    list(tumour.open(desk, tumour.sources.bundled("head")))
    assert list(compare.run(desk))[-1].state == "complete"
    yield desk
    tumour.close(desk)


def files(steps: list[Export]) -> bytes:
    assert not any(step.problem or step.data for step in steps[:-1])
    return steps[-1].data


def test_a_table_is_the_figures_on_the_screen_and_unpacks_no_mask(
    compare: CompareService, export: ExportService, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacked(*_: Any) -> Any:
        raise AssertionError("a mask was unpacked")

    monkeypatch.setattr("mckd.studio.tasks.tumour.compare.unpack_bits", unpacked)
    shown = {row["key"]: row["regions"] for row in compare.table([*compare.run(desk)][-1])["rows"]}
    (made,) = export.make(desk, "csv")
    lines = list(csv.DictReader(io.StringIO(made.data.decode())))
    assert len(lines) == 15 * 3
    for line in lines:
        region = shown[line["subset"]][line["region"]]
        assert float(line["volume_ml"]) == pytest.approx(region["volume_ml"], abs=0.0051)
        assert float(line["dice"]) == pytest.approx(region["dice"], abs=1e-4)
        assert float(line["hd95_mm"]) == pytest.approx(region["hd95_mm"], abs=0.0051)
    (made,) = export.make(desk, "json")
    told = json.loads(made.data)
    volumes = {row["subset"]: row["regions"]["wt"]["volume_ml"] for row in told["subsets"]}
    assert volumes == {
        key: pytest.approx(found["wt"]["volume_ml"], abs=0.0051) for key, found in shown.items()
    }
    parts = told["contributions"]["wt"]["volume_ml"]
    assert sum(parts.values()) == pytest.approx(volumes["flair+t1+t1c+t2"], abs=0.01)


def test_a_table_does_not_wait_for_what_others_draw(export: ExportService, desk: Desk) -> None:
    begun, gate = threading.Event(), threading.Event()

    def draw(_: Any) -> None:
        begun.set()
        gate.wait(PATIENCE_S)

    other = threading.Thread(target=lambda: list(export._line.run(draw, lambda: True)))
    other.start()
    assert begun.wait(PATIENCE_S)
    (made,) = export.make(desk, "csv")
    assert made.name == "case_mckd.csv"
    gate.set()
    other.join(PATIENCE_S)


@pytest.mark.parametrize(
    ("kind", "parts"), [("report", 4), ("archive", 4 + 15)], ids=["report", "archive"]
)
def test_what_is_drawn_tells_how_far_it_is(
    export: ExportService, desk: Desk, kind: str, parts: int
) -> None:
    *told, last = export.make(desk, kind)
    assert last.data
    assert len(told) == parts
    done = [step.fraction for step in told]
    assert done[0] == 0
    assert done == sorted(set(done))
    assert done[-1] < 1
    assert all(re.fullmatch(r".+, about \d+ s left", step.stage) for step in told[1:])


def test_asking_again_makes_nothing_anew(export: ExportService, desk: Desk) -> None:
    first = files([*export.make(desk, "archive")])
    (again,) = export.make(desk, "archive")  # no stage: nothing was drawn
    assert again.data is first
    *stages, other = export.make(desk, "archive", "Fall 7")  # under another name it is another file
    assert len(stages) == 19
    assert zipfile.ZipFile(io.BytesIO(other.data)).namelist()[0].startswith("Fall_7/")


def test_two_who_ask_at_once_are_served_by_one_drawing(export: ExportService, desk: Desk) -> None:
    told: list[list[Export]] = [[], []]
    threads = [
        threading.Thread(target=lambda k=k: told[k].extend(export.make(desk, "report")))
        for k in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert told[0][-1].data is told[1][-1].data
    drawing = [any("Drawing" in step.stage for step in steps) for steps in told]
    assert sorted(drawing) == [False, True]


def test_who_leaves_ends_the_work(tumour: CaseService, export: ExportService, desk: Desk) -> None:
    steps = export.make(desk, "archive")
    assert next(steps).stage.startswith("Drawing the key slices")
    tumour.close(desk)
    assert [step for step in steps if step.data or step.problem] == []
    until(lambda: not len(export._line))
    assert not any(kept for kept in export._kept.values())


def test_what_was_made_goes_with_the_case(
    tumour: CaseService, export: ExportService, desk: Desk
) -> None:
    files([*export.make(desk, "report")])
    assert len(export._kept) == 1
    tumour.close(desk)
    gc.collect()
    assert export._kept == {}


@pytest.mark.parametrize("kind", [None, "", "exe", ["csv"], {"csv": 1}, 7])
def test_there_is_no_other_export(export: ExportService, desk: Desk, kind: Any) -> None:
    (step,) = export.make(desk, kind)
    assert step.problem == "There is no such export."


@pytest.mark.parametrize("kind", module.KINDS)
def test_without_a_case_there_is_nothing(export: ExportService, kind: str) -> None:
    (step,) = export.make(Desk(), kind)
    assert step.problem == module.NOTHING
