"""The Brain tumours tab without its page: open, switch, score, take home, and who sees what."""

from __future__ import annotations

import copy
import gzip
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest

from mckd.studio.services.folders import DISK_FULL
from mckd.studio.tasks.tumour import case_tab as tab
from mckd.studio.tasks.tumour import cases as module
from mckd.studio.tasks.tumour import segmentation
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.tumour import regions
from mckd.tumour.geometry import bounding_box
from tests.patience import PATIENCE_S, until
from tests.studio.tasks.tumour.stub import Stub, last, opened, shown, upload

ALL = ["flair", "t1", "t1c", "t2"]


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


def test_a_broken_model_is_one_sentence(service: CaseService, model: Stub) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    model.decide = fail  # type: ignore[method-assign]
    update = last(service.open(Desk(), service.sources.bundled("phantom_a")))
    assert update.problem == module.FAILED
    assert update.opened is not None  # the images stay on screen


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


class TestProbabilities:
    def test_are_of_the_answer_on_screen_and_kept(self, service: CaseService, model: Stub) -> None:
        desk = opened(service)
        assert service.switch(desk, ["flair", "t2"]) is not None
        asked = len(model.decided)
        made = service.probabilities(desk)
        assert made is not None
        update, answer, packed = made
        assert answer is update.answer is desk.shown
        assert update.opened is not None
        size = np.frombuffer(gzip.decompress(packed)[6:12], "<u2")
        found = regions(update.opened.case.labels)[2]
        assert size.tolist() == [*bounding_box(found).shape]
        assert service.probabilities(desk) is not None
        assert len(model.decided) == asked + 1
        assert update.opened.maps == {frozenset({"flair", "t2"}): packed}

    def test_of_another_answer_leave_the_screen_as_it_is(self, service: CaseService) -> None:
        desk = opened(service)
        used = frozenset({"t1"})
        assert service.probabilities(desk, used) is None  # nobody asked for that answer yet
        assert service.switch(desk, ["t1"]) is not None
        assert service.switch(desk, ["t2"]) is not None
        made = service.probabilities(desk, used)
        assert made is not None
        update, answer, _ = made
        assert answer.used == used
        assert update.answer is desk.shown
        assert update.used == {"t2"}

    def test_are_none_where_nothing_is_on_screen(self, service: CaseService) -> None:
        assert service.probabilities(Desk()) is None
