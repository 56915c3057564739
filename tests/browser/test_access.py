"""Every function by keyboard alone, and at 200 % zoom: what can be pressed can be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import Studio, arrivals

TABS = ("Brain tumours", "Compare", "Digits", "Training")
READY_MS = 30_000
ZOOMED = {"width": 720, "height": 450}  # of a window of 1440 x 900 at 200 %

# What can be pressed and is in sight. A group that is one stop for Tab (tabs, choices, rows)
# counts as reached with any of its members: arrow keys do the rest.
WANTED = """() => {
  const name = (e) => (e.getAttribute('aria-label') || e.innerText || e.title || e.id || e.className).trim().slice(0, 40);
  const found = [];
  for (const e of document.querySelectorAll('button, a[href], input, select, textarea, summary, [tabindex]')) {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    const shown = box.width > 1 && box.height > 1 && style.visibility === 'visible' && !e.closest('[inert], [aria-hidden=true]');
    if (!shown || e.disabled || e.type === 'file') continue;
    const group = e.closest('[role=tablist], [role=radiogroup], [role=toolbar][data-roving], tbody');
    const one = e.tabIndex < 0 && group;
    if (e.tabIndex < 0 && !group && !e.matches('button, a, input, select, summary')) continue;
    e.dataset.access = e.dataset.access || String(Math.random());
    found.push({ id: one ? '' : e.dataset.access, name: `${e.tagName} ${name(e)}`, left: box.left, right: box.right });
  }
  return found;
}"""
FOCUSED = "() => document.activeElement.dataset.access || ''"


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    with arrivals(browser, clinic) as start:
        yield start


def open_case(page: Any) -> None:
    page.click("#tumour-intake [data-case=small_head]")
    page.wait_for_selector("#tumour-findings .findings[data-status=answer]", timeout=READY_MS)


def show(page: Any, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()
    if tab == "Compare":
        page.wait_for_selector("#compare-subsets [data-state=complete]", timeout=READY_MS)


@pytest.mark.parametrize("tab", TABS)
def test_tab_reaches_all_that_can_be_pressed(visit: Callable[..., Any], tab: str) -> None:
    page = visit()
    open_case(page)
    show(page, tab)
    wanted = {entry["id"]: entry["name"] for entry in page.evaluate(WANTED) if entry["id"]}
    assert len(wanted) > 10
    reached = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(3 * len(wanted)):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
        if wanted.keys() <= reached:
            break
    assert sorted(name for key, name in wanted.items() if key not in reached) == []


@pytest.mark.parametrize("tab", TABS)
def test_nothing_lies_beside_the_window_at_200_per_cent(
    visit: Callable[..., Any], tab: str
) -> None:
    page = visit(viewport=ZOOMED)
    open_case(page)
    show(page, tab)
    assert page.evaluate("document.documentElement.scrollWidth") <= ZOOMED["width"]
    outside = []
    for entry in page.evaluate(WANTED):
        if entry["left"] < -1 or entry["right"] > ZOOMED["width"] + 1:
            # in a box of its own that scrolls sideways, as the wide table does, it can be reached
            inside = page.evaluate(
                """(id) => { const e = document.querySelector(`[data-access="${id}"]`); if (!e) return false;
                e.scrollIntoView({ inline: 'nearest' }); const b = e.getBoundingClientRect();
                return b.left > -1 && b.right < innerWidth + 1 && document.documentElement.scrollLeft === 0; }""",
                entry["id"],
            )
            outside += [] if inside else [entry["name"]]
    assert outside == []
