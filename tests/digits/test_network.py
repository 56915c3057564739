import pytest
import torch

from mckd.digits.network import LeNetEncoder, SoundNetEncoder, StudioNetwork, UnimodalNetwork
from mckd.digits.parts import parts

SHAPES = {"paper": (20, 20), "studio": (40, 80), "audio-only": (20, 20)}


NETWORKS = {
    "paper": parts("paper").network,
    "studio": parts("studio").network,
    "visual-only": parts("paper", ("visual",)).network,
    "audio-only": parts("paper", ("audio",)).network,
}


def inputs_of(name, network, batch=3):
    shapes = {"visual": (28, 28), "audio": SHAPES.get(name)}
    return [torch.rand(batch, 1, *shapes[m]) for m in network.modalities]


@pytest.mark.parametrize("name", NETWORKS)
def test_ten_logits_per_sample(name):
    network = NETWORKS[name]().eval()
    inputs = inputs_of(name, network)
    present = torch.ones(3, len(inputs), dtype=torch.bool)
    assert network(inputs, present).shape == (3, 10)


def test_smil_encoders_have_the_widths_of_their_code():
    assert LeNetEncoder().eval()(torch.rand(2, 1, 28, 28)).shape == (2, 160)
    assert SoundNetEncoder().eval()(torch.rand(2, 1, 20, 20)).shape == (2, 320)


@pytest.mark.parametrize("name", ["paper", "studio"])
@pytest.mark.parametrize("absent", [0, 1])
def test_an_absent_input_is_never_read(name, absent):
    network = NETWORKS[name]().eval()
    inputs = inputs_of(name, network)
    present = torch.ones(3, 2, dtype=torch.bool)
    present[:, absent] = False
    expected = network(inputs, present)
    inputs[absent] = torch.full_like(inputs[absent], float("nan"))
    assert torch.equal(network(inputs, present), expected)


def test_the_app_s_network_fits_in_two_megabytes():
    assert sum(t.numel() * t.element_size() for t in StudioNetwork().state_dict().values()) < 2e6


def test_smil_s_pictures_are_in_minus_one_to_one():
    """The same weights: what one reading sees of 2x - 1 the other sees of x."""
    smil, channels = LeNetEncoder().eval(), LeNetEncoder("channels").eval()
    channels.load_state_dict(smil.state_dict())
    x = torch.rand(2, 1, 28, 28)
    assert torch.allclose(smil(x), channels(2 * x - 1))
    assert not torch.allclose(smil(x), channels(x))


@pytest.mark.parametrize(("reading", "whole"), [("smil", False), ("channels", True)])
def test_what_the_image_encoder_drops(reading, whole):
    """Maps (B, 10, 8, 8) of ones after the dropout: a channel is 0 as a whole, or element-wise."""
    dropped = LeNetEncoder(reading).train()[4](torch.ones(50, 10, 8, 8)) == 0
    shares = dropped.double().mean((2, 3))
    assert bool(((shares == 0) | (shares == 1)).all()) == whole
    assert 0.4 < dropped.double().mean() < 0.6


def test_unknown_image_encoder():
    with pytest.raises(ValueError, match="one of smil, channels"):
        LeNetEncoder("other")


def test_unknown_modality():
    with pytest.raises(ValueError, match="Known: visual, audio"):
        UnimodalNetwork("smell")


@pytest.mark.parametrize("name", ["paper", "studio"])
def test_an_encoder_of_any_width_for_each_modality(name):
    of = parts(name)
    for m, x in enumerate(inputs_of(name, of.network())):
        assert of.encoder(m, of.channels // 2).eval()(x).shape == (3, of.channels // 2)


def test_no_such_parts():
    with pytest.raises(ValueError, match="no parts 'large'"):
        parts("large")
