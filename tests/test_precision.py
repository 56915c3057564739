"""When bfloat16 is used: only where it is faster."""

import pytest
import torch

from mckd.precision import has_bfloat16, in_bfloat16


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
