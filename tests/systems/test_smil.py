"""SMIL: priors, weights, noise and the gradient through the inner step."""

import pytest
import torch
import torch.nn.functional as F

from mckd.method import presence_mask
from mckd.systems.smil import PASSES, SMIL, SMILNetwork, SMILOptions, k_means, normalised, under
from tests.systems.toy import CHANNELS, MODALITIES, VectorParts, batch, mixed, moment, trainer


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = SMILNetwork(VectorParts())
    network.priors.copy_(torch.randn(network.priors.shape))
    network.fitted.fill_(True)
    return network.eval()


class TestKMeans:
    def test_two_groups_by_hand(self):
        """Around 0 and around 10, two and three points: their means are .5 and 10."""
        x = torch.tensor([[0.0], [1.0], [9.0], [10.0], [11.0]])
        torch.manual_seed(0)
        assert sorted(k_means(x, 2).flatten().tolist()) == [0.5, 10.0]

    def test_as_many_means_as_points_are_the_points(self):
        x = torch.tensor([[0.0, 0.0], [1.0, 5.0], [7.0, 2.0]])
        assert sorted(k_means(x, 3).tolist()) == sorted(x.tolist())

    def test_fewer_points_than_means(self):
        centres = k_means(torch.tensor([[1.0], [2.0]]), 10)
        assert centres.shape == (10, 1)
        assert set(centres.flatten().tolist()) == {1.0, 2.0}

    def test_every_point_is_nearest_to_its_own_mean(self):
        x = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
        torch.manual_seed(0)
        centres = k_means(x, 10)
        of = torch.cdist(x, centres).argmin(1)
        for k in range(10):
            assert torch.allclose(centres[k], x[of == k].mean(0), atol=1e-5)


def test_weights_are_positive_and_sum_to_one():
    w = normalised(torch.randn(7, 10, generator=torch.Generator().manual_seed(0)) * 5)
    assert (w > 0).all()
    assert torch.allclose(w.sum(1), torch.ones(7))
    by_hand = normalised(torch.tensor([[0.0, 0.0, 0.0, 0.0]]))
    assert torch.allclose(by_hand, torch.full((1, 4), 0.25))


def test_an_imputed_feature_is_the_weighted_sum_of_the_priors(network):
    mean = torch.randn(2, CHANNELS)
    imputed = network.impute(mean)
    w = F.softplus(network.weigh[1](mean))
    by_hand = sum(w[0, k] / w[0].sum() * network.priors[1, k] for k in range(10))
    assert torch.allclose(imputed[0, 1], by_hand, atol=1e-6)


def test_the_noise_multiplies(network):
    """Where B f + e is 0 a feature is multiplied by softplus(0) = log 2."""
    torch.nn.init.zeros_(network.regularise.weight)
    torch.nn.init.zeros_(network.regularise.bias)
    f = torch.randn(2, 3, CHANNELS)
    assert torch.allclose(network.noisy(f, torch.zeros_like(f)), 0.6931472 * f)


def test_a_prediction_is_the_mean_of_thirty_passes_and_always_the_same(network):
    f = (torch.randn(5, 3, CHANNELS),)
    output = network.decode(f)
    passes = [network.own.decode((network.noisy(f[0], e),)) for e in network.noise]
    assert len(passes) == PASSES == 30
    assert torch.allclose(output, torch.stack(passes).mean(0), atol=1e-5)
    assert torch.equal(network.decode(f), output)
    fresh = SMILNetwork(VectorParts()).eval()
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(fresh.decode(f), output)
    network.train()
    assert not torch.equal(network.decode(f), network.decode(f))


def test_the_gradient_through_the_inner_step_against_finite_differences(network):
    """d outer(theta - lr grad inner(theta)) / d theta, each theta moved by hand; lr is large, so
    that the first-order gradient would be far off."""
    network.double()
    inputs = tuple(x.double() for x in batch(1).inputs)
    target, lr = batch(1).target, 2.0
    present = presence_mask({"a"}, MODALITIES, 6, "cpu")
    complete = batch(2)
    pairs = type(complete)(
        tuple(x.double() for x in complete.inputs), complete.present, complete.target
    )

    def outer(second=True):
        torch.manual_seed(3)  # which modality is hidden
        inner = F.cross_entropy(network(inputs, present), target)
        output, apart = under(network, inner, lr if second else 0.0, pairs)
        return F.cross_entropy(output, pairs.target) + apart

    for p in (network.own.encoders[0][1].weight, network.weigh[1].weight):
        (found,) = torch.autograd.grad(outer(), [p])
        (first_order,) = torch.autograd.grad(outer(second=False), [p])
        by_hand = torch.zeros(3, dtype=torch.float64)
        places = [(0, 0), (1, 2), (3, 1)]
        for n, place in enumerate(places):
            ends = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    p[place] += step
                ends.append(outer().item())
                with torch.no_grad():
                    p[place] -= step
            by_hand[n] = (ends[0] - ends[1]) / 2e-6
        here = torch.stack([found[place] for place in places])
        there = torch.stack([first_order[place] for place in places])
        assert torch.allclose(here, by_hand, rtol=1e-4, atol=1e-8)
        assert not torch.allclose(there, by_hand, rtol=1e-2, atol=1e-8)


def test_priors_are_fitted_once_after_the_encoders():
    torch.manual_seed(0)
    system = SMIL(VectorParts(), SMILOptions(encoder_steps=2), trainer())
    fitted = []
    for step in range(4):
        found = system.step(moment(step, present=mixed()))
        fitted.append(bool(system.network.fitted))
        assert ("outer_loss" in found) == fitted[-1]
        if step == 2:
            priors = system.network.priors.clone()
    assert fitted == [False, False, True, True]
    assert torch.equal(system.network.priors, priors)


def test_the_inner_rate_falls_every_thousand_steps():
    system = SMIL(VectorParts(), SMILOptions(encoder_steps=1), trainer())
    rates = []
    losses = system.losses
    system.losses = lambda batch, lr: rates.append(lr) or losses(batch, lr)
    for step in (1, 1000, 1001, 2001):
        system.step(moment(step))
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])
