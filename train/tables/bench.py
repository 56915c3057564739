"""How long the bundled model takes: `python -m train bench tables`."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from mckd.tables.about import ABOUT


def bench(arguments: argparse.Namespace) -> int:
    """Medians of a prediction, of a switch and of every subset of the bundled data."""
    if not ABOUT.checkpoint().is_file():
        print(f"Tables are not timed: there is no {ABOUT.checkpoint().name}.")
        return 0
    from mckd.tables.data import read_folder
    from mckd.tables.predictor import TableClassifier, row_of

    classifier = TableClassifier.load(ABOUT.checkpoint())
    samples = read_folder(ABOUT.assets())
    rows = {m: row_of(samples, m, 0) for m in classifier.modalities}
    encoded = classifier.encode(rows)
    calls: dict[str, Callable[[], object]] = {
        "predict from all tables": lambda: classifier.predict(rows),
        "a switch (features kept)": lambda: classifier.decide(encoded, classifier.modalities[:1]),
        "Shapley values of a sample": lambda: classifier.contributions(encoded),
    }
    print(f"TableClassifier, {arguments.threads} threads, {len(samples):,} samples")
    results = {name: round(_median_ms(call, 100), 3) for name, call in calls.items()}
    results["every subset of all samples"] = round(
        _median_ms(lambda: classifier.score(samples), 3), 1
    )
    for name, milliseconds in results.items():
        print(f"{name:28} {milliseconds:9.2f} ms")
    print(json.dumps(results))
    return 0


def _median_ms(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)
