"""One request, two readers: whatever the door lets in, Gradio's own parsing reads the same.

Requests are generated from everything that makes parsers differ; Gradio's side is the very code
that reads a request behind the door: Starlette's `Request`, and Gradio's models of a body.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi import Request as FastRequest
from gradio.data_classes import ComponentServerJSONBody, PredictBody
from starlette.requests import Request

from mckd.studio import asked as module
from mckd.studio.calls import Functions
from mckd.studio.door import Door
from mckd.studio.services.folders import Folders
from mckd.studio.services.visitors import Visitors
from tests import loops

MINE, THEIRS = "my-session", "their-session"
REQUESTS = 4000


def inside() -> tuple[FastAPI, list[dict[str, Any]]]:
    """What Gradio reads of a request: the routes, parameters and models of gradio/routes.py."""
    app, read = FastAPI(), []

    @app.get("/gradio_api/heartbeat/{session_hash}")
    async def heartbeat(session_hash: str, request: FastRequest) -> None:
        note(request, session_hash)

    @app.get("/gradio_api/queue/data")
    async def events(session_hash: str, request: FastRequest) -> None:
        note(request, session_hash)

    @app.post("/gradio_api/queue/join")
    @app.post("/gradio_api/run/{api_name}")
    @app.post("/gradio_api/run/{api_name}/")
    async def predict(body: PredictBody, request: FastRequest) -> None:
        note(request, body.session_hash, body)

    @app.post("/gradio_api/component_server")
    @app.post("/gradio_api/component_server/")
    async def server(request: FastRequest) -> None:
        data = await request.json()
        body = ComponentServerJSONBody(
            data=data["data"],
            component_id=data["component_id"],
            session_hash=data["session_hash"],
            fn_name=data["fn_name"],
        )
        note(request, body.session_hash, body)

    def note(request: Request, session: str | None, body: Any = None) -> None:
        sessions = {session, *request.query_params.getlist("session_hash")}
        sessions |= {v for k, v in request.headers.items() if k.replace("-", "_") == "session_hash"}
        event = getattr(body, "event_id", None)
        read.append({"sessions": sessions, "event": event, "body": body, "request": request})

    return app, read


class Dice:
    """A request that may be quite plain or odd in several ways."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def one(self, *choices: Any) -> Any:
        return self.dice.choice(choices)

    def mostly(self, plain: Any, *odd: Any) -> Any:
        return plain if self.dice.random() < 0.9 else self.dice.choice(odd)

    def session(self) -> str:
        word = self.one(MINE, MINE, MINE, THEIRS)
        return self.mostly(word, self.spelled(word), f"{word}%00", word.upper(), "")

    def spelled(self, word: str) -> str:
        """The same word, some letters percent-encoded."""
        return "".join(self.one(c, c, f"%{ord(c):02x}", f"%25{ord(c):02X}") for c in word)

    def query(self) -> bytes:
        name = "session_hash"
        odd = (self.spelled(name), f"{name}[]", name.upper(), f" {name}", "x")
        parts = [
            f"{self.mostly(name, *odd)}={self.session()}" for _ in range(self.mostly(1, 0, 2, 3))
        ]
        return self.mostly("&", ";", "&&", "%26", "&amp;").join(parts).encode()

    def body(self, to_widget: bool) -> bytes:
        pairs: list[tuple[str, Any]] = [
            ("session_hash", self.mostly(MINE, THEIRS, None, 7, [MINE], f"{MINE}\x00")),
            ("fn_index", self.mostly(0, "0", 0.0, True, None, 10**30, float("nan"))),
            ("data", self.mostly([1, {"a": "é"}], [], {}, None, "x", [float("inf")])),
            ("component_id", self.mostly(3, "3", 3.0)),
            ("fn_name", self.mostly("guess", "__class__", 5)),
            ("event_id", self.one(None, "theirs")),
            ("trigger_id", self.mostly(5, None, "5", 5.0)),
            ("simple_format", self.one(False, True)),
            ("oauth_token", self.one(None, "t")),
            ("batched", self.one(False, True)),
        ]
        keep = {"data", "session_hash", "component_id", "fn_name", "fn_index"}
        pairs = [p for p in pairs if p[0] in keep or self.dice.random() < 0.2]
        for _ in range(self.mostly(0, 1, 2)):  # the same key again, perhaps spelled otherwise
            key = self.one("session_hash", "session\\u005fhash", "\\u0073ession_hash", "data")
            pairs.insert(self.dice.randrange(len(pairs) + 1), (key, self.one(THEIRS, MINE)))
        written = "{" + ", ".join(f'"{key}": {json.dumps(value)}' for key, value in pairs) + "}"
        coding = self.mostly("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1")
        tail = self.mostly("", " ", "\n", "{}", "\x00", "//")
        return (written + tail).encode(coding, errors="replace")

    def headers(self, body: bytes) -> list[tuple[bytes, bytes]]:
        kind = self.mostly(
            "application/json", "application/json; charset=utf-16", "text/plain", "",
            "multipart/form-data; boundary=x", "application/x+json",
        )  # fmt: skip
        found = [
            ("host", "localhost"),
            ("content-type", kind),
            ("content-length", str(self.mostly(len(body), 5))),
        ]
        odd = [
            ("session_hash", THEIRS), ("session-hash", THEIRS), ("content-type", "text/plain"),
            ("x-original-url", f"/gradio_api/heartbeat/{THEIRS}"), ("x-gradio-server", "http://x"),
            ("host", "localhost"), ("x-forwarded-host", "x"), ("content-encoding", "gzip"),
        ]  # fmt: skip
        found += [self.one(*odd) for _ in range(self.mostly(0, 1, 2))]
        return [(name.encode(), value.encode()) for name, value in found]

    def path(self) -> str:
        beat = f"/gradio_api/heartbeat/{self.session()}"
        paths = (
            "/gradio_api/queue/data", beat, "/gradio_api/queue/join", "/gradio_api/run/predict",
            "/gradio_api/component_server",
        )  # fmt: skip
        odd = (
            f"{beat}/", f"{beat}%2f{THEIRS}", f"/gradio_api/heartbeat/{THEIRS}/../{MINE}",
            f"{beat};{THEIRS}", "/gradio_api//queue/data", "/gradio_api/queue%2fdata",
            "/gradio_api/run/predict/", "/gradio_api/component_server/", "/gradio_api/call/x",
            f"/gradio_api/call/x/{THEIRS}", f"/gradio_api/stream/{THEIRS}/1/1/playlist.m3u8",
            "/gradio_api/api/predict", "/gradio_api/run/other", "/gradio_api/deep_link",
        )  # fmt: skip
        return str(self.mostly(self.one(*paths), *odd))

    def scope(self, cookie: str) -> tuple[dict[str, Any], bytes]:
        path = self.path()
        posts = any(word in path for word in ("join", "run/", "component", "api/predict"))
        to_widget = "component" in path
        body = self.body(to_widget) if posts else b""
        headers = [*self.headers(body), (b"cookie", cookie.encode())]
        if self.mostly(False, True):
            headers.append((b"cookie", b"mckd-browser-80=other"))
        scope = {
            "type": "http", "http_version": "1.1", "scheme": "http", "root_path": "",
            "method": "POST" if posts else "GET", "path": module.unquote_to_bytes(path).decode(
                "latin-1"), "raw_path": path.encode(), "headers": headers,
            "query_string": self.query() if self.mostly(not posts, posts) else b"",
            "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
        }  # fmt: skip
        return scope, body


async def send_through(door: Door, scope: dict[str, Any], body: bytes) -> tuple[int, str]:
    """The door's answer: status, and cookie if it gave one."""
    heard: list[dict[str, Any]] = []
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return left.pop() if left else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        heard.append(message)

    await door(scope, receive, send)
    cookie = dict(heard[0]["headers"]).get(b"set-cookie", b"").decode().partition(";")[0]
    return heard[0]["status"], cookie


def plain(path: str) -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": "GET", "path": path,
        "raw_path": path.encode(), "query_string": b"", "scheme": "http", "root_path": "",
        "headers": [(b"host", b"localhost")],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
    }  # fmt: skip


def test_the_door_and_gradio_read_the_same_session(tmp_path: Path) -> None:
    app, read = inside()
    judged: list[str] = []

    class Noted(Visitors):
        def admit(self, session: str, browser: str, works: bool = False, address: str = "") -> None:
            super().admit(session, browser, address=address)  # without its allowance
            judged.append(session)

    door = Door(app, Noted(lambda _: None), lambda: (True, {}), Folders(tmp_path), Functions())
    passed = refused = 0

    async def run() -> None:
        nonlocal passed, refused
        ann = (await send_through(door, plain("/"), b""))[1]
        bob = (await send_through(door, plain("/"), b""))[1]
        for cookie, session in ((ann, MINE), (bob, THEIRS)):
            scope = plain(f"/gradio_api/heartbeat/{session}")
            scope["headers"].append((b"cookie", cookie.encode()))
            assert (await send_through(door, scope, b""))[0] == 200
        for seed in range(REQUESTS):
            judged.clear()
            read.clear()
            scope, body = Dice(seed).scope(ann)
            status, _ = await send_through(door, scope, body)
            assert status < 500, (seed, scope)
            assert len(read) <= 1
            if not read:
                refused += 1
                continue
            passed += 1
            assert status == 200
            assert len(judged) == 1
            assert read[0]["sessions"] == {*judged}, (seed, scope, body)
            assert judged != [THEIRS], (seed, scope, body)
            assert read[0]["event"] is None
            if read[0]["body"] is not None:
                said = json.loads(body)
                assert read[0]["body"].data == said["data"]

    loops.run(run)
    assert passed >= 300
    assert refused >= 300
    print(f"{REQUESTS} requests, {passed} read by both, {refused} refused, 0 differences")


def test_no_route_of_gradio_reads_a_session_elsewhere() -> None:
    """Where a session is read: should another Gradio read one elsewhere, the door has to know."""
    import inspect

    from gradio import data_classes, routes

    source = inspect.getsource(routes)
    assert source.count("query_params") == 2  # of `info`, and of playlists, which stay outside
    assert source.count('headers.get("session_hash"') == 1  # of its own upload, which stays outside
    fields = {
        name
        for name, kind in vars(data_classes).items()
        if isinstance(kind, type) and "session_hash" in getattr(kind, "model_fields", {})
    }
    assert fields == {
        "CancelBody", "SimplePredictBody", "SimplePredictBodyV2", "PredictBody",
        "PredictBodyInternal", "ComponentServerJSONBody", "ComponentServerBlobBody",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("127.0.0.2", "", "127.0.0.2"),
        ("::ffff:10.0.0.1", "", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("10.0.0.1", "8.8.8.8", "8.8.8.8"),
        ("10.0.0.1", "1.1.1.1, 8.8.8.8", "8.8.8.8"),  # what the visitor claims stands first
        ("10.0.0.1", "1.1.1.1, 8.8.8.8, 10.1.2.3", "8.8.8.8"),  # inner hops stand last
        ("10.0.0.1", "x, 192.168.0.1", "10.0.0.1"),
    ],
)
def test_whose_address_counts(peer: str, forwarded: str, address: str) -> None:
    assert module.address_of({"client": (peer, 1)}, forwarded) == address
