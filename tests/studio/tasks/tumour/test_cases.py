"""The Brain tumours tab without its page: open, switch, score, take home, and who sees what."""

from __future__ import annotations

import copy
import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest

from mckd.studio.services.folders import DISK_FULL, Folders
from mckd.studio.tasks.tumour import case_tab as tab
from mckd.studio.tasks.tumour import cases as module
from mckd.studio.tasks.tumour import segmentation, sources
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.compare import CompareService
from mckd.studio.tasks.tumour.desk import Desk, Update
from mckd.studio.tasks.tumour.opened import spoken
from mckd.studio.tasks.tumour.presentation import findings
from mckd.studio.tasks.tumour.segmentation import model_unavailable
from mckd.studio.tasks.tumour.sources import sort
from mckd.tumour import regions
from tests import small_heads
from tests.patience import PATIENCE_S, until

ALL = ["flair", "t1", "t1c", "t2"]


class Stub:
    """Finds the reference, without enhancing tumour when T1c is missing."""

    def __init__(self) -> None:
        self.importance = {"flair": 0.4, "t1": 0.1, "t1c": 0.3, "t2": 0.2}
        self.about = {"data": {"name": "two stubs"}}
        self.encoded: list[str] = []
        self.decided: list[frozenset[str]] = []
        self.forgotten: list[str] = []
        self.before = "no"
        self.pause = threading.Event()
        self.pause.set()

    def encode(self, case: Any, progress: Any) -> Any:
        self.encoded.append(case.name)
        progress(0.5)
        assert self.pause.wait(PATIENCE_S)
        progress(1.0)
        return case

    def saw(self, case: Any) -> str:
        return self.before

    def forget(self, encoded: Any) -> None:
        self.forgotten.append(encoded.name)

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
def service(cases: Path, model: Stub, tmp_path: Path) -> CaseService:
    ready = CaseService(lambda: model, cases, Folders(tmp_path / "folders"))
    ready.warm()
    return ready


def last(updates: Iterator[Update]) -> Update:
    return list(updates)[-1]


def opened(service: CaseService, key: str = "phantom_a") -> Desk:
    desk = Desk()
    assert last(service.open(desk, service.sources.bundled(key))).answer is not None
    return desk


def shown(service: CaseService, update: Update | None) -> dict[str, Any]:
    assert update is not None
    return findings(service.segmentation, update)


def test_bundled_cases_are_listed(service: CaseService, tmp_path: Path) -> None:
    assert service.sources.listed() == [
        {"key": "phantom_a", "name": "Phantom A", "about": "A small head"},
        {"key": "phantom_b", "name": "Phantom B", "about": ""},
    ]
    assert CaseService(Stub, tmp_path / "none").sources.listed() == []
    with pytest.raises(ValueError, match="no such bundled case"):
        service.sources.bundled("../phantom_a")
    assert spoken("brats2021_00000") == "Brats2021 00000"


def test_opening_tells_its_stages_and_ends_with_scores(service: CaseService) -> None:
    desk = Desk()
    told = [
        (u, shown(service, u)) for u in service.open(desk, service.sources.bundled("phantom_a"))
    ]
    updates = [update for update, _ in told]
    assert [u.stage for u in updates][:2] == [module.READING, segmentation.ENCODING]
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
    json.dumps([shown(service, u) for u in updates], allow_nan=False)


def test_a_switch_changes_the_answer_and_says_by_how_much(
    service: CaseService, model: Stub
) -> None:
    desk = opened(service)
    update = service.switch(desk, ["flair", "t2"])
    assert update is not None
    found = shown(service, update)
    assert (found["used"], found["off"]) == (["FLAIR", "T2"], ["T1", "T1c"])
    assert found["rows"][0]["volume_ml"] == 0
    assert found["rows"][0]["change_ml"] == -found["rows"][0]["reference_ml"]
    scored = service.score(desk)
    assert scored is not None
    assert shown(service, scored)["rows"][0]["outcome"] == "missed"
    assert service.score(desk) is None  # it has them already
    assert model.encoded == ["phantom_a"]
    assert service.switch(desk, ALL) is not None
    assert model.decided.count(frozenset(ALL)) == 1  # the first answer was kept


@pytest.mark.parametrize("wanted", [[], None, "t1", ["t9"], {"a": 1}, 7, [[]]])
def test_an_odd_wish_gets_no_answer(service: CaseService, wanted: Any) -> None:
    assert service.switch(opened(service), wanted) is None


def test_a_switch_after_everything_was_deleted_says_so(service: CaseService) -> None:
    desk = opened(service)
    service.close(desk)
    update = service.switch(desk, ["t1"])
    assert update is not None
    assert update.problem == module.GONE
    assert shown(service, update)["status"] == "problem"


def test_switches_flipped_while_the_case_is_encoded_count(
    service: CaseService, model: Stub
) -> None:
    desk, model_updates = Desk(), []
    model.pause.clear()

    def follow() -> None:
        model_updates.extend(service.open(desk, service.sources.bundled("phantom_a")))

    thread = threading.Thread(target=follow)
    thread.start()
    until(lambda: model.encoded)
    assert service.switch(desk, ["t1"]) is None  # `open` will answer
    assert service.switch(desk, ["t1", "t2"]) is None
    model.pause.set()
    thread.join(PATIENCE_S)
    assert model_updates[-1].answer.used == {"t1", "t2"}


def test_another_case_ends_the_work_on_the_first(service: CaseService, model: Stub) -> None:
    desk = Desk()
    model.pause.clear()
    first = service.open(desk, service.sources.bundled("phantom_a"))
    while next(first).stage != segmentation.ENCODING:
        pass
    second = service.open(desk, service.sources.bundled("phantom_b"))
    next(second)
    model.pause.set()
    assert not [update for update in first if update.answer]
    assert last(second).answer is not None
    shown = desk.source
    assert shown is not None
    assert shown.key == "bundled:phantom_b"


def test_two_visitors_share_a_bundled_case_but_not_its_switches(
    service: CaseService, model: Stub
) -> None:
    one, two = opened(service), opened(service)
    assert model.encoded == ["phantom_a"]
    service.switch(one, ["t1"])
    assert two.shown is not None
    assert two.shown.used == frozenset(ALL)


def upload(service: CaseService, file: Path) -> str:
    """The ticket of a file that a browser sent."""
    with file.open("rb") as data:
        return service.folders.receive("a browser", file.name, data)


def test_own_files_belong_to_one_visitor(service: CaseService, cases: Path, tmp_path: Path) -> None:
    sent = upload(service, cases / "phantom_a" / "phantom_a_flair.nii.gz")
    one, two = Desk(), Desk()
    first = service.sources.own(one.owner, {"flair": sent})
    again = service.sources.own(one.owner, {"t2": sent})  # now they call it something else
    assert again.key != first.key
    assert again.files == {"t2": first.files["flair"]}
    with pytest.raises(ValueError, match="no longer here"):
        service.sources.own(two.owner, {"flair": sent})
    with pytest.raises(ValueError, match="at least one file"):
        service.sources.own(one.owner, {"seg": sent})
    with pytest.raises(ValueError, match="no sequence"):
        service.sources.own(one.owner, {"flair": sent, "../x": sent})


def test_a_copied_desk_is_a_fresh_one(service: CaseService) -> None:
    desk = opened(service)
    assert copy.deepcopy(desk).source is None


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_closing_deletes_what_is_theirs(
    service: CaseService, model: Stub, cases: Path, tmp_path: Path
) -> None:
    desk, folder = Desk(), cases / "phantom_a"
    sent = {s: upload(service, folder / f"phantom_a_{s}.nii.gz") for s in ("t2", "seg")}
    own = service.sources.own(desk.owner, sent)
    shown = [tab.show(service, desk, u)[0] for u in service.open(desk, own)][-1]
    address = Path(shown["labels"]["file"]["path"])
    assert address.is_file()
    assert service.shelf.used > 0
    service.close(desk)
    assert files(tmp_path) == []
    assert own.key not in service.shelf
    assert service.shelf.used == 0
    assert len(model.forgotten) == 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_what_a_case_took_goes_back_to_the_system(service: CaseService, model: Stub) -> None:
    def resident_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    def encode(case: Any, progress: Any) -> Any:
        blocks = [bytearray(50_000) for _ in range(2000)]
        return SimpleNamespace(name=case.name, labels=case.labels, blocks=blocks)

    model.encode = encode  # type: ignore[method-assign]
    model.forget = lambda encoded: encoded.blocks.clear()  # type: ignore[method-assign]
    desk = opened(service)
    full = resident_mb()
    service.close(desk)
    service.tend()
    assert resident_mb() < full - 80


def test_a_bundled_case_stays_while_somebody_has_it_open(service: CaseService, model: Stub) -> None:
    one, two = opened(service), opened(service)
    service.close(one)
    assert "bundled:phantom_a" in service.shelf
    service.close(two)
    assert "bundled:phantom_a" not in service.shelf
    assert model.forgotten == ["phantom_a"]


def test_a_case_put_away_is_read_again(service: CaseService, model: Stub) -> None:
    desk = opened(service, "phantom_a")
    service.shelf.budget = 1
    opened(service, "phantom_b")
    assert "bundled:phantom_a" not in service.shelf
    update = service.switch(desk, ["t1"])
    assert update is not None
    assert update.answer is not None
    assert model.encoded == ["phantom_a", "phantom_b", "phantom_a"]


def test_own_files_deleted_meanwhile_are_one_clear_sentence(
    service: CaseService, cases: Path, tmp_path: Path
) -> None:
    desk = Desk()
    sent = upload(service, cases / "phantom_a" / "phantom_a_t1.nii.gz")
    assert (
        last(service.open(desk, service.sources.own(desk.owner, {"t1": sent}))).answer is not None
    )
    service.shelf._idle_s = -1
    service.shelf.expire()
    service.folders.expire(-1)
    update = service.switch(desk, ["t1"])
    assert update is not None
    assert update.problem == module.GONE


def test_closing_ends_the_work(service: CaseService, model: Stub) -> None:
    desk, told = Desk(), []
    model.pause.clear()
    thread = threading.Thread(
        target=lambda: told.extend(service.open(desk, service.sources.bundled("phantom_a")))
    )
    thread.start()
    until(lambda: model.encoded)
    service.close(desk)
    model.pause.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not [update for update in told if update.answer or update.problem]
    assert service.shelf.used == 0


def test_who_waits_is_told_their_place(service: CaseService, model: Stub) -> None:
    model.pause.clear()
    threads, told = [], [[] for _ in range(3)]
    for k, key in enumerate(("phantom_a", "phantom_b", "phantom_b")):
        updates = service.open(Desk(), service.sources.bundled(key))
        threads.append(threading.Thread(target=told[k].extend, args=(updates,)))
        threads[-1].start()
        until(lambda: model.encoded)
        until(lambda k=k: len(service.segmentation.encodings) == k + 1)
    until(lambda: all(any("before yours" in u.stage for u in each) for each in told[1:]))
    model.pause.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    stages = [[update.stage for update in each] for each in told]
    assert "1 case before yours…" in stages[1]
    assert "2 cases before yours…" in stages[2]
    assert all(each[-1].answer for each in told)
    assert sorted(model.encoded) == ["phantom_a", "phantom_b"]


def test_a_newer_switch_ends_the_wait_of_the_older_at_once(
    service: CaseService, model: Stub
) -> None:
    desk, other = opened(service), opened(service, "phantom_b")
    gate, inside = threading.Event(), []
    decide = model.decide

    def slow(encoded: Any, used: frozenset[str]) -> Any:
        inside.append(used)
        assert gate.wait(PATIENCE_S)
        return decide(encoded, used)

    model.decide = slow  # type: ignore[method-assign]
    answers: list[Any] = []

    def ask(at: Desk, *wish: str) -> threading.Thread:
        thread = threading.Thread(target=lambda: answers.append(service.switch(at, [*wish])))
        thread.start()
        return thread

    computed = ask(desk, "t1")
    until(lambda: inside)
    queued = ask(other, "t1")  # the line of all: one answer after the other
    storm = []
    for wish in [("t2",), ("flair",), ("t1", "t2")] * 20:
        job = desk.job
        storm.append(ask(desk, *wish))
        until(lambda job=job: desk.job > job)  # they come one after the other
    for older in (computed, *storm[:-1]):
        older.join(PATIENCE_S)  # while nothing at all was worked out
        assert not older.is_alive()
    assert answers == [None] * 60
    assert inside == [{"t1"}]
    assert storm[-1].is_alive()
    gate.set()
    for last_one in (storm[-1], queued):
        last_one.join(PATIENCE_S)
    assert {answer.used for answer in answers[60:]} == {frozenset({"t1"}), frozenset({"t1", "t2"})}
    assert desk.shown.used == {"t1", "t2"}
    assert sorted(map(sorted, inside)) == [["t1"], ["t1"], ["t1", "t2"]]


def test_scores_are_waited_for_by_nobody_but_the_last_who_asked(
    service: CaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, gate, inside = opened(service), threading.Event(), []
    real = segmentation.scores_of

    def slow(*given: Any) -> Any:
        inside.append(given)
        assert gate.wait(PATIENCE_S)
        return real(*given)

    monkeypatch.setattr(segmentation, "scores_of", slow)
    assert service.switch(desk, ["t1"]) is not None
    scored: list[Any] = []
    asking = []
    for _ in range(30):
        asked = desk.scoring
        asking.append(threading.Thread(target=lambda: scored.append(service.score(desk))))
        asking[-1].start()
        until(lambda asked=asked: desk.scoring > asked)
    for older in asking[:-1]:
        older.join(PATIENCE_S)
        assert not older.is_alive()
    assert scored == [None] * 29
    gate.set()
    asking[-1].join(PATIENCE_S)
    assert scored[-1].answer.scores
    assert len(inside) == 1


def test_a_case_that_the_model_learned_from_is_marked(service: CaseService, model: Stub) -> None:
    model.before = "training"
    desk = Desk()
    found = shown(service, last(service.open(desk, service.sources.bundled("phantom_a"))))
    assert found["seen"] == "seen in training"
    assert found["notes"][0].startswith("Seen in training: the model learned from this case")
    model.before = "no"  # it is asked once per case; another case is asked anew
    assert shown(service, service.switch(desk, ["t2"]))["seen"] == "seen in training"
    found = shown(service, last(service.open(Desk(), service.sources.bundled("phantom_b"))))
    assert found["seen"] == ""
    assert not any("training" in note for note in found["notes"])


def test_what_is_not_reliable_is_said_beside_the_volume(service: CaseService, model: Stub) -> None:
    model.about["unseen"] = {"dice": {"t2": {"et": 0.157, "tc": 0.412, "wt": 0.673}}}
    desk = opened(service)
    found = shown(service, service.switch(desk, ["t2"]))
    assert [row["caution"] for row in found["rows"]] == [
        "unreliable: Dice .16 on unseen cases",
        "rough: Dice .41 on unseen cases",
        "",
    ]
    service.score(desk)
    found = shown(service, service.switch(desk, ["t2"]))  # with scores it stands there too
    assert "dice" in found["rows"][0]
    assert found["rows"][0]["caution"] == "unreliable: Dice .16 on unseen cases"


def test_the_download_is_what_is_on_screen(service: CaseService) -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="no segmentation"):
        service.label_file(desk)
    desk = opened(service)
    name, data = service.label_file(desk)
    assert name == "case_mckd_flair-t1-t1c-t2.nii.gz"
    assert service.label_file(desk, "Fall 7")[0] == "Fall_7_mckd_flair-t1-t1c-t2.nii.gz"
    assert service.label_file(desk, None)[0] == "phantom_a_mckd_flair-t1-t1c-t2.nii.gz"
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

    service = CaseService(load, cases)
    service.warm()
    found = findings(
        service.segmentation,
        last(service.open(desk := Desk(), service.sources.bundled("phantom_a"))),
    )
    assert found["status"] == "unavailable"
    assert found["why"].startswith("There is no checkpoint tumour.safetensors.")
    assert "python -m train tumour" in found["why"]
    assert found["rows"][2]["reference_ml"] > 0
    assert service.switch(desk, ["t1"]) is not None
    assert "pip install" in model_unavailable(ModuleNotFoundError("torch"))


def test_a_case_opened_while_the_model_loads_waits_for_it(cases: Path, model: Stub) -> None:
    service = CaseService(lambda: model, cases)
    updates = service.open(Desk(), service.sources.bundled("phantom_a"))
    while next(updates).stage != module.LOADING:
        pass
    threading.Timer(0.05, service.warm).start()
    assert last(updates).answer is not None


def test_files_that_do_not_fit_are_one_sentence_without_a_path(
    service: CaseService, tmp_path: Path
) -> None:
    path = tmp_path / "x_flair.nii.gz"
    path.write_bytes(b"no image")
    desk = Desk()
    update = last(
        service.open(desk, service.sources.own(desk.owner, {"flair": upload(service, path)}))
    )
    assert update.problem.startswith("x_flair.nii.gz is not a NIfTI file")
    assert str(tmp_path) not in update.problem
    assert shown(service, update)["status"] == "problem"


def test_images_unlike_the_training_are_segmented_only_if_asked(
    service: CaseService, model: Stub, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 40, small_heads.SHAPE)
    head = (small_heads.volume("t1") + noise).astype(np.int16)  # as acquired, skull on
    file = small_heads.save(tmp_path / "x_t1.nii", head)
    desk = Desk()
    asked = last(service.open(desk, service.sources.own(desk.owner, {"t1": upload(service, file)})))
    found = shown(service, asked)
    assert (asked.asks, asked.answer, found["status"]) == (True, None, "asks")
    assert any("nearly every voxel has a value" in note for note in found["notes"])
    again = service.switch(desk, ["t1"])
    assert again is not None
    assert (again.asks, again.answer) == (True, None)
    assert last(CompareService(service).run(desk)).state == "asks"
    with pytest.raises(ValueError, match="no segmentation"):
        service.label_file(desk)
    assert model.encoded == []

    answer = last(service.accept(desk))
    assert answer.answer is not None
    assert answer.used == {"t1"}
    assert any("nearly every voxel" in note for note in shown(service, answer)["notes"])
    assert next(CompareService(service).run(desk)).state == "running"
    assert list(service.accept(Desk())) == []  # nothing on it

    other = service.sources.own(desk.owner, {"t1": upload(service, file)})
    assert last(service.open(desk, other)).asks  # each case anew


def test_a_broken_model_is_one_sentence(service: CaseService, model: Stub) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    model.decide = fail  # type: ignore[method-assign]
    update = last(service.open(Desk(), service.sources.bundled("phantom_a")))
    assert update.problem == module.FAILED
    assert update.opened is not None  # the images stay on screen


def test_files_are_sorted_into_cases_by_their_names(service: CaseService) -> None:
    names = ["P/a_flair.nii.gz", "P/b-t1c.nii", "P/x_seg.nii", "P/holiday.nii", "P/a_mask.nii"]
    assert sort(names) == {
        "cases": [
            {
                "name": "P",
                "slots": dict(zip(sorted(names[:4]), ("flair", "t1c", "", "seg"), strict=True)),
            }
        ],
        "left": {"P/a_mask.nii": "another kind of image, or made from images"},
    }
    assert sort(["BRATS_001.nii.gz"])["cases"][0]["slots"] == {"BRATS_001.nii.gz": "stack"}


@pytest.mark.parametrize("odd", ["x", None, 7, {}, [], [None, 7, {}, ["x"]], ["x" * 5000]])
def test_odd_names_are_sorted_into_nothing_that_is_an_image(
    service: CaseService, odd: object
) -> None:
    cases = sort(odd)["cases"]
    assert not any(slot for case in cases for slot in case["slots"].values())


def test_no_more_names_are_sorted_than_a_page_lists(service: CaseService) -> None:
    found = sort([f"{number}_t1.nii" for number in range(1000)])
    assert sum(len(case["slots"]) for case in found["cases"]) == sources.MOST_NAMES


# ---- what a browser may ask for


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../../etc/passwd", "", ".", None, 7, "nothing.nii.gz", "x" * 5000, "a\0b"],
)
def test_only_uploads_can_be_opened(service: CaseService, path: Any) -> None:
    for entry in ({"slot": "flair", "ticket": path}, path):
        with pytest.raises(ValueError, match=r"no longer here|at least one"):
            tab.source_of(service, Desk(), {"files": [entry]})


def test_nobody_opens_what_lies_in_another_visitor_s_folder(
    service: CaseService, cases: Path
) -> None:
    one = Desk()
    wish = {"slot": "t1", "ticket": upload(service, cases / "phantom_a" / "phantom_a_t1.nii.gz")}
    taken = tab.source_of(service, one, {"files": [wish]}).files["t1"]
    assert tab.source_of(service, one, {"files": [wish]}).files["t1"] == taken
    for path in (wish["ticket"], str(taken)):
        with pytest.raises(ValueError, match="no longer here"):
            tab.source_of(service, Desk(), {"files": [{"slot": "t1", "ticket": path}]})


def test_a_scene_holds_files_and_no_bytes(service: CaseService) -> None:
    desk = Desk()
    shown = list(tab.open_case(service, desk, {"case": "phantom_a"}))
    scene, switches, found = shown[-2]
    assert set(scene["case"]["sequences"]) == set(ALL)
    for file in (scene["case"]["reference"], scene["labels"]["file"]):
        assert Path(file["path"]).is_relative_to(service.folders.root / "sent")
    assert len(json.dumps([scene, found], allow_nan=False)) < 8000
    assert next(s["given"] for _, s, _ in shown if isinstance(s, dict) and "given" in s) == ALL
    assert not isinstance(switches, dict) or "given" not in switches
    problem = list(tab.open_case(service, desk, {"case": "nothing"}))[-1][0]
    assert problem["problem"] == "There is no such bundled case. Choose one of the list."


def test_a_full_disk_is_one_sentence_and_the_next_click_works(
    service: CaseService, tmp_path: Path, full_disk: Any
) -> None:
    desk = Desk()
    with full_disk():
        shown = [s for s, *_ in tab.open_case(service, desk, {"case": "phantom_a"})]
    assert shown[-1]["problem"] == DISK_FULL
    assert shown[-1]["case"] is None
    assert files(service.folders.root) == []
    shown = [s for s, *_ in tab.open_case(service, desk, {"case": "phantom_a"})]
    assert shown[-1]["problem"] == ""
    assert all(Path(f["file"]["path"]).is_file() for f in shown[-1]["case"]["sequences"].values())
