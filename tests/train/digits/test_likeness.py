"""Limits of likeness: directions by hand, and digits that had no part in their own limit."""

import math

import pytest
import torch

from train.digits import likeness, nodigits
from train.digits.likeness import CENTRES, above_others, directions_of


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
    """Of 56 the limit is the largest: with its own say it would never be above it."""
    unseen = torch.full((56,), 0.1)
    unseen[-1] = 0.9
    assert likeness.limit_of(unseen) == pytest.approx(0.9)
    assert above_others([unseen]).tolist() == [False] * 55 + [True]


def test_of_several_speakers_each_is_left_out_whole():
    """One is twice as far out: by the others' limit half of what he says is unlike."""
    near, far = torch.linspace(0, 1, 500), torch.linspace(0, 2, 500)
    found = above_others([near, near, far]).view(3, 500).double().mean(1)
    assert found[2].item() == pytest.approx(0.5, abs=0.02)
    assert found[:2].tolist() == [0, 0]


def test_too_few_digits_promise_nothing():
    assert math.isinf(likeness.limit_of(torch.rand(48)))
    assert math.isfinite(likeness.limit_of(torch.rand(49)))


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
