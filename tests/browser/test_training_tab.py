"""The Training tab in a real browser, over a real trainer: start, watch, reload, stop, replay."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from mckd.studio.library import ADDRESS
from tests.browser.conftest import Studio, blank
from tests.browser.training import Tab, choose, write_run
from tests.load.visitors import Browser

LONG = "400"  # epochs that no test waits for


@pytest.fixture
def tab(finished_run: str, page: Any) -> Iterator[Tab]:
    """The tab of a fresh page; a finished run is in its list already."""
    opened = Tab(page)
    yield opened
    opened.end()


@pytest.fixture(scope="module")
def finished_run(studio: Studio) -> str:
    """A finished run in the studio's list, written as a trainer writes it, and one like it."""
    write_run(studio, "another-run", system="smil")
    return write_run(studio, "a-finished-run")


def lines(page: Any, panel: str) -> list[dict[str, Any]]:
    """What a chart shows: of each line its name, stroke, number of points and of gaps."""
    script = """(plot) => plot.data.map(({ name, line, y, stackgroup }) => ({
        name, dash: line.dash, points: y.length, gaps: y.filter((v) => v === null).length,
        stacked: Boolean(stackgroup) }))"""
    found: list[dict[str, Any]] = page.locator(f".panel[data-panel={panel}] .plot").evaluate(script)
    return found


def test_two_epochs_are_trained_and_drawn(tab: Tab) -> None:
    run = tab.begin("2")
    assert run.startswith("digits-smoke-")
    expect(tab.command).to_contain_text(f"--out {run}" if "/" in run else run)
    expect(tab.start).to_have_text("Add to queue")
    tab.until_state("running", "finished")
    tab.until_state("finished")
    assert tab.points >= 2
    assert len(tab.weights()) == 2
    assert sum(tab.weights()) == pytest.approx(1, abs=1e-3)
    expect(tab.page.locator(".note")).to_contain_text("Test")
    expect(tab.start).to_have_text("Start")
    expect(tab.stop).to_be_disabled()


def test_a_system_without_weights_shows_its_own_losses(tab: Tab) -> None:
    page = tab.page
    page.locator("#training-system").get_by_text("ShaSpec", exact=True).click()
    expect(tab.command).to_contain_text("--system shaspec")
    tab.begin("2")
    tab.until_state("finished")
    for loss in ("task_loss", "domain_loss", "alignment_loss"):
        assert tab.value(loss) > 0
    expect(page.locator(".panel[data-panel=iwv]")).to_be_hidden()
    choose(tab, "a-finished-run")
    expect(page.locator(".panel[data-panel=iwv]")).to_be_visible()


def test_a_live_run_survives_zoom_reload_a_second_browser_stop_and_resume(
    tab: Tab, browser: Any, studio: Studio
) -> None:
    page = tab.page
    run = tab.begin(LONG)
    tab.until(lambda: tab.points >= 6, "six points")
    assert tab.get("state") == "running"

    tab.drag("loss", 0.2, 0.5)
    tab.until(lambda: tab.get("zoom"), "a zoom")
    zoom, points = tab.get("zoom"), tab.points
    tab.until(lambda: tab.points > points, "more points")
    assert tab.get("zoom") == zoom
    page.mouse.dblclick(*tab.spot("loss", 0.4))
    tab.until(lambda: not tab.get("zoom"), "the whole run")
    assert len(tab.weights()) == 2
    assert sum(tab.weights()) == pytest.approx(1, abs=1e-3)

    page.reload()
    again = Tab(page)
    again.until(lambda: again.get("run") == run and again.points > points, "the same run")
    assert again.get("state") == "running"
    expect(again.start).to_have_text("Add to queue")
    again.start.click()
    queue = page.locator("#training-queue")
    expect(queue).to_contain_text("1. Digits, Smoke test, MCKD")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(queue).to_be_hidden()
    assert again.get("run") == run  # the curves stay where they were

    other = blank(browser)
    other.goto(studio.url)
    second = Tab(other)
    second.until(lambda: second.get("run") == run and second.points > points, "the same run")

    expect(again.stop).to_be_enabled()
    again.stop.click()
    again.until_state("stopped")
    second.until_state("stopped")
    other.context.close()
    expect(again.resume).to_be_enabled()
    points = again.points
    again.resume.click()
    again.until(lambda: again.get("state") == "running" and again.points > points, "new points")
    assert again.get("run") == run


def test_a_run_from_a_shell_appears(tab: Tab, studio: Studio, finished_run: str) -> None:
    """A page that shows a finished run notices that another one went live."""
    choose(tab, finished_run)
    other = tab.page.context.new_page()
    other.goto(studio.url)
    starter = Tab(other)
    run = starter.begin(LONG)
    tab.until(lambda: tab.get("run") == run, "the live run")
    starter.end()
    other.close()
    tab.until_state("stopped")


def test_replay_plays_pauses_and_can_be_scrubbed(tab: Tab, finished_run: str) -> None:
    """By the page's own clock, which a busy machine does not hurry."""
    page, replay = tab.page, tab.page.locator("[data-act=replay]")
    page.clock.install()
    page.reload()
    choose(Tab(page), finished_run)
    tab.until(lambda: "step 200" in tab.where(), "the last row")
    page.clock.pause_at(page.evaluate("Date.now()") + 2000)
    replay.click()
    page.clock.run_for(3000)  # of the ten seconds that a replay lasts
    assert 55 <= int(tab.where().split()[1]) <= 60
    replay.click()
    expect(replay).to_have_text("Go on")
    held = tab.where()
    page.clock.run_for(1000)
    assert tab.where() == held
    scrub = page.locator(".scrub")
    scrub.fill("500")
    page.clock.run_for(100)
    assert "step 100 " in tab.where()
    assert tab.value("iwv.visual") == pytest.approx(0.55, abs=0.002)
    scrub.fill("950")
    replay.click()
    page.clock.run_for(1000)
    assert "step 200" in tab.where()
    expect(replay).to_have_text("Replay")


def test_the_keyboard_reads_out_and_zooms(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    page = tab.page
    page.locator("#training-curves .charts").focus()
    page.keyboard.press("Home")
    tab.until(lambda: "step 1 " in tab.where(), "the first row")
    page.keyboard.press("ArrowRight")
    tab.until(lambda: "step 2 " in tab.where(), "the second row")
    page.keyboard.press("End")
    page.keyboard.press("Shift+ArrowLeft")
    tab.until(lambda: "step 190 " in tab.where(), "ten rows before the end")
    page.keyboard.press("+")
    tab.until(lambda: tab.get("zoom"), "a zoom")
    expect(page.locator("#training-curves .spoken")).to_contain_text("Picture 0.595")
    page.keyboard.press("0")
    tab.until(lambda: not tab.get("zoom"), "the whole run")


def test_the_wheel_zooms_only_once_the_curves_were_clicked(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    tab.page.mouse.move(*tab.spot("iwv", 0.5))
    tab.page.mouse.wheel(0, -200)
    tab.page.wait_for_timeout(300)
    assert not tab.get("zoom")
    tab.page.mouse.click(*tab.spot("iwv", 0.5))
    tab.page.mouse.wheel(0, -200)
    tab.until(lambda: tab.get("zoom"), "a zoom")


def test_series_can_be_hidden_and_the_axis_changed(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    key = tab.page.locator(".key[data-series=task_loss]")
    key.click()
    expect(key).to_have_attribute("aria-pressed", "false")
    tab.drag("iwv", 0.3, 0.6)
    tab.until(lambda: tab.get("zoom"), "a zoom")
    in_steps = [float(x) for x in tab.get("zoom").split(":")]
    tab.page.get_by_role("button", name="Epochs").click()
    tab.until(lambda: float(tab.get("zoom").split(":")[1]) < 20, "epochs")
    in_epochs = [float(x) for x in tab.get("zoom").split(":")]
    assert in_epochs == pytest.approx([x / 20 for x in in_steps], abs=0.06)


def test_every_kind_of_series_has_its_chart(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    page = tab.page
    for panel in ("iwv", "fill_l1", "fill_cosine"):
        assert [line["name"] for line in lines(page, panel)] == ["Picture", "Voice"]
    assert [line["name"] for line in lines(page, "feature_std")] == ["Scale 1", "Scale 2"]
    assert [line["name"] for line in lines(page, "validation")] == ["Picture", "Voice", "Both"]
    assert {line["points"] for line in lines(page, "validation")} == {10}
    task = [line for line in lines(page, "loss") if line["name"] == "task"]
    assert [line["points"] for line in task] == [200, 200]  # as measured, and its running mean
    assert {line["gaps"] for line in task} == {1}  # what was no number
    page.get_by_role("button", name="Smooth").click()
    tab.until(lambda: len(lines(page, "loss")) == 2, "the losses as measured")
    page.get_by_role("button", name="Stack").click()
    tab.until(lambda: all(line["stacked"] for line in lines(page, "iwv")), "stacked weights")
    axis = page.locator(".panel[data-panel=loss] .plot")
    assert axis.evaluate("(plot) => plot.layout.yaxis.type") == "log"
    ticks = [float(text) for text in axis.locator(".ytick text").all_text_contents()]
    bottom, top = (10**end for end in axis.evaluate("(plot) => plot.layout.yaxis.range"))
    assert bottom < ticks[0] < ticks[-1] < top
    assert ticks == sorted(ticks)
    page.get_by_role("button", name="Log").click()
    tab.until(lambda: axis.evaluate("(p) => p.layout.yaxis.type") == "linear", "a linear axis")
    assert tab.value("fill_l1.audio") == 0.375


def test_another_run_is_laid_over_in_another_stroke(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    page = tab.page
    page.locator("#training-over input").click()
    page.get_by_role("option", name="another-run").click()
    tab.until(lambda: len(lines(page, "iwv")) == 4, "the lines of both runs")
    assert [line["dash"] for line in lines(page, "iwv")] == ["solid"] * 2 + ["dash"] * 2
    expect(page.locator("#training-curves .runs")).to_have_text(
        f"{finished_run}MCKDanother-runSMIL"
    )
    page.mouse.move(*tab.spot("validation", 0.5))
    expect(page.locator(".panel[data-panel=validation] .hoverlayer")).to_contain_text(
        "Both \u00b7 another-run : 95.0%"
    )
    page.locator(".key[data-series='iwv.audio']").click()
    tab.until(lambda: len(lines(page, "iwv")) == 2, "the pictures' weights of both")


@pytest.mark.parametrize(
    ("button", "end", "begins"), [("PNG", ".png", b"\x89PNG"), ("SVG", ".svg", b"<svg")]
)
def test_all_charts_are_saved_as_one_picture(
    tab: Tab, finished_run: str, button: str, end: str, begins: bytes
) -> None:
    choose(tab, finished_run)
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name=button, exact=True).click()
    assert waiting.value.suggested_filename == f"mckd-curves-{finished_run}{end}"
    picture = Path(waiting.value.path()).read_bytes()
    assert picture.startswith(begins)
    if end == ".svg":
        titles = ("Importance weights", "Losses", "Validation score", "cosine", "Picture", "step")
        assert all(title in picture.decode() for title in titles)


def test_the_figures_stand_in_a_table_too(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    tab.page.get_by_text("The figures as a table").click()
    table = tab.page.get_by_role("region", name="Figures of the run").get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(13)
    expect(table.get_by_role("columnheader", name="Validation score: Both")).to_be_visible()
    last = table.get_by_role("row").last
    expect(last.get_by_role("rowheader")).to_have_text("200")
    expect(last).to_contain_text("95.0\u202f%")
    chart = tab.page.get_by_role("img", name="Validation score: Picture 90.0")
    expect(chart).to_be_visible()


def test_the_library_comes_when_a_chart_is_first_wanted_and_once(
    page: Any, finished_run: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.get_by_role("tab", name="Digits").click()
    expect(page.locator("#pad canvas")).to_be_visible()
    assert not [url for url in asked if "plotly" in url]
    for _ in range(2):
        choose(Tab(page), finished_run)
        page.get_by_role("tab", name="Digits").click()
    assert [url.rpartition("/")[2] for url in asked if "plotly" in url] == [ADDRESS[1:]]


def test_without_the_library_the_table_has_the_figures(
    finished_run: str, browser: Any, studio: Studio
) -> None:
    page = blank(browser)
    page.route("**/plotly-*", lambda route: route.abort())
    page.goto(studio.url)
    choose(Tab(page), finished_run, drawn=False)
    expect(page.locator("#training-curves .note")).to_contain_text("could not be fetched")
    page.get_by_text("The figures as a table").click()
    expect(page.get_by_role("region", name="Figures of the run").get_by_role("row")).to_have_count(
        13
    )
    page.context.close()


@pytest.mark.parametrize(
    ("button", "end"), [("Download CSV", ".csv"), ("Download JSONL", ".jsonl")]
)
def test_records_are_downloaded(tab: Tab, finished_run: str, button: str, end: str) -> None:
    choose(tab, finished_run)
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name=button).click()
    assert waiting.value.suggested_filename == finished_run + end
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert len(lines) == 200 + (end == ".csv")


def test_what_a_run_folder_says_is_text(tab: Tab, finished_run: str) -> None:
    choose(tab, finished_run)
    tab.page.get_by_text("Configuration of this run").click()
    expect(tab.page.locator("#training-facts table")).to_contain_text("smoke")
    assert tab.page.locator("#training-facts img").count() == 0


def test_an_idle_tab_asks_little_and_a_hidden_one_nothing(tab: Tab, finished_run: str) -> None:
    """By the page's own clock, in steps that leave time for an answer."""
    page = tab.page
    page.clock.install()
    page.reload()
    again = Tab(page)
    choose(again, finished_run)
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "component_server" in r.url else None)

    def six_seconds() -> None:
        for _ in range(12):
            page.clock.run_for(500)
            page.wait_for_timeout(50)

    six_seconds()
    assert len(asked) <= 2
    page.get_by_role("tab", name="Digits").click()
    expect(again.curves).to_be_hidden()
    asked.clear()
    six_seconds()
    assert asked == []


@pytest.mark.parametrize("width", [390, 360])
def test_it_fits_a_phone(tab: Tab, finished_run: str, width: int) -> None:
    choose(tab, finished_run)
    tab.page.set_viewport_size({"width": width, "height": 844})
    tab.page.wait_for_timeout(300)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def ask(studio: Studio) -> Callable[[str, Any], Any]:
    """Calls a server function of the curves directly, as any client with a cookie can."""
    browser, session = Browser(studio.port), f"direct{secrets.token_hex(8)}"
    browser.request("GET", "/")
    components = json.loads(browser.request("GET", "/config")[1])["components"]
    curves = next(c for c in components if c["props"].get("elem_id") == "training-curves")

    def call(function: str, data: Any) -> Any:
        named = {"component_id": curves["id"], "fn_name": function, "session_hash": session}
        return browser.call("component_server/", {**named, "data": data})

    return call


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "../../etc/passwd",
        {"run": "../../../../etc"},
        {"run": "/etc"},
        {"run": {"a": [1]}},
        {"run": "a" * 10_000, "cursor": {}},
        {"run": "bundled:../x", "cursor": "0:0"},
    ],
)
def test_direct_calls_reach_only_listed_runs(ask: Callable[[str, Any], Any], data: Any) -> None:
    reply = ask("since", data)
    assert reply["rows"] == []
    assert reply["status"]["state"] in ("none", "gone")
    assert set(ask("live", data)) == {"live"}


def test_an_odd_cursor_does_no_harm(ask: Callable[[str, Any], Any], finished_run: str) -> None:
    for cursor in (None, -1, "1:1", "9" * 30 + ":0", {"a": 1}):
        reply = ask("since", {"run": finished_run, "cursor": cursor})
        assert len(reply["rows"]) == 200
