"""bfloat16 where the processor computes in it: half the memory, nearly twice the speed; and what it
needs to be right."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CPU_UNITS = ("avx512_bf16", "amx_bf16")  # on others convolutions of volumes were not measured


def has_bfloat16(device: torch.device | str) -> bool:
    """Whether a device has instructions for it. Elsewhere it is imitated, and slower than float32.

    A PyTorch too old to say what a processor has counts as a no.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(unit) for unit in CPU_UNITS)


def in_bfloat16(device: torch.device | str, wanted: bool = True) -> torch.autocast:
    """A context in which convolutions and matrix products take bfloat16, where the device has it
    and it is `wanted`; elsewhere everything stays float32."""
    enabled = wanted and has_bfloat16(device)
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled)


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.conv3d` of odd size with zeros around, and with gradients that can be trusted.

    Of two planes in bfloat16 on a processor, PyTorch 2.13 makes the weights' gradient of memory
    that nobody has written: garbage, now and then NaN. There a third plane of zeros is laid
    beside them.

    Args:
        x: (B, C, X, Y, Z). weight: (D, C, k, k, k). bias: (D,).
    """
    size, planes, device = weight.shape[-1], x.shape[2], x.device.type
    coarse = x.dtype == torch.bfloat16 or torch.is_autocast_enabled(device)
    if size == 3 and planes == 2 and device == "cpu" and coarse:
        return F.conv3d(F.pad(x, (0, 0, 0, 0, 0, 1)), weight, bias, padding=1)[:, :, :2]
    return F.conv3d(x, weight, bias, padding=size // 2)
