"""KL between Gaussians, against numbers worked out by hand and against PyTorch's own."""

import math

import pytest
import torch

from mckd.systems.gaussian import Gaussian, divergence


def test_divergence_by_hand():
    """KL(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - ln 4) / 2; of N(1, 4) from N(3, 2):
    (ln 2 - ln 4 + (4 + 4) / 2 - 1) / 2; of anything from itself: 0."""
    q = Gaussian(torch.ones(1, 2), torch.full((1, 2), math.log(4)))
    p = Gaussian(torch.full((1, 2), 3.0), torch.full((1, 2), math.log(2)))
    assert divergence(q).item() == pytest.approx((4 - math.log(4)) / 2)
    assert divergence(q, p).item() == pytest.approx((math.log(2) - math.log(4) + 3) / 2)
    assert divergence(q, q).item() == 0


def test_divergence_is_pytorch_s_own():
    g = torch.Generator().manual_seed(0)
    q, p = (Gaussian(*torch.randn(2, 3, 4, generator=g)) for _ in range(2))
    normals = [torch.distributions.Normal(x.mean, (0.5 * x.log_variance).exp()) for x in (q, p)]
    expected = torch.distributions.kl_divergence(*normals).mean()
    assert divergence(q, p).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_sample_has_the_mean_and_the_deviation():
    torch.manual_seed(0)
    drawn = Gaussian(torch.full((100_000,), 3.0), torch.full((100_000,), math.log(4))).sample()
    assert drawn.mean().item() == pytest.approx(3, abs=0.05)
    assert drawn.std().item() == pytest.approx(2, abs=0.05)
