"""At the door: names, other websites, what is handed on, and that nobody takes all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mckd.studio import door as module
from mckd.studio.asked import Hosts
from mckd.studio.calls import Functions
from mckd.studio.door import Door
from mckd.studio.services import visitors as rules
from mckd.studio.services.folders import Folders
from mckd.studio.services.visitors import Visitors
from tests.loops import run
from tests.studio.strangers import CALL, COOKIE, Inside, arrive, call, stranger, upload

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
