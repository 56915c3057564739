"""mmFormer: who attends to whom, and what an answer depends on."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from mckd.method import presence_mask, subsets
from mckd.systems import system_class
from mckd.systems.mmformer import (
    HEADS,
    MMFormerNetwork,
    MMFormerOptions,
    Transformer,
    resized,
)
from tests.systems.toy import MODALITIES, MapParts, batch, mixed, trainer

FOUR = ("a", "b", "c", "d")


def make(masking="keys", modalities=MODALITIES):
    torch.manual_seed(0)
    network = MMFormerNetwork(MapParts(modalities), MMFormerOptions(masking)).eval()
    for position in (network.intra_position, network.inter_position):
        nn.init.normal_(position)
    return network


def trained():
    return system_class("mmformer")(MapParts(), MMFormerOptions(), trainer())


def volumes(count):
    g = torch.Generator().manual_seed(5)
    return [torch.randn(1, 2, 4, 4, generator=g) for _ in range(count)]


@pytest.mark.parametrize("masking", ["keys", "zeros"])
@pytest.mark.parametrize("subset", subsets(FOUR), ids=lambda s: "+".join(sorted(s)))
def test_nan_in_absent_slots_changes_no_bit(masking, subset):
    network = make(masking, FOUR)
    present = presence_mask(subset, FOUR, 1, "cpu")
    x = volumes(4)
    spoilt = [
        v if m in subset else torch.full_like(v, torch.nan) for m, v in zip(FOUR, x, strict=True)
    ]
    with torch.no_grad():
        assert torch.equal(network(x, present), network(spoilt, present))


def test_what_is_no_key_is_not_attended():
    """The others are related as if there were only them."""
    torch.manual_seed(0)
    block, z = Transformer(2 * HEADS), torch.randn(2, 6, 2 * HEADS)
    keys = torch.tensor([[1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]]).bool()
    found, kept = block(z, keys), [0, 1, 4, 5]
    assert torch.allclose(found[0, kept], block(z[:1, kept])[0], atol=1e-6)
    assert torch.allclose(found[1], block(z)[1], atol=1e-6)


def test_the_released_masking_lets_absent_places_take_part():
    """The same weights: with the key mask T2's absence is as if there were only the others."""
    present = presence_mask({"a", "b"}, MODALITIES, 1, "cpu")
    outputs = {}
    for masking in ("keys", "zeros"):
        network = make(masking)
        features = network.encode(volumes(3), present)
        before = network.fuse(features, present)[0]
        with torch.no_grad():
            network.inter_position[2] += 5  # where the absent tokens lie
        outputs[masking] = torch.equal(before, network.fuse(features, present)[0])
    assert outputs == {"keys": True, "zeros": False}


def test_the_auxiliary_answer_depends_on_its_own_features_only():
    system = trained()
    present = torch.ones(1, 3, dtype=torch.bool)
    encoded = system.network.encode(volumes(3), present)
    features = tuple(f.detach().requires_grad_() for f in encoded)
    own = system.own_answers(features, present)
    assert own.shape == (3, 2, 4, 4)
    own[1].sum().backward()
    for f in features:
        assert f.grad[:, 1].any()
        assert not f.grad[:, [0, 2]].any()


def test_the_auxiliary_loss_is_a_sum_over_the_present_modalities():
    """Answers of 0 cost log 2 in any place, each modality's; the mean over samples."""
    system = trained()
    for p in system.own.parameters():
        nn.init.zeros_(p)
    given = dataclasses.replace(batch(), target=torch.zeros(6, 4, 4).long(), present=mixed())
    _, auxiliary = system.losses(given)["auxiliary_loss"]
    assert auxiliary.item() == pytest.approx(math.log(2) * mixed().sum().item() / 6, rel=1e-5)


def test_every_coarser_scale_answers_in_full_size():
    system = trained()
    network, present = system.network, torch.ones(6, 3, dtype=torch.bool)
    output, coarser = system.answers(network.encode(batch().inputs, present), present)
    assert output.shape == (6, 2, 4, 4)
    assert [x.shape for x in coarser] == [output.shape]
    assert torch.equal(output, network(batch().inputs, present))


def test_positions_are_interpolated_to_other_sizes():
    p = torch.tensor([0.0, 4.0]).view(1, 1, 2, 1).expand(1, 1, 2, 2)
    assert torch.equal(resized(p, torch.Size([2, 2])), p)
    wide = resized(p, torch.Size([4, 2]))
    assert torch.allclose(wide[0, 0, :, 0], torch.tensor([0.0, 1, 3, 4]))
    inputs = [torch.randn(1, 2, 8, 4) for _ in MODALITIES]
    assert make()(inputs, torch.ones(1, 3, dtype=torch.bool)).shape == (1, 2, 8, 4)


def test_a_block_keeps_the_order_of_tokens_out_of_its_answer():
    """Without positions a transformer treats its tokens alike: turned in, turned out."""
    torch.manual_seed(0)
    block, z = Transformer(8), torch.randn(1, 5, 8)
    turn = torch.tensor([3, 0, 4, 1, 2])
    assert torch.allclose(block(z[:, turn]), block(z)[:, turn], atol=1e-5)


def test_an_unknown_masking_is_refused():
    with pytest.raises(ValueError, match="keys, zeros"):
        MMFormerOptions(masking="none")
