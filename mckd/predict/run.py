"""A run over many cases: one after the other or several at a time, and the tables of them all."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING

from mckd.clinic import NEEDS
from mckd.clinic.series import StudyError
from mckd.files.results import DONE, FILES, OccupiedError, Results
from mckd.memory import keep_memory
from mckd.predict.case import results_of
from mckd.predict.opening import UnlikeError, Wishes, Work, hashed
from mckd.predict.works import UsageError, works_of
from mckd.progress import Lines, Listener, Progress
from mckd.tumour.layout import Layout
from mckd.tumour.naming import CaseError

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter

OK, SOME_FAILED, SOME_HELD = 0, 1, 3  # 2: nothing could be begun
FAILED, HELD = "failed", "held back"
DIED = (
    "not done: a process ended, perhaps for want of memory. Go on with --resume and fewer --jobs."
)


def predict(arguments: argparse.Namespace) -> int:
    """Segment every case that was asked for and write what was found; the exit status."""
    layout, works = works_of(arguments)
    segmenter = segmenter_of(arguments.checkpoint, arguments.threads)
    try:
        results = Results(arguments.out)
    except OSError as error:
        raise UsageError(f"{arguments.out} cannot be made ({error.strerror}).") from error
    except OccupiedError as error:
        raise UsageError(f"In {arguments.out}, {error}") from error
    mine = _share(works, arguments.shard)
    kept = {work.source for work in mine if arguments.resume and results.has(work.source)}
    open_ = [work for work in mine if work.source not in kept]
    progress = Progress(len(mine), done=len(kept))
    states = Counter({DONE: len(kept)})
    try:
        states.update(_all_of(open_, segmenter, arguments, results, progress))
    finally:
        _list_files(works, layout, results)
    print(f"{states[DONE]} of {len(mine)} cases in {arguments.out}", file=sys.stderr)
    if kept:
        print(f"{len(kept)} of them were done before", file=sys.stderr)
    if layout.left:
        count = f"{len(layout.left)} file{'s were' if len(layout.left) > 1 else ' was'} left out"
        print(f"{count}; {FILES} there says which and why", file=sys.stderr)
    return SOME_FAILED if states[FAILED] else SOME_HELD if states[HELD] else OK


def _share(works: list[Work], shard: tuple[int, int] | None) -> list[Work]:
    """The Kth of N shares, which differ by one case at most; together they are all cases."""
    if shard is None:
        return works
    number, count = shard
    return works[number - 1 :: count]


def _all_of(
    works: list[Work],
    segmenter: TumourSegmenter,
    arguments: argparse.Namespace,
    results: Results,
    progress: Progress,
) -> Iterator[str]:
    """Work them off; what became of each."""
    if arguments.jobs == 1 or len(works) < 2:
        for work in works:
            yield _work_off(work, segmenter, arguments, results, progress)
    else:
        yield from _side_by_side(works, arguments, progress)


def _work_off(
    work: Work,
    segmenter: TumourSegmenter,
    arguments: argparse.Namespace,
    results: Results,
    progress: Listener,
) -> str:
    """One case from its files to its folder, whatever happens; what became of it."""
    progress.begin(work.label)
    wishes = Wishes(arguments.prepare, arguments.anyway)
    state, why = FAILED, ""
    try:
        name = results.place(work.name, work.source, arguments.replace)
        opened = work.open(wishes, partial(progress.reach, 0))
        told, files = results_of(opened, segmenter, arguments, work.name, progress)
        results.put(name, files, arguments.replace)
        results.list_files(work.source, opened.series)
    except OccupiedError as error:  # what the index says of its results stays true
        progress.fail(f"{work.label}: {error}")
        return FAILED
    except UnlikeError as error:
        state, why = HELD, str(error)
    except (CaseError, StudyError) as error:
        why = str(error)
    except OSError as error:
        why = f"its results cannot be written ({error.strerror})."
    except ModuleNotFoundError as error:
        why = f"{error.name} is missing. {NEEDS}"
    except Exception as error:  # the other cases must not suffer
        why = f"something went wrong ({type(error).__name__})."
    else:
        state = DONE
        for line in (*opened.said, *opened.case.warnings):
            progress.note(f"{work.label}: {line}")
        progress.end(f"{name}: {told}")
    if why:
        progress.fail(f"{work.label}: {why}")
    try:
        results.tell(work.name, work.source, state, why)
    except OSError as error:
        progress.note(f"{work.label}: the index cannot be written ({error.strerror}).")
    return state


# ---- several processes, each with the model


def _side_by_side(
    works: list[Work], arguments: argparse.Namespace, progress: Progress
) -> Iterator[str]:
    jobs = min(arguments.jobs, len(works))
    pool = ProcessPoolExecutor(jobs, _context(), _start, (arguments, jobs))
    running = {pool.submit(_apart, work): work for work in works}
    try:
        progress.begin(f"{jobs} cases at a time", "working")
        for future in as_completed(running):
            try:
                state, lines = future.result()
            except BrokenProcessPool:
                state, lines = FAILED, Lines()
                lines.fail(f"{running[future].label}: {DIED}")
            lines.say(progress)
            yield state
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _context() -> BaseContext:
    """How processes begin: where the system can, as copies of one that has imported the rest."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["mckd.tumour.predictor", "mckd.report.archive"])
    return context


_HELD: dict[str, tuple[TumourSegmenter, argparse.Namespace, Results]] = {}
"""What a process of the pool holds from one case to the next."""


def _start(arguments: argparse.Namespace, jobs: int) -> None:
    """Begin a process of the pool: its share of the cores, and a model."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    keep_memory()
    threads = arguments.threads or max(1, (os.cpu_count() or 1) // jobs)
    segmenter = segmenter_of(arguments.checkpoint, threads)
    _HELD["all"] = segmenter, arguments, Results(arguments.out)


def _apart(work: Work) -> tuple[str, Lines]:
    segmenter, arguments, results = _HELD["all"]
    lines = Lines()
    return _work_off(work, segmenter, arguments, results, lines), lines


# ---- what a run needs, and the tables that it leaves


def segmenter_of(checkpoint: Path, threads: int | None) -> TumourSegmenter:
    try:
        import torch

        from mckd.tumour import TumourSegmenter
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing. pip install -r requirements.txt") from error
    from mckd.files.checkpoint import CheckpointError

    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return TumourSegmenter.load(checkpoint, device=device)
    except CheckpointError as error:
        raise UsageError(str(error)) from error


def _list_files(works: Iterable[Work], layout: Layout, results: Results) -> None:
    """Say in the tables of all results what each file was used as, and gather the figures."""
    rows = [row for work in works for row in work.rows()]
    rows += [
        {"results": "", "file": path, "used_as": "", "why": why}
        for path, why in layout.left.items()
    ]
    source = hashed(*{str(path): None for work in works for path in work.given})
    try:
        results.list_files(source, sorted(rows, key=lambda row: row["file"]))
        results.gather_figures()
    except OSError as error:
        print(f"The tables cannot be written ({error.strerror}).", file=sys.stderr)
