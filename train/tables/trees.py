"""MCKD against trees on the same tables: `python -m train bench trees --out runs/trees`.

Random forest and gradient boosting (scikit-learn) see the concatenated table, where a missing row
is the mean of the training rows. Every fit of a seed has the same split and the same rows taken
away; scores are of the test part, all tables, each alone, and the mean over the scored subsets.
Fits that are in results.csv are not done again; told.json says of which tables they are.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunError, RunFolder
from mckd.files.tables import as_markdown
from train.pool import pool
from train.resume import check_results
from train.settings import SettingsError, by_flag, override
from train.tables.settings import TableSettings, studio

RATES = (0.0, 0.3, 0.6)
"""Shares of the training rows of each table that are taken away."""
RESULTS, TABLE = "results.csv", "table.md"


@dataclass(frozen=True)
class Fit:
    """One line of results.csv, without its scores."""

    system: str
    rate: float
    seed: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.system, f"{self.rate:g}", str(self.seed)

    @property
    def settings(self) -> TableSettings:
        changes: dict[str, Any] = {"seed": self.seed, "missing_rate": self.rate}
        if self.system == NO_DISTILLATION:
            changes["alpha"] = 0.0
        return override(studio(), changes | {"validate_every": studio().epochs})


def compare(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        SettingsError: no folder is named, or scikit-learn is not installed.
        RunError: the results there are of other tables.
    """
    if not arguments.out:
        raise SettingsError("bench trees writes to a folder. Name it: --out runs/trees.")
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise SettingsError(
            "bench trees needs the package scikit-learn: pip install scikit-learn"
        ) from None
    from train.tables.task import TableTask

    out, folder = Path(arguments.out), Path(arguments.tables)
    fits = [
        Fit(system, rate, seed)
        for systems in (COMPARED, ABLATIONS)
        for seed in range(arguments.seeds)
        for rate in RATES
        for system in systems
    ]
    content = TableTask(fits[0].settings, folder).provenance["content"]
    check_results(out, {"--tables": content, **by_flag(studio())})
    done = _read(out)
    missing = [fit for fit in fits if fit.key not in done]
    try:
        with pool(arguments.jobs) as workers:
            working = {workers.submit(_fit, fit, folder, out): fit for fit in missing}
            for count, work in enumerate(as_completed(working), start=1):
                fit = working[work]
                _append(out, fit, work.result())
                print(f"[{count}/{len(missing)}] {' '.join(fit.key)}", flush=True)
    except BrokenProcessPool:
        raise RunError("A process was killed. Run the same command to go on.") from None
    text = table(_read(out), fits)
    write_atomically(out / TABLE, text.encode())
    print(text)
    return 0


def table(done: dict[tuple[str, str, str], dict[str, str]], fits: Iterable[Fit]) -> str:
    """Markdown: a line per system and rate, mean and standard deviation over its seeds in %."""
    groups: dict[tuple[str, float], list[dict[str, str]]] = {}
    for fit in fits:
        if fit.key in done:
            groups.setdefault((fit.system, fit.rate), []).append(done[fit.key])
    if not groups:
        return ""
    names = [n for n in next(iter(done.values())) if n not in ("system", "rate", "seed", "seconds")]
    head = ["rows missing in training", "system", "seeds", *names, "seconds of a fit"]
    lines = []
    for rate in RATES:
        for (system, of_rate), rows in groups.items():
            if of_rate == rate:
                scores = [_mean_sd([100 * float(row[name]) for row in rows]) for name in names]
                seconds = statistics.median(float(row["seconds"]) for row in rows)
                lines.append([f"{rate:.0%}", system, str(len(rows)), *scores, f"{seconds:.0f}"])
    return "\n".join([*as_markdown(head, lines), ""])


def _mean_sd(values: Sequence[float]) -> str:
    sd = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{sd}"


# ---- one fit, in a process of the pool


def _fit(fit: Fit, folder: Path, out: Path) -> dict[str, float]:
    """The scores of one fit on the test part, and the seconds that it took."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1):
        start = time.monotonic()
        scores = SYSTEMS[fit.system](fit, folder, out)
        return {**scores, "seconds": round(time.monotonic() - start, 1)}


def _network(fit: Fit, folder: Path, out: Path) -> dict[str, float]:
    from train.loop import train
    from train.tables.task import TableTask
    from train.workers import join_workers

    run = RunFolder(out / "runs" / "-".join(fit.key).replace(" ", "-"))
    task = TableTask(fit.settings, folder)
    with join_workers() as workers:
        state = train(
            task,
            fit.settings,
            run,
            workers,
            name="tables",
            preset="studio",
            command="python -m train bench trees",
            resume=bool(run.config()),
            say=lambda line: None,
        )
    if state != "finished":
        raise RunError("The comparison was stopped. Run the same command to go on.")
    test: dict[str, float] = load_checkpoint(run.checkpoints / MODEL).header["metrics"]["test"]
    return _shown(test, task.parts.modalities)


def _forest(fit: Fit, folder: Path, out: Path) -> dict[str, float]:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kinds = RandomForestClassifier, RandomForestRegressor
    return _trees(fit, folder, kinds, n_estimators=500, random_state=fit.seed)


def _boosting(fit: Fit, folder: Path, out: Path) -> dict[str, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kinds = HistGradientBoostingClassifier, HistGradientBoostingRegressor
    return _trees(fit, folder, kinds, max_features=0.2, random_state=fit.seed)


def _trees(
    fit: Fit, folder: Path, kinds: tuple[Callable[..., Any], ...], **options: Any
) -> dict[str, float]:
    """Scores of a classifier, or of a regressor where a number is predicted."""
    from mckd.tables.scores import scored_subsets, with_mean
    from train.tables.task import TableTask

    task = TableTask(fit.settings, folder)
    modalities = task.parts.modalities
    model = kinds[task.target.is_number](**options)
    x, y = task.concatenated("train", modalities)
    model.fit(x, y)
    scores = {}
    for subset in scored_subsets(modalities):
        x, y = task.concatenated("test", subset)
        scores[subset] = float(model.score(x, y))  # accuracy, or R2
    return _shown(with_mean(scores, modalities), modalities)


def _shown(scores: dict[str, float], modalities: Sequence[str]) -> dict[str, float]:
    return {name: scores[name] for name in ("all", *modalities, "mean")}


MCKD, NO_DISTILLATION = "MCKD", "MCKD, alpha 0"
COMPARED: dict[str, Callable[[Fit, Path, Path], dict[str, float]]] = {
    MCKD: _network,
    "random forest": _forest,
    "gradient boosting": _boosting,
}
ABLATIONS = {NO_DISTILLATION: _network}
SYSTEMS = COMPARED | ABLATIONS


# ---- results on disk


def _read(out: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    path = out / RESULTS
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["system"], row["rate"], row["seed"]): row for row in csv.DictReader(file)}


def _append(out: Path, fit: Fit, scores: dict[str, float]) -> None:
    """One more line, on the disk before the next fit is counted."""
    path = out / RESULTS
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["system", "rate", "seed", *scores])
        writer.writerow([*fit.key, *(round(score, 6) for score in scores.values())])
