"""What a step needs before and leaves behind: batches made ahead of it, means of its losses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from mckd.method import Batch


class Means:
    """Means of named values since the last `take`."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, **values: float) -> None:
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def count(self, name: str) -> int:
        return len(self.values.get(name, []))

    def take(self) -> dict[str, float]:
        means = {name: sum(v) / len(v) for name, v in self.values.items()}
        self.values = {}
        return means


class Ahead:
    """Batches by step; threads make the next ones while this one is trained on."""

    def __init__(self, make: Callable[[int], Batch], threads: int) -> None:
        self._make, self._threads = make, threads
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._coming: dict[int, Future[Batch]] = {}

    def get(self, step: int) -> Batch:
        if self._pool is None:
            return self._make(step)
        for ahead in range(step, step + self._threads + 1):
            if ahead not in self._coming:
                self._coming[ahead] = self._pool.submit(self._make, ahead)
        return self._coming.pop(step).result()
