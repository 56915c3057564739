"""A table from its runs: means, intervals and tests, as CSV and as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mckd.files.atomic import write_atomically
from mckd.files.tables import as_csv, as_markdown
from train.digits.rows import OURS, PAPER, RATES, SCARCE, VARIANTS, Row, Table
from train.digits.runs import Plan, Result, Run
from train.statistics import Interval, bootstrap, holm, mcnemar

FIELDS = (
    "variant", "tested", "rate", "weight_decay", "seeds", "draws", "samples", "mean", "low", "high",
    "paper", "mckd_minus", "mckd_minus_low", "mckd_minus_high", "p_mcnemar", "p_holm",
    "visual_weight",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What is said of a row; accuracies and differences in per cent.

    rate: of the row; of a row without one that is compared with MCKD at each, that of MCKD.
    samples: different ones in the test. gain: MCKD minus this, None where it is not compared.
    p: McNemar's. p_holm: over all tested lines.
    """

    row: Row
    rate: float
    decay: float
    samples: int
    accuracy: Interval
    gain: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    visual_weight: float | None = None


def write_report(
    out: Path, table: Table, plan: Plan, decays: dict[Row, float], results: dict[Run, Result]
) -> str:
    """Write table.csv and table.md of the runs that are complete; returns the latter.

    Raises:
        RunError: not even one draw of one seed is complete.
    """
    asked, plan = plan, plan.complete(decays, results)
    lines = compared(plan, decays, results)
    rows = [dict(zip(FIELDS, _cells(plan, line), strict=True)) for line in lines]
    write_atomically(out / "table.csv", as_csv(rows).encode())
    text = _as_markdown(table, asked, plan, lines)
    write_atomically(out / "table.md", text.encode())
    return text


def compared(plan: Plan, decays: dict[Row, float], results: dict[Run, Result]) -> list[Line]:
    """Every row with its interval; the rivals of MCKD with the difference and its test."""
    right = {row: plan.scores(row, decays[row.selects], results) for row in plan.rows}
    lines = []
    for row in plan.rows:
        decay = decays[row.selects]
        samples, accuracy = right[row].shape[1], _per_cent(bootstrap(right[row]))
        w = _mean_weight(plan, row, decay, results)
        rates = [r for r in _rates(row) if Row(OURS, row.tested, r) in right]
        if not (row.rival and rates):
            lines.append(Line(row, row.rate, decay, samples, accuracy, visual_weight=w))
        for rate in rates if row.rival else []:
            ours = right[Row(OURS, row.tested, rate)]
            gain = _per_cent(bootstrap(ours.astype(float) - right[row]))
            p = mcnemar(ours, right[row])
            lines.append(Line(row, rate, decay, samples, accuracy, gain, p, visual_weight=w))
    return _adjusted(lines)


def _rates(row: Row) -> tuple[float, ...]:
    return (row.rate,) if row.rate < 1 else RATES


def _adjusted(lines: list[Line]) -> list[Line]:
    """With Holm's p over all that were tested, in both tables and at all rates."""
    adjusted = iter(holm([line.p for line in lines if line.p is not None]))
    return [line if line.p is None else replace(line, p_holm=next(adjusted)) for line in lines]


def _per_cent(interval: Interval) -> Interval:
    return Interval(*(100 * x for x in interval))


def _mean_weight(plan: Plan, row: Row, decay: float, results: dict[Run, Result]) -> float | None:
    runs = [plan.run(row, decay, s, d) for s in range(plan.seeds) for d in plan.draws]
    found = [w for run in runs if (w := results[run].visual_weight) is not None]
    return float(np.mean(found)) if found and not row.alone else None


def _cells(plan: Plan, line: Line) -> list[str]:
    """A line of the CSV, in the order of FIELDS."""
    row, gain = line.row, line.gain or (None, None, None)
    values = [*line.accuracy, PAPER.get(row), *gain]
    return [
        *(row.variant, row.tested, f"{line.rate:g}", f"{line.decay:g}"),
        *(str(plan.seeds), str(len(plan.draws)), str(line.samples)),
        *("" if x is None else f"{x:.2f}" for x in values),
        *("" if p is None else f"{p:.2g}" for p in (line.p, line.p_holm)),
        "" if line.visual_weight is None else f"{line.visual_weight:.2f}",
    ]


def _as_markdown(table: Table, asked: Plan, plan: Plan, lines: list[Line]) -> str:
    text = [
        f"Test accuracy in per cent: mean of {_counted(asked, plan)} and {_drawn(plan)}, with the "
        "95 % interval of a hierarchical bootstrap over seeds, then test samples; in brackets what "
        f"the paper reports (one run). MFCC variant `{plan.features}`, {plan.epochs} epochs. "
        "A star: MCKD differs by McNemar's test (clustered by sample), p below .05 after Holm over "
        "all rows below that are compared with it."
    ]
    for tested, title in table.titles.items():
        if mine := [line for line in lines if line.row.tested == tested]:
            text += ["", f"**{title}**", ""]
            by_rate = tested in SCARCE and len(table.rates) > 1
            text += _by_rate(tested, mine) if by_rate else _at_one_rate(mine)
    return "\n".join([*text, ""])


def _by_rate(tested: str, lines: list[Line]) -> list[str]:
    """A column per rate; below, what MCKD is compared with."""
    text = _grid(lines, _accuracy)
    if compared_ones := [line for line in lines if line.gain]:
        text += ["", f"MCKD minus the system, in points, at the rates of {SCARCE[tested]}:", ""]
        text += _grid(compared_ones, _gain)
    return text


def _at_one_rate(lines: list[Line]) -> list[str]:
    """A column per figure, those that no row has left out."""
    rows = [
        {
            "system": VARIANTS[line.row.variant].label,
            "accuracy": _accuracy(line),
            "MCKD minus it": _gain(line) if line.gain else "",
            "p (Holm)": "" if line.p_holm is None else f"{line.p_holm:.2g}",
            "visual weight": "" if line.visual_weight is None else f"{line.visual_weight:.2f}",
        }
        for line in lines
    ]
    head = [name for name in rows[0] if any(row[name] for row in rows)]
    return as_markdown(head, ([row[name] for name in head] for row in rows))


def _counted(asked: Plan, plan: Plan) -> str:
    seeds = _number(plan.seeds, "seed")
    whole = f"{_number(asked.seeds, 'seed')} with {_number(len(asked.draws), 'draw')} each"
    return seeds if plan == asked else f"{seeds} (of {whole}, as far as all rows are trained)"


def _drawn(plan: Plan) -> str:
    if plan.draws == (0,):
        return f"the pictures in the order `{plan.order}`"
    return f"{_number(len(plan.draws), 'random draw')} of the pictures"


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + "s" * (count != 1)


def _grid(lines: list[Line], cell: Callable[[Line], str]) -> list[str]:
    """A row per system, a column per rate; a system without a rate has the same in all."""
    shown: dict[str, dict[float, str]] = {}
    for line in lines:
        shown.setdefault(VARIANTS[line.row.variant].label, {})[line.rate] = cell(line)
    head = ["system", *(f"{rate:.0%}" for rate in RATES)]
    return as_markdown(
        head,
        (
            [label, *(cells.get(rate, cells.get(1.0, "")) for rate in RATES)]
            for label, cells in shown.items()
        ),
    )


def _accuracy(line: Line) -> str:
    mean, low, high = line.accuracy
    known = PAPER.get(line.row)
    return f"{mean:.2f} ({low:.2f} to {high:.2f})" + ("" if known is None else f" [{known:.2f}]")


def _gain(line: Line) -> str:
    assert line.gain is not None
    assert line.p_holm is not None
    mean, low, high = line.gain
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})" + ("*" if line.p_holm < 0.05 else "")
