"""The scores of a tumour checkpoint as Markdown: a row per subset, and a row per case."""

from __future__ import annotations

from collections.abc import Sequence

from mckd.files.tables import as_markdown
from mckd.tumour import REGIONS
from mckd.tumour.metrics import CORRECTLY_EMPTY, FOUND, INVENTED, MISSED
from mckd.tumour.naming import SEQUENCE_NAMES
from train.scores import plural
from train.tumour.scores import COUNTS, LAYOUT, Column, Score, subset_rows


def report(scores: Sequence[Score], notes: Sequence[str], columns: Sequence[Column]) -> str:
    """The tables as Markdown: a row per subset with its mean, then the cases by themselves."""
    cases = {s.case: s for s in scores}
    synthetic = sum(s.synthetic for s in cases.values())
    lines = [
        f"{plural(len(cases), 'case')}, {synthetic} of them synthetic. Dice, means over cases; n: "
        f"how many values there are. i/m/e: predictions in which the region was {INVENTED}, "
        f"{MISSED}, {CORRECTLY_EMPTY}; the last have no Dice (1 by the BraTS rule).",
        *(f"- {note}" for note in notes),
    ]
    seen = sorted({s.case for s in scores if s.seen})
    if seen:
        lines.append(f"- **Seen in training, so no measure of what is new: {', '.join(seen)}.**")
    table = _subset_table(scores, columns)
    return "\n".join([*lines, "", *table, "", *_case_table(scores), ""])


def _subset_table(scores: Sequence[Score], columns: Sequence[Column]) -> list[str]:
    rows = subset_rows(scores)
    head = [*SEQUENCE_NAMES.values()]
    alike = {c.name: len({row[f"{c.name}_n"] for row in rows[:-1]}) == 1 for c in columns}
    head += [
        f"{c.title} (n {rows[0][f'{c.name}_n']})" if alike[c.name] else c.title for c in columns
    ]
    head += [f"{r.upper()} i/m/e" for r in REGIONS]
    lines = []
    for row in rows:
        last = row["subset"] == "mean"
        cells = ["mean", "", "", ""] if last else LAYOUT.dots(row["subset"])
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
    return as_markdown(head, lines)


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
    return as_markdown(head, lines)
