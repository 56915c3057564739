"""Exact Shapley values: what each player of a game adds, averaged over every order of joining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial


def shapley(values: Mapping[frozenset[str], float], players: Sequence[str]) -> dict[str, float]:
    """Exact Shapley values of a game (Shapley 1953), by the sum over all subsets.

    Args:
        values: of every subset of the players. The empty set is worth 0 unless it is given.
        players: all of them, in the order of the result.

    Returns:
        {player: value}; they add up to what all players are worth above the empty set.

    Raises:
        ValueError: a subset is missing, or has a player that is not listed.
    """
    n = len(players)
    worth = {frozenset[str](): 0.0, **values}
    if not n or len(worth) != 2**n or not frozenset().union(*worth) <= set(players):
        raise ValueError(f"{n} players have {2**n - 1} subsets; given are {len(worth) - 1}.")
    result = {}
    for player in players:
        others = [p for p in players if p != player]
        result[player] = sum(
            factorial(size) * factorial(n - size - 1) / factorial(n)
            * (worth[frozenset(before) | {player}] - worth[frozenset(before)])
            for size in range(n)
            for before in combinations(others, size)
        )  # fmt: skip
    return result
