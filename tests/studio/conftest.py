"""A door, and a browser that opened the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mckd.studio.door import Door
from mckd.studio.services.folders import Folders
from mckd.studio.services.visitors import Visitors
from tests.studio.strangers import Inside, arrive


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def state() -> dict[str, Any]:
    return {"ready": True}


@pytest.fixture
def door(inside: Inside, state: dict[str, Any], tmp_path: Path) -> Door:
    visitors = Visitors(lambda _: None, most=2)
    return Door(inside, visitors, lambda: (state["ready"], dict(state)), Folders(tmp_path))


@pytest.fixture
def browser(door: Door, inside: Inside) -> TestClient:
    client = arrive(door)
    inside.seen.clear()
    return client
