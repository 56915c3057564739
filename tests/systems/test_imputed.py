"""What auto-encoder and GAN share, and each one's own loss."""

import pytest
import torch

from mckd.method import presence_mask
from mckd.systems import system_class
from mckd.systems.autoencoder import reconstruction_loss
from mckd.systems.gan import Game, GANOptions
from mckd.systems.imputed import PerceptronNetwork, hide_one, same_everywhere
from tests.systems.toy import CHANNELS, MODALITIES, VectorParts, batch, moment, trainer


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PerceptronNetwork(VectorParts()).eval()


def related(count, seed):
    """Features (count, 3, 4) in which each modality is a fixed linear map of one hidden vector."""
    maps = torch.randn(3, 2, CHANNELS, generator=torch.Generator().manual_seed(99))
    hidden = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return torch.einsum("nh,mhc->nmc", hidden, maps)


@pytest.mark.parametrize("fitted", [False, True])
def test_what_is_present_stays_and_the_rest_is_made_from_its_mean(network, fitted):
    network.fitted.fill_(fitted)
    present = presence_mask({"a", "c"}, MODALITIES, 6, "cpu")
    (f,) = network.encode(batch(1).inputs, present)
    (complete,) = network.complete((f,), present)
    assert torch.equal(complete[:, [0, 2]], f[:, [0, 2]])
    mean = (f[:, 0] + f[:, 2]) / 2
    expected = network.imputers[1](mean) if fitted else mean
    assert torch.allclose(complete[:, 1], expected, atol=1e-6)
    (scale,) = network.of_subset({m: (f[:, m],) for m in (0, 2)})
    assert torch.allclose(scale.get(1, mean), expected, atol=1e-6)


def test_an_absent_feature_is_never_read(network):
    network.fitted.fill_(True)
    present = presence_mask({"b"}, MODALITIES, 4, "cpu")
    f = torch.randn(4, 3, CHANNELS)
    (expected,) = network.complete((f,), present)
    f[:, [0, 2]] = torch.nan
    assert torch.equal(network.complete((f,), present)[0], expected)


def test_one_modality_is_hidden_and_the_others_averaged():
    features = torch.tensor([1.0, 3.0, 8.0]).view(1, 3, 1).expand(50, 3, 2)
    mean, hidden = hide_one(features)
    assert (hidden.sum(1) == 1).all()
    assert hidden.any(0).all()
    of_hidden = torch.tensor([5.5, 4.5, 2.0])  # (3 + 8) / 2, (1 + 8) / 2, (1 + 3) / 2
    assert torch.allclose(mean, of_hidden[hidden.int().argmax(1)][:, None].expand(50, 2))


@pytest.mark.parametrize("name", ["autoencoder", "gan"])
def test_it_beats_the_mean_on_samples_that_it_did_not_see(name):
    """The mean feature of the training samples is what one can say without the others."""
    kind = system_class(name)
    torch.manual_seed(0)
    system = kind(VectorParts(), kind.Options(imputer_steps=300), trainer())
    seen, unseen = related(100, seed=1), related(100, seed=2)
    with same_everywhere(0):
        system.fit(seen)
    with torch.no_grad(), same_everywhere(1):
        error = reconstruction_loss(system.network, unseen).item()
    of_mean = (unseen - seen.mean(0)).square().mean().item()
    assert error < 0.5 * of_mean


@pytest.mark.parametrize("name", ["autoencoder", "gan"])
def test_the_imputation_is_trained_once_and_frozen(name):
    kind = system_class(name)
    torch.manual_seed(0)
    system = kind(VectorParts(), kind.Options(encoder_steps=3, imputer_steps=2), trainer())
    changed, ways = [], {n: t.clone() for n, t in system.network.imputers.state_dict().items()}
    for step in range(6):
        system.step(moment(step))
        now = system.network.imputers.state_dict()
        changed.append(any(not torch.equal(now[n], ways[n]) for n in ways))
        ways = {n: t.clone() for n, t in now.items()}
    assert changed == [False, False, False, True, False, False]


class TestGAN:
    def test_the_discriminator_is_untouched_in_the_generator_s_step(self, network):
        game = Game(network, GANOptions())
        before = [p.clone() for p in game.discriminators.parameters()]
        of_generator = [p.clone() for p in network.imputers.parameters()]
        game.generator_step(related(20, seed=1))
        pairs = zip(before, game.discriminators.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        moved = zip(of_generator, network.imputers.parameters(), strict=True)
        assert not all(torch.equal(a, b) for a, b in moved)

    def test_the_generator_is_untouched_in_the_discriminator_s_step(self, network):
        game = Game(network, GANOptions())
        before = [p.clone() for p in network.imputers.parameters()]
        losses = [game.discriminator_step(related(20, seed=1)) for _ in range(60)]
        pairs = zip(before, network.imputers.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert losses[-1] < losses[0]

    def test_the_losses_by_hand(self, network):
        """D says 0 of everything: log 2 twice; g gives 0 and the truth is 2: log 2 + 10 * 4."""
        game = Game(network, GANOptions())
        for module in (game.discriminators, network.imputers):
            for p in module.parameters():
                torch.nn.init.zeros_(p)
        features = torch.full((8, 3, CHANNELS), 2.0)
        log_2 = 0.6931472
        assert game.generator_step(features) == pytest.approx(log_2 + 40)
        for p in network.imputers.parameters():
            torch.nn.init.zeros_(p)
        assert game.discriminator_step(features) == pytest.approx(2 * log_2)
