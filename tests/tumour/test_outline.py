"""What is drawn where tumour is likely, and what is left out."""

import itertools

import numpy as np
import pytest
import torch

from mckd.tumour.network import depth_to_space
from mckd.tumour.outline import (
    SOFTENED,
    Credible,
    enhancing_parts,
    large_parts,
    most_overlap,
    outline,
)


def in_patches(at, counts):
    """How many of a patch's 8 voxels are set, of those at `at`: (n, 8)."""
    return torch.arange(8) < counts.flatten()[at][:, None]


def test_a_region_is_drawn_for_the_highest_expected_dice():
    """Against the mean over all 4,096 regions that 12 voxels can form."""
    chances = np.array([0.99, 0.9, 0.8, 0.7, 0.6, 0.45, 0.4, 0.3, 0.25, 0.2, 0.1, 0.02])
    true = np.array(list(itertools.product((False, True), repeat=len(chances))))
    likely = np.where(true, chances, 1 - chances).prod(1)

    def dice(drawn):
        return likely @ (2 * (true & drawn).sum(1) / np.maximum(1, (true.sum(1) + drawn.sum())))

    logits = torch.tensor(SOFTENED * np.log(chances / (1 - chances)))
    shuffled = torch.tensor([7, 0, 11, 4, 3, 9, 1, 10, 2, 8, 6, 5])
    drawn = torch.zeros(12, dtype=torch.bool)
    drawn[shuffled] = most_overlap(logits[shuffled])
    best = max(dice(np.arange(12) < n) for n in range(1, 13))
    assert drawn.sum() == 7, "two that are less likely than not are worth drawing"
    assert dice(drawn.numpy()) == pytest.approx(best, abs=1e-3)
    assert dice(drawn.numpy()) > dice(chances > 0.5) + 0.01


def test_what_is_certain_is_drawn_as_it_is():
    sure = torch.tensor([-20.0, 20.0, -20.0, 20.0, -20.0])
    assert most_overlap(sure).tolist() == [False, True, False, True, False]
    assert not most_overlap(torch.tensor([-0.1, -0.2, -3.0])).any()
    assert most_overlap(torch.full((4,), 0.1)).all()
    assert not len(most_overlap(torch.zeros(0)))


def test_a_small_part_is_dropped_beside_a_large_one():
    voxels = torch.zeros(9, 11, 13, dtype=torch.int64)
    voxels[1:5, 1:5, 1:5] = 4  # 256 voxels in 64 patches
    voxels[7:9, 7:11, 8:11] = 8  # 192 voxels in 24 patches
    at = voxels.flatten().nonzero()[:, 0].numpy()
    for share, both in ((0.7, True), (0.8, False), (1.0, False)):
        kept = large_parts(at, voxels.shape, in_patches(at, voxels), share)
        assert kept[voxels.flatten()[at] == 8].all() == both
        assert kept[voxels.flatten()[at] == 4].all()


Y, N, M = 9.0, -9.0, -0.2  # surely, surely not, a little less likely than not


def drawn(et, tc, wt, **credible):
    """Which slabs are drawn, one string of 0 and 1 per region, from a logit for each slab."""
    logits = torch.tensor([et, tc, wt]).view(3, -1, 1, 1).expand(3, -1, 8, 8)
    found = outline(logits, 1, Credible(**credible), voxel_ml=0.01)  # 0.64 mL a slab
    assert (found == found[:, :, :1, :1]).all()
    return ["".join(str(int(x)) for x in region[:, 0, 0]) for region in found]


def test_regions_lie_within_each_other():
    found = drawn([Y, Y, Y, N, Y, N], [Y, Y, N, Y, Y, N], [N, Y, Y, Y, Y, N])
    assert found == ["010010", "010110", "011110"]


def test_only_core_and_enhancement_take_what_is_less_likely():
    """The whole tumour has no region around it that would bound what is far and hardly likely."""
    assert drawn([Y, M, N, N], [Y, Y, M, N], [Y, Y, Y, M]) == ["1100", "1110", "1110"]
    assert drawn([M, M, N, N], [M, M, M, N], [Y, Y, Y, M]) == ["0000", "0000", "1110"]


def test_too_little_enhancement_is_core():
    et, tc, wt = [N, Y, M, N], [N, Y, Y, N], [N, Y, Y, Y]
    assert drawn(et, tc, wt, et_min_ml=0.64) == ["0110", "0110", "0111"]
    # What is drawn though less likely does not make it more.
    assert drawn(et, tc, wt, et_min_ml=0.65) == ["0000", "0110", "0111"]


def test_core_without_its_share_of_the_enhancement_is_oedema():
    wt = [Y] * 12
    tc = [Y, Y, Y, Y, Y, Y, N, Y, Y, Y, N, Y]
    et = [Y, Y, Y, Y, Y, N, N, Y, N, N, N, N]
    assert drawn(et, tc, wt, least_part=0.5) == ["111110010000", "111111011100", "1" * 12]
    assert drawn(et, tc, wt)[1] == "111111011101", "nothing is left out unless it is asked for"
    ring = [Y, Y, Y, Y, Y, N, N, N, N, N, N, Y]  # a small part that is ET itself stays
    assert drawn(ring, tc, wt, least_part=0.5)[1] == "111111000001"
    none = [N] * 12
    assert drawn(none, tc, wt, least_part=0.5)[1] == "111111011101", "no enhancement says nothing"


def test_parts_of_the_core_are_weighed_by_voxels_not_patches():
    core = torch.zeros(9, 4, 4, dtype=torch.int64)
    core[:4], core[5:] = 8, 8  # 512 voxels in 64 patches, twice
    enhancing = torch.zeros_like(core)
    enhancing[0], enhancing[5:7] = 8, 1  # 128 voxels in 16 patches; 32 in 32
    at = np.arange(core.numel())  # the middle has tumour, but no core

    def kept():
        voxels = (in_patches(at, of) for of in (core, enhancing))
        return enhancing_parts(at, core.shape, *voxels).view(core.shape)

    assert torch.equal(kept(), core > 0)
    enhancing[6] = 0  # 16 in 16
    assert kept()[:4].all()
    assert not kept()[4:].any()


def test_nothing_is_drawn_where_the_volume_was_padded_nor_joined_through_it():
    """A large part in the padding does not make the true one small, nor a bridge to another."""
    logits = torch.full((3, 9, 8, 8), Y)
    logits[:, 6:8] = N
    padding = torch.zeros(1, 9, 8, 8, dtype=torch.bool)
    padding[:, 2:5] = True
    found = outline(logits, 1, Credible(least_part=0.75), 1.0, padding)
    assert found[:, :2].all()
    assert not found[:, 2:].any()
    assert not outline(logits, 1, Credible(least_part=0.75), 1.0, padding | True).any()


@pytest.mark.parametrize("size", [1, 2, 4])
def test_patches_in_bfloat16_are_drawn_as_their_voxels_are(size):
    """Nothing is converted but what is near a tumour."""
    shape = 3 * size**3, 8 // size, 16 // size, 24 // size
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(size)).bfloat16()
    whole = depth_to_space(logits[None].float(), size)[0]
    plain = Credible(et_min_ml=0.001)
    assert torch.equal(outline(logits, size, plain, 1.0), outline(whole, 1, plain, 1.0))
