"""The store of open cases: who holds what, how much fits, and when it goes."""

from __future__ import annotations

import pytest

from mckd.studio.services.shelf import Shelf
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gone() -> list[bytearray]:
    return []


@pytest.fixture
def shelf(clock: Clock, gone: list[bytearray]) -> Shelf[bytearray]:
    return Shelf(100, 60, len, gone.append, clock)


def test_the_first_of_two_values_counts(shelf: Shelf[bytearray]) -> None:
    first = bytearray(10)
    assert shelf.put("a", "ann", first) is first
    assert shelf.put("a", "bob", bytearray(20)) is first
    assert shelf.get("a", "ann") is first
    assert shelf.get("b", "ann") is None
    assert shelf.used == 10


def test_the_longest_unused_goes_when_room_is_needed(
    shelf: Shelf[bytearray], gone: list[bytearray]
) -> None:
    values = {key: shelf.put(key, "ann", bytearray(40)) for key in "ab"}
    shelf.get("a", "ann")
    shelf.put("c", "ann", bytearray(40))
    assert [key for key in "abc" if key in shelf] == ["a", "c"]
    assert gone == [values["b"]]
    assert shelf.used == 80


def test_a_value_that_grew_counts_and_the_newest_stays_whatever_its_size(
    shelf: Shelf[bytearray],
) -> None:
    shelf.put("a", "ann", bytearray(10))
    grows = shelf.put("b", "ann", bytearray(10))
    grows.extend(bytes(500))
    shelf.trim()
    assert "a" not in shelf
    assert "b" in shelf
    assert shelf.used == 510


def test_what_somebody_holds_outlives_who_opened_it(
    shelf: Shelf[bytearray], gone: list[bytearray]
) -> None:
    shelf.put("bundled", "ann", bytearray(10))
    shelf.put("own", "ann", bytearray(10))
    shelf.get("bundled", "bob")
    shelf.forget("ann")
    assert "bundled" in shelf
    assert "own" not in shelf
    shelf.forget("nobody")
    shelf.forget("bob")
    assert shelf.used == 0
    assert len(gone) == 2


def test_what_nobody_asks_for_expires(shelf: Shelf[bytearray], clock: Clock) -> None:
    shelf.put("a", "ann", bytearray(10))
    shelf.put("b", "ann", bytearray(10))
    clock.now = 50
    shelf.get("b", "ann")
    clock.now = 100
    shelf.expire()
    assert "a" not in shelf
    assert "b" in shelf
