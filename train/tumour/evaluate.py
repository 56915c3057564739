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
import csv
import dataclasses
import io
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from mckd.files.atomic import sweep, write_atomically
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import RunError
from mckd.method import subsets
from mckd.progress import clock
from mckd.tumour import REGIONS, SEQUENCES, Case, CaseError, find_cases, read_case, regions
from mckd.tumour.comparison import key_of
from mckd.tumour.fingerprint import NO, Known
from mckd.tumour.metrics import CORRECTLY_EMPTY, FOUND, INVENTED, MISSED, Mean, mean, score
from mckd.tumour.naming import SEQUENCE_NAMES
from train.settings import SettingsError

CASES, SUBSETS, REPORT = "cases.csv", "subsets.csv", "subsets.md"
ENOUGH_ET = 1000
"""Voxels of enhancing tumour in the reference from which its Dice says something."""
BUDGET_BYTES = 2**33  # of features; they are let go with each case
PRESENT, ABSENT = "●", "○"
FAILURES = (INVENTED, MISSED, CORRECTLY_EMPTY)
COUNTS = {f"{r}_{o.replace(' ', '_')}": (r, o) for r in REGIONS for o in FAILURES}
"""Columns of `subsets.csv` that count cases: region and outcome."""
ORDER = [key_of(subset) for subset in subsets(SEQUENCES)]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Score:
    """One region of one case, from one subset by one checkpoint: a line of `cases.csv`.

    subset: like `flair+t1`. seen: whether the checkpoint saw the case in training. The other
    fields are those of `RegionScore`; hd95_mm is None too where distances were not asked for.
    reference_voxels: of the region in the reference.
    """

    case: str
    checkpoint: str
    seen: bool
    synthetic: bool
    subset: str
    region: str
    outcome: str
    dice: float | None
    brats_dice: float
    hd95_mm: float | None
    volume_ml: float
    reference_ml: float
    reference_voxels: int


@dataclass(frozen=True)
class Fold:
    """A checkpoint, and the cases that it saw; None if it does not say."""

    path: Path
    about: str
    saw: frozenset[str] | None
    known: Known

    def is_new(self, case: Case, names: set[str]) -> bool:
        """Whether it saw a case nowhere: by the voxels, or by its names if it keeps no others."""
        if self.known.prints:
            return self.known.where(case) == NO
        return self.saw is not None and not names & self.saw


@dataclass(frozen=True)
class Column:
    """A mean over the scores of one region that `counts` lets in."""

    name: str
    title: str
    region: str
    value: Callable[[Score], float | None]
    counts: Callable[[Score], bool] = lambda s: True
    digits: int = 3

    def mean(self, scores: Iterable[Score]) -> Mean:
        """Over cases; one that several checkpoints scored counts once, with their mean."""
        of_cases: dict[str, list[float | None]] = {}
        for s in scores:
            if s.region == self.region and self.counts(s):
                of_cases.setdefault(s.case, []).append(self.value(s))
        return mean(mean(values).value for values in of_cases.values())


DICE = (
    Column(
        "et_1000", "ET ≥ 1,000 voxels", "et", lambda s: s.dice,
        lambda s: s.reference_voxels >= ENOUGH_ET,
    ),
    Column("et", "ET", "et", lambda s: s.dice),
    Column("et_brats", "ET, BraTS rule", "et", lambda s: s.brats_dice),
    Column("tc", "TC", "tc", lambda s: s.dice),
    Column("wt", "WT", "wt", lambda s: s.dice),
)  # fmt: skip
HD95 = tuple(
    Column(f"{r}_hd95_mm", f"{r.upper()} HD95 mm", r, lambda s: s.hd95_mm, digits=1)
    for r in REGIONS
)


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
    )
    text = report(scores, notes, DICE + (HD95 if arguments.hd95 else ()))
    if arguments.out:
        write_atomically(arguments.out / CASES, _csv(map(dataclasses.asdict, scores)).encode())
        write_atomically(arguments.out / SUBSETS, _csv(subset_rows(scores)).encode())
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
    say: Say = print,
) -> tuple[list[Score], list[str]]:
    """Score every case below `data` by the checkpoints that did not see it.

    Args:
        wanted: the subsets, of those that a case has.
        distances: HD95 too.
        seen: score cases that every checkpoint saw, and say so.

    Returns:
        Scores, and sentences for the reader: about the checkpoints, about cases left out.

    Raises:
        ValueError: no case could be scored.
        CheckpointError: a checkpoint that cannot be used.
    """
    import torch

    from mckd.tumour import TumourSegmenter

    device = "cuda" if torch.cuda.is_available() else "cpu"
    folds = [_fold(path) for path in checkpoints]
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
            mine += _score_case(segmenter, case, fold, wanted, distances, was_seen)
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


def report(scores: Sequence[Score], notes: Sequence[str], columns: Sequence[Column]) -> str:
    """The tables as Markdown: a row per subset with its mean, then the cases by themselves."""
    cases = {s.case: s for s in scores}
    synthetic = sum(s.synthetic for s in cases.values())
    lines = [
        f"{_plural(len(cases), 'case')}, {synthetic} of them synthetic. Dice, means over cases; n: "
        f"how many values there are. i/m/e: predictions in which the region was {INVENTED}, "
        f"{MISSED}, {CORRECTLY_EMPTY}; the last have no Dice (1 by the BraTS rule).",
        *(f"- {note}" for note in notes),
    ]
    seen = sorted({s.case for s in scores if s.seen})
    if seen:
        lines.append(f"- **Seen in training, so no measure of what is new: {', '.join(seen)}.**")
    table = _subset_table(scores, columns)
    return "\n".join([*lines, "", *table, "", *_case_table(scores), ""])


def subset_rows(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """`subsets.csv`: every column's mean and n, and counts of failures, per subset; then means.

    The last row holds the means of the rows above, each subset counting once, and sums of counts.
    """
    rows: list[dict[str, Any]] = []
    for subset in _subsets_of(scores):
        mine = [s for s in scores if s.subset == subset]
        row: dict[str, Any] = {"subset": subset}
        for column in (*DICE, *HD95):
            result = column.mean(mine)
            row |= {column.name: result.value, f"{column.name}_n": result.count}
        for name, failure in COUNTS.items():
            row[name] = sum((s.region, s.outcome) == failure for s in mine)
        rows.append(row)
    last: dict[str, Any] = {"subset": "mean"}
    for name in list(rows[0])[1:]:
        values = [row[name] for row in rows]
        add_up = name.endswith("_n") or name in COUNTS
        last[name] = sum(values) if add_up else mean(values).value
    return [*rows, last]


def read_scores(folder: Path) -> list[Score]:
    """The scores of a folder that `evaluate` wrote.

    Raises:
        SettingsError: there are none.
    """
    path = folder / CASES
    if not path.is_file():
        raise SettingsError(f"{folder.name} holds no {CASES}. Make it with --out {folder.name}.")
    with path.open(newline="", encoding="utf-8") as file:
        return [_score_of(line) for line in csv.DictReader(file)]


def unseen(folder: Path) -> dict[str, Any]:
    """Mean Dice per subset and region, as `mckd.tumour.evidence` reads it; seen cases count not."""
    scores = [score for score in read_scores(folder) if not score.seen]
    if not scores:
        raise RunError(f"{folder.name} scores no case that was unseen. Leave it out of --scores.")
    dice = {
        row["subset"]: {"et": row["et_1000"], "tc": row["tc"], "wt": row["wt"]}
        for row in subset_rows(scores)[:-1]
    }
    return {"cases": len({score.case for score in scores}), "dice": dice}


def comparison(first: Sequence[Score], other: Sequence[Score], names: tuple[str, str]) -> str:
    """Two sets of scores side by side, as Markdown: a row per subset and their mean.

    Only what both scored, and only regions that the reference has: there a Dice always exists. A
    case that several checkpoints scored counts with their mean. p: two-sided Wilcoxon signed-rank
    test over cases, each with the mean of its subsets (and regions).

    Raises:
        SettingsError: no case is in both.
    """
    a, b = _dice_of(first), _dice_of(other)
    keys = sorted(a.keys() & b.keys())
    if not keys:
        raise SettingsError(f"{names[0]} and {names[1]} have no case in common.")
    columns = {"mean": REGIONS, **{region.upper(): (region,) for region in REGIONS}}
    head = [SEQUENCE_NAMES[s] for s in SEQUENCES]
    for title in columns:
        head += [f"{title} {names[0]}", f"{title} {names[1]}", "difference"]
    rows = []
    for subset in (*_subsets_of(first), ""):
        mine = [key for key in keys if subset in ("", key.subset)]
        if not mine:
            continue
        cells = _dots(subset) if subset else ["mean", "", "", ""]
        for chosen in columns.values():
            x, y = (_grand_mean(values, mine, chosen) for values in (a, b))
            cells += ["n/a"] * 3 if x is None or y is None else _difference(x, y)
        rows.append(cells)
    tests = []
    for title, chosen in columns.items():
        both = [_mean_per_case(values, keys, chosen) for values in (a, b)]
        differences = [both[1][case] - both[0][case] for case in both[0]]
        better = sum(d > 0 for d in differences)
        tests.append(
            f"- {title}: better in {better} of {_plural(len(differences), 'case')}, "
            f"p {_wilcoxon(differences):.2g}"
        )
    partly = {key.case for key in a.keys() ^ b.keys()}
    cases = _plural(len({key.case for key in keys}), "case")
    left_out = f" Not or not wholly in both: {', '.join(sorted(partly))}." if partly else ""
    return "\n".join(
        [
            f"{names[1]} against {names[0]}: Dice over {cases} that both scored, a region over "
            f"those whose reference has it.{left_out}",
            "",
            *_markdown(head, rows),
            "",
            "Wilcoxon signed-rank test, two-sided, over cases:",
            *tests,
            "",
        ]
    )


class Key(NamedTuple):
    case: str
    subset: str
    region: str


def _dice_of(scores: Iterable[Score]) -> dict[Key, float]:
    values: dict[Key, list[float]] = {}
    for s in scores:
        if s.reference_voxels and s.dice is not None:
            values.setdefault(Key(s.case, s.subset, s.region), []).append(s.dice)
    return {key: fmean(v) for key, v in values.items()}


def _grand_mean(
    values: dict[Key, float], keys: Iterable[Key], chosen: Sequence[str]
) -> float | None:
    """Over cases, then subsets, then regions: each region and each subset counts alike."""
    cells: dict[tuple[str, str], list[float]] = {}
    for key in keys:
        if key.region in chosen:
            cells.setdefault((key.region, key.subset), []).append(values[key])
    of_regions: dict[str, list[float]] = {}
    for (region, _), of_cases in cells.items():
        of_regions.setdefault(region, []).append(fmean(of_cases))
    return fmean(map(fmean, of_regions.values())) if of_regions else None


def _mean_per_case(
    values: dict[Key, float], keys: Iterable[Key], chosen: Sequence[str]
) -> dict[str, float]:
    cases: dict[str, list[float]] = {}
    for key in keys:
        if key.region in chosen:
            cases.setdefault(key.case, []).append(values[key])
    return {case: fmean(mine) for case, mine in cases.items()}


def _difference(x: float, y: float) -> list[str]:
    return [f"{x:.3f}", f"{y:.3f}", f"{y - x:+.3f}"]


def _wilcoxon(differences: Sequence[float]) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if any(differences) else 1.0


def _fold(path: Path) -> Fold:
    checkpoint = load_checkpoint(path)
    header = checkpoint.header
    about = f"SHA-256 {checkpoint.sha256[:12]}, trained on {header.get('data') or 'unknown data'}"
    known = Known.of(checkpoint)
    cases = header.get("provenance", {}).get("cases")
    if cases is None:
        return Fold(path, f"{about}; it does not name its cases", None, known)
    saw = frozenset(cases.get("train", [])) | set(cases.get("validation", []))
    return Fold(path, about, saw, known)


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
) -> list[Score]:
    assert case.labels is not None
    reference = regions(case.labels)
    voxels = {r: int(np.count_nonzero(mask)) for r, mask in zip(REGIONS, reference, strict=True)}
    possible = [subset for subset in wanted if subset <= case.present]
    if not possible:
        return []
    encoded = segmenter.encode(case)
    scores = []
    for subset in possible:
        found = segmenter.decide(encoded, subset).canonical
        grid = case.grid.canonical
        for region in score(found, reference, grid, distances, case.reference_regions):
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


def _subset_table(scores: Sequence[Score], columns: Sequence[Column]) -> list[str]:
    rows = subset_rows(scores)
    head = [SEQUENCE_NAMES[s] for s in SEQUENCES]
    alike = {c.name: len({row[f"{c.name}_n"] for row in rows[:-1]}) == 1 for c in columns}
    head += [
        f"{c.title} (n {rows[0][f'{c.name}_n']})" if alike[c.name] else c.title for c in columns
    ]
    head += [f"{r.upper()} i/m/e" for r in REGIONS]
    lines = []
    for row in rows:
        last = row["subset"] == "mean"
        cells = ["mean", "", "", ""] if last else _dots(row["subset"])
        for column in columns:
            value = row[column.name]
            cell = "n/a" if value is None else f"{value:.{column.digits}f}"
            if not alike[column.name] and not last:
                cell += f" (n {row[f'{column.name}_n']})"
            cells.append(cell)
        for region in REGIONS:
            counts = (row[name] for name, (r, _) in COUNTS.items() if r == region)
            cells.append("/".join(map(str, counts)))
        lines.append(cells)
    return _markdown(head, lines)


def _case_table(scores: Sequence[Score]) -> list[str]:
    """Each case with the most sequences that were scored."""
    head = ["case", "sequences"]
    for region in REGIONS:
        head += [region.upper(), "mL", "of mL"]
    lines = []
    for case, checkpoint in dict.fromkeys((s.case, s.checkpoint) for s in scores):
        mine = [s for s in scores if (s.case, s.checkpoint) == (case, checkpoint)]
        subset = mine[-1].subset
        name = f"{case} (seen in training)" if mine[0].seen else case
        cells = [name, ", ".join(SEQUENCE_NAMES[s] for s in subset.split("+"))]
        of_regions = {s.region: s for s in mine if s.subset == subset}
        for region in REGIONS:
            s = of_regions.get(region)
            if s is None:  # the reference does not tell it
                cells += ["n/a"] * 3
            else:
                told = s.outcome if s.dice is None or s.outcome != FOUND else f"{s.dice:.3f}"
                cells += [told, f"{s.volume_ml:.1f}", f"{s.reference_ml:.1f}"]
        lines.append(cells)
    return _markdown(head, lines)


def _subsets_of(scores: Iterable[Score]) -> list[str]:
    here = {s.subset for s in scores}
    return [subset for subset in ORDER if subset in here]


def _dots(subset: str) -> list[str]:
    names = subset.split("+")
    return [PRESENT if s in names else ABSENT for s in SEQUENCES]


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    """Numbers with six digits; what does not exist is empty."""
    lines = list(rows)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in line.items()})
    return file.getvalue()


def _score_of(line: dict[str, str]) -> Score:
    def number(name: str) -> float | None:
        return float(line[name]) if line[name] else None

    return Score(
        case=line["case"],
        checkpoint=line["checkpoint"],
        seen=line["seen"] == "True",
        synthetic=line["synthetic"] == "True",
        subset=line["subset"],
        region=line["region"],
        outcome=line["outcome"],
        dice=number("dice"),
        brats_dice=float(line["brats_dice"]),
        hd95_mm=number("hd95_mm"),
        volume_ml=float(line["volume_ml"]),
        reference_ml=float(line["reference_ml"]),
        reference_voxels=int(line["reference_voxels"]),
    )


def _plural(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count} {word}s"
