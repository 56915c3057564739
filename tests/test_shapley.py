"""Shapley values by their axioms and by their definition over orders."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckd.method import subsets
from mckd.shapley import shapley

PLAYERS = ("flair", "t1", "t1c", "t2")
WORTH = st.floats(-1000, 1000)
SETS = {n: subsets(PLAYERS[:n]) for n in range(1, 5)}


@st.composite
def games(draw, count=1):
    """So many games {subset: worth} of the same 1 to 4 players."""
    sets = SETS[draw(st.integers(1, 4))]
    drawn = [draw(st.lists(WORTH, min_size=len(sets), max_size=len(sets))) for _ in range(count)]
    found = [dict(zip(sets, values, strict=True)) for values in drawn]
    return found[0] if count == 1 else found


def players_of(game):
    return sorted(frozenset().union(*game))


def shares_of(game):
    return shapley(game, players_of(game))


def close(value):
    return pytest.approx(value, abs=1e-8)


@given(games())
def test_is_the_mean_of_what_is_added_over_all_orders(game):
    players = players_of(game)
    added = dict.fromkeys(players, 0.0)
    for order in permutations(players):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            added[player] += game[before | {player}] - game.get(before, 0.0)
    orders = math.factorial(len(players))
    assert shares_of(game) == close({p: total / orders for p, total in added.items()})


@given(games(), st.floats(-10, 10))
def test_the_shares_add_up_to_the_worth_of_all_above_that_of_nothing(game, nothing):
    everything = game[frozenset(players_of(game))]
    assert sum(shares_of(game).values()) == close(everything)
    assert sum(shares_of(game | {frozenset(): nothing}).values()) == close(everything - nothing)


@given(games(), st.data())
def test_equal_players_get_equal_shares(game, data):
    one = data.draw(st.sampled_from(players_of(game)))
    other = data.draw(st.sampled_from(players_of(game)))
    swap = {one: other, other: one}
    fair = {
        s: (worth + game[frozenset(swap.get(p, p) for p in s)]) / 2 for s, worth in game.items()
    }
    shares = shares_of(fair)
    assert shares[one] == close(shares[other])


@given(games(), st.data())
def test_who_changes_nothing_gets_nothing(game, data):
    null = data.draw(st.sampled_from(players_of(game)))
    without = {s: game.get(s - {null}, 0.0) for s in game}
    assert shares_of(without)[null] == close(0.0)


@given(games(count=2), st.floats(-5, 5))
def test_is_linear(both, factor):
    one, other = both
    added = shares_of({s: one[s] + factor * other[s] for s in one})
    a, b = shares_of(one), shares_of(other)
    assert added == close({p: a[p] + factor * b[p] for p in a})


def test_a_game_worked_out_by_hand():
    game = {frozenset({"t1"}): 1.0, frozenset({"t2"}): 2.0, frozenset({"t1", "t2"}): 7.0}
    assert shares_of(game) == {"t1": 3.0, "t2": 4.0}  # (1 + 5) / 2 and (2 + 6) / 2
    # With 1 for nothing: (0 + 5) / 2 and (1 + 6) / 2.
    assert shares_of(game | {frozenset(): 1.0}) == {"t1": 2.5, "t2": 3.5}


def test_the_players_come_in_the_order_that_is_asked_for():
    order = ["t2", "flair", "t1c", "t1"]
    assert list(shapley(dict.fromkeys(SETS[4], 1.0), order)) == order


@pytest.mark.parametrize("missing", SETS[3], ids="+".join)
def test_every_subset_is_needed(missing):
    game = {s: 1.0 for s in SETS[3] if s != missing}
    with pytest.raises(ValueError, match="players have"):
        shapley(game, PLAYERS[:3])


def test_players_are_those_of_the_game():
    with pytest.raises(ValueError, match="players have"):
        shapley({frozenset({"t1"}): 1.0}, ["t2"])
    with pytest.raises(ValueError, match="0 players"):
        shapley({}, [])
