"""Processes that work for a command and never outlive it, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

ASK_AGAIN_S = 1.0


@contextmanager
def pool(
    processes: int, prepare: Callable[[], object] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes, each of which calls `prepare` first.

    Leaving the block by an exception asks them to end (SIGTERM) until they have, whatever they are
    at; and so they do by themselves when this process dies, even by kill -9: each watches for that.
    """
    spawn = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(processes, spawn, initializer=_begin, initargs=(prepare,))
    try:
        yield workers
    except BaseException:
        workers.shutdown(wait=False, cancel_futures=True)
        # Who trains saves a checkpoint when asked first, and goes on to what was handed out ahead.
        while left := multiprocessing.active_children():
            for process in left:
                process.terminate()
            wait([process.sentinel for process in left], ASK_AGAIN_S)
        raise
    finally:
        workers.shutdown(cancel_futures=True)


def _begin(prepare: Callable[[], object] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    while True:  # who trains saves a checkpoint when asked first, and ends when asked again
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ASK_AGAIN_S)
