"""ShaSpec's fusion and its two losses, against numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn

from mckd.method import presence_mask
from mckd.systems.shaspec import ShaSpecNetwork, alignment_loss, domain_loss
from tests.systems.toy import CHANNELS, MODALITIES, Parts, batch, mixed


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ShaSpecNetwork(Parts()).eval()


def features(network, present):
    return network.encode(batch(2).inputs, present)


def test_without_the_convolution_f_is_r(network):
    nn.init.zeros_(network.fusion.weight)
    nn.init.zeros_(network.fusion.bias)
    everything = torch.ones(6, 3, dtype=torch.bool)
    both, fine = features(network, everything)
    deepest, shallow = network.complete((both, fine), everything)
    assert torch.equal(deepest, both[:, :, :CHANNELS])
    assert torch.equal(shallow, fine)


def test_f_is_r_and_the_convolution_of_both(network):
    everything = torch.ones(6, 3, dtype=torch.bool)
    both, fine = features(network, everything)
    deepest = network.complete((both, fine), everything)[0]
    b, m, x, y = 4, 1, 0, 1
    r = both[b, m, :CHANNELS, x, y]
    by_hand = r + network.fusion.weight @ both[b, m, :, x, y] + network.fusion.bias
    assert torch.allclose(deepest[b, m, :, x, y], by_hand, atol=1e-6)


def test_a_missing_modality_is_the_mean_of_the_present_r(network):
    present = presence_mask({"a", "c"}, MODALITIES, 6, "cpu")
    both, fine = features(network, present)
    deepest, shallow = network.complete((both, fine), present)
    r = both[:, :, :CHANNELS]
    assert torch.allclose(deepest[:, 1], (r[:, 0] + r[:, 2]) / 2, atol=1e-6)
    assert torch.allclose(shallow[:, 1], (fine[:, 0] + fine[:, 2]) / 2, atol=1e-6)


def test_alignment_by_hand():
    """r of three modalities: 1, 3 and 7 everywhere; pairs 2 + 6 + 4 = 12, and 4 without the
    first, 0 alone: the mean over three samples is 16 / 3."""
    r = torch.tensor([1.0, 3.0, 7.0]).view(1, 3, 1, 1).expand(3, 3, 2, 5)
    present = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]]).bool()
    assert alignment_loss(r, present).item() == pytest.approx(16 / 3)


def test_domain_loss_by_hand():
    """Specific features pool to one-hot vectors of their modality, the classifier is 2 x identity:
    the right logit is 2, two others 0, so every present feature costs log(e^2 + 2) - 2."""
    s = torch.zeros(2, 3, 3, 4)
    for m in range(3):
        s[:, m, m] = torch.tensor([0.0, 1.0, 2.0, 1.0])  # pools to 1
    classify = nn.Linear(3, 3, bias=False)
    nn.init.eye_(classify.weight)
    classify.weight.data *= 2
    present = torch.tensor([[1, 1, 1], [0, 1, 0]]).bool()
    expected = math.log(math.e**2 + 2) - 2
    assert domain_loss(s, present, classify).item() == pytest.approx(expected, rel=1e-5)


def test_an_absent_modality_has_no_gradient_in_either_loss():
    present = mixed()
    s = torch.randn(6, 3, 2, 4, requires_grad=True)
    r = torch.randn(6, 3, 4, 4, requires_grad=True)
    domain_loss(s, present, nn.Linear(2, 3)).backward()
    alignment_loss(r, present).backward()
    assert not s.grad[~present].any()
    assert not r.grad[~present].any()
    assert s.grad[present].flatten(1).any(1).all()
    several = present & (present.sum(1, keepdim=True) > 1)
    assert r.grad[several].flatten(1).any(1).all()
    assert not r.grad[present & ~several].any()
