"""Processes that work for a command and never outlive it, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

from mckd.memory import keep_memory

ASK_AGAIN_S = 1.0


@contextmanager
def pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes, each of which keeps the memory that it frees (`keep_memory`).

    Leaving the block by an exception asks them to end (SIGTERM) until they have, whatever they are
    at; and so they do by themselves when this process dies, even by kill -9: each watches for that.
    """
    spawn = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(processes, spawn, initializer=_begin)
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


def _begin() -> None:
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    while True:  # who trains saves a checkpoint when asked first, and ends when asked again
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ASK_AGAIN_S)
