"""The segmentation network on small volumes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mckd.method import presence_mask, subsets
from mckd.tumour import SEQUENCES
from mckd.tumour.network import (
    DESIGNS,
    Design,
    TumourNetwork,
    convolve,
    depth_to_space,
    instance_norm,
    space_to_depth,
)

SMALL = Design(2, (8, 8, 16), (0, 1, 1), conditional=True)
SHAPE = (16, 24, 8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = TumourNetwork(SMALL).eval()
    with torch.no_grad():  # as after training: each sequence with a scale and shift of its own
        for name, p in network.named_parameters():
            if name.endswith(("scale", "shift")):
                p.add_(0.3 * torch.randn_like(p))
    return network


def volumes(seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 1, *SHAPE, generator=g) for _ in SEQUENCES]


def names(subset):
    return "+".join(s for s in SEQUENCES if s in subset)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_cells_are_gathered_and_spread_again(size):
    x = torch.arange(2 * 8 * 8 * 4 * 8.0).view(2, 8, 8, 4, 8)
    assert torch.equal(depth_to_space(space_to_depth(x, size), size), x)


def test_a_cell_s_voxels_stay_together():
    x = torch.zeros(1, 1, 4, 4, 4)
    x[0, 0, 2:, :2, 2:] = 1
    patches = space_to_depth(x, 2)
    assert patches[0, :, 1, 0, 1].tolist() == [1.0] * 8
    assert patches.sum() == 8


def test_the_norm_is_instance_norm():
    x, one, zero = torch.randn(2, 3, 4, 5, 6), torch.ones(3), torch.zeros(3)
    assert torch.allclose(instance_norm(x, one, zero), nn.InstanceNorm3d(3)(x), atol=1e-5)


def test_a_single_voxel_is_no_error():
    x = torch.randn(1, 3, 1, 1, 1)
    assert not instance_norm(x, torch.ones(3), torch.zeros(3)).any()


@pytest.mark.parametrize("normalised", [False, True])
def test_what_is_far_away_counts_only_in_a_normalised_network(normalised):
    torch.manual_seed(0)
    network = TumourNetwork(Design(2, (8, 8), (1, 0), normalised=normalised)).eval()
    x = torch.randn(1, 1, 48, 8, 8)
    changed = x.clone()
    changed[:, :, 32:] += 5
    with torch.inference_mode():
        before, after = (network.encoder(v)[0][:, :, 0] for v in (x, changed))
    assert torch.equal(before, after) != normalised


@pytest.mark.parametrize("design", DESIGNS)
def test_designs_give_a_logit_per_voxel_and_region(design):
    chosen = DESIGNS[design]
    shape = (chosen.multiple * 2, chosen.multiple, chosen.multiple)
    network = TumourNetwork(chosen).eval()
    with torch.inference_mode():
        x = [torch.randn(1, 1, *shape) for _ in SEQUENCES]
        out = network(x, torch.ones(1, 4, dtype=torch.bool))
    assert out.shape == (1, 3, *shape)


def test_the_bundled_design_is_at_most_10_mb():
    network = TumourNetwork(DESIGNS["studio"])
    assert sum(4 * p.numel() for p in network.parameters()) < 10e6


@pytest.mark.parametrize("subset", subsets(SEQUENCES), ids=names)
def test_an_absent_sequence_is_never_read(network, subset):
    present = presence_mask(subset, SEQUENCES, 1, "cpu")
    x = volumes()
    spoilt = [
        v if s in subset else torch.full_like(v, torch.nan)
        for s, v in zip(SEQUENCES, x, strict=True)
    ]
    with torch.inference_mode():
        assert torch.equal(network(x, present), network(spoilt, present))


@pytest.mark.parametrize("fill", ["mean", "zero"])
@pytest.mark.parametrize("subset", subsets(SEQUENCES), ids=names)
def test_decoding_the_available_is_decoding_the_filled(network, subset, fill, monkeypatch):
    monkeypatch.setattr(network, "fill", fill)
    present = presence_mask(subset, SEQUENCES, 1, "cpu")
    with torch.inference_mode():
        features = network.encode(volumes(), present)
        filled = network.decode(network.complete(features, present))
        here = present[0].nonzero().flatten().tolist()
        alone = {m: tuple(f[:, m] for f in features) for m in here}
        available = network.decode_patches(network.of_subset(alone))
    in_voxels = depth_to_space(available, network.design.patch)
    assert torch.allclose(filled, in_voxels, atol=1e-5)


def test_subsets_are_decoded_in_one_batch(network, monkeypatch):
    wanted = subsets(SEQUENCES)
    with torch.inference_mode():
        whole = presence_mask(set(SEQUENCES), SEQUENCES, 1, "cpu")
        features = network.encode(volumes(), whole)
        known = {m: tuple(f[:, m] for f in features) for m in range(len(SEQUENCES))}
        scales = [
            network.of_subset({m: f for m, f in known.items() if SEQUENCES[m] in subset})
            for subset in wanted
        ]
        each = torch.cat([network.decode_patches(one) for one in scales])
        sizes, head = [], network.decoder.head.forward
        monkeypatch.setattr(
            network.decoder.head, "forward", lambda x: sizes.append(len(x)) or head(x)
        )
        together = network.decode_patches(*scales)
    assert sizes == [len(wanted) * len(volumes()[0])]
    assert torch.allclose(together, each, atol=1e-5)


@pytest.mark.parametrize("subset", [{"t2"}, {"flair", "t1c"}, set(SEQUENCES)], ids=names)
def test_training_decodes_as_if_missing_sequences_were_filled(network, subset):
    """The same output and gradients as `decode` of filled copies, for one subset or several."""

    one = presence_mask(subset, SEQUENCES, 1, "cpu")
    several = torch.cat([one, presence_mask({"t1"}, SEQUENCES, 1, "cpu")])
    for present in (one, several):
        x = [v.repeat(len(present), 1, 1, 1, 1) for v in volumes()]
        results = []
        for decoded in (
            lambda f, present: network.answer(f, present),
            lambda f, present: network.decode(network.complete(f, present)),
        ):
            output = decoded(network.encode(x, present), present)
            gradients = torch.autograd.grad(
                output.square().mean(), list(network.parameters()), materialize_grads=True
            )
            results.append([output, *gradients])
        for ours, filled in zip(*results, strict=True):
            assert torch.allclose(ours, filled, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("space", [(1, 5, 4), (2, 4, 5), (3, 3, 3), (7, 6, 5), (8, 40, 40)])
@pytest.mark.parametrize("threads", [1, 2])
def test_convolutions_are_those_of_pytorch(batch, channels, size, space, threads, monkeypatch):
    """Also their gradients; the last shape is one that is not cut into two."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(0)
    x = torch.randn(batch, channels, *space).to(memory_format=torch.channels_last_3d)
    weight, bias = torch.randn(4, channels, size, size, size), torch.randn(4)

    def result_and_gradients(convolution):
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y = convolution(*leaves)
        return [y, *torch.autograd.grad(y.square().sum(), leaves)]

    theirs = result_and_gradients(lambda *t: F.conv3d(*t, padding=size // 2))
    for a, b in zip(result_and_gradients(convolve), theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("space", [(1, 5, 4), (2, 4, 5), (2, 2, 2), (7, 6, 5)])
def test_convolutions_in_bfloat16_are_those_in_float32(batch, space):
    torch.manual_seed(0)
    x = torch.randn(batch, 16, *space).to(memory_format=torch.channels_last_3d)
    weight, bias = torch.randn(16, 16, 3, 3, 3), torch.randn(16)
    slope = torch.randn(batch, 16, *space)

    def result_and_gradients(kind):
        leaves = [t.to(kind).requires_grad_() for t in (x, weight, bias)]
        y = convolve(*leaves)
        return [y, *torch.autograd.grad(y, leaves, slope.to(kind))]

    exact = result_and_gradients(torch.float32)
    for a, b in zip(result_and_gradients(torch.bfloat16), exact, strict=True):
        assert (a - b).abs().max() < 0.03 * b.abs().max()


def test_gradients_pass_through_cells_with_the_channels_last():
    """In another layout each operation before takes several times as long on a CPU."""
    gradients = []
    leaf = torch.randn(1, 4, 6, 8, 4, requires_grad=True)
    x = leaf.to(memory_format=torch.channels_last_3d)
    x.register_hook(gradients.append)  # a leaf's own gradient is laid out like the leaf
    patches = space_to_depth(x, 2)
    assert torch.equal(depth_to_space(patches, 2), x)
    patches.square().sum().backward()
    assert torch.allclose(leaf.grad, 2 * leaf)
    assert gradients[0].is_contiguous(memory_format=torch.channels_last_3d)


def test_what_fills_a_missing_sequence_matters(network, monkeypatch):
    present = presence_mask({"t1"}, SEQUENCES, 1, "cpu")
    with torch.inference_mode():
        mean = network(volumes(), present)
        monkeypatch.setattr(network, "fill", "zero")
        assert not torch.allclose(mean, network(volumes(), present), atol=1e-3)


def test_the_encoder_is_told_the_sequence(network):
    (x, *_) = volumes()
    with torch.inference_mode():
        t1, t2 = network.encoder(x, 1), network.encoder(x, 3)
        assert not torch.allclose(t1[0], t2[0], atol=1e-3)
        untold = TumourNetwork(Design(2, (8, 8, 16), (0, 1, 1)))
        assert torch.equal(untold.encoder(x, 1)[0], untold.encoder(x, 3)[0])


def test_samples_of_a_batch_do_not_see_each_other(network):
    a, b = volumes(0), volumes(1)
    present = torch.tensor([[True, True, False, True], [False, True, True, False]])
    with torch.inference_mode():
        both = network([torch.cat(pair) for pair in zip(a, b, strict=True)], present)
        assert torch.allclose(both[:1], network(a, present[:1]), atol=1e-5)
        assert torch.allclose(both[1:], network(b, present[1:]), atol=1e-5)
