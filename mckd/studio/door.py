"""What stands in front of the page: every request passes here before Gradio sees it.

It lets through what the page itself asks for and nothing else, keeps sessions of different
browsers apart (services/visitors.py), bounds what one request and one visitor may ask, keeps
uploads (services/folders.py) and answers `/health`. It never reads an image.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from mckd.studio.services.folders import Folders
from mckd.studio.services.visitors import FULL, Refused, Visitors

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Health = Callable[[], tuple[bool, dict[str, Any]]]

API = "/gradio_api"
COOKIE = "mckd-browser"
LARGEST_BODY = 4 * 2**20  # of a call in JSON; ten seconds of sound are 1.3 MB
LARGEST_UPLOAD = 66 * 2**20  # one file of at most 64 MB and its form around it
MOST_UPLOADS = 16  # on their way at once
LEAST_FREE = 2 * 2**30  # bytes of disk that uploads leave alone

PAGE = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|pwa_icon(/\d+)?)"
    r"|/(assets|static|svelte)/.+"
)
LOOKS = re.compile(rf"{API}/(file=.+|info|theme\.css|app_id|user/?|login_check/?|startup-events)")
STREAMS = re.compile(rf"{API}/(heartbeat/(?P<session>[^/]+)|queue/data)")
CALLS = re.compile(rf"{API}/(queue/join|run/predict/?|component_server/?|cancel|reset/?)")
UPLOAD = f"{API}/upload"
SESSION = re.compile(r"[A-Za-z0-9_-]{6,64}")

NOT_HERE = "There is nothing here."
ODD = "This request makes no sense here."
NO_ADDRESSES = "Addresses of files elsewhere are not accepted; upload the file."
TOO_LARGE = "This is larger than the app accepts."
PAGE_FIRST = "Open the page first."
BUSY = "Too many files are on their way at once. Please try again in a moment."
DISK_FULL = "The disk of this computer is full. Please try again later."

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


class Door:
    """ASGI middleware around Gradio's app."""

    def __init__(
        self, app: App, visitors: Visitors, health: Health, folders: Folders, framed: bool = False
    ) -> None:
        """health: whether everything is loaded, and the answer to `/health`.

        folders: where uploads go, on a disk that must not fill up. framed: the page is shown inside
        one of another site, as on a Hugging Face Space; its cookie must survive that.
        """
        self._app, self._visitors, self._health = app, visitors, health
        self._folders, self._uploading = folders, 0
        self._cookie_rules = (
            "Path=/; HttpOnly; SameSite=None; Secure; Partitioned"
            if framed
            else "Path=/; HttpOnly; SameSite=Lax"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None
        send = with_headers(send, HEADERS.items())
        try:
            await self._serve(scope, receive, send)
        except Refused as refused:
            await answer(send, refused.status, {"detail": refused.sentence})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        looks, calls = method in ("GET", "HEAD"), method == "POST"
        browser = browser_of(scope)
        if looks and path == "/health":
            ready, state = self._health()
            await answer(send, 200 if ready else 503, state)
        elif looks and PAGE.fullmatch(path):
            await self._page(scope, receive, send, browser)
        elif looks and LOOKS.fullmatch(path):
            if "://" in path:
                raise Refused(403, NO_ADDRESSES)
            await self._app(scope, receive, send)
        elif method == "GET" and (stream := STREAMS.fullmatch(path)):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            session = stream["session"] or query.get("session_hash", [""])[0]
            await self._stream(scope, receive, send, session, browser)
        elif calls and CALLS.fullmatch(path):
            body = await read(receive, LARGEST_BODY)
            self._visitors.admit(session_of(body), browser, works=True)
            await self._app(scope, again(body, receive), send)
        elif calls and path == UPLOAD:
            await self._upload(scope, receive, send, browser)
        else:
            raise Refused(404, NOT_HERE)

    async def _page(self, scope: Scope, receive: Receive, send: Send, browser: str) -> None:
        if scope["path"] == "/" and not browser:
            if self._visitors.full:
                return await answer(send, 503, FULL_PAGE)
            cookie = f"{COOKIE}={secrets.token_hex(16)}; {self._cookie_rules}"
            send = with_headers(send, [("set-cookie", cookie)])
        await self._app(scope, receive, send)

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, session: str, browser: str
    ) -> None:
        """A connection that stays open; while it does, the visitor is here."""
        if not SESSION.fullmatch(session):
            raise Refused(422, ODD)
        self._visitors.admit(session, browser)
        self._visitors.connect(session, +1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._visitors.connect(session, -1)

    async def _upload(self, scope: Scope, receive: Receive, send: Send, browser: str) -> None:
        """Keep one file for this browser and answer with its ticket, where Gradio tells a path.

        Gradio names an upload after its content: two visitors who send the same file would share
        it, and what one of them opens or deletes would be gone for the other.
        """
        length = header(scope, b"content-length")
        if not self._visitors.knows(browser):
            raise Refused(403, PAGE_FIRST)
        if not length.isdecimal() or int(length) > LARGEST_UPLOAD:
            raise Refused(413, TOO_LARGE)
        if self._uploading >= MOST_UPLOADS:
            raise Refused(503, BUSY)
        if shutil.disk_usage(self._folders.root).free < LEAST_FREE:
            raise Refused(507, DISK_FULL)
        self._uploading += 1
        try:
            async with Request(scope, receive).form(max_files=1, max_fields=0) as form:
                file = form.get("files")
                if not isinstance(file, UploadFile):
                    raise Refused(422, ODD)
                keep = self._folders.receive
                ticket = await run_in_threadpool(keep, browser, file.filename or "", file.file)
        except (HTTPException, MultiPartException):  # no form, or more than one file
            raise Refused(422, ODD) from None
        finally:
            self._uploading -= 1
        await answer(send, 200, [ticket])


def session_of(body: bytes) -> str:
    """The session that a call in JSON names.

    Raises:
        Refused: no JSON, no session, or a file somewhere else in it, which Gradio would fetch.
    """
    try:
        said = json.loads(body)
        session = said.get("session_hash")
        elsewhere = names_an_address(said)
    except (ValueError, AttributeError, RecursionError):
        raise Refused(422, ODD) from None
    if elsewhere:
        raise Refused(422, NO_ADDRESSES)
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise Refused(422, ODD)
    return session


def names_an_address(value: Any) -> bool:
    """Whether a file anywhere in it has the address of another computer for a path."""
    if isinstance(value, list):
        return any(map(names_an_address, value))
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and "://" in path:
            return True
        return any(map(names_an_address, value.values()))
    return False


def browser_of(scope: Scope) -> str:
    """The browser's cookie; "" without one, as where a browser takes none inside a frame."""
    try:
        cookies = SimpleCookie(header(scope, b"cookie"))
    except CookieError:
        return ""
    known = cookies[COOKIE].value if COOKIE in cookies else ""
    return known if re.fullmatch(r"[0-9a-f]{32}", known) else ""


def header(scope: Scope, name: bytes) -> str:
    found: bytes = dict(scope["headers"]).get(name, b"")
    return found.decode("latin-1")


async def read(receive: Receive, most: int) -> bytes:
    """The whole body of a request.

    Raises:
        Refused: it is larger than `most` bytes.
    """
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise Refused(413, TOO_LARGE)
    return body


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that tells a body that was read, and then what comes after it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def told() -> Message:
        return left.pop() if left else await receive()

    return told


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
