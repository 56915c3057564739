"""Limits of likeness: directions by hand, and digits that had no part in their own limit."""

import math

import pytest
import torch

from train.digits import likeness, nodigits
from train.digits.likeness import CENTRES, directions_of


def test_the_directions_are_the_middles_of_what_lies_together(monkeypatch):
    """Of each digit two samples of one direction, one of them longer, and equal ones once."""
    monkeypatch.setattr(likeness, "CENTRES", 1)
    angles = torch.arange(10) * 0.6
    features = torch.cat(
        [
            length * torch.stack([(angles + turn).cos(), (angles + turn).sin()], 1)
            for turn, length in ((0.1, 1.0), (-0.1, 7.0), (-0.1, 7.0))
        ]
    )
    found = directions_of(features, torch.arange(10).repeat(3))
    expected = torch.stack([angles.cos(), angles.sin()], 1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_of_few_samples_there_are_few_centres():
    features = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    found = directions_of(features, torch.arange(10).repeat(4))
    assert found.shape == (40, 8)
    assert CENTRES > 4
    assert found.norm(dim=1).tolist() == pytest.approx([1.0] * 40)


def test_a_digit_has_no_say_in_its_own_limit():
    """The strangest of 500 is above the limit of the others; with them, 2 % are."""
    unseen = torch.linspace(0, 1, 500)
    assert likeness._left_out(unseen).double().mean().item() == pytest.approx(0.02, abs=0.005)
    assert likeness._left_out(unseen)[-1]


def test_too_few_digits_promise_nothing():
    assert math.isinf(likeness._limit(torch.rand(48)))
    assert math.isfinite(likeness._limit(torch.rand(49)))


def test_what_is_no_digit_is_made_alike_each_time():
    one, other = nodigits.pictures(0), nodigits.pictures(0)
    assert {name: len(x) for name, x in one.items()} == {
        "noise": 100,
        "letters": 126,
        "scribbles": 100,
    }
    for name, pictures in one.items():
        assert all((a == b).all() for a, b in zip(pictures, other[name], strict=True))
        assert {p.shape for p in pictures} == {(160, 160)}
