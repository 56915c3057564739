"""When bfloat16 is used: only where it is faster, and right."""

import os
import subprocess
import sys

import pytest
import torch

from mckd.precision import has_bfloat16, in_bfloat16
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"avx512_bf16": True, "avx2": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_bf16": False, "avx512_f": True}, False),
        ({"neon": True, "bf16": True}, False),
    ],
)
def test_a_processor_has_it_where_pytorch_says_so(monkeypatch, known, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert has_bfloat16("cpu") == expected
    product = torch.ones(2, 2)
    with in_bfloat16("cpu"):
        taken = (product @ product).dtype
    assert taken == (torch.bfloat16 if expected else torch.float32)
    with in_bfloat16("cpu", wanted=False):
        assert (product @ product).dtype == torch.float32


def test_an_older_pytorch_that_cannot_say_stays_with_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bfloat16("cpu")


def test_other_devices_stay_with_float32():
    assert not has_bfloat16("mps")


GRADIENTS = """
import torch
from mckd.systems.fused import CONVOLUTIONS

torch.manual_seed(0)
x = torch.randn(2, 8, 2, 2, 2)
layer = CONVOLUTIONS[3](8, 16, 3, padding=1)
plain = torch.nn.Conv3d(8, 16, 3, padding=1)
plain.load_state_dict(layer.state_dict())
with torch.autocast("cpu", torch.bfloat16):
    layer(x).float().square().mean().backward()
plain(x).square().mean().backward()
for ours, theirs in zip(layer.parameters(), plain.parameters(), strict=True):
    print(float((ours.grad - theirs.grad).abs().max() / theirs.grad.abs().max()))
"""


def test_gradients_of_two_planes_do_not_depend_on_what_memory_held():
    """Of a system's own convolutions; the C library fills memory with garbage before it is used."""
    ran = subprocess.run(
        [sys.executable, "-c", GRADIENTS],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"MALLOC_PERTURB_": "3"},
    )
    assert [float(line) < 0.05 for line in ran.stdout.split()] == [True, True]
