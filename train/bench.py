"""How long the bundled models take: `python -m train bench`. What is timed lies with each task."""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def bench(arguments: argparse.Namespace) -> int:
    """The bench that is named, else those of all tasks. The last line of each is JSON."""
    import torch

    torch.set_num_threads(arguments.threads)
    for name in [arguments.bench] if arguments.bench else arguments.usual:
        arguments.benches[name](arguments)
    return 0


class Watch:
    """Seconds by name: `with watch("read"): ...`."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self.seconds.items()}


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def milliseconds_of(call: Callable[[], object], repeats: int) -> list[float]:
    """Each of `repeats` calls, after five that are not counted."""
    for _ in range(5):
        call()
    milliseconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        milliseconds.append((time.perf_counter() - start) * 1000)
    return milliseconds
