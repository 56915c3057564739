"""What people expect of a project beside its code, in the forms that programs read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mckd import __version__

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def test_it_can_be_cited() -> None:
    """With the keys that cff-version 1.2.0 requires, and those that a reference does."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert (cited["version"], cited["license"]) == (__version__, "MIT")
    for reference in cited["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\S+)", text, re.M)
    assert versions[0] == "Unreleased"
    assert __version__ in versions


def test_every_extra_is_explained() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = re.search(r"^\[project.optional-dependencies\]\n(.*?)^\[", text, re.S | re.M)
    assert section
    extras = re.findall(r"^([a-z]+) = \[", section[1], re.M)
    explained = re.findall(
        r"^\| `pip install \.\[(\w+)\]` \| \S", (ROOT / "USAGE.md").read_text("utf-8"), re.M
    )
    assert "clinic" in extras
    assert sorted(extras) == sorted(explained)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_ask_what_a_form_can(path: Path) -> None:
    """The keys and kinds that GitHub's form schema knows; each question has its own id."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in asked} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({field["id"] for field in asked}) == len(asked) > 0
    assert all(field["attributes"]["label"] for field in asked)
