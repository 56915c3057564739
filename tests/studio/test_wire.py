"""Connections that never come to an end: half a head, half a body, hundreds of them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from mckd.studio import wire as module
from mckd.studio.wire import Wire
from tests.patience import PATIENCE_S, until

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, without reading a body; `/slow` goes on until it is let."""
    if scope["type"] != "http":
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"o", "more_body": True})
    while scope["path"] == "/slow" and not SLOW.is_set():
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"k"})


SLOW = threading.Event()


class Quick(Wire):
    headers_s, leftovers_s, most = 0.3, 0.3, 8


@pytest.fixture
def server() -> Iterator[Any]:
    SLOW.clear()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", http=Quick, lifespan="off")
    )
    thread = threading.Thread(target=running.run)
    thread.start()
    until(lambda: running.started)
    yield SimpleNamespace(port=port, connections=running.server_state.connections)
    SLOW.set()
    running.should_exit = True
    thread.join(PATIENCE_S)


def dial(port: int, sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0))
    line.sendall(sent)
    return line


def ended(line: socket.socket) -> bytes:
    """What comes until the other side ends the connection."""
    said = b""
    try:
        while part := line.recv(1000):
            said += part
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, HEAD + b"Cookie: "])
def test_half_a_head_ends(server: Any, sent: bytes) -> None:
    assert ended(dial(server.port, sent)) == b""


def test_a_head_that_trickles_ends(server: Any) -> None:
    line = dial(server.port, HEAD)
    line.settimeout(0.05)
    for _ in range(1000):
        try:
            line.sendall(b"X-A: b\r\n")
            if line.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return
    raise AssertionError("it goes on for ever")


def test_a_body_that_goes_on_after_the_answer_ends(server: Any) -> None:
    head = HEAD.replace(b"GET", b"POST") + b"Content-Length: 1000\r\n\r\n"
    assert ended(dial(server.port, head + b"x")).endswith(b"ok")


def test_an_answer_may_take_its_time_and_a_second_request_may_follow(server: Any) -> None:
    line = dial(server.port, HEAD.replace(b"/ ", b"/slow ") + b"\r\n")
    said = line.recv(1000)
    held = dial(server.port, HEAD)
    assert ended(held) == b""  # longer than any head may take
    SLOW.set()
    while not said.endswith(b"ok"):
        said += line.recv(1000)
    line.sendall(HEAD + b"\r\n")
    said = line.recv(1000)
    while not said.endswith(b"ok"):
        said += line.recv(1000)


def test_hundreds_of_half_heads_leave_room(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quick, "headers_s", PATIENCE_S * 10)
    slow = dial(server.port, HEAD.replace(b"/ ", b"/slow ") + b"\r\n")
    said = slow.recv(1000)  # it is being answered
    held = [dial(server.port, HEAD) for _ in range(100)]
    until(lambda: len(server.connections) <= Quick.most)
    asked = HEAD + b"Connection: close\r\n\r\n"
    assert ended(dial(server.port, asked)).endswith(b"ok")
    assert ended(dial(server.port, asked, source="127.0.0.2")).endswith(b"ok")
    assert ended(held[0]) == b""  # those that waited longest made room
    SLOW.set()
    while not said.endswith(b"ok"):
        said += slow.recv(1000)
    for line in held:
        line.close()


def test_a_running_server_speaks_like_this_from_then_on() -> None:
    server = SimpleNamespace(config=SimpleNamespace(http_protocol_class=None))
    module.install(server)
    assert server.config.http_protocol_class is Wire
    assert Wire.most == module.MOST
    module.install(server, on_space=True)  # all come from its proxy
    assert issubclass(server.config.http_protocol_class, Wire)
    assert server.config.http_protocol_class.most == 0
