"""The Training tab as a person uses it, and a finished run to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Studio
from tests.patience import until


class Tab:
    """The Training tab of one page, by what a person can see of it."""

    def __init__(self, page: Any) -> None:
        page.get_by_role("tab", name="Training").click()
        self.page, self.begun = page, None
        self.curves = page.locator("#training-curves .curves")
        self.curves.wait_for()
        self.start = page.locator("#training-start")
        self.stop = page.locator("#training-stop")
        self.resume = page.locator("#training-resume")
        self.command = page.locator("#training-command")

    def get(self, name: str) -> str:
        return self.curves.get_attribute(f"data-{name}") or ""

    @property
    def points(self) -> int:
        return int(self.get("points"))

    def until(self, true: Callable[[], Any], what: str) -> None:
        """Wait for it; a run that was begun here and failed brings nothing any more."""
        note = self.page.locator("#training-curves .note")
        until(
            true,
            lambda: f"{what} (curves: {self.get('state')}, {self.points} points)",
            lambda: (
                self.get("run") == self.begun
                and self.get("state") == "failed"
                and f"the run failed: {note.inner_text()}"
            ),
            lambda seconds: self.page.wait_for_timeout(1000 * seconds),
        )

    def until_state(self, *states: str) -> None:
        self.until(lambda: self.get("state") in states, f"state {' or '.join(states)}")

    def begin(self, epochs: str) -> str:
        """Start a run of that many epochs; returns its id once the curves show it."""
        expect(self.start).to_be_enabled()
        self.until(lambda: self.get("run"), "some run")
        before = self.get("run")
        self.page.locator("#training-epochs input").fill(epochs)
        expect(self.command).to_contain_text(f"--epochs {epochs}")
        self.start.click()
        self.until(lambda: self.get("run") != before, "another run")
        self.begun = self.get("run")
        return str(self.begun)

    def end(self) -> None:
        """Stop whatever is live and wait for it."""
        if self.get("state") in ("starting", "running"):
            expect(self.stop).to_be_enabled()
            self.stop.click()
            self.until_state("stopped", "finished", "failed")

    def value(self, series: str) -> float:
        found = self.page.locator(f".key[data-series='{series}']").get_attribute("data-value")
        return float(found or "nan")

    def weights(self) -> list[float]:
        """The IWV, all of it at once: a row may arrive between two looks."""
        keys = self.page.locator(".key[data-series^='iwv.']")
        found: list[float] = keys.evaluate_all(
            "(all) => all.map((key) => Number(key.dataset.value))"
        )
        return found

    def where(self) -> str:
        return str(self.page.locator("#training-curves .where").inner_text())

    def spot(self, panel: str, x: float) -> tuple[float, float]:
        """A point in a panel, by the share of its width."""
        self.until(lambda: self.get("drawn") not in ("", "0"), "the charts")
        plot = self.page.locator(f".panel[data-panel={panel}] .plot")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        return box["x"] + x * box["width"], box["y"] + box["height"] / 2

    def drag(self, panel: str, start: float, end: float) -> None:
        self.page.mouse.move(*self.spot(panel, start))
        self.page.mouse.down()
        self.page.mouse.move(*self.spot(panel, end), steps=5)
        self.page.mouse.up()


def write_run(studio: Studio, name: str, system: str = "mckd") -> str:
    folder = studio.runs / name
    folder.mkdir(parents=True)
    with (folder / "records.jsonl").open("w") as records:
        for step in range(1, 201):
            share = 0.5 + 0.1 * step / 200
            row: dict[str, Any] = {"step": step, "epoch": step / 20, "time_s": step / 10}
            row |= {"task_loss": 2 / step, "distillation_loss": 0.1 / step}
            row["iwv"] = {"visual": share, "audio": 1 - share}
            if step % 20 == 0:
                row["validation"] = {"visual": 0.9, "audio": 0.7, "both": 0.95}
                row["fill_l1"] = {"visual": 0.25, "audio": 0.375}
                row["fill_cosine"] = {"visual": 0.5, "audio": 0.625}
                row["feature_std"] = {"1": 0.25, "2": 0.125}
            if step == 100:
                row["task_loss"] = None
            records.write(json.dumps(row) + "\n")
    (folder / "status.json").write_text(
        json.dumps({"state": "finished", "step": 200, "steps": 200, "message": ""})
    )
    (folder / "config.json").write_text(
        json.dumps(
            {
                "task": "digits",
                "preset": "smoke",
                "note": "<img src=x onerror=alert(1)>",
                "config": {"system": system},
            }
        )
    )
    return folder.name


def choose(tab: Tab, run: str, drawn: bool = True) -> None:
    tab.until(lambda: tab.get("run"), "some run")
    if tab.get("run") != run:
        tab.page.locator("#training-run input").click()
        tab.page.get_by_role("option", name=run).click()
    tab.until(lambda: tab.get("run") == run and tab.points == 200, "the finished run")
    tab.until(lambda: not drawn or tab.get("drawn") == "200", "its charts")
