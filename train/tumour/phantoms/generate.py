"""`python -m train data phantoms`: synthetic glioma cases in the layout of BraTS 2021."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mckd.tumour.naming import SEG, SEQUENCES
from train.pool import pool
from train.tumour.phantoms.acquisition import Shorts, acquire, sample_scan
from train.tumour.phantoms.anatomy import (
    BOX,
    BOX_START,
    SHAPE,
    coarse_tissue,
    make_tissue,
    place,
    push,
    sample_head,
)
from train.tumour.phantoms.fields import smoothstep
from train.tumour.phantoms.growth import Tumour, displaced, grow, no_lesion, sample_tumour
from train.tumour.phantoms.lesion import Bytes, dissect
from train.tumour.phantoms.mixture import perfect_images, sample_ageing
from train.tumour.phantoms.signal import sample_contrast
from train.tumour.phantoms.vessels import make_blood, sample_vascular

VERSION = 4
"""Goes up whenever the same seed gives other images."""
FILE_NAMES = {"flair": "flair", "t1": "t1", "t1c": "t1ce", "t2": "t2"}
AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)
JOB_GB = 1.3
GZIP_WINDOW = 31  # 32 kB, with a gzip header
DESCRIPTION = b"MCKD synthetic phantom, no patient"


@dataclass(frozen=True, eq=False)
class Phantom:
    """A case: {sequence: (240, 240, 155) int16}, 0 outside the brain, and labels uint8."""

    tumour: Tumour
    images: dict[str, Shorts]
    labels: Bytes


def make_phantom(seed: int, number: int, healthy: bool = False, share: float = 1.0) -> Phantom:
    """Case `number` of a seed; the four decide every bit of it, on one kind of machine.

    healthy: a head without a tumour; its `tumour` is the one that did not grow. share: of its
    volumes that the tumour has reached: with less than 1 the same head at an earlier visit, whose
    scans and noise are others.
    """
    with threadpool_limits(1):  # sums in another order would end in other bits
        return _make(seed, number, healthy, share)


def _make(seed: int, number: int, healthy: bool, share: float) -> Phantom:
    random = np.random.default_rng([seed, number])
    tumour, head, vascular = sample_tumour(random), sample_head(random), sample_vascular(random)
    contrast, ageing = sample_contrast(tumour.kind, random), sample_ageing(random)
    scans = {sequence: sample_scan(sequence, random) for sequence in SEQUENCES}
    scanner = random
    if share < 1:  # another visit: the same head, in the scanner once more
        scanner = np.random.default_rng([seed, number, round(1e6 * share)])
        scans = {sequence: sample_scan(sequence, scanner) for sequence in SEQUENCES}

    where = place(head, random)
    tissues = coarse_tissue(where)
    lesion = no_lesion() if healthy else displaced(grow(tumour, *tissues, random, share))
    push(where, lesion.displacement, head)
    tissue = make_tissue(head, where, smoothstep(lesion.oedema, -3, 4), random)
    blood = make_blood(vascular, tissue, random)
    parts = dissect(tumour, lesion, tissue, random)
    perfect = perfect_images(contrast, ageing, tissue, blood, parts, random)

    kept = tissue.surface > vascular.strip_mm - (vascular.strip_mm + 2.5) * blood.left_over
    brain = tissue.spread(kept).astype(bool)
    images = {
        sequence: _in_frame(acquire(tissue.spread(perfect[sequence]), brain, scan, scanner))
        for sequence, scan in scans.items()
    }
    labels = tissue.spread(np.where(kept, parts.labels, 0).astype(np.uint8))
    return Phantom(tumour, images, _in_frame(labels))


def _in_frame(box: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A map of the box (X, Y, Z) as one of the whole image, 0 around it."""
    frame = np.zeros(SHAPE, box.dtype)
    frame[tuple(slice(s, s + n) for s, n in zip(BOX_START, BOX, strict=True))] = box
    return frame


def write_phantom(
    folder: Path, seed: int, number: int, healthy: bool = False, share: float = 1.0
) -> float:
    """Write a case; a folder of that name is always whole. Returns the seconds it took."""
    started = time.monotonic()
    phantom = make_phantom(seed, number, healthy, share)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for sequence, image in phantom.images.items():
            _write(part / f"{folder.name}_{FILE_NAMES[sequence]}.nii.gz", image)
        _write(part / f"{folder.name}_{SEG}.nii.gz", phantom.labels)
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return time.monotonic() - started


def _write(path: Path, voxels: npt.NDArray[Any]) -> None:
    image = nibabel.Nifti1Image(voxels, AFFINE)
    image.header["descrip"] = DESCRIPTION
    image.header.set_xyzt_units("mm")
    # Filtered suits noisy values. No time is written, so the file is the same from run to run.
    gzip = zlib.compressobj(6, zlib.DEFLATED, GZIP_WINDOW, 9, zlib.Z_FILTERED)
    path.write_bytes(gzip.compress(image.to_bytes()) + gzip.flush())


def make_phantoms(
    out: Path,
    cases: int,
    seed: int,
    jobs: int = 1,
    say: Callable[[str], None] = print,
    healthy: bool = False,
    share: float = 1.0,
) -> None:
    """Write cases 1 to `cases` into `out`, `jobs` at a time; those that are there already stay.

    Case n is the same bytes whatever `cases` and `jobs` are. healthy: heads without a tumour,
    called `healthy_...`. share: the same tumours at an earlier visit, see `make_phantom`.

    Raises:
        ValueError: no case or no process asked for, no share in 0..1, or `out` holds cases made
            with other settings.
        RuntimeError: a process was killed.
    """
    if cases < 1 or jobs < 1 or seed < 0:
        raise ValueError("Ask for at least one case and one job, and for a seed of 0 or more.")
    if not 0 < share <= 1:
        raise ValueError(f"A tumour has a share of its size above 0, at most 1, not {share}.")
    out.mkdir(parents=True, exist_ok=True)
    for part in out.glob(".*.part"):  # of a process that was killed
        shutil.rmtree(part, ignore_errors=True)
    _note(out, cases, seed, healthy, share)
    kind = "healthy" if healthy else "phantom"
    names = {number: f"{kind}_{seed}_{number:05d}" for number in range(1, cases + 1)}
    todo = [number for number, name in names.items() if not (out / name).is_dir()]
    if len(todo) < cases:
        say(f"{cases - len(todo)} of {cases} cases are there already.")
    started = time.monotonic()
    try:
        with pool(jobs) as workers:
            cases_of = [
                workers.submit(write_phantom, out / names[n], seed, n, healthy, share) for n in todo
            ]
            for done, (number, case) in enumerate(zip(todo, cases_of, strict=True), 1):
                took = case.result()
                left = (time.monotonic() - started) / done * (len(todo) - done)
                say(f"{names[number]}  {done}/{len(todo)}  {took:.1f} s, {left / 60:.1f} min left")
    except BrokenProcessPool:
        raise RuntimeError(
            f"A process was killed, perhaps for want of memory: each takes {JOB_GB} GB. Run the "
            "same command again with fewer --jobs; finished cases stay."
        ) from None


def _note(out: Path, cases: int, seed: int, healthy: bool, share: float) -> None:
    """Say in the folder what it holds; refuse a folder made with other settings."""
    note = out / "README.txt"
    made_by = f"seed {seed}, generator version {VERSION}" + (", no tumour" if healthy else "")
    made_by += f", tumours at {share:g} of their size" if share < 1 else ""
    if note.is_file() and f"{made_by}:" not in note.read_text(encoding="utf-8"):
        raise ValueError(
            f"{out.name} holds phantoms of another seed or version. Choose another folder."
        )
    flag = " --healthy" * healthy + f" --share {share:g}" * (share < 1)
    text = NOTE.format(made_by=made_by, cases=cases, seed=seed, flag=flag)
    note.write_text(text, encoding="utf-8")


NOTE = """\
Synthetic brain tumours. No patient was scanned: every image here is computed.

Made by MCKD Studio, {made_by}:

    python -m train data phantoms --cases {cases} --seed {seed}{flag} --out DIR

Layout, grid and labels are those of BraTS 2021: 240 x 240 x 155 voxels of 1 mm, skull-stripped;
1 core without enhancement, 2 oedema, 4 enhancing tumour.

Anatomy: ICBM 152 nonlinear symmetric atlas 2009a (MNI152), as bundled with nilearn
(https://nilearn.github.io), deformed at random. Its notice:

    Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological
    Institute, McGill University. Permission to use, copy, modify, and distribute this software
    and its documentation for any purpose and without fee is hereby granted, provided that the
    above copyright notice appear in all copies. The authors and McGill University make no
    representations about the suitability of this software for any purpose. It is provided "as
    is" without express or implied warranty. The authors are not responsible for any data loss,
    equipment damage, property loss, or injury to subjects or patients resulting from the use or
    misuse of this software package.

    V.S. Fonov, A.C. Evans, R.C. McKinstry, C.R. Almli, D.L. Collins, Unbiased nonlinear average
    age-appropriate brain templates from birth to adulthood, NeuroImage 47, S102 (2009).
"""
