"""The paper's Table 1 anew, and what makes a distillation teach: `python -m train table`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from mckd.files.atomic import write_atomically
from mckd.files.tables import as_csv, as_markdown
from mckd.systems import SYSTEMS, fitting
from mckd.tumour.outline import Credible
from train.settings import SettingsError
from train.tumour.compare import Plan, Variant, jobs_of, last_records, lines_of, run_all
from train.tumour.lines import five_digits
from train.tumour.outlines import ORACLES
from train.tumour.tabulate import as_rows, as_text, compared

BOUNDS = ("upper-bound", "lower-bound")
NOT_TAUGHT = {"alpha": 0.0, "meta_every": 0}
"""MCKD without distillation, the paper's Baseline; weights that nothing reads are not learned."""
TAUGHT = {
    "deepest": {"distil_scales": "deepest"},
    "all": {"distil_scales": "all"},
    "all-instance": {"distil_scales": "all", "distil_norm": "instance"},
}
NETWORKS = {
    "told-plain": "studio",
    "told-norm": "compact-told",
    "untold-plain": "studio-untold",
    "untold-norm": "compact",
}
"""Designs that differ only in whether they are conditional, and normalised."""
TUNED = Credible(et_min_ml=0.5, least_part=0.5)
"""What the bundled model leaves out of its outlines."""


@dataclass(frozen=True)
class Table:
    """rows: what is trained. pairs: keys of rows of which the second is subtracted."""

    rows: Sequence[Variant]
    pairs: Sequence[tuple[str, str]]


def systems() -> Table:
    """Table 1: the systems, and MCKD without distillation; MCKD is compared with each.

    A last row has the outlines that prediction draws of MCKD's runs: what they add to plain ones.
    """
    names = [name for name in fitting("maps") if name not in BOUNDS]
    rows = [Variant(name, SYSTEMS[name].label, {"system": name}) for name in names]
    rows.append(Variant("baseline", "Baseline", NOT_TAUGHT))
    pairs = [("mckd", row.key) for row in rows if row.key != "mckd"]
    rows.append(Variant("mckd-tuned", "MCKD, tuned outline", {}, run="mckd", credible=TUNED))
    return Table(rows, pairs)


def collapse() -> Table:
    """What makes distilled features collapse or teach: each network without distillation, of the
    deepest features, of all, and of all once normalised. Each is compared with the first."""
    rows, pairs = [], []
    for name, network in NETWORKS.items():
        without = f"{name}-alpha0"
        rows.append(Variant(without, without, {"network": network} | NOT_TAUGHT))
        for how, changes in TAUGHT.items():
            key = f"{name}-{how}"
            rows.append(Variant(key, key, {"network": network} | changes))
            pairs.append((key, without))
    return Table(rows, pairs)


def filling() -> Table:
    """What missing features are filled by; each is compared with the mean of Eq. 2, and a
    distribution with one answer."""
    labels = {"mean": "Mean (Eq. 2)", "zero": "Zero", "learned": "Learned", "vae": "VAE"}
    rows = [Variant(fill, label, {"fill": fill}) for fill, label in labels.items()]
    pairs = [(row.key, "mean") for row in rows if row.key != "mean"]
    return Table(rows, [*pairs, ("vae", "learned")])


TABLES = {"1": systems, "collapse": collapse, "fill": filling}


def make_table(arguments: argparse.Namespace) -> int:
    """Train and score what is missing, then write table.csv and table.md."""
    table = TABLES[arguments.which]()
    rows = _chosen(table.rows, arguments.only)
    changes = {"plain": True, "oracle": True}
    if arguments.epochs:
        changes |= {"epochs": arguments.epochs, "validate_every": arguments.epochs}
    if arguments.folds:
        changes |= {"folds": arguments.folds}
    plan = Plan(
        arguments.out,
        arguments.preset,
        changes,
        arguments.data,
        arguments.mix,
        arguments.test,
        arguments.cache,
        arguments.start,
    )
    folds = range(arguments.folds) if arguments.folds else [-1]
    jobs = jobs_of(rows, arguments.seeds, folds)
    run_all(plan, jobs, arguments.jobs)
    runs, labels = lines_of(plan, jobs), {row.key: row.label for row in rows}
    pairs = [pair for pair in table.pairs if set(pair) <= set(labels)]
    about = (
        "Plain outlines unless a row says otherwise; means over cases with 95 % intervals over "
        f"{arguments.seeds} seeds and cases. No single subset is tested."
    )
    text = as_text(labels, runs, compared(runs, pairs), about)
    if ceilings := _ceilings(last_records(plan, jobs), labels):
        text += "\n".join(["", *ceilings, ""])
    write_atomically(plan.out / "table.md", text.encode())
    write_atomically(plan.out / "table.csv", as_csv(map(five_digits, as_rows(runs))).encode())
    print(text)
    return 0


def _ceilings(
    records: Mapping[str, Sequence[Mapping[str, Any]]], labels: Mapping[str, str]
) -> list[str]:
    """How much there was to win, from the last records: Markdown, means over runs that kept it.

    Nothing where none did, as with scores alone.
    """
    rows = []
    needed = {"mean", *(f"oracle_{o}" for o in ORACLES)}
    for key, given in records.items():
        runs = [run for run in given if needed <= run["validation"].keys()]
        if not runs:
            continue
        validation = [run["validation"] for run in runs]
        gains = [fmean(v[f"oracle_{o}"] - v["mean"] for v in validation) for o in ORACLES]
        spread = [fmean(run["feature_std"][s] for run in runs) for s in runs[0]["feature_std"]]
        dice = f"{fmean(v['mean'] for v in validation):.3f}"
        features = ", ".join(f"{x:.2f}" for x in spread)
        rows.append([labels[key], features, dice, *(f"{g:+.3f}" for g in gains)])
    return rows and [
        "**The most that distillation could give**: Dice of the validation cases, mean of subsets "
        "and regions, and what the true features of all sequences would add to it",
        "",
        *as_markdown(
            [
                "system",
                "deviation of features, deepest first",
                "Dice",
                *(f"true {o}" for o in ORACLES),
            ],
            rows,
        ),
    ]


def _chosen(rows: Sequence[Variant], only: list[str] | None) -> list[Variant]:
    """Those that are named, or all.

    Raises:
        SettingsError: there is none of a name.
    """
    known = [row.key for row in rows]
    for name in only or []:
        if name not in known:
            raise SettingsError(f"There is no row {name!r}. Choose of: {', '.join(known)}.")
    return [row for row in rows if not only or row.key in only]
