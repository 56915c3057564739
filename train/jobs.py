"""Jobs worked off by several processes, so that a command which is stopped goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from mckd.files.runs import RunError
from mckd.progress import clock
from train.pool import pool

Job = TypeVar("Job")
Result = TypeVar("Result")


def work_off(
    jobs: Sequence[Job],
    work: Callable[[Job], Result],
    processes: int,
    finished: Callable[[Result], str],
) -> None:
    """Do every job, `processes` at a time, and print how far it is; one that fails stops no other.

    When this is asked to stop, so are the processes; one that trains saves a checkpoint first.

    Args:
        work: a function that other processes can import, or a partial of one.
        finished: told each result as it comes, in this process; returns what to call it.

    Raises:
        RunError: jobs failed, or a process was killed.
    """
    started = time.monotonic()
    failed: list[Exception] = []
    try:
        with pool(processes) as workers:
            coming = [workers.submit(work, job) for job in jobs]
            for done, job in enumerate(as_completed(coming), start=1):
                error = job.exception()
                if isinstance(error, BrokenProcessPool):
                    raise error
                if isinstance(error, Exception):
                    failed.append(error)
                    name = f"failed: {error}"
                else:
                    name = finished(job.result())
                left = (time.monotonic() - started) / done * (len(jobs) - done)
                print(f"[{done}/{len(jobs)}] {name}, {clock(left)} left", flush=True)
    except BrokenProcessPool:
        raise RunError("A process was killed. Run the same command to go on.") from None
    if failed:
        raise RunError(f"{len(failed)} of {len(jobs)} runs failed. The first: {failed[0]}")
