"""What the widgets of the Brain tumours tab show of an update."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckd.studio.tasks.tumour import case_tab as tab
from mckd.studio.tasks.tumour import cases as module
from mckd.studio.tasks.tumour import segmentation
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.compare import CompareService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.presentation import findings
from mckd.studio.tasks.tumour.segmentation import model_unavailable
from mckd.tumour import REGIONS
from mckd.tumour.advice import Advice
from tests import small_heads
from tests.studio.tasks.tumour.stub import Stub, last, opened, shown, upload

ALL = ["flair", "t1", "t1c", "t2"]


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


class TestRanges:
    def test_stand_beside_their_volumes_with_their_meaning(
        self, service: CaseService, model: Stub
    ) -> None:
        model.intervals = {"et": (0.2, 0.94), "tc": (3.0, 12.4), "wt": (8.0, 15.0)}
        model.about["intervals"] = "Measured on two stubs."
        found = shown(service, last(service.open(Desk(), service.sources.bundled("phantom_a"))))
        assert [row["range"] for row in found["rows"]] == ["0.2 to 0.9", "3 to 12", "8 to 15"]
        assert found["ranges"] == "Measured on two stubs."
        assert not any("No tumour" in note for note in found["notes"])

    def test_advice_comes_with_the_answer_and_says_what_it_is_worth(
        self, service: CaseService, model: Stub
    ) -> None:
        model.intervals = {"wt": (8.0, 15.0)}
        model.advice = [
            Advice("t1c", {"et": 0.3, "tc": 0.1, "wt": 0.0}, dict.fromkeys(REGIONS, 0.0))
        ]
        update = service.switch(opened(service), ["flair", "t1", "t2"])
        said = shown(service, update)["advice"]
        assert said.startswith("T1c would most likely raise the Dice of ET by .30. It is judged")
        assert "in 15 real ones it was worse" in said

    def test_are_absent_without_a_calibration(self, service: CaseService) -> None:
        found = shown(service, last(service.open(Desk(), service.sources.bundled("phantom_a"))))
        assert [row["range"] for row in found["rows"]] == ["", "", ""]
        assert found["ranges"] == ""

    def test_from_0_say_that_there_may_be_no_tumour(
        self, service: CaseService, model: Stub
    ) -> None:
        model.intervals = {"wt": (0.0, 15.0)}
        found = shown(service, last(service.open(Desk(), service.sources.bundled("phantom_a"))))
        assert found["notes"][0].startswith("No tumour found that is certain")


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


def test_a_scene_holds_files_and_no_bytes(service: CaseService) -> None:
    desk = Desk()
    shown = list(tab.open_case(service, desk, {"case": "phantom_a"}))
    scene, _, found, _ = shown[-2]
    assert set(scene["case"]["sequences"]) == set(ALL)
    for file in (scene["case"]["reference"], scene["labels"]["file"]):
        assert Path(file["path"]).is_relative_to(service.folders.root / "sent")
    assert len(json.dumps([scene, found], allow_nan=False)) < 8000
    problem = list(tab.open_case(service, desk, {"case": "nothing"}))[-1][0]
    assert problem["problem"] == "There is no such bundled case. Choose one of the list."


def test_a_later_stage_takes_no_value_back(service: CaseService) -> None:
    # Gradio's client turns the last stage into the next one, in place: a stage that comes before
    # the page has drawn the last one would take away what it leaves out.
    stages = list(tab.open_case(service, Desk(), {"case": "phantom_a"}))
    given = [switches.get("given") for _, switches, *_ in stages]
    first = given.index(ALL)
    assert given == [None] * first + [ALL] * (len(stages) - first)
    assert len(stages) - first >= 3  # segmenting, answer, scores
