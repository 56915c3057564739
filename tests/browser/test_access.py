"""Every function by keyboard alone, and at 200 % zoom: what can be pressed can be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import Studio, arrivals, reach

TABS = ("Brain tumours", "Compare", "Digits", "Training")
ZOOMED = {"width": 720, "height": 450}  # of a window of 1440 x 900 at 200 %

# What can be pressed and is in sight. A group that is one stop for Tab (tabs, choices, rows)
# counts as reached with any of its members: arrow keys do the rest.
WANTED = """() => {
  const NATIVE = 'button, a[href], input, select, textarea, summary';
  const GROUP = '[role=tablist], [role=radiogroup], [role=toolbar][data-roving], tbody';
  const name = (e) => e.getAttribute('aria-label') || e.innerText || e.title || e.id;
  const found = [];
  for (const e of document.querySelectorAll(NATIVE + ', [tabindex]')) {
    const box = e.getBoundingClientRect();
    const away = e.closest('[inert], [aria-hidden=true]') || e.disabled || e.type === 'file';
    if (away || box.width < 2 || box.height < 2) continue;
    if (getComputedStyle(e).visibility !== 'visible') continue;
    const member = e.tabIndex < 0 && e.closest(GROUP);
    if (e.tabIndex < 0 && !member && !e.matches(NATIVE)) continue;
    e.dataset.access ||= String(Math.random());
    const id = member ? '' : e.dataset.access;
    found.push({ id, name: `${e.tagName} ${name(e)}`, left: box.left, right: box.right });
  }
  return found;
}"""
SCROLLED_TO = """(id) => {
  const e = document.querySelector(`[data-access="${id}"]`);
  if (!e) return false;
  e.scrollIntoView({ inline: 'nearest' });
  const { left, right } = e.getBoundingClientRect();
  return left > -1 && right < innerWidth + 1 && document.documentElement.scrollLeft === 0;
}"""
RUN_OVER = """() => {
  for (const more of document.querySelectorAll('details')) more.open = true;
  const seen = [...document.querySelectorAll('thead th')].filter((e) => e.clientWidth > 2);
  return [seen.length, seen.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText)];
}"""
FOCUSED = "() => document.activeElement.dataset.access || ''"


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    with arrivals(browser, clinic) as start:
        yield start


def open_case(page: Any) -> None:
    page.click("#tumour-intake [data-case=small_head]")
    reach(page, "#tumour-findings .findings[data-status=answer]")


def show(page: Any, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()
    if tab == "Compare":
        reach(page, "#compare-subsets [data-state=complete]")


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
            inside = page.evaluate(SCROLLED_TO, entry["id"])
            outside += [] if inside else [entry["name"]]
    assert outside == []


@pytest.mark.parametrize("width", [1440, 390])
def test_no_head_of_a_table_runs_into_the_next(visit: Callable[..., Any], width: int) -> None:
    page = visit(viewport={"width": width, "height": 900})
    open_case(page)
    show(page, "Compare")
    count, over = page.evaluate(RUN_OVER)
    assert count > 10
    assert over == []
