"""Functions called by name: what of it passes the door, whose it is, and what comes back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mckd.studio import door as module
from mckd.studio import page, serve
from mckd.studio.calls import Endpoint, Functions
from mckd.studio.door import FAULT, PAGE_FIRST, Door
from mckd.studio.services import Services
from mckd.studio.services.visitors import TOO_MANY
from tests.studio.strangers import COOKIE, Inside, arrive, call, stranger, upload

ADD = "/gradio_api/run/add"
TICKET = "0123456789abcdef" * 2
FILE = {"path": TICKET, "orig_name": "x.nii", "meta": {"_type": "gradio.FileData"}}


@pytest.fixture
def open_door(door: Door) -> Door:
    """A door behind which there is one function to be called by name."""
    door._functions = Functions(named={"add": Endpoint(7, {"a": 1, "b": None})})
    return door


@pytest.fixture
def program(open_door: Door, inside: Inside) -> TestClient:
    """What asked for the configuration, as programs do, and kept the cookie."""
    client = stranger(open_door)
    assert client.get("/config").status_code == 200
    inside.seen.clear()
    return client


def test_a_call_arrives_as_one_of_the_page_with_what_was_left_out(
    program: TestClient, inside: Inside
) -> None:
    assert program.post(ADD, json={"b": [2, 3]}).status_code == 200
    method, path, body = inside.seen[0]
    said = json.loads(body)
    assert (method, path) == ("POST", "/gradio_api/run/predict")
    assert (said["fn_index"], said["data"]) == (7, [1, [2, 3]])


def test_two_programs_have_two_sessions_that_no_page_can_name(
    open_door: Door, program: TestClient, inside: Inside
) -> None:
    other = stranger(open_door)
    other.get("/config")
    inside.seen.clear()
    for client in (program, other):
        client.post(ADD, json={})
    first, second = (json.loads(body)["session_hash"] for _, _, body in inside.seen)
    assert first != second
    assert call(other, first).status_code == 403


def test_an_upload_stands_for_itself(program: TestClient, inside: Inside) -> None:
    """As Gradio's clients write it, at any depth; in calls of the page too."""
    program.post(ADD, json={"a": {"flair": FILE, "t1": [FILE]}})
    assert json.loads(inside.seen[0][2])["data"][0] == {"flair": TICKET, "t1": [TICKET]}
    call(program, data=[FILE])
    assert json.loads(inside.seen[1][2])["data"] == [TICKET]


def test_by_its_number_it_is_called_through_the_queue_alone(
    program: TestClient, inside: Inside
) -> None:
    assert call(program, fn_index=7).status_code == 404
    assert inside.seen == []
    body = {"session_hash": "session1", "fn_index": 7, "data": [1, 2]}
    assert program.post("/gradio_api/queue/join", json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"c": 1}, "There are: a, b."),
        ([1], "makes no sense"),
        ({"a": {"path": "/etc/passwd", "meta": {}}}, "never by a path"),
        ({"a": {"path": f"{TICKET}/../x", "meta": {}}}, "never by a path"),
        ({"a": {"path": "https://example.org/x", "meta": {}}}, "not accepted"),
        ({"a": "x" * module.LARGEST_CALL}, "larger"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    program: TestClient, inside: Inside, body: Any, words: str
) -> None:
    reply = program.post(ADD, json=body)
    assert reply.status_code in (413, 422)
    assert words in reply.json()["detail"]
    assert inside.seen == []


def test_nothing_is_called_without_the_cookie_or_under_another_name(
    open_door: Door, program: TestClient, inside: Inside
) -> None:
    reply = stranger(open_door).post(ADD, json={})
    assert (reply.status_code, reply.json()["detail"]) == (403, PAGE_FIRST)
    assert program.post("/gradio_api/run/subtract", json={}).status_code == 404
    foreign = program.post(ADD, json={}, headers={"origin": "https://example.org"})
    assert foreign.status_code == 403
    assert inside.seen == []


def test_where_it_is_switched_off_there_is_no_cookie_and_no_function(
    door: Door, browser: TestClient, inside: Inside
) -> None:
    assert COOKIE not in stranger(door).get("/config").cookies
    inside.seen.clear()
    assert browser.post(ADD, json={}).status_code == 404
    assert inside.seen == []


def test_a_program_uploads_before_it_calls(program: TestClient, door: Door) -> None:
    assert upload(program) == 200
    door._functions = Functions()
    page_less = stranger(door)
    page_less.get("/")
    assert upload(page_less) == 403


def test_a_program_stays_longer_than_a_page_without_a_connection(
    open_door: Door, program: TestClient
) -> None:
    upload(program)
    program.post(ADD, json={})
    call(arrive(open_door, "10.0.0.2"))
    left = {session[:7]: visit.leave_s for session, visit in open_door._visitors._visits.items()}
    assert left == {"by-name": module.PROGRAM_LEAVE_S, "session": 30.0}


def test_a_program_takes_some_places_and_not_all(
    open_door: Door, program: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = program.cookies[COOKIE].partition(".")[0]
    places = [open_door._by_name.place(mine, "10.0.0.1") for _ in range(module.MOST_BY_NAME[2])]
    for place in places:
        place.__enter__()
    reply = program.post(ADD, json={})
    assert (reply.status_code, reply.json()["detail"]) == (503, TOO_MANY)
    other = stranger(open_door, "10.0.0.2")
    other.get("/config")
    assert other.post(ADD, json={}).status_code == 200
    places[0].__exit__(None, None, None)
    assert program.post(ADD, json={}).status_code == 200


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        (b'{"error": "No such case."}', 422, "No such case."),
        (b'{"error": null}', 500, FAULT),
        (b"Traceback", 500, FAULT),
        (b"[]", 500, FAULT),
    ],
)
def test_what_a_function_refuses_with_is_told_and_a_fault_is_not(
    open_door: Door, program: TestClient, said: bytes, status: int, told: str
) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": said})

    open_door._app = failing
    reply = program.post(ADD, json={})
    assert (reply.status_code, reply.json()) == (status, {"detail": told})


def test_its_files_lie_with_its_browser(open_door: Door, program: TestClient) -> None:
    ticket = program.post("/gradio_api/upload", files={"files": ("x.nii", b"x")}).json()[0]
    browser = program.cookies[COOKIE].partition(".")[0]
    path: Path = open_door._folders.take(browser, ticket).path
    assert path.read_bytes() == b"x"
    open_door._folders.forget_sender(browser)
    assert not path.exists()


@pytest.mark.parametrize(
    ("flags", "on"),
    [
        ([], True),
        (["--no-api"], False),
        (["--public"], False),
        (["--public", "--api"], True),
    ],
)
def test_among_strangers_it_is_off_unless_switched_on(
    flags: list[str], on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["mckd-studio", *flags])
    monkeypatch.setattr(serve, "ON_SPACE", False)
    assert serve.options().api is on


@pytest.mark.parametrize("on", [True, False])
def test_what_is_switched_on_is_on_the_page(on: bool, tmp_path: Path) -> None:
    built = page.build(Services.open(tmp_path, None, None), by_name=on)
    named = page.functions(built).named
    all_of_them = "compare_subsets follow_visits list_models predict_digit predict_row segment_case"
    assert sorted(named) == (all_of_them.split() if on else [])
    info = built.get_api_info()["named_endpoints"]
    assert len(info) == len(named)
    for name, endpoint in named.items():
        told = {p["parameter_name"] for p in info[f"/{name}"]["parameters"]}
        assert told == {*endpoint.defaults}  # none that only Gradio knows


# ---- tools of the Model Context Protocol


MCP = "/gradio_api/mcp"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def test_a_message_arrives_anew_and_belongs_to_its_address(open_door: Door, inside: Inside) -> None:
    open_door._functions = Functions(tools=True)
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        assert stranger(open_door, address).post(MCP, json=LIST).status_code == 200
    assert [(path, json.loads(body)) for _, path, body in inside.seen] == [(f"{MCP}/", LIST)] * 3
    first, again, other = (scope[module.BROWSER] for scope in inside.scopes)
    assert first == again != other
    assert {*open_door._visitors._visits} == {module.program(one) for one in (first, other)}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_tools_are_called_and_nothing_else_of_them_is_there(
    open_door: Door, inside: Inside, method: str
) -> None:
    assert stranger(open_door).post(MCP, json=LIST).status_code == 404  # switched off
    open_door._functions = Functions(tools=True)
    client = stranger(open_door)
    assert client.request(method, MCP).status_code == 404
    for path in (f"{MCP}/sse", f"{MCP}/schema", f"{MCP}/messages/"):
        assert client.request(method, path).status_code == 404
        assert client.post(path, json=LIST).status_code == 404
    assert client.post(MCP, json=LIST, headers={"origin": "https://example.org"}).status_code == 403
    assert client.post(MCP, json=[LIST]).status_code == 422
    named = {**LIST, "params": {"path": "http://169.254.169.254/x"}}
    assert client.post(MCP, json=named).status_code == 422
    assert client.post(MCP, content=b"x" * (module.LARGEST_CALL + 1)).status_code == 413
    assert inside.seen == []
