"""U-HeMIS: moments over whichever modalities there are, against numbers worked out by hand."""

import pytest
import torch

from mckd.method import presence_mask
from mckd.systems.hemis import HeMISNetwork, moments
from tests.systems.toy import MODALITIES, MapParts, batch


@pytest.fixture
def f():
    return torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


def mask(*present):
    return presence_mask(present, MODALITIES, 2, "cpu")


def test_by_hand():
    """1, 3 and 8 everywhere: the mean is 4 and the variance (9 + 1 + 16) / 3; of 1 and 3: 2, 1."""
    f = torch.tensor([1.0, 3.0, 8.0]).view(1, 3, 1, 1).expand(2, 3, 1, 2)
    present = torch.tensor([[1, 1, 1], [1, 1, 0]]).bool()
    expected = torch.tensor([[4, 26 / 3], [2, 1]])[..., None].expand(2, 2, 2)
    assert torch.allclose(moments(f, present), expected)


@pytest.mark.parametrize("modality", MODALITIES)
def test_one_modality_has_no_variance(f, modality):
    mean, variance = moments(f, mask(modality)).split(4, 1)
    assert torch.equal(mean, f[:, MODALITIES.index(modality)])
    assert not variance.any()


def test_the_variance_is_the_mean_square_less_the_squared_mean(f):
    mean, variance = moments(f, mask("a", "c")).split(4, 1)
    a, c = f[:, 0], f[:, 2]
    assert torch.allclose(variance, (a**2 + c**2) / 2 - mean**2, atol=1e-6)


def test_the_order_of_modalities_does_not_matter(f):
    turned = f[:, [2, 0, 1]]
    a, b = moments(f, mask("a", "b")), moments(turned, mask("b", "c"))
    assert torch.allclose(a, b, atol=1e-6)


def test_nan_in_absent_slots_changes_no_bit(f):
    expected = moments(f, mask("b"))
    f[:, [0, 2]] = torch.nan
    assert torch.equal(moments(f, mask("b")), expected)


def test_the_decoder_sees_as_many_channels_as_the_trunk_gives_it():
    network = HeMISNetwork(MapParts())
    for present in (mask("a"), mask(*MODALITIES)):
        inputs = [x[:2] for x in batch(1).inputs]
        fused = network.complete(network.encode(inputs, present), present)
        assert [f.shape[1:3] for f in fused] == [(1, 4), (1, 2)]
