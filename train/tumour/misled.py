"""`python -m train corrupt`: spoil sequences of sound cases, and count how many are found.

    python -m train corrupt --data data/real data/phantoms

Every kind of `train.tumour.corrupt` is done to one sequence of every case, another one from kind to
kind. Prints a row per kind: how many cases were suspected by `mckd.tumour.misleading`, by its own
limits and by one for places that was set without the case (conformal, at 5 % false alarms a case),
how many with the right sequence; and for motion how much the outline changed.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

from mckd.files.tables import as_markdown
from mckd.tumour import SEQUENCES, Case, find_cases, read_case
from mckd.tumour.metrics import dice
from mckd.tumour.misleading import WHY, look_at, placed, suspects
from train.settings import SettingsError
from train.tumour.corrupt import KINDS, Volumes

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter

CLEAN = "nothing"
ALARMS = 0.05
HURT = 0.9
"""Motion that leaves the outline of the whole tumour with a Dice below it does harm."""


@dataclass(frozen=True)
class Found:
    """One case, spoilt or not.

    spoilt: the sequences. suspected: those that were, and why. least: the smallest of `placed`.
    change: Dice of the whole tumour with that of the sound case, from all sequences; None if it was
    not asked for.
    """

    case: str
    synthetic: bool
    kind: str
    spoilt: frozenset[str]
    suspected: dict[str, str]
    least: float
    change: float | None


def corrupt(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        SettingsError: fewer than two cases with four sequences.
        CheckpointError: a checkpoint that cannot be used.
    """
    import torch

    from mckd.tumour import TumourSegmenter

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    paths = [path for folder in arguments.data for path in find_cases(folder)]
    segmenter = TumourSegmenter.load(arguments.checkpoint) if arguments.outlines else None
    found: list[Found] = []
    for number, path in enumerate(paths):
        case = read_case(path, reference=False)
        other = read_case(paths[number - 1], reference=False)
        if {*case.volumes} != {*SEQUENCES} or {*other.volumes} != {*SEQUENCES}:
            print(f"Left out: {case.name}, as it or the one before lacks a sequence.")
            continue
        found += of_case(case, other, number, segmenter)
        print(f"[{number + 1}/{len(paths)}] {case.name}", flush=True)
    if len({one.case for one in found}) < 2:
        raise SettingsError("Two cases with four sequences are needed, to put one into the other.")
    print(report(found))
    return 0


def of_case(
    case: Case, other: Case, number: int, segmenter: TumourSegmenter | None
) -> Iterator[Found]:
    """The case as it is, then spoilt in every way. number: which sequences it is done to."""
    sound, others = ({s: c.brain.crop(v) for s, v in c.volumes.items()} for c in (case, other))
    yield _found(case, sound, CLEAN, frozenset(), None)
    for turn, (kind, spoil) in enumerate(KINDS.items()):
        sequence = SEQUENCES[(number + turn) % len(SEQUENCES)]
        random = np.random.default_rng(zlib.crc32(f"{case.name} {kind}".encode()))
        volumes = spoil(sound, sequence, others, random)
        changed = frozenset(s for s in SEQUENCES if volumes[s] is not sound[s])
        change = None
        if segmenter is not None and "motion" in kind:
            change = _change(case, volumes, segmenter)
        yield _found(case, volumes, kind, changed, change)


def _found(
    case: Case, volumes: Volumes, kind: str, changed: frozenset[str], change: float | None
) -> Found:
    looked = look_at(volumes, case.spacing_mm)
    least = min(placed(looked).values(), default=math.inf)
    return Found(case.name, case.synthetic, kind, changed, suspects(looked), least, change)


def _change(case: Case, volumes: Volumes, segmenter: TumourSegmenter) -> float | None:
    """Dice of the whole tumour with that of the sound case, from all sequences."""
    whole = case.grid.canonical.shape
    spoilt = replace(case, volumes={s: case.brain.uncrop(v, whole) for s, v in volumes.items()})
    sound, found = (
        segmenter.decide(segmenter.encode(one), case.present).cropped[-1] for one in (case, spoilt)
    )
    return dice(found, sound)


# ---- judging


def held_out_limit(found: Sequence[Found], case: str) -> float:
    """Of `placed`, set on the sound cases but for this one: below it lies a new sound case with a
    chance of ALARMS or less."""
    sound = sorted(one.least for one in found if one.kind == CLEAN and one.case != case)
    rank = math.floor(ALARMS * (len(sound) + 1))
    return sound[rank - 1] if rank else -math.inf


def report(found: Sequence[Found]) -> str:
    """A row per kind, real and synthetic cases apart, as Markdown."""
    limits = {one.case: held_out_limit(found, one.case) for one in found}
    head = ["spoilt by", "cases", "found", "limit held out", "right sequence"]
    rows = []
    for synthetic in (False, True):
        for kind in (CLEAN, *KINDS):
            these = [one for one in found if one.kind == kind and one.synthetic == synthetic]
            groups = {"": these}
            if any(one.change is not None for one in these):
                groups[f", Dice below {HURT}"] = [
                    one for one in these if one.change is not None and one.change < HURT
                ]
            for more, group in groups.items():
                rows.append(_row(f"{kind}{more}", group, synthetic, limits))
    return "\n".join(as_markdown(head, [row for row in rows if row]))


def _row(name: str, group: Sequence[Found], synthetic: bool, limits: dict[str, float]) -> list[str]:
    if not group:
        return []
    by_limit = [_suspected(one, limits[one.case]) for one in group]
    right = [one for one in group if one.suspected and {*one.suspected} <= one.spoilt | _pair(one)]
    changes = [one.change for one in group if one.change is not None]
    told = f"{name} (mean Dice {fmean(changes):.2f})" if changes else name
    return [
        told,
        f"{len(group)} {'synthetic' if synthetic else 'real'}",
        _share([bool(one.suspected) for one in group]),
        _share(by_limit),
        str(len(right)) if group[0].spoilt else "",
    ]


def _suspected(one: Found, limit: float) -> bool:
    """What would have been found with another limit for places."""
    return one.least < limit or any(WHY not in said for said in one.suspected.values())


def _pair(one: Found) -> frozenset[str]:
    """A copy is told under both names, as it is not known which of them is right."""
    return (
        frozenset(one.suspected) if one.kind == "copy" and len(one.suspected) == 2 else frozenset()
    )


def _share(held: Sequence[bool]) -> str:
    """`14 of 15 (68 to 100 %)`."""
    exact = binomtest(sum(held), len(held)).proportion_ci(0.95, "exact")
    return f"{sum(held)} of {len(held)} ({100 * exact.low:.0f} to {100 * exact.high:.0f} %)"
