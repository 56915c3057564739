"""`python -m train heads`: how well two visits of one head are told from those of two people.

    python -m train heads --data data/real
    python -m train heads --data data/earlier --later data/later

Every case is set against every other one, and against itself in another visit. That is the case of
the same name in --later, or made of itself: with another's tumour laid into it, turned and shifted,
in slices of another thickness, in other greys, with noise and a field of brightness, its brain cut
out otherwise. Prints how often `mckd.tumour.heads` suspects two people, from all common sequences
and from each alone. T1 with and without contrast, taken for one sequence, are two acquisitions of
one head, and harder to match than two visits.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import ndimage
from scipy.stats import binomtest

from mckd.files.tables import as_markdown
from mckd.tumour import SEQUENCES, Case, find_cases, read_case
from mckd.tumour.geometry import Bools, bounding_box
from mckd.tumour.heads import LEAST_AGREEMENT, Head
from mckd.tumour.nifti import Floats
from train.settings import SettingsError
from train.tumour.augment import transplant
from train.tumour.corrupt import Random, Volumes, noisy, placed, thickened

ONE, MADE, TWO = "one head, two visits", "one head, the second visit made of it", "two people"
CONTRAST = "one head, T1 as T1c"
MOST_DEGREES, MOST_MM = 12.0, 8.0
SLICES_MM = 1, 3, 5, 6
NOISE = 0.15  # deviations of the brain
BRIGHTNESS = 0.2  # deviation of the logarithm of the field
GREYS = 0.7, 1.4  # powers
DEEPEST_MM = 4.0  # that another preparation cuts off the brain's edge
FIELD = 4  # values of a random field along each axis, smooth between them


@dataclass(frozen=True)
class Compared:
    """kind: of pair. by: the sequences that were compared. agreement: None where none is told."""

    kind: str
    by: str
    agreement: float | None


def heads(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        SettingsError: fewer than two cases.
    """
    paths = [path for folder in arguments.data for path in find_cases(folder)]
    if len(paths) < 2:
        raise SettingsError("Two cases are needed, to set one against the other.")
    found: list[Compared] = []
    known: dict[str, Head] = {}
    later = {path.name: path for path in find_cases(arguments.later)} if arguments.later else {}
    donor = read_case(paths[-1])
    for number, path in enumerate(paths, start=1):
        case = read_case(path)
        here = known[str(path)] = Head.of(case)
        if path.name in later:
            found += compared(ONE, here, Head.of(read_case(later[path.name], reference=False)))
        else:
            found += compared(MADE, here, Head.of(another_visit(case, donor)))
        if {"t1", "t1c"} <= {*here.patterns}:
            plain, after = (Head({"t1": here.patterns[s]}) for s in ("t1", "t1c"))
            found.append(Compared(CONTRAST, "t1", plain.agreement(after)))
        donor = case
        print(f"[{number}/{len(paths)}] {case.name}", flush=True)
    for a, b in combinations(known.values(), 2):
        found += compared(TWO, a, b)
    print(report(found))
    return 0


def compared(kind: str, one: Head, other: Head) -> list[Compared]:
    """From all common sequences, then from each alone."""
    common = [s for s in SEQUENCES if s in one.patterns and s in other.patterns]
    alone = [
        Compared(kind, s, Head({s: one.patterns[s]}).agreement(Head({s: other.patterns[s]})))
        for s in common
    ]
    return [Compared(kind, "all common", one.agreement(other)), *alone]


def another_visit(case: Case, donor: Case) -> Case:
    """The same head at another time, see the module. donor: with the tumour of another patient, if
    it has a reference."""
    random = np.random.default_rng(zlib.crc32(case.name.encode()))
    volumes: Volumes = {s: case.brain.crop(v) for s, v in case.volumes.items()}
    volumes = _with_tumour(volumes, donor, int(random.integers(2**31)))
    slices_mm = int(random.choice(SLICES_MM))
    turn = np.radians(random.uniform(-MOST_DEGREES, MOST_DEGREES, 3))
    shift = random.uniform(-MOST_MM, MOST_MM, 3)
    inside = _cut_otherwise(np.any([v != 0 for v in volumes.values()], axis=0), random)
    brain = placed(inside.astype(np.float32), turn, shift) > 0.5
    seen = {}
    for sequence in volumes:
        taken = thickened(slices_mm, volumes, sequence, {}, random)
        taken = noisy(NOISE, taken, sequence, {}, random)
        seen[sequence] = _greys(placed(taken[sequence], turn, shift), brain, random)
    return replace(case, volumes=seen, brain=bounding_box(brain, 4))


def _with_tumour(volumes: Volumes, donor: Case, seed: int) -> Volumes:
    import torch

    common = [s for s in SEQUENCES if s in volumes and s in donor.volumes]
    if donor.labels is None:
        return volumes
    images, others = (
        torch.from_numpy(np.stack([v[s] for s in common]))
        for v in (volumes, {s: donor.brain.crop(donor.volumes[s]) for s in common})
    )
    labels = torch.from_numpy(donor.brain.crop(donor.labels).astype(np.int64))
    none = torch.zeros(images.shape[1:], dtype=torch.int64)
    level = images.mean((1, 2, 3)) / others.mean((1, 2, 3))  # units differ from case to case
    others = others * level[:, None, None, None]
    made, _ = transplant(images, none, others, labels, torch.Generator().manual_seed(seed))
    return {**volumes, **{s: made[k].numpy() for k, s in enumerate(common)}}


def _cut_otherwise(brain: Bools, random: Random) -> Bools:
    """A brain (x, y, z) without 0 to DEEPEST_MM of its edge, here more, there less."""
    depth = ndimage.distance_transform_edt(brain)
    return np.asarray(depth > DEEPEST_MM * (0.5 + 0.25 * _field(brain.shape, random)), np.bool_)


def _greys(volume: Floats, brain: Bools, random: Random) -> Floats:
    lit = volume * np.exp(BRIGHTNESS * _field(volume.shape, random))
    white = np.percentile(lit[brain], 99.5)
    greys = (np.clip(lit / white, 1e-3, 1.5) ** random.uniform(*GREYS)) * brain
    return np.asarray(greys, np.float32)


def _field(shape: Sequence[int], random: Random) -> Floats:
    """Smooth, of deviation about 1."""
    few = random.standard_normal((FIELD, FIELD, FIELD)).astype(np.float32)
    zoom = [n / FIELD for n in shape]
    return np.asarray(ndimage.zoom(few, zoom, order=1, grid_mode=True, mode="nearest"), np.float32)


def report(found: Sequence[Compared]) -> str:
    """A row per kind of pair and sequences, as Markdown."""
    head = ["pair", "compared by", "agreement: least, median, most", "said to be two people"]
    rows = []
    for kind, by in dict.fromkeys((one.kind, one.by) for one in found):
        told = [
            one.agreement
            for one in found
            if (one.kind, one.by) == (kind, by) and one.agreement is not None
        ]
        if not told:
            continue
        low, middle, high = np.percentile(told, (0, 50, 100))
        said = sum(agreement < LEAST_AGREEMENT for agreement in told)
        exact = binomtest(said, len(told)).proportion_ci(0.95, "exact")
        share = f"{said} of {len(told)} ({100 * exact.low:.0f} to {100 * exact.high:.0f} %)"
        rows.append([kind, by, f"{low:.2f}, {middle:.2f}, {high:.2f}", share])
    return "\n".join(as_markdown(head, rows))
