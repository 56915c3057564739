"""The scores of a tumour checkpoint as lines of `cases.csv`, and their means over cases."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mckd.files.atomic import write_atomically
from mckd.files.runs import RunError
from mckd.files.tables import as_csv
from mckd.method import subsets
from mckd.tumour import REGIONS, SEQUENCES
from mckd.tumour.metrics import CORRECTLY_EMPTY, INVENTED, MISSED, Mean, mean
from mckd.tumour.naming import SEQUENCE_NAMES, key_of
from train.scores import Key, TableLayout, side_by_side
from train.settings import SettingsError

CASES, SUBSETS = "cases.csv", "subsets.csv"
ENOUGH_ET = 1000
"""Voxels of enhancing tumour in the reference from which its Dice says something."""
FAILURES = (INVENTED, MISSED, CORRECTLY_EMPTY)
COUNTS = {f"{r}_{o.replace(' ', '_')}": (r, o) for r in REGIONS for o in FAILURES}
"""Columns of `subsets.csv` that count cases: region and outcome."""
LAYOUT = TableLayout(
    SEQUENCE_NAMES,
    [key_of(subset) for subset in subsets(SEQUENCES)],
    {"mean": REGIONS, **{region.upper(): (region,) for region in REGIONS}},
)


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


def write_scores(folder: Path, scores: Sequence[Score]) -> None:
    """`cases.csv`, and the means over them as `subsets.csv`; numbers with six digits."""
    for name, rows in ((CASES, map(dataclasses.asdict, scores)), (SUBSETS, subset_rows(scores))):
        write_atomically(folder / name, as_csv(map(_six_digits, rows)).encode())


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


def subset_rows(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """`subsets.csv`: every column's mean and n, and counts of failures, per subset; then means.

    The last row holds the means of the rows above, each subset counting once, and sums of counts.
    """
    rows: list[dict[str, Any]] = []
    for subset in subsets_of(scores):
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
    case that several checkpoints scored counts with their mean.

    Raises:
        SettingsError: no case is in both.
    """
    introduction = (
        f"{names[1]} against {names[0]}: Dice over {{cases}} that both scored, a region over those "
        "whose reference has it."
    )
    return side_by_side(_dice_of(first), _dice_of(other), names, LAYOUT, introduction)


def subsets_of(scores: Iterable[Score]) -> list[str]:
    """Those that were scored, in the order of the paper."""
    here = {s.subset for s in scores}
    return [subset for subset in LAYOUT.subsets if subset in here]


def _dice_of(scores: Iterable[Score]) -> dict[Key, float]:
    values: dict[Key, list[float]] = {}
    for s in scores:
        if s.reference_voxels and s.dice is not None:
            values.setdefault(Key(s.case, s.subset, s.region), []).append(s.dice)
    return {key: fmean(v) for key, v in values.items()}


def _six_digits(row: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}


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
