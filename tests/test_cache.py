"""What is kept within a budget: who holds what, how much fits, and when it goes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from mckd.cache import Cache
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gone() -> list[bytearray]:
    return []


@pytest.fixture
def cache(clock: Clock, gone: list[bytearray]) -> Cache[str, bytearray]:
    return Cache(100, len, 60, gone.append, clock)


def test_the_first_of_two_values_counts(cache: Cache[str, bytearray]) -> None:
    first = bytearray(10)
    assert cache.put("a", "ann", first) is first
    assert cache.put("a", "bob", bytearray(20)) is first
    assert cache.get("a", "ann") is first
    assert cache.get("b", "ann") is None
    assert cache.used == 10


def test_the_least_recently_used_goes_when_room_is_needed(
    cache: Cache[str, bytearray], gone: list[bytearray]
) -> None:
    values = {key: cache.put(key, "ann", bytearray(40)) for key in "ab"}
    cache.get("a", "ann")
    cache.put("c", "ann", bytearray(40))
    assert [key for key in "abc" if key in cache] == ["a", "c"]
    assert gone == [values["b"]]
    assert cache.used == 80


def test_a_value_that_grew_counts_and_the_newest_stays_whatever_its_size(
    cache: Cache[str, bytearray],
) -> None:
    cache.put("a", "ann", bytearray(10))
    grows = cache.put("b", "ann", bytearray(10))
    grows.extend(bytes(500))
    cache.trim()
    assert "a" not in cache
    assert "b" in cache
    assert cache.used == 510


def test_what_somebody_holds_outlives_who_opened_it(
    cache: Cache[str, bytearray], gone: list[bytearray]
) -> None:
    cache.put("bundled", "ann", bytearray(10))
    cache.put("own", "ann", bytearray(10))
    cache.get("bundled", "bob")
    cache.forget("ann")
    assert "bundled" in cache
    assert "own" not in cache
    cache.forget("nobody")
    cache.forget("bob")
    assert cache.used == 0
    assert len(gone) == 2


def test_what_nobody_asks_for_expires(cache: Cache[str, bytearray], clock: Clock) -> None:
    cache.put("a", "ann", bytearray(10))
    cache.put("b", "ann", bytearray(10))
    clock.now = 50
    cache.get("b", "ann")
    clock.now = 100
    cache.expire()
    assert "a" not in cache
    assert "b" in cache


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_a_copy_begins_empty(copied: Callable[[Cache[str, bytes]], Cache[str, bytes]]) -> None:
    cache = Cache[str, bytes](100, len)
    cache.put("a", "ann", bytes(10))
    other = copied(cache)
    assert (other.used, other.budget) == (0, 100)
    assert other.put("a", "ann", bytes(20)) == bytes(20)
    assert cache.used == 10
