"""Other systems in the panes, without a page: checkpoints of random weights, and the bundled."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckd.files.checkpoint import load_checkpoint
from mckd.files.manifest import read_manifest
from mckd.studio.services.folders import DISK_FULL
from mckd.studio.tasks.tumour import compare_tab as tab
from mckd.studio.tasks.tumour.cases import FAILED, CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.opened import Opened
from mckd.studio.tasks.tumour.systems import SYSTEMS, SystemsService, SystemsUpdate, spell
from mckd.studio.tasks.tumour.volumes import unpack_bits
from mckd.tumour import TumourSegmenter, regions
from mckd.tumour.labels import bits_to_regions
from tests import small_heads, untrained
from tests.studio.tasks.tumour.stub import opened, upload

BUNDLED = Path(__file__).parents[4] / "checkpoints"
T1, T1_T2 = ("hemis", frozenset({"t1"})), ("mckd", frozenset({"t1", "t2"}))
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems; the checkpoint of the third is missing."""
    made = tmp_path_factory.mktemp("compared")
    untrained.save_tumour(made / "hemis.safetensors", system="hemis", data="noise", seed=1)
    untrained.save_tumour(made / "mckd.safetensors", data="other noise", seed=2)
    return made


@pytest.fixture
def systems(service: CaseService, folder: Path) -> SystemsService:
    return SystemsService(service, folder)


def asked(desk: Desk, *wanted: str) -> dict[str, Any]:
    return {"turn": desk.turn, "wanted": list(wanted)}


def last(updates: Iterator[SystemsUpdate]) -> SystemsUpdate:
    return list(updates)[-1]


def on(service: CaseService, desk: Desk) -> Opened:
    found = service.opened(desk)
    assert found is not None
    return found


class TestBundled:
    @pytest.mark.parametrize(
        ("key", "system", "alpha"),
        [
            ("mckd", "mckd", 0.1),
            ("baseline", "mckd", 0),
            *((key, key, None) for key in SYSTEMS.keys() - {"mckd", "baseline"}),
        ],
    )
    def test_each_loads_and_says_what_it_is(
        self, key: str, system: str, alpha: float | None
    ) -> None:
        path = BUNDLED / "compared" / f"{key}.safetensors"
        assert path.stat().st_size <= 4_000_000
        about = TumourSegmenter.load(path).about
        assert (about["system"], about["network"]) == (system, "compact")
        assert about["data"] == "96 synthetic cases"
        assert about["settings"]["method"].get("alpha") == alpha
        assert len(load_checkpoint(path).part("seen")["training"]) >= 96

    def test_all_are_offered_and_none_is_stored_twice(self) -> None:
        manifests = [read_manifest(m.parent) for m in BUNDLED.rglob("SHA256SUMS")]
        hashes = [digest for manifest in manifests for (digest,) in manifest.values()]
        assert len(hashes) == len(set(hashes))
        assert set(read_manifest(BUNDLED / "compared")) == {f"{k}.safetensors" for k in SYSTEMS}


class TestRun:
    def test_it_is_what_the_checkpoint_says(
        self, service: CaseService, systems: SystemsService, folder: Path
    ) -> None:
        desk = opened(service)
        update = last(systems.run(desk, asked(desk, "hemis t1", "mckd t1+t2")))
        assert set(update.found) == {T1, T1_T2}
        assert update.stages == {}
        case = on(service, desk).case
        segmenter = TumourSegmenter.load(folder / "hemis.safetensors")
        expected = segmenter.decide(segmenter.encode(case), {"t1"}).canonical
        found = update.found[T1]
        shape = case.grid.canonical.shape
        assert np.array_equal(bits_to_regions(unpack_bits(found.labels, shape)), expected)
        assert update.found[T1_T2].labels != found.labels
        assert (found.trained_on, found.seen) == ("noise", "perhaps seen in training")
        true = regions(small_heads.labels())
        for k, region in enumerate(("et", "tc", "wt")):
            a, b = expected[k], true[k]
            assert a.any()
            dice = 2 * (a & b).sum() / (a.sum() + b.sum())
            assert found.overlaps[region] == {
                "dice": pytest.approx(dice, abs=5e-5),
                "outcome": "found",
            }

    def test_stages_come_before_and_each_tells_of_all(
        self, service: CaseService, systems: SystemsService
    ) -> None:
        desk = opened(service)
        updates = list(systems.run(desk, asked(desk, "hemis t1", "mckd t1+t2")))
        assert updates[0].stages[T1].text == ""
        shares = [u.stages[T1].fraction for u in updates if T1 in u.stages]
        assert shares == [None, 0, 1]
        later = [u for u in updates if T1_T2 in u.stages]
        assert later
        assert all(T1 in u.found for u in later)

    def test_what_is_known_is_there_at_once_for_whoever_has_the_case(
        self, service: CaseService, systems: SystemsService
    ) -> None:
        one, two = opened(service), opened(service)
        first = last(systems.run(one, asked(one, "hemis t1")))
        (again,) = systems.run(two, asked(two, "hemis t1"))
        assert again.found[T1] is first.found[T1]

    def test_it_counts_in_the_memory_of_the_case_and_leaves_with_it(
        self, service: CaseService, systems: SystemsService
    ) -> None:
        desk = opened(service)
        before = on(service, desk).size
        found = last(systems.run(desk, asked(desk, "hemis t1"))).found[T1]
        assert on(service, desk).size == before + len(found.labels)
        service.close(desk)
        assert service.shelf.used == 0

    def test_what_is_wanted_no_more_stops(
        self, service: CaseService, systems: SystemsService
    ) -> None:
        desk = opened(service)
        first = systems.run(desk, asked(desk, "hemis t1", "mckd t1+t2"))
        next(first)
        assert set(last(systems.run(desk, asked(desk, "hemis t2"))).found) == {
            ("hemis", frozenset({"t2"}))
        }
        list(first)
        assert set(on(service, desk).systems) == {("hemis", frozenset({"t2"}))}
        assert desk.stages == {}

    def test_another_call_leaves_what_is_under_way_to_the_first(
        self, service: CaseService, systems: SystemsService
    ) -> None:
        desk = opened(service)
        first = systems.run(desk, asked(desk, "hemis t1"))
        next(first)
        (second,) = systems.run(desk, asked(desk, "hemis t1"))
        assert second.stages[T1].problem == ""
        assert T1 in last(first).found

    def test_another_case_ends_it(self, service: CaseService, systems: SystemsService) -> None:
        desk = opened(service)
        run = systems.run(desk, asked(desk, "hemis t1"))
        next(run)
        list(service.open(desk, service.sources.bundled("phantom_b")))
        list(run)
        assert on(service, desk).systems == {}

    @pytest.mark.parametrize(
        "wanted",
        [None, "hemis t1", 7, [], [None], [["hemis"]], ["hemis"], ["hemis "], ["hemis t9"],
         ["lckd t1"], ["t1"], ["hemis t1+"], ["../hemis t1"]],
    )  # fmt: skip
    def test_an_odd_wish_is_none(
        self, service: CaseService, systems: SystemsService, wanted: Any
    ) -> None:
        desk = opened(service)
        (update,) = systems.run(desk, {"turn": desk.turn, "wanted": wanted})
        assert (update.found, update.stages) == ({}, {})
        for odd in (None, [], "x", {"turn": desk.turn - 1, "wanted": ["hemis t1"]}):
            assert last(systems.run(desk, odd)).found == {}
        (update,) = systems.run(Desk(), {"turn": 0, "wanted": ["hemis t1"]})
        assert update.found == {}
        assert on(service, desk).systems == {}


class TestFailures:
    def test_a_missing_checkpoint_is_one_sentence_and_the_others_go_on(
        self, service: CaseService, systems: SystemsService
    ) -> None:
        desk = opened(service)
        update = last(systems.run(desk, asked(desk, "baseline t1", "hemis t1")))
        said = update.stages["baseline", frozenset({"t1"})].problem
        assert said == (
            "There is no checkpoint baseline.safetensors. Train one or fetch it again. It belongs "
            "into checkpoints/compared; put it there and start the app again."
        )
        assert set(update.found) == {T1}
        again = last(systems.run(desk, asked(desk, "baseline t2")))
        assert again.stages["baseline", frozenset({"t2"})].problem == said

    def test_a_network_that_fails_is_one_sentence_in_page_and_log(
        self,
        service: CaseService,
        systems: SystemsService,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("patient X")

        desk = opened(service)
        with monkeypatch.context() as broken, caplog.at_level(logging.ERROR):
            broken.setattr(TumourSegmenter, "decide", fail)
            update = last(systems.run(desk, asked(desk, "hemis t1")))
        assert update.stages[T1].problem == FAILED
        assert "RuntimeError" in caplog.text
        assert "patient" not in caplog.text
        assert T1 in last(systems.run(desk, asked(desk, "hemis t1"))).found

    def test_images_unlike_the_training_wait_for_a_word(
        self, service: CaseService, systems: SystemsService, tmp_path: Path
    ) -> None:
        noise = np.random.default_rng(0).integers(0, 40, small_heads.SHAPE)
        head = (small_heads.volume("t1") + noise).astype(np.int16)  # as acquired, skull on
        file = small_heads.save(tmp_path / "x_t1.nii", head)
        desk = Desk()
        list(service.open(desk, service.sources.own(desk.owner, {"t1": upload(service, file)})))
        (update,) = systems.run(desk, asked(desk, "hemis t1"))
        assert (update.found, update.stages) == ({}, {})
        desk.accepted = True
        assert T1 in last(systems.run(desk, asked(desk, "hemis t1"))).found


def test_what_the_page_is_sent(
    service: CaseService, systems: SystemsService, full_disk: Any
) -> None:
    desk = opened(service)
    wish = asked(desk, "baseline t1", "hemis t1")
    *_, shown = tab.found_by_systems(service, systems, desk, wish)
    assert shown["turn"] == desk.turn
    found, missing = shown["found"][spell(T1)], shown["found"]["baseline t1"]
    assert missing["problem"]
    assert Path(found["file"]["path"]).read_bytes() == on(service, desk).systems[T1].labels
    assert set(found["overlaps"]) == {"et", "tc", "wt"}
    other = opened(service)
    with full_disk():
        *_, shown = tab.found_by_systems(service, systems, other, asked(other, "mckd t1+t2"))
    assert shown["found"]["mckd t1+t2"] == {"problem": DISK_FULL}
