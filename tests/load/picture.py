"""The moving picture of the README, from the app itself: python tests/load/picture.py

A Chromium opens a bundled synthetic case and takes sequences away; each picture is taken once the
result says what it rests on. Writes assets/switches.gif.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.browser.conftest import CHROMIUM, PATIENCE_MS, start_studio, stop_studio

TARGET = Path(__file__).parents[2] / "assets" / "switches.gif"
WIDTH, HEIGHT, COLOURS = 1280, 800, 96
SHOWN_MS = 1600
# What is switched in turn, and what the result then rests on.
SCENES = (
    ((), "From FLAIR, T1, T1c and T2"),
    (("t1c",), "From FLAIR, T1 and T2"),
    (("t1", "t2"), "From FLAIR"),
    (("t1c", "flair"), "From T1c"),
    (("flair", "t1", "t2"), "From FLAIR, T1, T1c and T2"),
)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        studio = start_studio(Path(folder))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            frames = taken(
                browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}), studio.url
            )
        finally:
            browser.close()
            stop_studio(studio)
    first, *others = [frame.quantize(COLOURS, dither=Image.Dither.NONE) for frame in frames]
    first.save(
        TARGET, save_all=True, append_images=others, duration=SHOWN_MS, loop=0, optimize=True
    )
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.2f} MB")


def taken(page: Any, url: str) -> list[Image.Image]:
    """A picture of each scene, at three quarters of its size."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.click("#tumour-intake [data-case=phantom_a]")
    frames = []
    for switched, rests_on in SCENES:
        for name in switched:
            page.click(f"#tumour-sequences input[data-sequence={name}]")
        said = re.compile(rf"^{rests_on}(, without .*)? \(")  # and how long it took
        expect(page.locator("#tumour-findings .from")).to_have_text(said)
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)  # until nothing moves
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
        size = (WIDTH * 3 // 4, HEIGHT * 3 // 4)
        frames.append(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    return frames


if __name__ == "__main__":
    main()
