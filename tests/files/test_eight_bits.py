"""Weights in 8 bits: what is stored, how far a weight moves, and what is no such file."""

import pytest
import torch

from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.files.eight_bits import LEAST, narrowed, widened

WIDE = LEAST // 2


def test_a_channel_s_largest_weight_is_the_largest_code():
    weight = torch.zeros(2, WIDE)
    weight[0, :4] = torch.tensor([1.27, -1.27, 0.01, 0.016])
    found = narrowed({"w": weight})
    assert found["w"].dtype == torch.int8
    assert found["w"][0, :4].tolist() == [127, -127, 1, 2]
    assert found["w:step"].tolist() == pytest.approx([0.01, 1.0])
    assert widened(found)["w"][0, :4].tolist() == pytest.approx([1.27, -1.27, 0.01, 0.02])
    assert not widened(found)["w"][1].any()


def test_no_weight_moves_by_more_than_half_a_step():
    weight = torch.randn(8, WIDE, 1, 1, generator=torch.Generator().manual_seed(0))
    back = widened(narrowed({"w": weight}))["w"]
    half_steps = weight.flatten(1).abs().amax(1) / 254
    assert ((back - weight).flatten(1).abs().amax(1) <= half_steps * 1.001).all()


def test_what_is_small_or_no_number_with_a_point_stays():
    given = {"bias": torch.randn(8), "seen": torch.arange(9000, dtype=torch.uint8).view(2, -1)}
    found = narrowed(given)
    assert found.keys() == given.keys()
    assert (found["bias"].dtype, found["seen"].dtype) == (torch.float16, torch.uint8)
    assert torch.equal(found["seen"], given["seen"])


def test_a_checkpoint_in_8_bits_is_loaded_as_any(tmp_path):
    weight = torch.randn(4, WIDE, generator=torch.Generator().manual_seed(1))
    for name, tensors in (("whole", {"w": weight}), ("narrow", narrowed({"w": weight}))):
        save_checkpoint(tmp_path / f"{name}.safetensors", tensors, {"task": "tumour"})
    whole, narrow = (load_checkpoint(tmp_path / f"{n}.safetensors") for n in ("whole", "narrow"))
    assert narrow.tensors.keys() == whole.tensors.keys() == {"w"}
    assert torch.equal(whole.tensors["w"], weight)
    assert torch.allclose(narrow.tensors["w"], weight, atol=0.02)
    assert (tmp_path / "narrow.safetensors").stat().st_size < 0.3 * 4 * weight.numel()


@pytest.mark.parametrize("steps", [torch.ones(3), torch.full((4,), float("inf"))])
def test_steps_that_do_not_fit_are_refused(tmp_path, steps):
    codes = torch.ones(4, WIDE, dtype=torch.int8)
    save_checkpoint(tmp_path / "m.safetensors", {"w": codes, "w:step": steps}, {})
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        load_checkpoint(tmp_path / "m.safetensors")
