"""The real app on the wire: strangers who take what they can, and names that are not its own."""

from __future__ import annotations

import http.client
import json
import re
import socket
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from mckd.studio.cookies import Cookies
from mckd.studio.door import MOST_UPLOADS
from mckd.studio.services.visitors import OF_BROWSER
from tests.browser.conftest import Studio
from tests.load import heavy
from tests.load.visitors import Browser
from tests.patience import PATIENCE_S


def ask(port: int, path: str = "/", body: Any = None, **headers: str) -> tuple[int, str]:
    """Status and text of one request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    line.request("POST" if body else "GET", path, json.dumps(body) if body else None, named)
    reply = line.getresponse()
    said = reply.read().decode()
    line.close()
    return reply.status, said


def arrive(port: int) -> Browser:
    browser = Browser(port)
    browser.request("GET", "/")
    return browser


def beat(browser: Browser, word: str, open_lines: ExitStack) -> int:
    """Status of a heartbeat, which stays open."""
    line, reply = browser._ask("GET", f"/gradio_api/heartbeat/{word}")
    open_lines.callback(line.close)
    return reply.status


def test_a_page_of_another_name_can_start_nothing(clinic: Studio) -> None:
    port = clinic.port
    cookie = arrive(port).cookie
    start = {"session_hash": "rebound-session", "fn_index": 18, "data": []}
    call, kind = "/gradio_api/queue/join", "application/json"
    for host in ("evil.example", f"evil.example:{port}", f"localhost:{port + 1}", "0.0.0.0"):
        assert ask(port, host=host)[0] == 421
        status, said = ask(
            port, call, start, host=host, origin=f"http://{host}", cookie=cookie, content_type=kind
        )
        assert status == 421
        assert "--host" in json.loads(said)["detail"]
    for origin in ("http://evil.example", "null", f"http://localhost:{port + 1}"):
        status, _ = ask(port, call, start, origin=origin, cookie=cookie, content_type=kind)
        assert status == 403
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert ask(port, host=host)[0] == 200


@pytest.mark.parametrize("path", ["/", "/config"])
def test_nobody_but_a_proxy_of_a_space_says_where_the_page_lies(clinic: Studio, path: str) -> None:
    said = {
        "x_forwarded_host": "evil.example",
        "x_forwarded_proto": "https",
        "x_gradio_server": "http://evil.example",
        "forwarded": "host=evil.example",
    }
    status, page = ask(clinic.port, path, **said)
    assert status == 200
    assert "evil.example" not in page
    assert f"http://127.0.0.1:{clinic.port}" in page
    assert not re.search(rf"https://127\.0\.0\.1:{clinic.port}", page)


def test_one_browser_takes_some_places_and_an_invented_one_none(clinic: Studio) -> None:
    with ExitStack() as open_lines:
        invented = Browser(clinic.port)
        invented.cookie = f"{Cookies.name(clinic.port)}={'0' * 32}.{'0' * 64}"
        assert {beat(invented, f"invented{n}", open_lines) for n in range(40)} == {403}
        greedy = arrive(clinic.port)
        got = [beat(greedy, f"greedy-{n}", open_lines) for n in range(40)]
        assert got == [200] * OF_BROWSER + [429] * (40 - OF_BROWSER)
        assert beat(arrive(clinic.port), "somebody-else", open_lines) == 200


def test_stalled_uploads_do_not_hold_up_those_of_others(clinic: Studio) -> None:
    with ExitStack() as open_lines:
        stalls, other = arrive(clinic.port), arrive(clinic.port)
        for browser, word in ((stalls, "stalls-session"), (other, "other-session")):
            assert beat(browser, word, open_lines) == 200
        head = (
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{clinic.port}\r\n"
            f"Cookie: {stalls.cookie}\r\nContent-Length: 1000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        lines = []
        for _ in range(16):
            lines.append(socket.create_connection(("127.0.0.1", clinic.port), PATIENCE_S))
            open_lines.callback(lines[-1].close)
            lines[-1].sendall(head.encode())
        form = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nb\r\n--x--'
        )
        kind = "multipart/form-data; boundary=x"
        status, said = other.request("POST", "/gradio_api/upload", form + b"\r\n", kind)
        assert status == 200, said
        answers = [line.recv(1000).split()[1] for line in lines]
        assert answers.count(b"408") == MOST_UPLOADS[2]  # what stalls is given up
        assert answers.count(b"503") == 16 - MOST_UPLOADS[2]


def test_half_sent_heads_are_ended_and_leave_room(clinic: Studio) -> None:
    with ExitStack() as open_lines:
        lines = []
        for _ in range(400):
            lines.append(socket.create_connection(("127.0.0.1", clinic.port), PATIENCE_S))
            open_lines.callback(lines[-1].close)
            lines[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert ask(clinic.port)[0] == 200
        for line in lines:
            with suppress(ConnectionResetError):
                assert line.recv(1) == b""


def test_large_json_is_refused_before_it_is_parsed(clinic: Studio) -> None:
    assert heavy.measure(clinic.port)["statuses"] == [413] * heavy.CALLS
