"""Robust-MSeg: what a style does to an image, and what it does not do to an answer."""

import dataclasses

import pytest
import torch
from torch import nn

from mckd.method import presence_mask
from mckd.systems import Moment, system_class
from mckd.systems.robust_mseg import STYLE, RobustMSegOptions, StyleEncoder, adain, reduced
from tests.systems.toy import MODALITIES, MapParts, batch, trainer

EVERYTHING = torch.ones(6, 3, dtype=torch.bool)


pytestmark = pytest.mark.usefixtures("one_thread")


def make(**widths):
    torch.manual_seed(0)
    return system_class("robust-mseg")(MapParts(**widths), RobustMSegOptions(), trainer())


@pytest.fixture
def system():
    return make()


@pytest.fixture
def network(system):
    return system.network


def fused(network, given):
    return network.fuse(network.encode(given.inputs, given.present), given.present)


def test_adain_gives_the_mean_and_the_deviation_of_the_style():
    g = torch.Generator().manual_seed(0)
    x = 5 + 3 * torch.randn(2, 4, 8, 8, generator=g)
    scale, shift = torch.rand(2, 4, generator=g) + 0.5, torch.randn(2, 4, generator=g)
    found = adain(x, scale, shift).flatten(2)
    assert torch.allclose(found.mean(2), shift, atol=1e-5)
    assert torch.allclose(found.std(2, correction=0), scale, atol=1e-4)


def test_adain_of_a_single_place_is_the_mean():
    shift = torch.randn(1, 3)
    assert torch.allclose(adain(torch.randn(1, 3, 1, 1), torch.ones(1, 3), shift)[..., 0, 0], shift)


def test_swapped_styles_change_the_images_and_not_the_answer(system):
    given = dataclasses.replace(batch(), target=torch.zeros(6, 4, 4).long())
    before = system.losses(given)
    styles = [system.styles[m](given.inputs[m]) for m in (0, 1)]
    content = fused(system.network, given)
    images = [system.images[0](content, style) for style in styles]
    assert not torch.allclose(*images)
    system.styles[0], system.styles[1] = system.styles[1], system.styles[0]
    after = system.losses(given)
    assert torch.equal(after["task_loss"][1], before["task_loss"][1])
    assert not torch.equal(after["reconstruction_loss"][1], before["reconstruction_loss"][1])


def test_images_and_styles_are_trained_and_not_kept(system):
    given = dataclasses.replace(batch(), target=torch.zeros(6, 4, 4).long())
    before = {n: t.clone() for n, t in system.tensors().items()}
    system.step(Moment(0, 0.01, given, None))
    after = system.tensors()
    moved = [n for n in before if n.startswith(("styles/", "images/")) and "opti" not in n]
    assert moved
    assert any(not torch.equal(after[n], before[n]) for n in moved)
    assert not any("styles" in n or "images" in n for n in system.network.state_dict())


def test_one_case_is_learned_by_heart():
    """Images of four blocks of one value each, which the deepest content can hold."""
    system = make(widths=(12, 12))
    g = torch.Generator().manual_seed(1)
    blocks = [torch.randn(1, 2, 2, 2, generator=g) for _ in MODALITIES]
    inputs = tuple(x.repeat_interleave(2, 2).repeat_interleave(2, 3) for x in blocks)
    given = dataclasses.replace(batch(count=1), inputs=inputs)
    optimizer = system.optimizers["optimizer"]
    system.set_lr(0.02)
    errors = []
    for _ in range(60):
        error, _ = system.image_losses(fused(system.network, given), given)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.1 * errors[0]


def test_a_gate_of_zero_means_no_influence(network):
    for gate in network.gates:
        nn.init.zeros_(gate.weight)
        gate.bias.data = torch.tensor([0.0, -torch.inf, 0.0])
    given = batch()
    changed = dataclasses.replace(
        given, inputs=(given.inputs[0], given.inputs[1] + 3, given.inputs[2])
    )
    for a, b in zip(fused(network, given), fused(network, changed), strict=True):
        assert torch.equal(a, b)
    nn.init.zeros_(network.gates[0].bias)
    assert not torch.equal(fused(network, given)[0], fused(network, changed)[0])


def test_gates_by_hand(network):
    """Weights of 0: every gate is sigmoid(bias), and mixing is a matrix on what passed."""
    gate, mix = network.gates[0], network.mix[0]
    nn.init.zeros_(gate.weight)
    gate.bias.data = torch.log(torch.tensor([1.0, 3.0, 1 / 3]))  # sigmoid: 1/2, 3/4, 1/4
    given = batch()
    contents = network.encode(given.inputs, EVERYTHING)
    a, b, c = contents[0][2, :, :, 1, 0]
    expected = mix.weight @ torch.cat([a / 2, b * 3 / 4, c / 4]) + mix.bias
    found = network.fuse(contents, EVERYTHING)[0][2, :, 1, 0]
    assert torch.allclose(found, expected, atol=1e-6)


def test_style_loss_by_hand(system):
    """Styles of all 2 cost 2^2 / 2 for each of three modalities, however many samples have it."""
    for encoder in system.styles:
        nn.init.zeros_(encoder.style.weight)
        nn.init.constant_(encoder.style.bias, 2)
    given = batch()
    content = fused(system.network, given)
    assert system.image_losses(content, given)[1].item() == pytest.approx(6)
    has = EVERYTHING.clone()
    has[:3, 2] = False
    fewer = dataclasses.replace(given, present=has)
    assert system.image_losses(content, fewer)[1].item() == pytest.approx(5)


def test_dropped_images_are_reconstructed_and_missing_ones_are_not_read(system):
    given = batch(count=2)
    present = presence_mask({"a"}, MODALITIES, 2, "cpu")
    alone = dataclasses.replace(given, present=present)
    content = fused(system.network, alone)
    has = torch.tensor([[1, 1, 0], [1, 1, 0]]).bool()
    given.inputs[2][:] = torch.nan
    one = system.image_losses(content, alone)[0]
    two = system.image_losses(content, dataclasses.replace(alone, available=has))[0]
    assert one.isfinite()
    assert two > one


def test_a_style_is_eight_numbers_of_images_of_any_size():
    encoder = StyleEncoder(MapParts())
    for shape in ((4, 4), (32, 48)):
        assert encoder(torch.randn(3, 2, *shape)).shape == (3, STYLE)
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert reduced(x, 2).item() == 1.5
