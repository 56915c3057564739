"""plotly.js, out of the Python package: served by this app, so that charts need no network.

A browser fetches it when it first shows a chart, and keeps it: its address names the version.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from mckd.studio.asked import Asked

ADDRESS = f"/plotly-{version('plotly')}.min.js"
KEEP = "public, max-age=31536000, immutable"


async def serve(asked: Asked, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Answer a request for `ADDRESS`: the same to everybody, and nothing of a visitor in it."""
    small = "gzip" in asked.headers.get("accept-encoding", "")
    body = await run_in_threadpool(packed if small else plain)
    headers = {
        "content-type": "text/javascript; charset=utf-8",
        "content-length": str(len(body)),
        "cache-control": KEEP,
        "vary": "accept-encoding",
        **({"content-encoding": "gzip"} if small else {}),
    }
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": told})
    await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else body})


@cache
def packed() -> bytes:
    """The library as gzip, 1.5 instead of 4.8 MB. Takes 0.3 s the first time."""
    return gzip.compress(plain(), 6, mtime=0)


def plain() -> bytes:
    """The library as the package holds it."""
    found = find_spec("plotly")  # imports nothing
    (folder,) = found.submodule_search_locations if found else ()  # type: ignore[misc]
    return (Path(folder) / "package_data" / "plotly.min.js").read_bytes()
