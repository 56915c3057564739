"""Where the time to an overlay goes: python tests/load/overlay.py [--repeats 3]

The app is started in the project folder one stands in. A Chromium opens two bundled cases in turn,
and of each every switch is flipped for the first time and once again. Of each step: seconds from
the click until the label map is asked for, which the server has worked out then, and from there to
the overlay. The last line is JSON, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.browser.conftest import CHROMIUM, PATIENCE_MS, start_studio, stop_studio

CASES = ("phantom_b", "phantom_a")
LABELS = "document.querySelector('#tumour-viewer .viewer').dataset.labels"
# When the label map was asked for, and when it was drawn; ms since the page began.
WATCH = """() => {
  const viewer = document.querySelector('#tumour-viewer .viewer');
  window.seen = {};
  new PerformanceObserver((list) => {
    const maps = list.getEntries().filter(({ name }) => name.endsWith('labels.gz'));
    if (maps.length) window.seen.asked = maps.at(-1).startTime;
  }).observe({ type: 'resource' });
  new MutationObserver(() => {
    requestAnimationFrame(() => { window.seen.drawn = performance.now(); });
  }).observe(viewer, { attributeFilter: ['data-labels'] });
}"""


def step(page: Any, act: Callable[[], None]) -> dict[str, float]:
    """Seconds of one step; `asked` is missing where the page had the map."""
    before = page.evaluate(LABELS)
    begun = page.evaluate("() => { window.seen = {}; return performance.now(); }")
    act()
    page.wait_for_function(f"(old) => {LABELS} && {LABELS} !== old && seen.drawn", arg=before)
    page.wait_for_timeout(500)  # entries of resources come late
    seen = page.evaluate("() => seen")
    asked = seen.get("asked", seen["drawn"])
    return {"server": (asked - begun) / 1000, "page": (seen["drawn"] - asked) / 1000}


def visit(browser: Any, url: str) -> list[tuple[str, dict[str, float]]]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.wait_for_selector("#tumour-viewer .viewer")
    page.evaluate(WATCH)
    steps = []
    for case in CASES:
        page.wait_for_timeout(3000)  # what came before is over
        steps.append(("case", step(page, page.locator(f"#tumour-intake [data-case={case}]").click)))
        page.wait_for_timeout(3000)
        switch = page.locator("#tumour-sequences input[role=switch]")
        for place in range(4):
            for times in ("off", "on again"):
                steps.append((times, step(page, partial(switch.nth(place).click, force=True))))
    page.close()
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats, load = parser.parse_args().repeats, os.getloadavg()[0]
    steps: list[tuple[str, dict[str, float]]] = []
    for _ in range(repeats):  # an app of its own: answers of the bundled cases are kept
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
            studio = start_studio(Path(folder), root=Path.cwd())
            try:
                browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                steps += visit(browser, studio.url)
                browser.close()
            finally:
                stop_studio(studio)
    results = {
        f"{name}, {part}": round(statistics.median(s[part] for n, s in steps if n == name), 3)
        for name in dict.fromkeys(n for n, _ in steps)
        for part in ("server", "page")
    }
    print(json.dumps(results | {"load_before": round(load, 1)}))


if __name__ == "__main__":
    main()
