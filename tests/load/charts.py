"""What charts weigh and how soon they are seen: python tests/load/charts.py [--repeats 5]

The app is started in the project folder one stands in, so that an older version can be measured by
the same program. A Chromium of its own opens the page and the Training tab, which shows the bundled
run: with nothing kept, and once more with what it kept. Bytes are those that travel. The first
curve is there when a line is drawn, on a canvas or by plotly.js. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.browser.conftest import CHROMIUM, start_studio, stop_studio

# A line is drawn: of plotly.js as a path, else as pixels of a canvas.
SEEN = """() => {
  const curves = document.querySelector('#training-curves .curves');
  if (!curves || !Number(curves.dataset.points)) return false;
  if (curves.querySelector('.scatterlayer path.js-line[d]')) return true;
  const canvas = curves.querySelector('canvas');
  if (!canvas || !canvas.width) return false;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.some((v) => v > 0);
}"""
HEAP = "() => performance.memory.usedJSHeapSize / 1e6"


class Visit:
    """One page: what it fetched so far, and when each step was done."""

    def __init__(self, context: Any) -> None:
        self.page, self.bytes, self.requests = context.new_page(), 0, 0
        network = context.new_cdp_session(self.page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", self._arrived)

    def _arrived(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])
        self.requests += 1

    def measure(self, url: str) -> dict[str, float]:
        """Open the page, then the tab; seconds, kilobytes and megabytes of JavaScript's memory."""
        begun = time.perf_counter()
        self.page.goto(url)
        self.page.get_by_role("tab", name="Training").wait_for()
        opened, light = time.perf_counter() - begun, self.bytes
        begun = time.perf_counter()
        self.page.get_by_role("tab", name="Training").click()
        self.page.wait_for_function(SEEN, polling=20)
        curve = time.perf_counter() - begun
        self.page.wait_for_timeout(1000)  # what is still on its way
        return {
            "page_s": opened,
            "page_kB": light / 1000,
            "curve_s": curve,
            "tab_kB": (self.bytes - light) / 1000,
            "heap_MB": self.page.evaluate(HEAP),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="of a visit (default: 5)")
    chosen = parser.parse_args()
    seen: dict[str, list[dict[str, float]]] = {"first visit": [], "again": []}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        studio = start_studio(Path(folder), root=Path.cwd())
        try:
            for _ in range(chosen.repeats):
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox"]
                )
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                for visits in seen.values():
                    visit = Visit(context)
                    visits.append(visit.measure(studio.url))
                    visit.page.close()
                browser.close()
        finally:
            stop_studio(studio)
    results = {
        name: {key: round(statistics.median(v[key] for v in visits), 2) for key in visits[0]}
        for name, visits in seen.items()
    }
    for name, found in results.items():
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in found.items())}")
    print(json.dumps({**results, "load": round(os.getloadavg()[0], 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
