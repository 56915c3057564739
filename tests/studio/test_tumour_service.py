"""The Brain tumours tab without its page: open, switch, score, take home, and who sees what."""

from __future__ import annotations

import copy
import gzip
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest

from mckd.studio.services import tumour as module
from mckd.studio.services.tumour import Desk, TumourService, Update, model_unavailable, spoken
from mckd.studio.tabs import tumour as tab
from mckd.tumour import regions
from tests import small_heads

ALL = ["flair", "t1", "t1c", "t2"]


class Stub:
    """Finds the reference, without enhancing tumour when T1c is missing."""

    def __init__(self) -> None:
        self.importance = {"flair": 0.4, "t1": 0.1, "t1c": 0.3, "t2": 0.2}
        self.about = {"data": {"name": "two stubs"}}
        self.encoded: list[str] = []
        self.decided: list[frozenset[str]] = []
        self.pause = threading.Event()
        self.pause.set()

    def encode(self, case: Any, progress: Any) -> Any:
        self.encoded.append(case.name)
        progress(0.5)
        assert self.pause.wait(10)
        progress(1.0)
        return case

    def decide(self, encoded: Any, used: frozenset[str]) -> Any:
        self.decided.append(used)
        found = regions(encoded.labels)
        if "t1c" not in used:
            found[0] = False
        return SimpleNamespace(canonical=found)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for name in ("phantom_a", "phantom_b"):
        small_heads.save_case(folder / name)
    (folder / "phantom_a" / "about.txt").write_text("A small head\n")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def model() -> Stub:
    return Stub()


@pytest.fixture
def service(cases: Path, model: Stub) -> TumourService:
    ready = TumourService(lambda: model, cases)
    ready.warm()
    return ready


def last(updates: Iterator[Update]) -> Update:
    return list(updates)[-1]


def opened(service: TumourService, key: str = "phantom_a") -> Desk:
    desk = Desk()
    assert last(service.open(desk, service.bundled(key))).answer is not None
    return desk


def test_bundled_cases_are_listed(service: TumourService, tmp_path: Path) -> None:
    assert service.cases() == [
        {"key": "phantom_a", "name": "Phantom A", "about": "A small head"},
        {"key": "phantom_b", "name": "Phantom B", "about": ""},
    ]
    assert TumourService(Stub, tmp_path / "none").cases() == []
    with pytest.raises(ValueError, match="no such bundled case"):
        service.bundled("../phantom_a")
    assert spoken("brats2021_00000") == "Brats2021 00000"


def test_opening_tells_its_stages_and_ends_with_scores(service: TumourService) -> None:
    desk = Desk()
    told = [(u, service.findings(u)) for u in service.open(desk, service.bundled("phantom_a"))]
    updates = [update for update, _ in told]
    assert [u.stage for u in updates][:2] == [module.READING, module.ENCODING]
    assert 0.5 in [u.fraction for u in updates]
    answer, scored = (found for _, found in told[-2:])
    assert answer["status"] == scored["status"] == "answer"
    assert answer["used"] == ["FLAIR", "T1", "T1c", "T2"]
    assert answer["synthetic"] is True
    assert "dice" not in answer["rows"][0]
    assert [row["dice"] for row in scored["rows"]] == [1, 1, 1]
    assert [row["hd95_mm"] for row in scored["rows"]] == [0, 0, 0]
    et, tc, wt = (row["volume_ml"] for row in scored["rows"])
    assert 0 < et < tc < wt == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.1)
    assert scored["model"] == "Trained on two stubs."
    assert scored["importance"]["flair"] == 0.4
    assert [u.stamp for u in updates] == sorted(u.stamp for u in updates)
    json.dumps([service.findings(u) for u in updates], allow_nan=False)


def test_a_switch_changes_the_answer_and_says_by_how_much(
    service: TumourService, model: Stub
) -> None:
    desk = opened(service)
    update = service.switch(desk, ["flair", "t2"])
    assert update is not None
    found = service.findings(update)
    assert (found["used"], found["off"]) == (["FLAIR", "T2"], ["T1", "T1c"])
    assert found["rows"][0]["volume_ml"] == 0
    assert found["rows"][0]["change_ml"] == -found["rows"][0]["reference_ml"]
    scored = service.score(desk)
    assert scored is not None
    assert service.findings(scored)["rows"][0]["outcome"] == "missed"
    assert service.score(desk) is None  # it has them already
    assert model.encoded == ["phantom_a"]
    assert service.switch(desk, ALL) is not None
    assert model.decided.count(frozenset(ALL)) == 1  # the first answer was kept


@pytest.mark.parametrize("wanted", [[], None, "t1", ["t9"], {"a": 1}, 7, [[]]])
def test_an_odd_wish_gets_no_answer(service: TumourService, wanted: Any) -> None:
    assert service.switch(opened(service), wanted) is None
    assert service.switch(Desk(), ["t1"]) is None


def test_switches_flipped_while_the_case_is_encoded_count(
    service: TumourService, model: Stub
) -> None:
    desk, model_updates = Desk(), []
    model.pause.clear()

    def follow() -> None:
        model_updates.extend(service.open(desk, service.bundled("phantom_a")))

    thread = threading.Thread(target=follow)
    thread.start()
    deadline = time.monotonic() + 10
    while not model.encoded and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.switch(desk, ["t1"]) is None  # `open` will answer
    assert service.switch(desk, ["t1", "t2"]) is None
    model.pause.set()
    thread.join(10)
    assert model_updates[-1].answer.used == {"t1", "t2"}


def test_another_case_ends_the_work_on_the_first(service: TumourService, model: Stub) -> None:
    desk = Desk()
    model.pause.clear()
    first = service.open(desk, service.bundled("phantom_a"))
    while next(first).stage != module.ENCODING:
        pass
    second = service.open(desk, service.bundled("phantom_b"))
    next(second)
    model.pause.set()
    assert not [update for update in first if update.answer]
    assert last(second).answer is not None
    shown = desk.choice
    assert shown is not None
    assert shown.key == "bundled:phantom_b"


def test_two_visitors_share_a_bundled_case_but_not_its_switches(
    service: TumourService, model: Stub
) -> None:
    one, two = opened(service), opened(service)
    assert model.encoded == ["phantom_a"]
    service.switch(one, ["t1"])
    assert two.shown is not None
    assert two.shown.used == frozenset(ALL)


def test_own_files_have_a_key_nobody_else_has(service: TumourService, cases: Path) -> None:
    files = {"flair": cases / "phantom_a" / "phantom_a_flair.nii.gz"}
    assert service.own(files).key != service.own(files).key
    with pytest.raises(ValueError, match="at least one file"):
        service.own({"seg": files["flair"]})
    with pytest.raises(ValueError, match="no sequence"):
        service.own({"flair": files["flair"], "../x": files["flair"]})


def test_a_copied_desk_is_a_fresh_one(service: TumourService) -> None:
    desk = opened(service)
    assert copy.deepcopy(desk).choice is None


def test_closing_forgets_own_files(service: TumourService, cases: Path) -> None:
    desk, folder = Desk(), cases / "phantom_a"
    own = service.own(
        {"t2": folder / "phantom_a_t2.nii.gz", "seg": folder / "phantom_a_seg.nii.gz"}
    )
    assert last(service.open(desk, own)).answer is not None
    assert own.key in service._shelf
    service.close(desk)
    assert own.key not in service._shelf
    assert service.switch(desk, ["t2"]) is None


def test_the_shelf_is_short_and_a_case_put_away_is_read_again(
    service: TumourService, model: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 1)
    desk = opened(service, "phantom_a")
    opened(service, "phantom_b")
    assert list(service._shelf) == ["bundled:phantom_b"]
    update = service.switch(desk, ["t1"])
    assert update is not None
    assert update.answer is not None
    assert model.encoded == ["phantom_a", "phantom_b", "phantom_a"]


def test_the_download_is_what_is_on_screen(service: TumourService) -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="no segmentation"):
        service.label_file(desk)
    desk = opened(service)
    name, data = service.label_file(desk)
    assert name == "phantom_a_mckd_flair-t1-t1c-t2.nii.gz"
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert set(np.unique(np.asarray(image.dataobj))) == {0, 1, 2, 4}
    service.switch(desk, ["t2"])
    name, data = service.label_file(desk)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert name.endswith("_t2.nii.gz")
    assert set(np.unique(np.asarray(image.dataobj))) == {0, 1, 2}


# ---- trouble


def test_without_a_model_the_case_is_still_shown(cases: Path) -> None:
    def load() -> Any:
        raise ValueError("There is no checkpoint tumour.safetensors.")

    service = TumourService(load, cases)
    service.warm()
    found = service.findings(last(service.open(desk := Desk(), service.bundled("phantom_a"))))
    assert found["status"] == "unavailable"
    assert found["why"].startswith("There is no checkpoint tumour.safetensors.")
    assert "python -m train tumour" in found["why"]
    assert found["rows"][2]["reference_ml"] > 0
    assert service.switch(desk, ["t1"]) is not None
    assert "pip install" in model_unavailable(ModuleNotFoundError("torch"))


def test_a_case_opened_while_the_model_loads_waits_for_it(cases: Path, model: Stub) -> None:
    service = TumourService(lambda: model, cases)
    updates = service.open(Desk(), service.bundled("phantom_a"))
    while next(updates).stage != module.LOADING:
        pass
    threading.Timer(0.05, service.warm).start()
    assert last(updates).answer is not None


def test_files_that_do_not_fit_are_one_sentence_without_a_path(
    service: TumourService, tmp_path: Path
) -> None:
    path = tmp_path / "x_flair.nii.gz"
    path.write_bytes(b"no image")
    update = last(service.open(Desk(), service.own({"flair": path})))
    assert update.problem.startswith("x_flair.nii.gz is not a NIfTI file")
    assert str(tmp_path) not in update.problem
    assert service.findings(update)["status"] == "problem"


def test_a_broken_model_is_one_sentence(service: TumourService, model: Stub) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    model.decide = fail  # type: ignore[method-assign]
    update = last(service.open(Desk(), service.bundled("phantom_a")))
    assert update.problem == module.FAILED
    assert update.opened is not None  # the images stay on screen


def test_guesses_are_slots_or_nothing(service: TumourService) -> None:
    names = ["a_flair.nii.gz", "b-t1c.nii", "BRATS_001.nii.gz", "x_seg.nii", "holiday.nii"]
    assert service.guess(names) == ["flair", "t1c", "stack", "seg", ""]
    assert service.guess("x") == []
    assert len(service.guess(["x"] * 1000)) == module.MOST_FILES


# ---- what a browser may ask for


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr(tab, "get_upload_folder", lambda: str(folder))
    return folder


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../etc/passwd", "", ".", None, "nothing.nii.gz", "x" * 5000]
)
def test_only_uploads_can_be_opened(service: TumourService, uploads: Path, path: Any) -> None:
    for entry in ({"slot": "flair", "path": path}, path):
        with pytest.raises(ValueError, match=r"no longer here|at least one"):
            tab.choice_of(service, {"files": [entry]})


def test_a_link_out_of_the_uploads_is_no_upload(service: TumourService, uploads: Path) -> None:
    (uploads / "x.nii.gz").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="no longer here"):
        tab.choice_of(service, {"files": [{"slot": "t1", "path": str(uploads / "x.nii.gz")}]})


def test_a_scene_holds_files_and_no_bytes(service: TumourService, uploads: Path) -> None:
    desk = Desk()
    shown = list(tab.open_case(service, desk, {"case": "phantom_a"}))
    scene, switches, found = shown[-2]
    assert set(scene["case"]["sequences"]) == set(ALL)
    for file in (scene["case"]["reference"], scene["labels"]["file"]):
        assert Path(file["path"]).is_relative_to(uploads)
    assert len(json.dumps([scene, found], allow_nan=False)) < 8000
    assert next(s["given"] for _, s, _ in shown if isinstance(s, dict) and "given" in s) == ALL
    assert not isinstance(switches, dict) or "given" not in switches
    problem = list(tab.open_case(service, desk, {"case": "nothing"}))[-1][0]
    assert problem["problem"] == "There is no such bundled case. Choose one of the list."
