"""Calls that no page makes: every function that can be called, with every kind of forged value.

The app is the real one; whatever is sent on the wire gets an answer or one sentence, and its log
holds no traceback.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Studio
from tests.load.visitors import Browser

DEEP: Any = 1
for _ in range(20):
    DEEP = [DEEP]
VALUES: list[Any] = [
    None, True, 0, -1, 1e308, 2**53, 0.5, "", "x", "../../etc/passwd", "\u0000\u202e", "y" * 9000,
    [], [None], {}, {"on": "t1"}, {"on": [None, {}]}, {"on": 7}, {"case": []}, {"files": [{}]},
    {"files": [{"slot": [], "ticket": {}}]}, {"kind": {}}, {"kind": []},
    {"pcm": "x", "rate": 1e308},
    {"pcm": [], "rate": 16000}, "data:image/png;base64,xxxx", {"props": {}, "__type__": "update"},
    {"__type__": "update", "value": 1}, {"value": {"value": 1}}, DEEP, [{"a": DEEP}] * 50,
]  # fmt: skip
ODD_BODIES: list[dict[str, Any]] = [
    {"fn_index": 10**6, "data": []}, {"fn_index": None, "data": []}, {"data": []},
    {"fn_index": "1", "data": [None]}, {"fn_index": 1.0, "data": []}, {"fn_index": 0},
    {"fn_index": 0, "data": {}}, {"fn_index": 0, "data": "x"}, {"fn_index": 0, "data": None},
    {"fn_index": 1, "data": [None, {}], "trigger_id": "x"},
    {"fn_index": 1, "data": [None, {}], "trigger_id": 10**9, "event_data": DEEP},
]  # fmt: skip


class Forger:
    """Sends what it likes, as fast as the app lets six pages that take turns."""

    def __init__(self, port: int) -> None:
        self.pages = [(Browser(port), f"forger{secrets.token_hex(8)}") for _ in range(6)]
        for browser, _ in self.pages:
            browser.request("GET", "/")
        self.config = json.loads(self.browser.request("GET", "/config")[1])

    @property
    def browser(self) -> Browser:
        """That of the page whose turn it is."""
        return self.pages[0][0]

    @property
    def session(self) -> str:
        return self.pages[0][1]

    def send(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """What the app answers. Of a page that asks too much, another one takes the turn."""
        refused = 0
        while True:
            sent = {"session_hash": self.session, **body}
            status, said = self.browser.request("POST", f"/gradio_api/{path}", sent)
            if status != 429:
                return status, json.loads(said)
            self.pages.append(self.pages.pop(0))
            refused += 1
            if refused % len(self.pages) == 0:
                time.sleep(0.05)  # each may make 20 calls a second

    def outcome(self, job: str) -> dict[str, Any]:
        """How a call in the queue ends."""
        for event in self.browser.events(f"queue/data?session_hash={self.session}"):
            if event["msg"] == "process_completed" and event["event_id"] == job:
                return event
        raise AssertionError("the stream ended before the call did")

    def counts(self) -> Iterator[tuple[int, int, bool]]:
        """Number, count of inputs, and whether it is queued, of each function."""
        for each in self.config["dependencies"]:
            yield each["id"], len(each["inputs"]), each["queue"]


@pytest.fixture(scope="module")
def pages(clinic: Studio) -> Forger:
    return Forger(clinic.port)


@pytest.fixture
def forger(clinic: Studio, pages: Forger) -> Iterator[Forger]:
    before = len(clinic.log.read_text(errors="replace"))
    yield pages
    said = clinic.log.read_text(errors="replace")[before:]
    assert "Traceback" not in said, said[-3000:]


def answered(status: int, said: Any) -> bool:
    """Whether it was let in; who was not was told one sentence."""
    assert status == 200 or 400 <= status < 500, (status, said)
    if status != 200:
        assert status != 403, said  # its own session is the forger's
        assert set(said) == {"detail"}
        assert isinstance(said["detail"], str)
        assert said["detail"].endswith(".")
        assert len(said["detail"]) < 150
    return status == 200


def test_every_function_takes_every_value_or_says_a_sentence(forger: Forger) -> None:
    let_in = 0
    for number, inputs, _ in forger.counts():
        for value in VALUES:
            body = {"fn_index": number, "data": [value] * inputs}
            status, said = forger.send("run/predict", body)
            if answered(status, said):
                let_in += 1
                assert "error" not in said
                assert isinstance(said["data"], list)
    assert let_in > 100  # many values are harmless


def test_another_count_of_values_is_one_sentence(forger: Forger) -> None:
    for number, inputs, _ in forger.counts():
        for count in {0, inputs - 1, inputs + 1, 50} - {inputs, -1}:
            for path in ("run/predict", "queue/join"):
                body = {"fn_index": number, "data": [None] * count}
                assert not answered(*forger.send(path, body))


def test_odd_bodies_are_one_sentence(forger: Forger) -> None:
    for body in ODD_BODIES:
        for path in ("run/predict", "queue/join", "component_server"):
            answered(*forger.send(path, body))


def test_forged_calls_in_the_queue_end_without_a_fault(forger: Forger) -> None:
    for number, inputs, queued in forger.counts():
        if not queued:
            continue
        for value in (None, 7, "x", {"on": 7}, {"files": [{}]}, DEEP):
            status, said = forger.send("queue/join", {"fn_index": number, "data": [value] * inputs})
            if answered(status, said):
                end = forger.outcome(said["event_id"])
                assert end["success"], (number, value, end)


def test_the_widgets_own_functions_take_every_value(forger: Forger) -> None:
    called = 0
    for part in forger.config["components"]:
        names = [*(part["props"].get("server_fns") or []), "postprocess", "load", "__init__", "x"]
        for name in names:
            for value in VALUES:
                if not names[:-4] and value is not None:
                    continue  # nothing of it can be called: once is enough
                body = {"component_id": part["id"], "fn_name": name, "data": value}
                status, said = forger.send("component_server", body)
                if status != 200:
                    assert not answered(status, said)
                called += status == 200
    assert called > 20
