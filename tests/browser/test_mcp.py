"""The functions as tools, called by the protocol's own client; no browser is in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from tests import small_heads
from tests.browser.conftest import ROOT, Studio
from tests.loops import run


def ask(studio: Studio, *calls: tuple[str, dict[str, Any]]) -> list[CallToolResult]:
    """The answers to some calls of one session."""

    async def talk() -> list[CallToolResult]:
        async with (
            streamable_http_client(f"{studio.url}gradio_api/mcp") as (reads, writes, _),
            ClientSession(reads, writes) as session,
        ):
            await session.initialize()
            return [await session.call_tool(name, arguments) for name, arguments in calls]

    return run(talk)


def listed(studio: Studio) -> dict[str, Any]:
    async def talk() -> Any:
        async with (
            streamable_http_client(f"{studio.url}gradio_api/mcp") as (reads, writes, _),
            ClientSession(reads, writes) as session,
        ):
            await session.initialize()
            return await session.list_tools()

    return {tool.name: tool for tool in run(talk).tools}


def test_every_function_is_a_tool_with_its_words(clinic: Studio) -> None:
    tools = listed(clinic)
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "API.md").read_text(encoding="utf-8"), re.M)
    assert sorted(tools) == sorted(table)
    assert "not a medical device" in tools["segment_case"].description
    images = tools["segment_case"].inputSchema["properties"]["images"]
    assert images["description"].endswith(".")  # none is cut short
    assert tools["predict_row"].inputSchema["required"] == ["rows"]


def test_an_upload_is_segmented_and_what_is_wrong_is_a_sentence(
    clinic: Studio, tmp_path: Path
) -> None:
    path = small_heads.save(tmp_path / "flair.nii.gz", small_heads.volume("flair"))
    with httpx.Client(base_url=clinic.url) as curl, path.open("rb") as file:
        curl.get("config")
        (ticket,) = curl.post("gradio_api/upload", files={"files": file}).json()
    said, wrong, path_of_ours = ask(
        clinic,
        ("segment_case", {"images": {"flair": ticket}}),
        ("segment_case", {"case": "no_such_head"}),
        ("segment_case", {"images": {"flair": "/etc/passwd"}}),
    )
    assert not said.isError
    figures, address = (part.text for part in said.content)
    assert json.loads(figures)["sequences"] == ["flair"]
    found = tmp_path / "labels.nii.gz"
    found.write_bytes(httpx.get(address).content)
    assert nibabel.load(found).shape == nibabel.load(path).shape
    assert wrong.isError
    assert wrong.content[0].text == "There is no such bundled case. Choose one of the list."
    assert path_of_ours.isError
    assert "no longer here" in path_of_ours.content[0].text


def test_all_subsets_and_no_file_that_was_not_asked_for(clinic: Studio) -> None:
    (said,) = ask(clinic, ("compare_subsets", {"case": "small_head"}))
    (figures,) = (json.loads(part.text) for part in said.content)
    assert len(figures["subsets"]) == 15
    shares = figures["contributions"]["wt"]["volume_ml"]
    whole = figures["contributions"]["wt"]["total_ml"]
    np.testing.assert_allclose(sum(shares.values()), whole, atol=0.01)
