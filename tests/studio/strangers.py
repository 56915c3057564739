"""Who stands at the door, and an app behind it that notes what reaches it."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from mckd.studio import cookies
from mckd.studio.door import Door

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


def stranger(door: Door, address: str = "10.0.0.1", **more: Any) -> TestClient:
    """A client without a cookie."""
    return TestClient(door, base_url=HOME, client=(address, 50_000), **more)


def arrive(door: Door, address: str = "10.0.0.1") -> TestClient:
    """A browser that opened the page."""
    client = stranger(door, address)
    assert client.get("/").status_code == 200
    return client


def call(client: TestClient, session: str = "session1", **more: Any) -> Any:
    body = {"session_hash": session, "fn_index": 0, "data": [], **more}
    return client.post(CALL, json=body)


def upload(client: TestClient, size: int = 10) -> int:
    return client.post("/gradio_api/upload", files={"files": ("x.nii", bytes(size))}).status_code
