"""U-HVED's product of experts and its losses, against numbers worked out by hand."""

import dataclasses
import math

import pytest
import torch

from mckd.method import presence_mask
from mckd.systems.hved import UHVEDNetwork, experts, product, reconstruction_loss
from tests.systems.toy import MODALITIES, MapParts, batch

EVERYTHING = torch.ones(2, 3, dtype=torch.bool)


def told(mean, log_variance):
    """Three experts of two elements, all alike: (2, 3, 2 * 1, 2)."""
    return torch.tensor([mean, log_variance]).view(1, 1, 2, 1).expand(2, 3, 2, 2).clone()


def fused(features, present):
    return product(experts(features, present), present)


def mask(*present):
    return presence_mask(present, MODALITIES, 2, "cpu")


def test_experts_that_know_nothing_leave_the_prior():
    """A log variance of 10, the largest: precisions 1 + 3 e^-10."""
    q = fused(told(7.0, 1e9), EVERYTHING)
    assert torch.allclose(q.mean, torch.zeros(2, 1, 2), atol=1e-2)
    assert torch.allclose(q.log_variance, torch.zeros(2, 1, 2), atol=1e-3)


def test_two_equal_experts():
    """Log variance 0.5 each: precision 1 + 2 e^-0.5, mean 3 x 2 e^-0.5 over it."""
    q = fused(told(3.0, 0.5), mask("a", "c"))
    precision = 1 + 2 * math.exp(-0.5)
    assert q.log_variance[0, 0, 0].item() == pytest.approx(-math.log(precision))
    assert q.mean[0, 0, 0].item() == pytest.approx(3 * 2 * math.exp(-0.5) / precision)


def test_an_absent_modality_is_no_expert():
    features = told(3.0, 0.5)
    expected = fused(features, mask("a", "c"))
    features[:, 1] = torch.nan
    found = fused(features, mask("a", "c"))
    assert torch.equal(found.mean, expected.mean)
    assert torch.equal(found.log_variance, expected.log_variance)


def test_the_product_is_of_float32_whatever_the_features_are():
    q = fused(told(3.0, 0.5).bfloat16(), EVERYTHING)
    assert q.mean.dtype == q.log_variance.dtype == torch.float32


def test_prediction_takes_the_mean():
    network = UHVEDNetwork(MapParts()).eval()
    present = torch.ones(6, 3, dtype=torch.bool)
    inputs = batch().inputs
    features = network.encode(inputs, present)
    expected = network.answer_of([fused(f, present).mean for f in features])
    assert torch.equal(network(inputs, present), expected)
    assert torch.equal(network(inputs, present), network(inputs, present))


def test_dropped_images_are_reconstructed_and_missing_ones_are_not():
    """Images of zeros: the error of a modality is its mean square."""
    images = [MapParts().decoder((2, 1), 2) for _ in MODALITIES]
    for image in images:
        torch.nn.init.zeros_(image.head.weight)
        torch.nn.init.zeros_(image.head.bias)
    given = batch(count=2)
    given.inputs[2][1] = torch.nan  # which the data does not have
    has = torch.tensor([[1, 1, 1], [1, 1, 0]]).bool()
    dropped = dataclasses.replace(given, present=mask("a"), available=has)
    z = [torch.zeros(2, 2, 2, 2), torch.zeros(2, 1, 4, 4)]
    a, b, c = given.inputs
    expected = a.square().mean() + b.square().mean() + 0.5 * c[0].square().mean()
    assert torch.allclose(reconstruction_loss(images, z, dropped), expected)
