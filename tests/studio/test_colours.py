"""The colours of the app: text that can be read, regions that everybody can tell apart."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from colorspacious import cspace_convert, deltaE

from mckd.studio.tasks import sheet_of
from mckd.tasks import TASKS, abouts
from mckd.tumour.looks import COLOURS

STUDIO = Path(__file__).parents[2] / "mckd" / "studio"
TEXT = (
    *(
        (ink, behind)
        for ink in ("ink", "ink-2", "ink-3")
        for behind in ("page", "surface", "sunken")
    ),
    ("accent", "page"),
    ("accent", "surface"),
    ("accent", "accent-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("warn", "warn-soft"),
    ("bad", "bad-soft"),
    ("bad", "surface"),
    ("pen", "paper"),
)
MARKS = (("focus", "page"), ("focus", "surface"), ("line-strong", "surface"), ("tc", "surface"))
SIGHT = {"all cones": None} | {
    name: {"name": "sRGB1+CVD", "cvd_type": name, "severity": 100}
    for name in ("protanomaly", "deuteranomaly", "tritanomaly")
}
APART = 15  # in CAM02-UCS, where 1 is just seen side by side


def colours() -> dict[str, dict[str, str]]:
    """{"light" or "dark": {name: #rrggbb}} of the sheets; dark has what light has by default."""
    looks: dict[str, dict[str, str]] = {":root": {}, ".dark": {}}
    for sheet in (STUDIO / "theme.css", *filter(Path.is_file, map(sheet_of, TASKS))):
        for root, known in looks.items():
            for block in re.findall(
                rf"^{re.escape(root)} {{(.*?)^}}", sheet.read_text(), re.S | re.M
            ):
                known.update(re.findall(r"--mk-([a-z0-9-]+): (#[0-9a-f]{6});", block))
    return {"light": looks[":root"], "dark": looks[":root"] | looks[".dark"]}


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(a: str, b: str) -> float:
    """Of WCAG 2.2: 1 to 21."""
    light = [float(cspace_convert(rgb(c), "sRGB1", "XYZ1")[1]) for c in (a, b)]
    return (max(light) + 0.05) / (min(light) + 0.05)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_text_and_marks_have_contrast(look: str) -> None:
    known = colours()[look]
    wanted = {**dict.fromkeys(TEXT, 4.5), **dict.fromkeys(MARKS, 3.0)}
    found = {pair: contrast(known[pair[0]], known[pair[1]]) for pair in wanted}
    assert {pair: round(c, 2) for pair, c in found.items() if c < wanted[pair]} == {}


@pytest.mark.parametrize("look", ["light", "dark"])
def test_lines_of_charts_have_contrast(look: str) -> None:
    behind = colours()[look]["surface"]
    lines = {
        f"{task.key} {key}": one.colours[look == "dark"]
        for task in abouts()
        for key, one in task.series.items()
    }
    assert {name: line for name, line in lines.items() if contrast(line, behind) < 4.5} == {}


@pytest.mark.parametrize("sight", SIGHT)
def test_regions_are_told_apart_by_every_sight(sight: str) -> None:
    beside = {region: colours()["light"][region] for region in ("et", "tc", "wt")}
    for tints in (COLOURS, beside):
        seen = {
            region: rgb(tint)
            if SIGHT[sight] is None
            else cspace_convert(rgb(tint), SIGHT[sight], "sRGB1").clip(0, 1)
            for region, tint in tints.items()
        }
        apart = {f"{a} {b}": deltaE(seen[a], seen[b], "sRGB1") for a, b in combinations(seen, 2)}
        assert min(apart.values()) > APART, apart
