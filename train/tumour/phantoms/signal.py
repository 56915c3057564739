"""How bright a tissue is in each sequence, from T1, T2, proton density and contrast agent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from train.tumour.phantoms.fields import Floats, Random

R1, R2 = 4.5, 5.5
"""Relaxivities of the contrast agent in 1/(s mM)."""
MOST_MM = 4.0  # contrast agent, mM


@dataclass(frozen=True)
class Substance:
    """Relaxation times in ms, proton density relative to water."""

    t1: float
    t2: float
    density: float

    def with_agent(self, millimolar: float) -> Substance:
        """The same with a contrast agent, which adds to both relaxation rates."""
        t1 = 1 / (1 / self.t1 + R1 * millimolar / 1000)
        t2 = 1 / (1 / self.t2 + R2 * millimolar / 1000)
        return replace(self, t1=t1, t2=t2)


# At 1.5 to 3 T: healthy tissue after Stanisz et al., Magn Reson Med 54 (2005), and Bojorquez et
# al., Magn Reson Imaging 35 (2017); tumour chosen to give the contrast of real scans.
SUBSTANCES = {
    "grey": Substance(1330, 94, 0.79),
    "white": Substance(860, 77, 0.72),
    "csf": Substance(4000, 1500, 1.0),
    "oedema": Substance(1410, 160, 0.85),
    "enhancing": Substance(1480, 131, 0.86),
    "necrosis": Substance(1700, 190, 0.91),
    "solid": Substance(1620, 195, 0.89),
    "old blood": Substance(700, 75, 0.80),
    "blood": Substance(1600, 130, 0.86),
    "dura": Substance(650, 45, 0.75),
}
CYST = Substance(3000, 700, 0.93)
WATERY = Substance(2600, 420, 0.94)
# Sigma of the log of T1 and of T2 between people.
SPREAD = {
    "grey": (0.05, 0.05),
    "white": (0.05, 0.05),
    "csf": (0.05, 0.05),
    "dura": (0.35, 0.2),
    "oedema": (0.08, 0.10),
    "enhancing": (0.10, 0.13),
}
SPREAD_TUMOUR = (0.10, 0.18)
LESION = ("oedema", "enhancing", "necrosis", "solid")
FAINTEST = 0.65  # the part of its contrast to white matter that a lesion may lack


@dataclass(frozen=True)
class SpinEcho:
    """T1- or T2-weighted. Times in ms."""

    tr: float
    te: float

    def signal(self, s: Substance) -> float:
        return float(s.density * (1 - np.exp(-self.tr / s.t1)) * np.exp(-self.te / s.t2))


@dataclass(frozen=True)
class InversionRecovery:
    """FLAIR, with a long echo time, or MPRAGE-like T1, with a short one. Times in ms."""

    tr: float
    te: float
    ti: float

    def signal(self, s: Substance) -> float:
        recovered = 1 - 2 * np.exp(-self.ti / s.t1) + np.exp(-(self.tr - self.te) / s.t1)
        return float(s.density * abs(recovered) * np.exp(-self.te / s.t2))


@dataclass(frozen=True)
class Contrast:
    """Somebody's tissues at one visit: what each is worth in each sequence.

    agent: mM of contrast agent in enhancing tumour; blood: mM in vessels.
    flow: for each sequence, how much of its signal moving blood keeps.
    """

    substances: dict[str, Substance]
    sequences: dict[str, SpinEcho | InversionRecovery]
    agent: float
    blood: float
    flow: dict[str, float]

    def signal(self, substance: str, sequence: str, millimolar: float = 0.0) -> float:
        """Brightness; the contrast agent, in mM, counts only in T1c."""
        what = self.substances[substance]
        if sequence == "t1c":
            what = what.with_agent(millimolar)
        return self.sequences[sequence].signal(what)

    def signals(self, substance: str, sequence: str, millimolar: Floats) -> Floats:
        """The same for many concentrations (N,), by a table."""
        table = np.linspace(0, MOST_MM, 81)
        values = [self.signal(substance, sequence, float(c)) for c in table]
        return np.interp(millimolar, table, values).astype(np.float32)


def sample_contrast(kind: str, random: Random) -> Contrast:
    """Draw tissues and sequences for a kind of tumour, see growth.KINDS."""
    tr, te = random.uniform(8000, 11000), random.uniform(85, 140)
    substances = _sample_substances(kind, random)
    csf = substances["csf"].t1
    null = csf * np.log(2 / (1 + np.exp(-(tr - te) / csf)))  # the TI that silences CSF
    return Contrast(
        substances=substances,
        sequences={
            "flair": InversionRecovery(tr, te, null * random.uniform(0.93, 1.03)),
            "t1": _t1_weighted(0.65, random),
            "t1c": _t1_weighted(0.45, random),
            "t2": SpinEcho(random.uniform(3500, 7500), random.uniform(85, 120)),
        },
        agent=float(np.clip(0.095 * np.exp(0.45 * random.standard_normal()), 0.055, 0.4)),
        blood=float(random.uniform(0.7, 2.2)),
        flow={
            "flair": float(random.uniform(0.1, 0.7)),
            "t1": float(random.uniform(0.5, 1.2)),
            "t1c": 1.0,
            "t2": float(random.uniform(0.1, 0.6)),
        },
    )


def _sample_substances(kind: str, random: Random) -> dict[str, Substance]:
    substances = dict(SUBSTANCES)
    if kind in ("ring", "solid") and random.random() < 0.15:
        substances["necrosis"] = CYST
    if kind == "none" and random.random() < 0.3:  # dark in FLAIR, bright in T2
        substances["solid"] = WATERY
    for name, s in substances.items():
        jitter = np.exp(np.array(SPREAD.get(name, SPREAD_TUMOUR)) * random.standard_normal(2))
        substances[name] = replace(s, t1=float(s.t1 * jitter[0]), t2=float(s.t2 * jitter[1]))
    substances |= _fainter(substances, FAINTEST * random.random() ** 2)
    return _closer(substances, random.uniform(0, 0.3), random.uniform(0, 0.6))


def _fainter(substances: dict[str, Substance], share: float) -> dict[str, Substance]:
    """The lesion's substances with this part of what tells them from white matter taken away."""
    white = substances["white"]
    return {
        name: replace(s, t1=s.t1 * (white.t1 / s.t1) ** share, t2=s.t2 * (white.t2 / s.t2) ** share)
        for name, s in substances.items()
        if name in LESION
    }


def _closer(substances: dict[str, Substance], t1: float, t2: float) -> dict[str, Substance]:
    """Grey and white matter with part of the difference of their T1 and T2 taken away."""
    grey, white = substances["grey"], substances["white"]
    by1, by2 = (white.t1 / grey.t1) ** (t1 / 2), (white.t2 / grey.t2) ** (t2 / 2)
    return {
        **substances,
        "grey": replace(grey, t1=grey.t1 * by1, t2=grey.t2 * by2),
        "white": replace(white, t1=white.t1 / by1, t2=white.t2 / by2),
    }


def _t1_weighted(spin_echo: float, random: Random) -> SpinEcho | InversionRecovery:
    """A spin echo with this probability, else MPRAGE-like."""
    if random.random() < spin_echo:
        return SpinEcho(random.uniform(400, 650), random.uniform(8, 17))
    ti = random.uniform(850, 1100)
    return InversionRecovery(random.uniform(1700, 2300), random.uniform(2.5, 4.5), ti)
