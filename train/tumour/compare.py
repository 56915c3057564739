"""Variants of a run, several seeds each, trained alike and scored case by case; resumable.

A variant is a name and what it changes of one recipe. Runs of one seed see the same cases in the
same order, changed alike, with the same sequences dropped. A run's folder lies in `runs`, its
scores in `scores`, one CSV per run with a line per case, subset and region; what is there is not
done again. Beside them `told.json` says which recipe and data they are of; others are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import torch

from mckd.files.atomic import sweep
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunError, RunFolder
from mckd.method import MissingModalityNetwork
from mckd.precision import in_bfloat16
from mckd.systems import rebuild
from mckd.tumour import SEQUENCES, find_cases
from mckd.tumour.data import files_of, regions
from mckd.tumour.metrics import score
from mckd.tumour.naming import SEG, STACK, key_of
from mckd.tumour.outline import Credible
from train.jobs import work_off
from train.loop import train
from train.resume import check_results
from train.settings import SettingsError, by_flag, override
from train.tumour.cases import TrainingCase, content_of_cases, fill_cache, load_cases
from train.tumour.distances import hd95_mm
from train.tumour.lines import Line, read_lines, write_lines
from train.tumour.outlines import outlines, region_targets
from train.tumour.settings import PRESETS, TumourSettings
from train.tumour.task import TumourTask
from train.workers import join_workers, this_device


@dataclass(frozen=True)
class Variant:
    """key: in names of folders. label: in tables. changes: of the recipe.

    run: key of the variant whose runs these are, with the same changes; its own if not given.
    credible: drawn as prediction draws, leaving this out; plainly if not given.
    """

    key: str
    label: str
    changes: Mapping[str, Any]
    run: str = ""
    credible: Credible | None = None


@dataclass(frozen=True)
class Plan:
    """What every run of a comparison shares.

    out: folder of runs and scores. preset, changes: the recipe. data, mix, cache: as of a run of
    its own. test: folder of the cases that are scored; without it a run scores the fold that it
    did not train on, and with no fold its validation cases.
    """

    out: Path
    preset: str
    changes: Mapping[str, Any]
    data: Path
    mix: Path | None = None
    test: Path | None = None
    cache: Path | None = None
    start: Path | None = None

    def settings(self, job: Job) -> TumourSettings:
        recipe = override(PRESETS[self.preset](), self.changes)
        return override(recipe, {"seed": job.seed, "fold": job.fold} | dict(job.variant.changes))

    def told(self) -> dict[str, Any]:
        """What every run shares, by flag; folders by what they hold, so that they may be moved."""
        folders = {"--data": self.data, "--mix": self.mix, "--test": self.test}
        return {
            "--preset": self.preset,
            **{name: content_of_cases(at) if at else None for name, at in folders.items()},
            "--start": self.start.name if self.start else None,
            **by_flag(override(PRESETS[self.preset](), self.changes)),
        }

    def run(self, job: Job) -> RunFolder:
        return RunFolder(self.out / "runs" / job.run_name)

    def scores(self, job: Job) -> Path:
        return self.out / "scores" / f"{job.name}.csv"

    def before(self, job: Job) -> Path | None:
        """The checkpoint that a run begins with."""
        if self.start is None:
            return None
        return replace(self, out=self.start).run(replace(job, fold=-1)).checkpoints / MODEL


@dataclass(frozen=True)
class Job:
    """One run. fold: the part of the data that is kept for testing, -1 for none."""

    variant: Variant
    seed: int
    fold: int = -1

    @property
    def name(self) -> str:
        return self._named(self.variant.key)

    @property
    def run_name(self) -> str:
        return self._named(self.variant.run or self.variant.key)

    def _named(self, key: str) -> str:
        fold = f"-fold{self.fold}" if self.fold >= 0 else ""
        return f"{key}-seed{self.seed}{fold}"


def jobs_of(variants: Iterable[Variant], seeds: int, folds: Sequence[int]) -> list[Job]:
    """Every variant with the first seed and fold comes before any with the next."""
    listed = list(variants)
    return [Job(v, seed, fold) for seed in range(seeds) for fold in folds for v in listed]


def run_all(plan: Plan, jobs: Sequence[Job], processes: int) -> None:
    """Train and score what is missing.

    Raises:
        RunError: it was stopped; called again it goes on. Or what is there was made with other
            settings or data.
        SettingsError: a case to score lacks a sequence.
    """
    check_results(plan.out, plan.told())
    sweep(plan.out)
    missing = [job for job in jobs if not plan.scores(job).is_file()]
    for path in _to_score(plan, missing):
        slots = files_of(path)[0]
        if SEG in slots:
            _require_every_sequence(path.name, slots)
    if missing and plan.cache:
        given = [folder for folder in (plan.data, plan.mix, plan.test) if folder]
        fill_cache(given, plan.cache, processes)
    own = [job for job in missing if not job.variant.run]
    others = [job for job in missing if job.variant.run]
    for each in (own, others):  # nobody trains a run that somebody else is at
        work_off(each, partial(train_and_score, plan), processes, finished=str)


def _to_score(plan: Plan, jobs: Sequence[Job]) -> list[Path]:
    """The cases of which it is known before any is read that these jobs score them."""
    if jobs and plan.test:
        return find_cases(plan.test)
    return find_cases(plan.data) if any(job.fold >= 0 for job in jobs) else []


def lines_of(plan: Plan, jobs: Sequence[Job]) -> dict[str, list[list[Line]]]:
    """{variant: its scores per seed}, folds of a seed together."""
    found: dict[str, dict[int, list[Line]]] = {}
    for job in jobs:
        of_seed = found.setdefault(job.variant.key, {}).setdefault(job.seed, [])
        of_seed += read_lines(plan.scores(job))
    return {key: list(seeds.values()) for key, seeds in found.items()}


def last_records(plan: Plan, jobs: Sequence[Job]) -> dict[str, list[dict[str, Any]]]:
    """{variant: the last record of each of its own runs that kept any}, with validation scores."""
    found: dict[str, list[dict[str, Any]]] = {}
    for job in (job for job in jobs if not job.variant.run):
        rows, _ = plan.run(job).records()
        if validated := [row for row in rows if "validation" in row]:
            found.setdefault(job.variant.key, []).append(validated[-1])
    return found


def train_and_score(plan: Plan, job: Job) -> str:
    """One run from where it is to its scores, in a process of its own. Returns what to say."""
    torch.set_num_threads(1)
    settings, run = plan.settings(job), plan.run(job)
    task = TumourTask(settings, plan.data, plan.mix, plan.before(job), plan.cache)
    cases = load_cases(plan.test, plan.cache) if plan.test else task.test_cases or task.validation
    for case in cases:
        _require_every_sequence(case.name, [*compress(SEQUENCES, case.present.tolist())])
    if not (run.checkpoints / MODEL).is_file():
        with join_workers() as workers:
            state = train(
                task,
                settings,
                run,
                workers,
                name="tumour",
                preset=plan.preset,
                command="python -m train table",
                resume=bool(run.config()),
                say=lambda line: None,
            )
        if state != "finished":
            raise RunError("The table was stopped. Run the same command to go on.")
    network, _ = rebuild(load_checkpoint(run.checkpoints / MODEL), task.parts)
    network.to(this_device())
    how = settings.bf16, job.variant.credible
    lines = [line for case in cases for line in score_case(network, case, *how)]
    write_lines(plan.scores(job), lines)
    return job.name


def _require_every_sequence(name: str, given: Collection[str]) -> None:
    """Of a case to score, before anything is trained; given: slots of `read_case`."""
    lacking = [s for s in SEQUENCES if s not in given]
    if lacking and STACK not in given:
        raise SettingsError(
            f"{name} lacks {' and '.join(lacking)}, and every subset of the four sequences is "
            "scored. Take the case out of the folder."
        )


def score_case(
    network: MissingModalityNetwork,
    case: TrainingCase,
    bf16: bool,
    credible: Credible | None = None,
) -> list[Line]:
    """Outlines of a case from every subset of its sequences, against its reference.

    credible: as prediction draws them, leaving this out; None is plain.
    """
    device = next(network.parameters()).device
    on_cpu = device.type == "cpu"
    target = region_targets(case.labels[None])[0].to(device)
    whole = case.grid.shape
    reference = regions(case.brain.uncrop(case.labels.cpu().numpy(), whole))
    lines = []
    with in_bfloat16(device, bf16):
        for subset, found in outlines(network, case, credible):
            drawn = case.brain.uncrop(found.cpu().numpy(), whole)
            for k, s in enumerate(score(drawn, reference, case.grid, distances=on_cpu)):
                far = s.hd95_mm if on_cpu else hd95_mm(found[k], target[k], case.grid)
                lines.append(Line(case.name, key_of(subset), s.region, s.outcome, s.dice, far))
    return lines
