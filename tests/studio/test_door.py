"""What stands in front of the page: who gets in, with what, and what is answered at the door."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mckd.studio import calls, cookies
from mckd.studio import door as module
from mckd.studio.asked import Hosts
from mckd.studio.calls import Functions
from mckd.studio.door import Door
from mckd.studio.services import visitors as rules
from mckd.studio.services.folders import DISK_FULL, Folders
from mckd.studio.services.visitors import Visitors
from tests.loops import run
from tests.patience import PATIENCE_S

CALL = "/gradio_api/run/predict"
HOME = "http://localhost"
COOKIE = cookies.Cookies.name(80)


class Inside:
    """The app behind the door: notes what reaches it and echoes the body."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.seen.append((scope["method"], scope["path"], body))
        self.scopes.append(scope)
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


def stranger(door: Door, address: str = "10.0.0.1", **more: Any) -> TestClient:
    """A client without a cookie."""
    return TestClient(door, base_url=HOME, client=(address, 50_000), **more)


def arrive(door: Door, address: str = "10.0.0.1") -> TestClient:
    """A browser that opened the page."""
    client = stranger(door, address)
    assert client.get("/").status_code == 200
    return client


@pytest.fixture
def browser(door: Door, inside: Inside) -> TestClient:
    client = arrive(door)
    inside.seen.clear()
    return client


def call(client: TestClient, session: str = "session1", **more: Any) -> Any:
    body = {"session_hash": session, "fn_index": 0, "data": [], **more}
    return client.post(CALL, json=body)


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


# ---- names, other websites, and what is handed on


def ask(door: Door, path: str = "/config", method: str = "GET", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return arrive(door).request(method, path, headers=named).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("127.0.0.1", 200),
        ("[::1]", 200),
        ("lab.example", 200),
        ("lab.example:8443", 200),
        ("port.example:8000", 200),
        ("port.example", 421),
        ("localhost:81", 421),
        ("localhost.", 421),
        ("localhost.evil.example", 421),
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("192.168.1.5", 421),
        ("0.0.0.0", 421),
        ("localhost@evil.example", 421),
        ("localhost, evil.example", 421),
        ("", 421),
    ],
)
def test_only_known_names_are_answered(
    inside: Inside, tmp_path: Path, host: str, status: int
) -> None:
    names = ["lab.example", "port.example:8000"]
    door = Door(
        inside, Visitors(lambda _: None), lambda: (True, {}), Folders(tmp_path), hosts=names
    )
    assert ask(door, host=host) == status
    assert ask(door, "/health", host=host) == status
    assert ask(door, host="localhost", origin=f"http://{host}") == (200 if status == 200 else 403)


@pytest.mark.parametrize(
    ("host", "address", "known"),
    [
        ("192.168.1.5:7860", "192.168.1.5", True),
        ("[2001:db8::5]:7860", "2001:db8::5", True),
        ("192.168.1.6:7860", "192.168.1.5", False),
        ("192.168.1.5:7861", "192.168.1.5", False),
        ("192.168.1.5", "192.168.1.5", False),
        ("lab.example:7860", "lab.example", False),  # a name may point anywhere
        ("localhost:7860", "192.168.1.5", True),
        ("", "", False),
    ],
)
def test_the_address_at_which_it_came_in_is_answered(host: str, address: str, known: bool) -> None:
    here, hosts = (address, 7860), Hosts()
    assert hosts.knows(host, here) is known
    assert hosts.sent(f"http://{host}", here) is known
    assert hosts.sent(f"http://evil.example/{host}", here) is False


def test_a_foreign_page_can_do_nothing(door: Door, inside: Inside) -> None:
    client = arrive(door)
    inside.seen.clear()
    body = {"session_hash": "session1", "fn_index": 0, "data": []}
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "https://localhost"},
        {"origin": "file://localhost"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert client.post(CALL, json=body, headers=headers).status_code == 403
        assert client.get("/gradio_api/heartbeat/session1", headers=headers).status_code == 403
        assert client.get("/gradio_api/file=/tmp/x", headers=headers).status_code == 403
    assert inside.seen == []
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post(CALL, json=body, headers=own).status_code == 200
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200  # a link


SAID = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "1.2.3.4",
    "X-Gradio-Server": "http://evil.example",
    "X-Direct-Url": "http://evil.example",
    "Forwarded": "host=evil.example",
    "X-Original-URL": "/monitoring",
    "X-HTTP-Method-Override": "DELETE",
}


def test_what_only_a_proxy_may_say_goes_no_further(door: Door, inside: Inside) -> None:
    assert arrive(door).get("/config", headers=SAID).status_code == 200
    told = {name.decode() for name, _ in inside.scopes[-1]["headers"]}
    assert not told & {name.lower() for name in SAID}
    assert "cookie" not in told


def test_on_a_space_its_proxy_is_believed(inside: Inside, tmp_path: Path) -> None:
    hosts, folders = ["me.hf.space"], Folders(tmp_path)
    door = Door(
        inside, Visitors(lambda _: None), lambda: (True, {}), folders, hosts=hosts, on_space=True
    )
    client = TestClient(door, base_url="https://me.hf.space")
    assert client.get("/", headers=SAID).status_code == 200
    told = {name.decode(): value.decode() for name, value in inside.scopes[-1]["headers"]}
    assert told["x-forwarded-proto"] == "https"
    assert not set(told) & {"x-forwarded-host", "x-gradio-server", "forwarded", "x-direct-url"}
    assert "SameSite=None" in client.get("/").headers.get("set-cookie", "SameSite=None")
    assert client.get("/health", headers={"host": "10.0.3.4:7860"}).status_code == 200
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "name", ["host", "cookie", "origin", "content-type", "content-length", "x-forwarded-for"]
)
def test_a_header_that_comes_twice_is_refused(door: Door, inside: Inside, name: str) -> None:
    inside.seen.clear()
    value = "localhost" if name == "host" else "1"
    twice = [(name, value), (name, value), *([("host", "localhost")] * (name != "host"))]
    assert stranger(door).get("/config", headers=twice).status_code == 400
    assert inside.seen == []
    unread = [("host", "localhost"), ("x-trace", "1"), ("x-trace", "2")]  # goes no further anyway
    assert stranger(door).get("/config", headers=unread).status_code == 200
    assert b"x-trace" not in dict(inside.scopes[-1]["headers"])


@pytest.mark.parametrize(
    "path",
    [
        "/assets/%2e%2e/config",
        "/assets/../config",
        "/assets//x.js",
        "/gradio_api/file=/tmp%2fx",
        "/gradio_api/file=/tmp/%5cx",
        "/gradio_api/file=/tmp/x%00",
        "/gradio_api/file=/tmp/x%0a",
        "/gradio_api/file=/tmp/%ff",
        "/gradio_api/file=/tmp/%c0%ae%c0%ae/x",
        "/gradio_api/file=/tmp/%zz",
        "/gradio_api/heartbeat/session1%2fx",
        "/config?a=1&a=2",
        "/config?a=%ff",
        "/config?a=%00",
        "/config?a=%4",
        "/config?=1",
        "/config?a=1&&b=2",
        "/config?" + "a" * 5000,
    ],
)
def test_an_odd_address_is_refused(door: Door, inside: Inside, path: str) -> None:

    raw, _, query = path.partition("?")
    scope = {
        "type": "http", "method": "GET", "path": raw, "raw_path": raw.encode(),
        "query_string": query.encode(), "headers": [(b"host", b"localhost")],
        "server": ("127.0.0.1", 80), "client": ("10.0.0.1", 1),
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    run(door, scope, None, send)
    assert sent[0]["status"] in (400, 404, 414)
    assert inside.seen == []


def test_the_app_gets_no_query_but_that_of_the_stream(browser: TestClient, inside: Inside) -> None:
    for path in ("/?deep_link=x&__theme=dark", "/config?deep_link=x", "/gradio_api/info?page=x"):
        assert browser.get(path).status_code == 200
        assert inside.scopes[-1]["query_string"] == b""
    browser.get("/gradio_api/queue/data?__sign=x&session_hash=session1")
    assert inside.scopes[-1]["query_string"] == b"session_hash=session1"


# ---- nobody takes all


def test_one_browser_and_one_address_leave_room_for_others(inside: Inside, tmp_path: Path) -> None:
    visitors = Visitors(lambda _: None)
    door = Door(inside, visitors, lambda: (True, {}), Folders(tmp_path))
    greedy, beats = arrive(door), []
    for n in range(40):
        beats.append(greedy.get(f"/gradio_api/heartbeat/greedy{n}").status_code)
        visitors.connect(f"greedy{n}", +1)  # it stays
    assert beats == [200] * rules.OF_BROWSER + [429] * (40 - rules.OF_BROWSER)
    fresh = [arrive(door).get(f"/gradio_api/heartbeat/fresh{n}").status_code for n in range(40)]
    left = rules.OF_ADDRESS - rules.OF_BROWSER  # fresh cookies cost nothing
    assert fresh == [200] * left + [429] * (40 - left)
    for n in range(rules.MOST - rules.OF_ADDRESS):
        assert call(arrive(door, "10.0.0.2"), f"other-{n}").status_code == 200


def test_the_queue_has_room_for_others(door: Door, browser: TestClient) -> None:
    waiting = {"session1": module.MOST_WAITING[1] - 1}
    door._functions = Functions(waiting=lambda session: waiting.get(session, 0))
    body = {"session_hash": "session1", "fn_index": 0, "data": []}
    assert browser.post(module.JOIN, json=body).status_code == 200
    waiting["session1"] += 1
    assert browser.post(module.JOIN, json=body).status_code == 429
    body["session_hash"] = "session2"
    assert browser.post(module.JOIN, json=body).status_code == 200


def test_of_many_switches_the_newest_is_handed_on(
    door: Door, browser: TestClient, inside: Inside
) -> None:
    import anyio

    skipped = {"data": [{"__type__": "update"}]}
    door._functions = Functions(latest=frozenset({1}), skipped=lambda number: skipped)
    cookie = f"{COOKIE}={browser.cookies[COOKIE]}".encode()
    answers: dict[int, bytes] = {}
    gate = anyio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await inside(scope, receive, send)

    async def ask(number: int) -> None:
        body = json.dumps({"session_hash": "session1", "fn_index": 1, "data": [number]}).encode()
        scope = {
            "type": "http", "method": "POST", "path": CALL, "raw_path": CALL.encode(),
            "query_string": b"", "server": ("127.0.0.1", 80), "client": ("10.0.0.1", 1),
            "headers": [(b"host", b"localhost"), (b"cookie", cookie),
                        (b"content-type", b"application/json")],
        }  # fmt: skip

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            answers[number] = answers.get(number, b"") + message.get("body", b"")

        await door(scope, receive, send)

    async def storm() -> None:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(ask, number)
                await anyio.sleep(0.01)
            assert sorted(answers) == [*range(2, 19)]  # at once, while nothing was worked out
            assert {json.dumps(json.loads(told)) for told in answers.values()} == {
                json.dumps(skipped)
            }
            gate.set()

    door._app = slow
    inside.seen.clear()
    run(storm)
    assert [json.loads(body)["data"] for _, _, body in inside.seen] == [[0], [1], [19]]


def test_stalled_bodies_end_and_block_nobody(
    door: Door, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import anyio

    monkeypatch.setattr(module, "STALL_S", 0.3)
    call(browser)
    cookie = f"{COOKIE}={browser.cookies[COOKIE]}".encode()
    answers: list[int] = []

    async def never() -> Any:
        await anyio.sleep(60)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    async def stall(path: str) -> None:
        kind = b"application/json" if path == CALL else b"multipart/form-data; boundary=x"
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "server": ("127.0.0.1", 80), "client": ("10.0.0.1", 1),
            "headers": [(b"host", b"localhost"), (b"cookie", cookie),
                        (b"content-type", kind), (b"content-length", b"100")],
        }  # fmt: skip
        await door(scope, never, send)

    async def storm() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(stall, module.UPLOAD)
            group.start_soon(stall, CALL)
            await anyio.sleep(0.1)
            assert answers == [503] * (16 - module.MOST_UPLOADS[2])

            def others() -> int:
                bob = arrive(door)
                call(bob, "session-bob")
                return upload(bob)

            assert await anyio.to_thread.run_sync(others) == 200

    run(storm)
    assert answers.count(408) == module.MOST_UPLOADS[2] + 1
    assert upload(browser) == 200
