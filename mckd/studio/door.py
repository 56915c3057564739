"""What stands in front of the page: every request passes here before Gradio sees it.

It lets through what the page itself asks for and nothing else, keeps sessions of different
browsers apart (services/visitors.py), bounds what one request and one visitor may ask, keeps
uploads (services/folders.py) and answers `/health`. It never reads an image. What it judged is
all that Gradio gets: each request is written anew (asked.py, calls.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from mckd.studio import library
from mckd.studio.asked import ODD, Asked, Here, Hosts, Scope, understood
from mckd.studio.calls import (
    LARGEST_BODY,
    LARGEST_CALL,
    NO_ADDRESSES,
    SESSION,
    TOO_LARGE,
    Call,
    Functions,
    call_by_name,
    call_of,
    message_of,
)
from mckd.studio.cookies import Cookies
from mckd.studio.newest import Newest
from mckd.studio.services import faults
from mckd.studio.services.folders import DISK_FULL, DiskFull, Folders
from mckd.studio.services.visitors import (
    FULL,
    PROGRAM_LEAVE_S,
    TOO_MANY,
    Refused,
    Share,
    Visitors,
)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Health = Callable[[], tuple[bool, dict[str, Any]]]

API = "/gradio_api"
BROWSER = "mckd.browser"  # where the scope of a request says whose it is
LARGEST_UPLOAD = 66 * 2**20  # one file of at most 64 MB and its form around it
LEAST_FREE = 2 * 2**30  # bytes of disk that uploads leave alone
STALL_S = 10.0  # a body of which nothing more comes for so long is given up
GRACE_S, LEAST_BYTES_S = 20.0, 16 * 2**10  # so is one that is slower than this after a while

# At once: in all, from one address, and from one browser.
MOST_UPLOADS = (64, 48, 4)
MOST_CALLS = (96, 64, 24)
MOST_STREAMS = (192, 144, 24)
MOST_BY_NAME = (48, 24, 4)
MOST_WAITING = (48, 12)  # in the queue: of one address, and of one page

PAGE = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|pwa_icon(/\d+)?)"
    r"|/(assets|static|svelte)/.+"
)
LOOKS = re.compile(rf"{API}/(file=.+|info|theme\.css|app_id|user/?|login_check/?|startup-events)")
HEARTBEAT = re.compile(rf"{API}/heartbeat/([^/]+)")
EVENTS, JOIN, WIDGET = f"{API}/queue/data", f"{API}/queue/join", f"{API}/component_server"
RUN = f"{API}/run/predict"
CALLS = re.compile(rf"{JOIN}|{RUN}/?|{WIDGET}/?")
MCP = re.compile(rf"{API}/mcp/?")
BY_NAME = re.compile(rf"{API}/run/([a-z_]{{1,40}})")
UPLOAD = f"{API}/upload"

CONFIG = "/config"  # what a program asks for first, as a browser for the page

NOT_HERE = "There is nothing here."
PAGE_FIRST = "Open the page first, or reload it; it needs its cookie."
UNKNOWN_HOST = (
    "This app does not answer to this name. Start it with --host and the name in the address bar."
)
FOREIGN = "Pages of other websites may not use this app."
BUSY = "Too many files are on their way at once. Please try again in a moment."
TOO_SLOW = "This took too long to arrive. Please try again."
DELETED = "Your files were deleted while this one came. Please send it again."
FAULT = "Something went wrong here; the log of the app has the details."

HEADERS = {
    # Nothing of the page may come from, or go to, anywhere else.
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
FULL_PAGE = f"""<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="30">
<title>MCKD Studio</title><body style="font: 16px system-ui; margin: 15vh auto; max-width: 32em">
<h1 style="font-size: 22px">MCKD Studio</h1><p>{FULL} This page tries again by itself."""

log = logging.getLogger(__name__)


class Door:
    """ASGI middleware around Gradio's app."""

    def __init__(
        self,
        app: App,
        visitors: Visitors,
        health: Health,
        folders: Folders,
        functions: Functions | None = None,
        hosts: Sequence[str] = (),
        on_space: bool = False,
    ) -> None:
        """health: whether everything is loaded, and the answer to `/health`.

        folders: where uploads go, on a disk that must not fill up. functions: what can be called.
        hosts: names of this app beside those of the local computer. on_space: it runs on a Hugging
        Face Space, behind a proxy and in a frame of another site.
        """
        self._app, self._visitors, self._health = app, visitors, health
        self._folders, self._functions = folders, functions or Functions()
        self._hosts, self._cookies = Hosts(hosts, on_space), Cookies(framed=on_space)
        self._on_space = on_space
        self._uploads, self._calls = Share(*MOST_UPLOADS, BUSY), Share(*MOST_CALLS, TOO_MANY)
        self._by_name = Share(*MOST_BY_NAME, TOO_MANY)
        self._streams, self._newest = Share(*MOST_STREAMS, TOO_MANY), Newest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None
        send = with_headers(send, HEADERS.items())
        try:
            asked = understood(scope, self._on_space)
            await self._serve(asked, scope, receive, send)
        except Refused as refused:
            await answer(send, refused.status, {"detail": refused.sentence})
        except ClientDisconnect:  # nobody listens any more
            return None

    async def _serve(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        address, port = scope.get("server") or ("", None)
        self._judge(asked, (address, port))
        method, path = asked.method, asked.path
        looks, calls = method in ("GET", "HEAD"), method == "POST"
        browser = self._cookies.browser(asked, port)
        scope = {**asked.scope(scope, self._on_space), BROWSER: browser}
        if looks and path == "/health":
            ready, state = self._health()
            await answer(send, 200 if ready else 503, state)
        elif looks and PAGE.fullmatch(path):
            if not browser and (path == "/" or (path == CONFIG and self._functions.named)):
                if self._visitors.full:
                    full = FULL_PAGE if path == "/" else {"detail": FULL}
                    return await answer(send, 503, full)
                send = with_headers(send, [("set-cookie", self._cookies.issue(port))])
            await self._app(scope, receive, send)
        elif looks and LOOKS.fullmatch(path):
            await self._app(scope, receive, send)
        elif looks and path == library.ADDRESS:
            await library.serve(asked, send)
        elif method == "GET" and (beat := HEARTBEAT.fullmatch(path)):
            await self._stream(asked, scope, receive, send, beat[1])
        elif method == "GET" and path == EVENTS:
            session = asked.query.get("session_hash", "")
            scope["query_string"] = f"session_hash={session}".encode()
            await self._stream(asked, scope, receive, send, session)
        elif calls and CALLS.fullmatch(path):
            await self._call(asked, scope, receive, send)
        elif calls and (name := BY_NAME.fullmatch(path)):
            await self._call_by_name(asked, scope, receive, send, name[1])
        elif calls and self._functions.tools and MCP.fullmatch(path):
            await self._message(asked, scope, receive, send)
        elif calls and path == UPLOAD:
            await self._upload(asked, scope, receive, send)
        else:
            raise Refused(404, NOT_HERE)

    def _judge(self, asked: Asked, here: Here) -> None:
        """Whether it comes from a page of this app, or from nobody's page.

        Raises:
            Refused: another name than this app's, or a page of another website.
        """
        if not self._hosts.knows(asked.headers.get("host", ""), here):
            raise Refused(421, UNKNOWN_HOST)
        origin = asked.headers.get("origin")
        if origin is not None and not self._hosts.sent(origin, here):
            raise Refused(403, FOREIGN)
        site = asked.headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and not PAGE.fullmatch(asked.path):
            raise Refused(403, FOREIGN)
        if "://" in asked.path or re.search("=https?:", asked.path):
            raise Refused(403, NO_ADDRESSES)

    async def _stream(
        self, asked: Asked, scope: Scope, receive: Receive, send: Send, session: str
    ) -> None:
        """A connection that stays open; while it does, the visitor is here."""
        browser = own(scope)
        if not SESSION.fullmatch(session) or asked.query.get("session_hash", session) != session:
            raise Refused(422, ODD)
        with self._streams.place(browser, asked.address):
            self._visitors.admit(session, browser, address=asked.address)
            with self._visitors.connected(session):
                await self._app(scope, receive, send)

    async def _call(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a call of a page, written anew."""
        browser = own(scope)
        kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(422, ODD)
        with self._calls.place(browser, asked.address):
            body = await read(timed(receive), LARGEST_BODY)
            to_widget, joins = asked.path.startswith(WIDGET), asked.path == JOIN
            if len(body) > LARGEST_CALL:  # it takes a tenth of a second: beside the others
                call = await run_in_threadpool(call_of, body, to_widget)
                if to_widget or call.function not in self._functions.large:
                    raise Refused(413, TOO_LARGE)
            else:
                call = call_of(body, to_widget)
            if asked.query.get("session_hash", call.session) != call.session:
                raise Refused(422, ODD)
            if not (to_widget or joins) and self._functions.is_named(call.function):
                raise Refused(404, NOT_HERE)  # by its name, or as Gradio's clients do
            self._visitors.admit(call.session, browser, works=True, address=asked.address)
            if joins:
                self._find_room(call.session, asked.address)
            scope = self._judged(call, asked, scope)
            hand_on = partial(whole, self._app, scope, again(call.body, receive), send)
            if call.name or joins or call.function not in self._functions.latest:
                return await hand_on()
            async with self._newest.turn((call.session, call.function)) as mine:
                if mine:
                    return await hand_on()
            await answer(send, 200, self._functions.skipped(call.function))

    def _judged(self, call: Call, asked: Asked, scope: Scope) -> Scope:
        """The request that goes on with a call, once that is found to make sense.

        Raises:
            Refused: it does not.
        """
        try:
            self._functions.check(call)
        except ValueError as problem:
            raise Refused(422, str(problem)) from None
        length, kind = str(len(call.body)), "application/json"
        return scope | asked.scope(scope, self._on_space, content_length=length, content_type=kind)

    async def _call_by_name(
        self, asked: Asked, scope: Scope, receive: Receive, send: Send, name: str
    ) -> None:
        """Hand on a program's call, which is its browser's: {parameter: value} of a function."""
        endpoint, browser = self._functions.named.get(name), own(scope)
        if endpoint is None:
            raise Refused(404, NOT_HERE)
        session = program(browser)
        with self._by_name.place(browser, asked.address):
            call = call_by_name(await read(timed(receive), LARGEST_CALL), endpoint, session)
            self._admit_program(browser, asked.address, works=True)
            scope = self._judged(call, replace(asked, path=RUN), scope)
            with self._visitors.connected(session):
                await whole(self._app, scope, again(call.body, receive), send, says_why=True)

    async def _message(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what a client of the Model Context Protocol says; none of them keep cookies."""
        browser = browser_of(scope) or self._cookies.without(asked.address)
        with self._by_name.place(browser, asked.address):
            body = message_of(await read(timed(receive), LARGEST_CALL))
            self._admit_program(browser, asked.address, works=True)
            length, kind = str(len(body)), "application/json"
            scope |= replace(asked, path=f"{API}/mcp/").scope(
                scope, self._on_space, content_length=length, content_type=kind
            )
            with self._visitors.connected(program(browser)):
                scope[BROWSER] = browser
                await whole(self._app, scope, again(body, receive), send)

    def _admit_program(self, browser: str, address: str, works: bool = False) -> None:
        session = program(browser)
        self._visitors.admit(session, browser, works, address, leave_s=PROGRAM_LEAVE_S)

    def _find_room(self, session: str, address: str) -> None:
        """Whether one more call of this page may wait in the queue that all share.

        Raises:
            Refused: too many of this page, or of this address, wait there.
        """
        waiting = self._functions.waiting
        of_address, of_page = MOST_WAITING
        everybody = self._visitors.sessions(address)
        if waiting(session) >= of_page or sum(map(waiting, everybody)) >= of_address:
            raise Refused(429, TOO_MANY)

    async def _upload(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep one file for this browser and answer with its ticket, where Gradio tells a path.

        Gradio names an upload after its content: two visitors who send the same file would share
        it, and what one of them opens or deletes would be gone for the other.
        """
        length, browser = asked.headers.get("content-length", ""), own(scope)
        if not self._visitors.knows(browser):
            if not self._functions.named:
                raise Refused(403, PAGE_FIRST)
            self._admit_program(browser, asked.address)
        if not re.fullmatch("[0-9]{1,12}", length) or int(length) > LARGEST_UPLOAD:
            raise Refused(413, TOO_LARGE)
        by_program = self._visitors.connected(program(browser))  # of a page it is nobody
        with by_program, self._uploads.place(browser, asked.address) as together:
            free = shutil.disk_usage(self._folders.root).free
            if free < LEAST_FREE + together * LARGEST_UPLOAD:
                raise Refused(507, DISK_FULL)
            try:
                async with Request(scope, timed(receive)).form(max_files=1, max_fields=0) as form:
                    file = form.get("files")
                    if not isinstance(file, UploadFile):
                        raise Refused(422, ODD)
                    keep = self._folders.receive
                    ticket = await run_in_threadpool(keep, browser, file.filename or "", file.file)
            except (HTTPException, MultiPartException):  # no form, or more than one file
                raise Refused(422, ODD) from None
            except DiskFull as full:
                raise Refused(507, str(full)) from None
            except FileNotFoundError:
                raise Refused(410, DELETED) from None
        await answer(send, 200, [ticket])


def browser_of(scope: Scope) -> str:
    """The browser of a request that came through the door; "" if it has no cookie of ours."""
    return str(scope.get(BROWSER, ""))


def own(scope: Scope) -> str:
    """The browser of a request that only an opened page can make.

    Raises:
        Refused: it has no cookie that was issued here.
    """
    if not (browser := browser_of(scope)):
        raise Refused(403, PAGE_FIRST)
    return browser


def program(browser: str) -> str:
    """The session of calls by name, of which each browser has one."""
    return f"by-name-{browser}"


def timed(receive: Receive) -> Receive:
    """A `receive` that does not wait for ever.

    Raises:
        Refused: nothing comes any more, or too slowly.
    """
    now = asyncio.get_running_loop().time
    started, got = now(), 0

    async def told() -> Message:
        nonlocal got
        left = GRACE_S + got / LEAST_BYTES_S - (now() - started)
        try:
            message = await asyncio.wait_for(receive(), max(0.0, min(STALL_S, left)))
        except TimeoutError:
            raise Refused(408, TOO_SLOW) from None
        got += len(message.get("body", b""))
        return message

    return told


async def read(receive: Receive, most: int) -> bytes:
    """The whole body of a request.

    Raises:
        Refused: it is larger than `most` bytes.
        ClientDisconnect: it ended midway.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > most:
            raise Refused(413, TOO_LARGE)
    return b"".join(parts)


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that tells a body that was read, and then what comes after it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def told() -> Message:
        return left.pop() if left else await receive()

    return told


async def whole(
    app: App, scope: Scope, receive: Receive, send: Send, says_why: bool = False
) -> None:
    """Let the app answer; where it fails, answer with a sentence instead of what it says.

    says_why: what the function refused with `gr.Error` is that sentence.
    """
    begun = failed = False
    said = b""

    async def sent(message: Message) -> None:
        nonlocal begun, failed, said
        if message["type"] == "http.response.start" and message["status"] >= 500:
            failed = True
        if not failed:
            begun = True
            await send(message)
        elif says_why:
            said += message.get("body", b"")

    try:
        await app(scope, receive, sent)
    except Exception as error:
        if begun:
            raise
        faults.record(log, "A call failed.", error)
        failed = True
    if failed and (why := refusal_of(said)):
        await answer(send, 422, {"detail": why})
    elif failed:
        await answer(send, 500, {"detail": FAULT})


def refusal_of(said: bytes) -> str:
    """The sentence in what Gradio answers where a function failed; "" if it tells none."""
    try:
        told = json.loads(said)
    except ValueError:
        return ""
    return str(told.get("error") or "") if isinstance(told, dict) else ""


def with_headers(send: Send, headers: Any) -> Send:
    """A `send` that adds headers to the answer."""
    added = [(name.encode(), value.encode()) for name, value in headers]

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sent


async def answer(send: Send, status: int, content: dict[str, Any] | list[str] | str) -> None:
    """A short answer of the door's own: JSON, or a page."""
    is_page = isinstance(content, str)
    body = (content if is_page else json.dumps(content)).encode()  # type: ignore[union-attr]
    kind = b"text/html; charset=utf-8" if is_page else b"application/json"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
