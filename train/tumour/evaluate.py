"""How good a tumour checkpoint is, for every subset of the sequences.

    python -m train evaluate --checkpoint C --data DIR --out runs/scores
    python -m train evaluate --compare runs/scores runs/other

Several checkpoints are the folds of a cross-validation: a case is scored by those that saw it
neither in training nor in validation. `cases.csv` has a line per case, checkpoint, subset and
region; `subsets.csv` and `subsets.md` are the means over cases, a row per subset in the order of
the paper. What a mean leaves out is always stated: it is over values that exist, and n says how
many those are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mckd.files.atomic import sweep, write_atomically
from mckd.files.checkpoint import load_checkpoint
from mckd.method import subsets
from mckd.progress import clock
from mckd.tumour import REGIONS, SEQUENCES, Case, CaseError, find_cases, read_case, regions
from mckd.tumour.fingerprint import NO, Known
from mckd.tumour.metrics import score
from mckd.tumour.naming import key_of
from train.settings import SettingsError
from train.tumour.report import report
from train.tumour.scores import DICE, HD95, Score, comparison, read_scores, write_scores

REPORT = "subsets.md"
BUDGET_BYTES = 2**33  # of features; they are let go with each case

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fold:
    """A checkpoint, and the cases that it saw; None if it does not say."""

    path: Path
    about: str
    saw: frozenset[str] | None
    known: Known

    @classmethod
    def of(cls, path: Path) -> Fold:
        """Of a checkpoint, by what it says of itself.

        Raises:
            CheckpointError: one that cannot be read.
        """
        checkpoint = load_checkpoint(path)
        header = checkpoint.header
        about = (
            f"SHA-256 {checkpoint.sha256[:12]}, trained on {header.get('data') or 'unknown data'}"
        )
        known = Known.of(checkpoint)
        cases = header.get("provenance", {}).get("cases")
        if cases is None:
            return cls(path, f"{about}; it does not name its cases", None, known)
        saw = frozenset(cases.get("train", [])) | set(cases.get("validation", []))
        return cls(path, about, saw, known)

    def is_new(self, case: Case, names: set[str]) -> bool:
        """Whether it saw a case nowhere: by the voxels, or by its names if it keeps no others."""
        if self.known.prints:
            return self.known.where(case) == NO
        return self.saw is not None and not names & self.saw


def run(arguments: argparse.Namespace) -> int:
    if arguments.compare:
        if len(arguments.compare) < 2:
            raise SettingsError("--compare needs two folders or more.")
        first, *others = (read_scores(folder) for folder in arguments.compare)
        names = [folder.as_posix() for folder in arguments.compare]
        for name, other in zip(names[1:], others, strict=True):
            print(comparison(first, other, (names[0], name)))
        return 0
    if not arguments.checkpoint or not arguments.data:
        raise SettingsError("Give --checkpoint and --data, or folders of tables to --compare.")
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.out:  # before the work: it may be no folder
        arguments.out.mkdir(parents=True, exist_ok=True)
        sweep(arguments.out)
    wanted = subsets(SEQUENCES)
    scores, notes = evaluate(
        arguments.checkpoint,
        arguments.data,
        wanted if arguments.subsets == "all" else wanted[-1:],
        limit=arguments.limit,
        distances=arguments.hd95,
        seen=arguments.seen,
        plain=arguments.plain,
    )
    text = report(scores, notes, DICE + (HD95 if arguments.hd95 else ()))
    if arguments.out:
        write_scores(arguments.out, scores)
        write_atomically(arguments.out / REPORT, text.encode())
    print(text)
    return 0


def evaluate(
    checkpoints: Sequence[Path],
    data: Path,
    wanted: Sequence[frozenset[str]],
    *,
    limit: int | None = None,
    distances: bool = False,
    seen: bool = False,
    plain: bool = False,
    say: Say = print,
) -> tuple[list[Score], list[str]]:
    """Score every case below `data` by the checkpoints that did not see it.

    Args:
        wanted: the subsets, of those that a case has.
        distances: HD95 too.
        seen: score cases that every checkpoint saw, and say so.
        plain: not what prediction draws, but where a voxel is more likely than not in a region.

    Returns:
        Scores, and sentences for the reader: about the checkpoints, about cases left out.

    Raises:
        ValueError: no case could be scored.
        CheckpointError: a checkpoint that cannot be used.
    """
    import torch

    from mckd.tumour import TumourSegmenter

    device = "cuda" if torch.cuda.is_available() else "cpu"
    folds = [Fold.of(path) for path in checkpoints]
    notes = [f"{fold.path.as_posix()}: {fold.about}" for fold in folds]
    found = find_cases(data)[:limit]
    scores: list[Score] = []
    started = time.monotonic()
    for number, path in enumerate(found, start=1):
        try:
            case = read_case(path)
            fit, was_seen = _who_may(folds, {case.name, path.name}, case, seen)
            if case.labels is None:
                why = " ".join([f"{case.name} has no reference labels.", *case.reference_notes])
                raise CaseError(why)
            if any(s.case == case.name for s in scores):
                raise CaseError(f"{path.as_posix()}: another case is called {case.name} too.")
        except CaseError as error:
            notes.append(f"Left out: {error}")
            say(notes[-1])
            continue
        mine: list[Score] = []
        for fold in fit:
            # Loaded anew for each case, so that only one case's features are in memory.
            segmenter = TumourSegmenter.load(fold.path, budget=BUDGET_BYTES, device=device)
            mine += _score_case(segmenter, case, fold, wanted, distances, was_seen, plain)
        if not mine:
            notes.append(f"Left out: {case.name} has only {', '.join(case.volumes)}.")
        else:
            notes += [f"{case.name}: {note}" for note in case.reference_notes]
        scores += mine
        left = (time.monotonic() - started) / number * (len(found) - number)
        say(f"[{number}/{len(found)}] {_brief(case, mine)}, {clock(left)} left")
    if not scores:
        raise ValueError(
            " ".join([f"No case of {data.name} could be scored.", *notes[len(folds) :]])
        )
    return scores, notes


def _who_may(
    folds: Sequence[Fold], names: set[str], case: Case, seen: bool
) -> tuple[list[Fold], bool]:
    """The checkpoints that score a case, and whether they saw it.

    Raises:
        CaseError: all saw it, or may have.
    """
    fresh = [fold for fold in folds if fold.is_new(case, names)]
    if fresh:
        return fresh, False
    if seen:
        return list(folds), True
    silent = not any(fold.saw or fold.known.whole for fold in folds)
    why = "may have been" if silent else "was"
    raise CaseError(
        f"{case.name} {why} seen in training by every checkpoint given. --seen scores it anyway."
    )


def _score_case(
    segmenter: Any,
    case: Case,
    fold: Fold,
    wanted: Sequence[frozenset[str]],
    distances: bool,
    seen: bool,
    plain: bool,
) -> list[Score]:
    assert case.labels is not None
    reference = regions(case.labels)
    voxels = {r: int(np.count_nonzero(mask)) for r, mask in zip(REGIONS, reference, strict=True)}
    possible = [subset for subset in wanted if subset <= case.present]
    if not possible:
        return []
    encoded = segmenter.encode(case)
    scores, grid = [], case.grid.canonical
    for subset, found in zip(possible, segmenter.decide_each(encoded, possible), strict=True):
        drawn = found.canonical
        if plain:
            drawn = case.brain.uncrop(found.cropped_probabilities > 0.5, grid.shape)
        for region in score(drawn, reference, grid, distances, case.reference_regions):
            scores.append(
                Score(
                    case=case.name,
                    checkpoint=fold.path.as_posix(),
                    seen=seen,
                    synthetic=case.synthetic,
                    subset=key_of(subset),
                    region=region.region,
                    outcome=region.outcome,
                    dice=region.dice,
                    brats_dice=region.brats_dice,
                    hd95_mm=region.hd95_mm,
                    volume_ml=region.volume_ml,
                    reference_ml=region.reference_ml,
                    reference_voxels=voxels[region.region],
                )
            )
    return scores


def _brief(case: Case, scores: Sequence[Score]) -> str:
    """The last subset, which is the fullest, in a few words."""
    if not scores:
        return f"{case.name}: left out"
    last = [s for s in scores if s.subset == scores[-1].subset]
    words = []
    for of_region in last:
        words.append(
            f"{of_region.region.upper()} "
            + (of_region.outcome if of_region.dice is None else f"{of_region.dice:.3f}")
        )
    return f"{case.name}, {scores[-1].subset}: {'  '.join(words)}"
