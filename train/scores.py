"""Two sets of scores side by side, whatever the task: a row per subset of its modalities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from mckd.files.tables import as_markdown
from train.settings import SettingsError

PRESENT, ABSENT = "●", "○"


class Key(NamedTuple):
    """What has a score. subset: of modalities, like `flair+t1`. quantity: what of the case, such as
    a region."""

    case: str
    subset: str
    quantity: str


Scores = Mapping[Key, float]


@dataclass(frozen=True)
class TableLayout:
    """How a comparison is laid out.

    modalities: {key: what it is called}. subsets: in order. columns: {title: the quantities whose
    mean it is}.
    """

    modalities: Mapping[str, str]
    subsets: Sequence[str]
    columns: Mapping[str, Sequence[str]]

    def dots(self, subset: str) -> list[str]:
        """A cell per modality: whether it is in the subset."""
        inside = subset.split("+")
        return [PRESENT if key in inside else ABSENT for key in self.modalities]


def side_by_side(
    first: Scores, other: Scores, names: tuple[str, str], layout: TableLayout, introduction: str
) -> str:
    """Two sets of scores as Markdown: a row per subset, their mean, and tests over cases.

    Only what both scored. p: two-sided Wilcoxon signed-rank test over cases, each with the mean of
    its subsets and quantities.

    Args:
        introduction: what stands first; `{cases}` is how many both scored.

    Raises:
        SettingsError: no case is in both.
    """
    keys = sorted(first.keys() & other.keys())
    if not keys:
        raise SettingsError(f"{names[0]} and {names[1]} have no case in common.")
    head = [*layout.modalities.values()]
    for title in layout.columns:
        head += [f"{title} {names[0]}", f"{title} {names[1]}", "difference"]
    rows = []
    for subset in layout.subsets:
        if mine := [key for key in keys if key.subset == subset]:
            rows.append([*layout.dots(subset), *_means(first, other, mine, layout)])
    blank = [""] * (len(layout.modalities) - 1)
    rows.append(["mean", *blank, *_means(first, other, keys, layout)])
    partly = {key.case for key in first.keys() ^ other.keys()}
    left_out = f" Not or not wholly in both: {', '.join(sorted(partly))}." if partly else ""
    cases = plural(len({key.case for key in keys}), "case")
    return "\n".join(
        [
            introduction.format(cases=cases) + left_out,
            "",
            *as_markdown(head, rows),
            "",
            "Wilcoxon signed-rank test, two-sided, over cases:",
            *(_tested(first, other, keys, *column) for column in layout.columns.items()),
            "",
        ]
    )


def _means(first: Scores, other: Scores, keys: Sequence[Key], layout: TableLayout) -> list[str]:
    """Three cells per column: both means and their difference."""
    cells = []
    for chosen in layout.columns.values():
        x, y = (_grand_mean(scores, keys, chosen) for scores in (first, other))
        found = x is not None and y is not None
        cells += [f"{x:.3f}", f"{y:.3f}", f"{y - x:+.3f}"] if found else ["n/a"] * 3
    return cells


def _tested(
    first: Scores, other: Scores, keys: Sequence[Key], title: str, chosen: Sequence[str]
) -> str:
    one, two = (_mean_per_case(scores, keys, chosen) for scores in (first, other))
    differences = [two[case] - one[case] for case in one]
    better = sum(d > 0 for d in differences)
    return (
        f"- {title}: better in {better} of {plural(len(differences), 'case')}, "
        f"p {_wilcoxon(differences):.2g}"
    )


def _grand_mean(scores: Scores, keys: Iterable[Key], chosen: Sequence[str]) -> float | None:
    """Over cases, then subsets, then quantities: each quantity and each subset counts alike."""
    of_subsets: dict[tuple[str, str], list[float]] = {}
    for key in keys:
        if key.quantity in chosen:
            of_subsets.setdefault((key.quantity, key.subset), []).append(scores[key])
    of_quantities: dict[str, list[float]] = {}
    for (quantity, _), of_cases in of_subsets.items():
        of_quantities.setdefault(quantity, []).append(fmean(of_cases))
    return fmean(map(fmean, of_quantities.values())) if of_quantities else None


def _mean_per_case(scores: Scores, keys: Iterable[Key], chosen: Sequence[str]) -> dict[str, float]:
    cases: dict[str, list[float]] = {}
    for key in keys:
        if key.quantity in chosen:
            cases.setdefault(key.case, []).append(scores[key])
    return {case: fmean(mine) for case, mine in cases.items()}


def _wilcoxon(differences: Sequence[float]) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if any(differences) else 1.0


def plural(count: int, word: str) -> str:
    """`1 case`, `3 cases`."""
    return f"1 {word}" if count == 1 else f"{count} {word}s"
