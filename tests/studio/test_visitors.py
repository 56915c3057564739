"""Who is here: whose session it is, how many fit, how much they may ask, and when they are gone."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest

from mckd.studio.services import visitors as module
from mckd.studio.services.visitors import Refused, Share, Visitors
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gone() -> list[str]:
    return []


@pytest.fixture
def visitors(clock: Clock, gone: list[str]) -> Visitors:
    return Visitors(gone.append, most=3, clock=clock)


def refused(
    visitors: Visitors, session: str, browser: str, works: bool = False, address: str = ""
) -> int:
    with pytest.raises(Refused) as caught:
        visitors.admit(session, browser, works, address)
    return caught.value.status


def test_a_session_belongs_to_the_browser_that_named_it_first(visitors: Visitors) -> None:
    visitors.admit("tab", "firefox")
    visitors.admit("tab", "firefox")
    assert refused(visitors, "tab", "chrome") == 403
    assert refused(visitors, "tab", "") == 403
    assert visitors.knows("firefox")
    assert not visitors.knows("chrome")


def test_no_more_pages_than_fit(visitors: Visitors, clock: Clock, gone: list[str]) -> None:
    for tab in "abc":
        visitors.admit(tab, "firefox")
    assert visitors.full
    assert refused(visitors, "d", "chrome") == 503
    visitors.admit("a", "firefox")  # who is in stays in
    clock.now = module.LEAVE_S + 1
    visitors.sweep()
    assert sorted(gone) == ["a", "b", "c"]
    visitors.admit("d", "chrome")


def test_a_browser_has_left_when_its_last_page_has(clock: Clock) -> None:
    left: list[str] = []
    visitors = Visitors(lambda _: None, left.append, clock=clock)
    visitors.admit("a", "firefox")
    visitors.admit("b", "firefox")
    visitors.admit("c", "chrome")
    clock.now = module.LEAVE_S
    visitors.admit("b", "firefox")
    clock.now = module.LEAVE_S + 1
    visitors.sweep()
    assert left == ["chrome"]
    clock.now = 2 * module.LEAVE_S + 2
    visitors.sweep()
    visitors.sweep()
    assert left == ["chrome", "firefox"]


def test_work_is_counted_and_looking_is_not(visitors: Visitors, clock: Clock) -> None:
    for _ in range(int(module.AT_ONCE)):
        visitors.admit("tab", "firefox", works=True)
    assert refused(visitors, "tab", "firefox", works=True) == 429
    visitors.admit("tab", "firefox")
    visitors.admit("other", "firefox", works=True)
    clock.now = 1.0
    for _ in range(int(module.PER_S)):
        visitors.admit("tab", "firefox", works=True)
    assert refused(visitors, "tab", "firefox", works=True) == 429


def test_a_connected_page_stays_until_it_sleeps(
    visitors: Visitors, clock: Clock, gone: list[str]
) -> None:
    visitors.admit("tab", "firefox")
    visitors.connect("tab", +1)
    clock.now = module.LEAVE_S + 1
    visitors.sweep()
    assert gone == []
    visitors.connect("tab", -1)
    visitors.sweep()  # it left just now: a network may hiccup
    assert gone == []
    clock.now += module.LEAVE_S + 1
    visitors.sweep()
    assert gone == ["tab"]
    visitors.connect("tab", -1)  # long gone: nothing happens


def test_an_open_page_that_asks_for_nothing_is_forgotten(
    visitors: Visitors, clock: Clock, gone: list[str]
) -> None:
    visitors.admit("tab", "firefox")
    visitors.connect("tab", +1)
    clock.now = module.IDLE_S + 1
    visitors.sweep()
    assert gone == ["tab"]
    visitors.admit("tab", "firefox")  # it wakes up, still connected, and begins anew
    clock.now += module.LEAVE_S + 1
    visitors.sweep()
    assert gone == ["tab"]


def test_nobody_takes_all_pages(clock: Clock) -> None:
    visitors = Visitors(lambda _: None, clock=clock)
    for n in range(module.OF_BROWSER):
        visitors.admit(f"tab{n}", "firefox", address="10.0.0.1")
        visitors.connect(f"tab{n}", +1)
    with pytest.raises(Refused) as caught:
        visitors.admit("one-more", "firefox", address="10.0.0.9")
    assert caught.value.status == 429
    for n in range(module.OF_ADDRESS - module.OF_BROWSER):
        visitors.admit(f"fresh{n}", f"browser{n}", address="10.0.0.1")
    with pytest.raises(Refused):
        visitors.admit("one-more", "another", address="10.0.0.1")
    visitors.admit("tab0", "firefox", address="10.0.0.1")  # who is in stays in
    for n in range(module.MOST - module.OF_ADDRESS):
        visitors.admit(f"guest{n}", f"guest{n}", address="10.0.0.2")
    assert visitors.full


def test_a_page_may_be_loaded_anew_again_and_again(clock: Clock, gone: list[str]) -> None:
    visitors = Visitors(gone.append, clock=clock)
    visitors.admit("another-tab", "firefox")
    visitors.connect("another-tab", +1)
    loads = [f"load{n}" for n in range(4 * module.OF_BROWSER)]  # far within LEAVE_S
    for load in loads:
        clock.now += 0.1
        visitors.admit(load, "firefox")
        visitors.connect(load, +1)
        visitors.connect(load, -1)
        visitors.sweep()
    here = loads[-module.OF_BROWSER + 1 :]
    assert visitors.sessions("") == ["another-tab", *here]
    assert gone == loads[: -len(here)]  # once each: their files go too


def test_who_is_in_may_load_the_page_anew_although_all_is_full(
    visitors: Visitors, gone: list[str]
) -> None:
    for tab, browser in (("a", "firefox"), ("b", "firefox"), ("c", "chrome")):
        visitors.admit(tab, browser, address=browser)
        visitors.connect(tab, +1)
    assert refused(visitors, "d", "firefox") == 503
    visitors.connect("b", -1)
    assert refused(visitors, "d", "chrome") == 503
    visitors.admit("d", "firefox", address="firefox")
    visitors.sweep()
    assert gone == ["b"]
    assert visitors.sessions("firefox") == ["a", "d"]


def test_a_network_whose_people_come_and_go_is_not_full_of_those_who_left(
    clock: Clock, gone: list[str]
) -> None:
    visitors = Visitors(gone.append, clock=clock)
    visitors.admit("stays", "somebody", address="clinic")
    visitors.connect("stays", +1)
    for n in range(2 * module.OF_ADDRESS):  # another browser each second, far within LEAVE_S
        clock.now += 1
        visitors.admit(f"page{n}", f"browser{n}", address="clinic")
        visitors.connect(f"page{n}", +1)
        visitors.connect(f"page{n}", -1)
        visitors.sweep()
    assert "stays" in visitors.sessions("clinic")
    assert len(visitors.sessions("clinic")) <= module.OF_ADDRESS
    assert gone == [f"page{n}" for n in range(len(gone))]  # who left first gave up the place first


def test_a_page_that_lost_its_connection_a_moment_ago_keeps_its_place(
    clock: Clock, gone: list[str]
) -> None:
    visitors = Visitors(gone.append, clock=clock)
    for n in range(module.OF_ADDRESS):
        visitors.admit(f"page{n}", f"browser{n}", address="clinic")
    clock.now += module.AWAY_S - 0.1
    assert refused(visitors, "late", "late", address="clinic") == 429
    clock.now += 0.2
    visitors.admit("late", "late", address="clinic")
    visitors.sweep()
    assert gone == ["page0"]


def test_a_browser_with_all_its_pages_open_takes_no_place_of_others(clock: Clock) -> None:
    visitors = Visitors(lambda _: None, clock=clock)
    visitors.admit("away", "other", address="clinic")
    for n in range(module.OF_BROWSER):
        visitors.admit(f"tab{n}", "firefox", address="clinic")
        visitors.connect(f"tab{n}", +1)
    clock.now += module.AWAY_S + 1
    assert refused(visitors, "one-more", "firefox", address="clinic") == 429
    assert "away" in visitors.sessions("clinic")


def test_pages_that_change_all_the_time_get_no_more_than_others(
    visitors: Visitors, gone: list[str]
) -> None:
    asked = 0
    for n in range(module.OF_BROWSER * 4):
        with suppress(Refused):
            while True:
                visitors.admit(f"load{n}", "firefox", works=True)
                asked += 1
    assert asked == 3 * module.AT_ONCE  # of three pages, as many as fit
    assert gone == []  # before the next sweep few places change hands


def test_places_are_shared_and_given_back() -> None:
    share = Share(most=4, of_address=3, of_browser=2, sentence="No room.")
    with ExitStack() as taken:
        for browser in ("firefox", "firefox", "chrome"):
            taken.enter_context(share.place(browser, "10.0.0.1"))
        for browser, address in (("firefox", "10.0.0.2"), ("opera", "10.0.0.1")):
            with pytest.raises(Refused, match="No room"), share.place(browser, address):
                pass
        assert taken.enter_context(share.place("opera", "10.0.0.2")) == 4
        with pytest.raises(Refused), share.place("safari", "10.0.0.3"):
            pass
    with share.place("firefox", "10.0.0.1") as count:
        assert count == 1
