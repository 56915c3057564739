"""What stands in front of the page: who gets in, with what, and what is answered at the door."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mckd.studio import door as module
from mckd.studio.door import Door
from mckd.studio.services import visitors as rules
from mckd.studio.services.folders import Folders
from mckd.studio.services.visitors import Visitors
from tests.patience import PATIENCE_S

CALL = "/gradio_api/run/predict"


class Inside:
    """The app behind the door: notes what reaches it and echoes the body."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.seen.append((scope["method"], scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def state() -> dict[str, Any]:
    return {"ready": True}


@pytest.fixture
def door(inside: Inside, state: dict[str, Any], tmp_path: Path) -> Door:
    visitors = Visitors(lambda _: None, most=2)
    return Door(inside, visitors, lambda: (state["ready"], dict(state)), Folders(tmp_path))


@pytest.fixture
def browser(door: Door) -> TestClient:
    return TestClient(door)


def call(client: TestClient, session: str = "session1", **more: Any) -> Any:
    return client.post(CALL, json={"session_hash": session, "data": [], **more})


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


def test_a_call_arrives_unchanged(browser: TestClient, inside: Inside) -> None:
    sent = {"session_hash": "session1", "data": [{"files": [{"path": "/tmp/a", "slot": "t1"}]}]}
    assert browser.post(CALL, json=sent).json() == sent
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
    ],
)
def test_a_call_that_makes_no_sense_stays_outside(
    browser: TestClient, inside: Inside, body: bytes
) -> None:
    assert browser.post(CALL, content=body).status_code == 422
    assert inside.seen == []


@pytest.mark.parametrize("address", ["http://169.254.169.254/", "https://example.org/a", "ftp://x"])
def test_no_file_from_elsewhere_is_named(browser: TestClient, inside: Inside, address: str) -> None:
    file = {"path": address, "meta": {"_type": "gradio.FileData"}}
    for data in ([file], [[{"deep": [file]}]], file):
        assert call(browser, data=data).status_code == 422
    assert inside.seen == []


def test_a_call_that_is_too_large_stays_outside(
    browser: TestClient, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_BODY", 1000)
    assert call(browser, data=["x" * 2000]).status_code == 413
    assert inside.seen == []


# ---- sessions


def test_a_session_of_another_browser_is_refused(door: Door, inside: Inside) -> None:
    ann, bob = TestClient(door), TestClient(door)
    for each in (ann, bob):
        each.get("/")
    assert ann.cookies[module.COOKIE] != bob.cookies[module.COOKIE]
    assert len(ann.cookies[module.COOKIE]) == 32  # 128 bits
    assert call(ann, "ann-session").status_code == 200
    inside.seen.clear()
    assert call(bob, "ann-session").status_code == 403
    assert bob.get("/gradio_api/heartbeat/ann-session").status_code == 403
    assert bob.get("/gradio_api/queue/data?session_hash=ann-session").status_code == 403
    assert call(TestClient(door), "ann-session").status_code == 403  # nor without a cookie
    assert inside.seen == []
    assert call(ann, "ann-session").status_code == 200


def test_a_page_keeps_its_cookie_and_an_odd_one_counts_for_nothing(door: Door) -> None:
    client = TestClient(door)
    first = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in first
    assert "set-cookie" not in client.get("/").headers
    odd = TestClient(door, cookies={module.COOKIE: "../x"})
    assert "set-cookie" in odd.get("/").headers


def test_a_full_app_says_so(door: Door) -> None:
    for session in ("session1", "session2"):
        assert call(TestClient(door), session).status_code == 200
    late = TestClient(door)
    page = late.get("/")
    assert page.status_code == 503
    assert rules.FULL in page.text
    reply = call(late, "session3")
    assert (reply.status_code, reply.json()["detail"]) == (503, rules.FULL)


def test_too_many_calls_are_refused(browser: TestClient) -> None:
    codes = {call(browser).status_code for _ in range(int(rules.AT_ONCE) + 60)}
    assert codes == {200, 429}


# ---- uploads


def upload(client: TestClient, size: int = 10) -> int:
    return client.post("/gradio_api/upload", files={"files": ("x.nii", bytes(size))}).status_code


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
    door._uploading = module.MOST_UPLOADS
    assert upload(browser) == 503
    door._uploading = 0
    monkeypatch.setattr(module, "LEAST_FREE", 2**70)
    assert upload(browser) == 507
    assert inside.seen == []


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
    thread = threading.Thread(target=lambda: TestClient(door).get("/config"))
    thread.start()
    assert begun.wait(PATIENCE_S)
    assert TestClient(door).get("/health").status_code == 200
    gate.set()
    thread.join(PATIENCE_S)
