"""The library that draws charts, as the door serves it out of the Python package."""

from __future__ import annotations

import gzip
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly
import pytest
from starlette.testclient import TestClient

from mckd.studio import library
from mckd.studio.door import Door
from mckd.studio.services.folders import Folders
from mckd.studio.services.visitors import Visitors


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("Gradio is not asked for it")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    door = Door(nothing, Visitors(lambda _: None), lambda: (True, {}), Folders(tmp_path))
    return TestClient(door, base_url="http://localhost")


def test_it_is_the_package_s_own_and_kept_under_its_version(client: TestClient) -> None:
    whole = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    assert plotly.__version__ in library.ADDRESS
    reply = client.get(library.ADDRESS)  # the client unpacks it
    assert reply.content == whole
    assert reply.headers["content-encoding"] == "gzip"
    assert int(reply.headers["content-length"]) < len(whole) / 3
    assert reply.headers["content-type"].startswith("text/javascript")
    assert "immutable" in reply.headers["cache-control"]
    bare = client.get(library.ADDRESS, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in bare.headers
    assert bare.content == whole == gzip.decompress(library.packed())


def test_its_head_has_no_body_and_nothing_beside_it_is_served(client: TestClient) -> None:
    reply = client.head(library.ADDRESS)
    assert (reply.status_code, reply.content) == (200, b"")
    assert client.post(library.ADDRESS).status_code == 404
    assert client.get("/plotly-0.0.min.js").status_code == 404
    foreign = {"sec-fetch-site": "cross-site"}
    assert client.get(library.ADDRESS, headers=foreign).status_code == 403
