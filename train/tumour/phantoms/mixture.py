"""Four perfect images: each voxel's brightness is the mean of what it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mckd.tumour.naming import SEQUENCES
from train.tumour.phantoms.anatomy import BOX, Tissue, iron
from train.tumour.phantoms.fields import Floats, Random, enlarged, smooth_field, smoothstep
from train.tumour.phantoms.lesion import Parts
from train.tumour.phantoms.signal import Contrast
from train.tumour.phantoms.vessels import Blood

WATER_SENSITIVE = ("flair", "t2")
LEAK = 0.05  # contrast agent in oedema and necrosis, of that in enhancing tumour
CHOROID_LEAK, DURA_LEAK = 0.4, 0.25  # of that in blood


@dataclass(frozen=True)
class Ageing:
    """Small things in white matter that are bright in FLAIR and no tumour: fractions of oedema."""

    caps: float  # along the ventricles
    spots: float


def sample_ageing(random: Random) -> Ageing:
    return Ageing(
        caps=float(random.choice([0.0, 0.35, 0.7], p=[0.35, 0.4, 0.25])),
        spots=float(random.choice([0.0, 0.5], p=[0.65, 0.35])),
    )


def perfect_images(
    contrast: Contrast, ageing: Ageing, tissue: Tissue, blood: Blood, parts: Parts, random: Random
) -> dict[str, Floats]:
    """{sequence: (N,) signal}, without coil, slices and noise."""
    texture = _Texture(tissue, random)
    healthy = 1 - parts.enhancing - parts.necrosis - parts.blood - parts.solid
    wet = parts.oedema * np.clip(0.8 + 0.14 * texture.water, 0.4, 1)
    wet = np.maximum(wet, _gliosis(ageing, tissue, random))
    wet *= tissue.white + 0.45 * tissue.grey  # oedema spares the cortex
    agent = contrast.agent * np.exp(0.4 * tissue.noise(8, random) - 0.08)
    leak = LEAK * contrast.agent
    images = {}
    for sequence in SEQUENCES:
        grain = texture.of(sequence)
        image = _brain(contrast, tissue, texture, sequence)
        image += wet * (contrast.signal("oedema", sequence, leak) * grain - image)
        image = _with_blood(contrast, blood, sequence, image)
        image *= healthy
        image += parts.enhancing * contrast.signals("enhancing", sequence, agent)
        image += parts.necrosis * contrast.signal("necrosis", sequence, leak) * grain
        image += parts.blood * contrast.signal("old blood", sequence) * grain
        image += parts.solid * contrast.signal("solid", sequence, leak) * grain
        images[sequence] = image
    return images


class _Texture:
    """How tissue differs from place to place, each field (N,)."""

    def __init__(self, tissue: Tissue, random: Random) -> None:
        self.water = 0.8 * tissue.noise(22, random) + 0.45 * tissue.noise(8, random)
        self.fine = tissue.noise(3.5, random)
        self.broad = tissue.noise(30, random)
        self.iron = iron(tissue.where)
        self.residue = np.clip(0.22 * tissue.residue, -0.3, 0.3)

    def of(self, sequence: str) -> Floats:
        """A factor of a lesion's signal: more water is brighter in T2, darker in T1."""
        water = 0.10 if sequence in WATER_SENSITIVE else -0.05
        return np.asarray(np.exp(water * self.water + 0.02 * self.fine), np.float32)

    def of_brain(self, sequence: str) -> Floats:
        """A factor of the signal of grey and white matter."""
        if sequence in WATER_SENSITIVE:
            known = -0.25 * self.iron - 0.2 * self.residue - 0.035 * self.broad
        else:
            known = self.residue + 0.02 * self.broad
        return np.asarray(1 + known + 0.014 * self.fine, np.float32)


def _brain(contrast: Contrast, tissue: Tissue, texture: _Texture, sequence: str) -> Floats:
    csf, grey, white = (contrast.signal(name, sequence) for name in ("csf", "grey", "white"))
    flesh = (tissue.grey * grey + tissue.white * white) * texture.of_brain(sequence)
    return np.asarray(tissue.csf * csf + flesh, np.float32)


def _with_blood(contrast: Contrast, blood: Blood, sequence: str, image: Floats) -> Floats:
    """Vessels, choroid plexus and dura in place of what is there."""
    flowing = contrast.signal("blood", sequence, contrast.blood) * contrast.flow[sequence]
    plexus = contrast.signal("grey", sequence, CHOROID_LEAK * contrast.blood)
    dura = contrast.signal("dura", sequence, DURA_LEAK * contrast.blood)
    for fraction, signal in ((blood.choroid, plexus), (blood.dura, dura), (blood.vessel, flowing)):
        image = image + fraction * (signal - image)
    return image


def _gliosis(ageing: Ageing, tissue: Tissue, random: Random) -> Floats:
    """(N,) fraction of white matter that age has made wet: next to ventricles, and in spots."""
    step = 2
    fluid = np.asarray(tissue.spread(tissue.fluid), np.float32)[::step, ::step, ::step]
    close = enlarged(np.asarray(ndimage.gaussian_filter(fluid, 1.6), np.float32), step, BOX)
    uneven = np.exp(0.5 * smooth_field(BOX, 20, random))
    caps = ageing.caps * smoothstep(tissue.pick(close * uneven), 0.06, 0.3)
    spots = ageing.spots * smoothstep(tissue.noise(7, random), 2.7, 3.1)
    deep = smoothstep(tissue.surface, 8, 14)
    return np.asarray(np.maximum(caps, spots) * deep * smoothstep(tissue.white, 0.5, 0.9))
