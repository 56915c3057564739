"""The 3-D view without its page: surfaces of what a visitor has open, once, and of nothing else."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckd.studio.services.folders import DISK_FULL, DiskFull
from mckd.studio.tasks.tumour import case_tab as tab
from mckd.studio.tasks.tumour import solid as module
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.solid import SolidService
from tests import small_heads
from tests.studio.tasks.tumour.test_compare import Layers

REGIONS = {"et", "tc", "wt"}
NET = {f"reference_{region}" for region in REGIONS}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    small_heads.save_case(folder / "four")
    small_heads.save_case(folder / "bare", words=("flair", "t1ce"), reference=False)
    return folder


@pytest.fixture
def tumour(cases: Path) -> CaseService:
    service = CaseService(Layers, cases)
    service.warm()
    return service


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """What surfaces were worked out for, each time."""
    calls: list[set[str]] = []

    def noted(regions: dict[str, Any], *more: Any) -> Any:
        calls.append({*regions})
        return original(regions, *more)

    original = module.surfaces
    monkeypatch.setattr(module, "surfaces", noted)
    return calls


def opened(tumour: CaseService, case: str = "four") -> Desk:
    desk = Desk()
    for _ in tumour.open(desk, tumour.sources.bundled(case)):
        pass
    return desk


def corners(packed: bytes) -> Any:
    """(V, 3) in mm."""
    data = gzip.decompress(packed)
    count = int(np.frombuffer(data, "<u4", 1)[0])
    return np.frombuffer(data, "<i2", 3 * count, 8).reshape(-1, 3) / 64


def test_an_answer_has_its_regions_the_brain_and_the_reference(tumour: CaseService) -> None:
    desk = opened(tumour)
    tumour.switch(desk, ["flair", "t1c", "t2"])  # which find no cube in a corner
    update, packed = SolidService(tumour).make(desk) or pytest.fail("nothing was made")
    assert packed.keys() == {"brain", *REGIONS, *NET}
    assert (update.turn, update.answer) == (desk.turn, desk.shown)
    wt, brain = corners(packed["wt"]), corners(packed["brain"])
    assert (brain.min(0) <= wt.min(0) + 1).all()
    assert (wt.max(0) <= brain.max(0) + 1).all()
    where = np.argwhere(small_heads.labels() > 0) * small_heads.SPACING
    assert (wt.min(0) + wt.max(0)) / 2 == pytest.approx((where.min(0) + where.max(0)) / 2, abs=3)


def test_without_an_answer_the_reference_is_drawn_as_regions(
    tumour: CaseService, cases: Path
) -> None:
    def missing() -> Any:
        raise ValueError("No model.")

    service = CaseService(missing, cases)
    service.warm()
    desk = opened(service)
    _, packed = SolidService(service).make(desk) or pytest.fail("nothing was made")
    assert packed.keys() == {"brain", *REGIONS}
    desk = opened(tumour, "bare")
    _, packed = SolidService(tumour).make(desk) or pytest.fail("nothing was made")
    assert packed.keys() == {"brain", *REGIONS}  # the model's; there is no reference


def test_each_is_made_once_for_everybody_and_weighed_with_the_case(
    tumour: CaseService, made: list[set[str]]
) -> None:
    service, desk, other = SolidService(tumour), opened(tumour), opened(tumour)
    assert service.make(desk)[1] == service.make(other)[1]  # type: ignore[index]
    assert made == [{"brain"}, REGIONS, REGIONS]
    tumour.switch(desk, ["t1c"])
    service.make(desk)
    assert made[3:] == [REGIONS]  # of the new answer alone
    case = tumour.opened(desk)
    assert case is not None
    kept = [len(data) for found in case.surfaces.values() for data in found.values()]
    with_surfaces = case.size
    case.surfaces.clear()
    assert with_surfaces - case.size == sum(kept) > 0  # the shelf knows what they take


def test_an_empty_region_has_none(tumour: CaseService) -> None:
    desk = opened(tumour)
    tumour.switch(desk, ["flair"])  # which sees no core
    _, packed = SolidService(tumour).make(desk) or pytest.fail("nothing was made")
    assert packed.keys() == {"brain", "wt", *NET}


def test_nothing_is_made_of_an_empty_desk_or_of_what_has_gone(
    tumour: CaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, desk = SolidService(tumour), opened(tumour)
    assert service.make(Desk()) is None

    def meanwhile(*_: Any) -> dict[str, Any]:
        desk.begin()  # another case is opened
        return {}

    monkeypatch.setattr(module, "surfaces", meanwhile)
    assert service.make(desk) is None


def test_the_tab_sends_them_to_this_visitor_alone(tumour: CaseService) -> None:
    service, desk, other = SolidService(tumour), opened(tumour), opened(tumour)
    scene, theirs = tab.surfaces(tumour, service, desk), tab.surfaces(tumour, service, other)
    assert scene["surfaces"]["of"] == scene["labels"]["stamp"]
    mine = {Path(file["path"]) for file in scene["surfaces"]["files"].values()}
    assert len(mine) == 7
    assert all(path.is_file() for path in mine)
    assert mine.isdisjoint(Path(f["path"]) for f in theirs["surfaces"]["files"].values())
    tumour.close(desk)
    assert not any(path.exists() for path in mine)


def test_a_full_disk_is_said(tumour: CaseService, monkeypatch: pytest.MonkeyPatch) -> None:
    service, desk = SolidService(tumour), opened(tumour)
    tab.show(tumour, desk, (service.make(desk) or pytest.fail("nothing was made"))[0])
    said: list[str] = []
    monkeypatch.setattr(tab.gr, "Warning", lambda text, **_: said.append(text))
    send = tumour.folders.send

    def full(owner: str, name: str, data: bytes) -> Path:
        if name == "brain.gz":
            raise DiskFull(DISK_FULL)
        return send(owner, name, data)

    monkeypatch.setattr(tumour.folders, "send", full)
    scene = tab.surfaces(tumour, service, desk)
    assert said == [DISK_FULL]
    assert scene["surfaces"]["files"] == {}
    assert scene["case"] is not None
