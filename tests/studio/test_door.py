"""What stands in front of the page: who gets in, with what, and what is answered at the door."""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from starlette.testclient import TestClient

from mckd.studio import calls
from mckd.studio import door as module
from mckd.studio.calls import Functions
from mckd.studio.door import Door
from mckd.studio.services import visitors as rules
from mckd.studio.services.folders import DISK_FULL
from tests.patience import PATIENCE_S
from tests.studio.strangers import CALL, COOKIE, Inside, arrive, call, stranger, upload

# ---- what is let through


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/theme.css",
        "/assets/index.js",
        "/static/fonts/x.woff2",
        "/gradio_api/file=/tmp/x/flair.gz",
        "/gradio_api/heartbeat/session1",
        "/gradio_api/queue/data?session_hash=session1",
    ],
)
def test_what_the_page_asks_for_passes(browser: TestClient, inside: Inside, path: str) -> None:
    assert browser.get(path).status_code == 200
    assert inside.seen


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/gradio_api/deep_link?session_hash=session1",
        "/gradio_api/proxy=https://example.org/x",
        "/gradio_api/stream/a/b/1/playlist.m3u8",
        "/gradio_api/vibe-code",
        "/gradio_api/runs",
        "/gradio_api/queue/status",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/file=http://169.254.169.254/latest/meta-data",
        "/gradio_api/file=https://example.org/x",
    ],
)
def test_nothing_else_passes(browser: TestClient, inside: Inside, path: str) -> None:
    reply = browser.get(path)
    assert reply.status_code in (403, 404)
    assert reply.json()["detail"].endswith(".")
    assert inside.seen == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/call/x"),
        ("POST", "/gradio_api/run/open_case"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/reset"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/"),
        ("PUT", "/gradio_api/upload"),
        ("DELETE", "/config"),
        ("OPTIONS", "/gradio_api/run/predict"),
    ],
)
def test_no_other_way_in(browser: TestClient, inside: Inside, method: str, path: str) -> None:
    assert browser.request(method, path, json={"session_hash": "session1"}).status_code == 404
    assert inside.seen == []


def test_every_answer_forbids_the_page_to_reach_elsewhere(browser: TestClient) -> None:
    for reply in (browser.get("/"), browser.get("/monitoring"), browser.get("/health")):
        assert reply.headers["content-security-policy"].startswith("default-src 'self'")
        assert reply.headers["x-content-type-options"] == "nosniff"


# ---- calls


def test_a_call_arrives_as_it_was_meant(browser: TestClient, inside: Inside) -> None:
    sent = {
        "session_hash": "session1",
        "fn_index": 3,
        "data": [None, {"files": [{"ticket": "ä\u0000", "slot": "t1"}], "at": 1.5e9}],
        "trigger_id": 7,
        "event_data": {"x": [True]},
    }
    assert browser.post(CALL, json={**sent, "event_id": "another's"}).json() == sent
    assert json.loads(inside.seen[0][2]) == sent


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"session_hash": 7}',
        b'{"session_hash": ["a"]}',
        b'{"session_hash": null}',
        b'{"session_hash": "a/../b"}',
        b'{"session_hash": ""}',
        b'{"session_hash": "' + b"x" * 100 + b'"}',
        b'{"data": []}',
        b'{"session_hash": "session1", "data": []}',
        b'{"session_hash": "session1", "fn_index": 0}',
        b'{"session_hash": "session1", "fn_index": 0, "data": {}}',
        b'{"session_hash": "session1", "fn_index": "0", "data": []}',
        b'{"session_hash": "session1", "fn_index": true, "data": []}',
        b'{"session_hash": "session1", "fn_index": -1, "data": []}',
        b'{"session_hash": "session1", "fn_index": 0, "data": [], "trigger_id": "x"}',
        b'{"session_hash": "session1", "fn_index": 0, "data": [NaN]}',
        b'{"session_hash": "session1", "fn_index": 0, "data": [1e999]}',
        b'{"session_hash": "session1", "fn_index": 0, "data": [' + b"9" * 400 + b"]}",
        b'{"session_hash": "session1", "fn_index": 0, "data": [' + b"9" * 9000 + b"]}",
        b'{"session_hash": "session1", "fn_index": 0, "data": ["\\ud800"]}',
        b'{"session_hash": "session1", "fn_index": 0, "data": ["\xff"]}',
        b'{"session_hash": "session1", "session_hash": "session2", "fn_index": 0, "data": []}',
        b'{"session_hash": "session1", "fn_index": 0, "data": [{"a": 1, "\\u0061": 2}]}',
        b'\xef\xbb\xbf{"session_hash": "session1", "fn_index": 0, "data": []}',
        '{"session_hash": "session1", "fn_index": 0, "data": []}'.encode("utf-16"),
        b'{"session_hash": "session1", "fn_index": 0, "data": [' + b"[" * 40 + b"]" * 40 + b"]}",
    ],
)
def test_a_call_that_makes_no_sense_stays_outside(
    browser: TestClient, inside: Inside, body: bytes
) -> None:
    kind = {"content-type": "application/json"}
    reply = browser.post(CALL, content=body, headers=kind)
    assert reply.status_code in (413, 422)
    assert reply.json()["detail"].endswith(".")
    assert inside.seen == []


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_a_call_in_anything_but_json_stays_outside(
    browser: TestClient, inside: Inside, kind: str
) -> None:
    body = b'{"session_hash": "session1", "fn_index": 0, "data": []}'
    assert browser.post(CALL, content=body, headers={"content-type": kind}).status_code == 422
    assert inside.seen == []


def test_what_the_page_could_not_have_asked_is_one_sentence(
    door: Door, browser: TestClient, inside: Inside
) -> None:
    def check(call: calls.Call) -> None:
        raise ValueError(f"There is no {call.function}.")

    door._functions = Functions(check=check)
    reply = call(browser, fn_index=9)
    assert (reply.status_code, reply.json()) == (422, {"detail": "There is no 9."})
    assert inside.seen == []


def test_a_fault_behind_the_door_is_one_sentence(door: Door, browser: TestClient) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        if json.loads((await receive())["body"])["fn_index"]:
            raise RuntimeError("of somebody")
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b'{"error": null}'})

    door._app = failing
    for number in (0, 1):
        reply = call(browser, fn_index=number)
        assert (reply.status_code, reply.json()) == (500, {"detail": module.FAULT})


@pytest.mark.parametrize("address", ["http://169.254.169.254/", "https://example.org/a", "ftp://x"])
def test_no_file_from_elsewhere_is_named(browser: TestClient, inside: Inside, address: str) -> None:
    file = {"path": address, "meta": {"_type": "gradio.FileData"}}
    for data in ([file], [[{"deep": [file]}]], file):
        assert call(browser, data=data).status_code == 422
    assert inside.seen == []


def test_a_call_that_is_too_large_stays_outside(
    door: Door, browser: TestClient, inside: Inside
) -> None:
    door._functions = Functions(large=frozenset({4}))
    drawing = "x" * calls.LARGEST_CALL
    assert call(browser, data=[drawing]).status_code == 413
    assert call(browser, data=["x" * calls.LARGEST_BODY], fn_index=4).status_code == 413
    widget = {"session_hash": "session1", "component_id": 4, "fn_name": "guess", "data": drawing}
    assert browser.post("/gradio_api/component_server", json=widget).status_code == 413
    assert inside.seen == []
    assert call(browser, data=[drawing], fn_index=4).status_code == 200
    many = [dict.fromkeys(map(str, range(calls.MOST_MARKS)))]
    assert call(browser, data=many, fn_index=4).status_code == 413


# ---- sessions


def test_a_session_of_another_browser_is_refused(door: Door, inside: Inside) -> None:
    ann, bob = arrive(door), arrive(door)
    assert ann.cookies[COOKIE] != bob.cookies[COOKIE]
    assert call(ann, "ann-session").status_code == 200
    inside.seen.clear()
    assert call(bob, "ann-session").status_code == 403
    assert bob.get("/gradio_api/heartbeat/ann-session").status_code == 403
    assert bob.get("/gradio_api/queue/data?session_hash=ann-session").status_code == 403
    assert call(stranger(door), "ann-session").status_code == 403  # nor without a cookie
    for query in (
        "session_hash=bob-session&session_hash=ann-session",
        "session_hash=ann-session&session_hash=bob-session",
        "session_hash=bob-session&session%5fhash=ann-session",
        "session_hash=bob-session&session_has%68=ann-session",
        "session_hash=bob-session;session_hash=ann-session",
        "session_hash=bob-session%26session_hash=ann-session",
        "&session_hash=ann-session",
    ):
        assert bob.get(f"/gradio_api/queue/data?{query}").status_code in (400, 422)
    for path in ("heartbeat/bob-session", "run/predict", "component_server", "queue/join"):
        body = {"session_hash": "bob-session", "fn_index": 0, "data": []}
        widget = {"component_id": 1, "fn_name": "guess"}
        reply = bob.request(
            "GET" if "heartbeat" in path else "POST",
            f"/gradio_api/{path}?session_hash=ann-session",
            json=None if "heartbeat" in path else {**body, **widget},
        )
        assert reply.status_code == 422
    assert inside.seen == []
    assert call(ann, "ann-session").status_code == 200


def test_a_page_keeps_its_cookie_and_an_odd_one_counts_for_nothing(door: Door) -> None:
    client = stranger(door)
    first = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in first
    assert "set-cookie" not in client.get("/").headers
    browser, seal = client.cookies[COOKIE].split(".")
    other = "0" * 32
    for odd in ("../x", browser, f"{other}.{seal}", f"{browser}.{seal[:-1]}0g", f"{browser}.", ""):
        assert "set-cookie" in stranger(door, cookies={COOKIE: odd}).get("/").headers
    mine = f"{COOKIE}={browser}.{seal}"
    assert "set-cookie" in stranger(door, headers={"cookie": f"{mine}; {mine}"}).get("/").headers
    assert "set-cookie" not in stranger(door, headers={"cookie": f"a=b; {mine}"}).get("/").headers


@pytest.mark.parametrize("made_up", ["0" * 32, "0" * 32 + "." + "0" * 64])
def test_a_cookie_that_was_not_issued_here_opens_nothing(
    door: Door, inside: Inside, made_up: str
) -> None:
    client = stranger(door, cookies={COOKIE: made_up})
    assert client.get("/gradio_api/heartbeat/session1").status_code == 403
    assert client.get("/gradio_api/queue/data?session_hash=session1").status_code == 403
    assert call(client).status_code == 403
    assert upload(client) == 403
    assert inside.seen == []


def test_a_full_app_says_so(door: Door) -> None:
    late = arrive(door)
    for session in ("session1", "session2"):
        assert call(arrive(door), session).status_code == 200
    page = stranger(door).get("/")
    assert page.status_code == 503
    assert rules.FULL in page.text
    reply = call(late, "session3")
    assert (reply.status_code, reply.json()["detail"]) == (503, rules.FULL)


def test_too_many_calls_are_refused(browser: TestClient) -> None:
    codes = {call(browser).status_code for _ in range(int(rules.AT_ONCE) + 60)}
    assert codes == {200, 429}


# ---- uploads


def test_only_visitors_upload(browser: TestClient, tmp_path: Path) -> None:
    assert upload(browser) == 403
    call(browser)
    assert upload(browser) == 200
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert re.fullmatch(r"[0-9a-f]{32}", kept.name)


def test_the_same_bytes_sent_twice_are_two_files(browser: TestClient, door: Door) -> None:
    call(browser)
    file = {"files": ("x.nii", b"head")}
    tickets = [browser.post("/gradio_api/upload", files=file).json() for _ in range(2)]
    (ann,), (bob,) = tickets
    assert ann != bob
    opened = [door._folders.take(owner, t) for owner, t in (("ann", ann), ("bob", bob))]
    assert [upload.path.read_bytes() for upload in opened] == [b"head", b"head"]


@pytest.mark.parametrize(
    "name", ["../../x.nii", "a\\b.nii", "..", "", "ä" * 300 + ".nii", "\x1b[31m"]
)
def test_a_file_s_name_leads_nowhere(
    browser: TestClient, door: Door, tmp_path: Path, name: str
) -> None:
    call(browser)
    reply = browser.post("/gradio_api/upload", files={"files": (name or None, b"head")})
    if reply.status_code == 422:  # without a name it is no file
        assert name == ""
        return
    upload = door._folders.take("ann", reply.json()[0])
    assert upload.path.is_relative_to(tmp_path / "given")
    assert upload.path.read_bytes() == b"head"
    assert re.fullmatch(r"[0-9a-f]{32}", upload.path.name)
    assert upload.name.isprintable()
    assert "/" not in upload.name


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"files": "no file"}},
        {"files": {"other": ("x.nii", b"head")}},
        {"files": [("files", ("x.nii", b"1")), ("files", ("y.nii", b"2"))]},
        {"content": b"{}", "headers": {"content-type": "application/json"}},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    ],
)
def test_what_is_no_upload_is_refused(browser: TestClient, tmp_path: Path, sent: Any) -> None:
    call(browser)
    assert browser.post("/gradio_api/upload", **sent).status_code == 422
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_uploads_are_bounded(
    browser: TestClient, door: Door, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(browser)
    inside.seen.clear()
    monkeypatch.setattr(module, "LARGEST_UPLOAD", 1000)
    assert upload(browser, 2000) == 413
    endless = browser.post("/gradio_api/upload", content=iter([b"x"]))  # without a length
    assert endless.status_code == 413
    monkeypatch.setattr(module, "LEAST_FREE", 2**70)
    assert upload(browser) == 507
    assert inside.seen == []


def test_a_full_disk_refuses_an_upload_in_a_sentence(
    browser: TestClient, door: Door, tmp_path: Path, full_disk: Any
) -> None:
    call(browser)
    with full_disk():
        reply = browser.post("/gradio_api/upload", files={"files": ("x.nii", bytes(9000))})
    assert (reply.status_code, reply.json()) == (507, {"detail": DISK_FULL})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert upload(browser, 9000) == 200


def test_an_upload_is_gone_whose_sender_was_deleted_while_it_came(
    browser: TestClient, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(browser)
    keep = door._folders.receive

    def deleted(sender: str, name: str, file: BinaryIO) -> str:
        class Slow(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                door._folders.forget(sender)
                return super().read(size)

        return keep(sender, name, Slow(file.read()))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(door._folders, "receive", deleted)
        reply = browser.post("/gradio_api/upload", files={"files": ("x.nii", b"head")})
    assert (reply.status_code, reply.json()) == (410, {"detail": module.DELETED})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert upload(browser) == 200


# ---- health


def test_health_says_whether_it_is_ready(
    browser: TestClient, state: dict[str, Any], inside: Inside
) -> None:
    reply = browser.get("/health")
    assert (reply.status_code, reply.json()) == (200, {"ready": True})
    state["ready"] = False
    assert browser.get("/health").status_code == 503
    assert inside.seen == []


def test_health_answers_while_somebody_is_served(door: Door) -> None:
    gate, begun = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        import anyio

        begun.set()
        await anyio.to_thread.run_sync(gate.wait, 10)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door._app = slow
    thread = threading.Thread(target=lambda: stranger(door).get("/config"))
    thread.start()
    assert begun.wait(PATIENCE_S)
    assert stranger(door).get("/health").status_code == 200
    gate.set()
    thread.join(PATIENCE_S)
