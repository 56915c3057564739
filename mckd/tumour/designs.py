"""Of what the segmentation networks are made, and the words that name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mckd.tumour.geometry import Triple


@dataclass(frozen=True)
class Design:
    """What a network is made of.

    patch: voxels of a patch along an axis. channels: of each scale, finest first; each scale halves
    the resolution of the one before. blocks: residual blocks per scale in the encoder. window:
    voxels (x, y, z) seen at once, in training and prediction; None is the whole brain. conditional:
    the encoder's convolutions are shared, the scale and shift after each are the sequence's own;
    in the paper's design all sequences share these too. normalised: instance norm in the encoder,
    as in the paper. Its output at a voxel depends on how much else is in view, so a network that is
    trained on crops has to be applied to crops; without it, it may be applied to whole brains.
    """

    patch: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    window: Triple | None = None
    conditional: bool = False
    normalised: bool = False

    @property
    def multiple(self) -> int:
        """Every axis of an input must be a multiple of this many voxels."""
        return int(self.patch * 2 ** (len(self.channels) - 1))


# A checkpoint names its network by one of these words.
DESIGNS = {
    "paper": Design(1, (32, 64, 128, 256, 320), (1, 1, 1, 1, 1), (160, 160, 80), normalised=True),
    "studio": Design(2, (16, 32, 64, 96), (0, 1, 1, 2), conditional=True),
    # The paper's reading at studio's size, on which the systems are compared. It is normalised, so
    # it is applied in windows of the size of the crops that it is trained on.
    "compact": Design(2, (16, 32, 64, 96), (0, 1, 1, 2), (96, 96, 96), normalised=True),
    # What of the two makes distilled features collapse: `python -m train table --which collapse`.
    "compact-told": Design(2, (16, 32, 64, 96), (0, 1, 1, 2), (96, 96, 96), True, normalised=True),
    "studio-untold": Design(2, (16, 32, 64, 96), (0, 1, 1, 2)),
    "smoke": Design(4, (16, 32, 64), (0, 1, 1), conditional=True),
}
