"""How long the bundled models take: `python -m train bench`."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
EXAMPLES = Path(__file__).parents[1] / "assets" / "digits"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.set_defaults(action=bench)


def bench(arguments: argparse.Namespace) -> int:
    """Median and 95th percentile of `DigitClassifier.predict`, once warm."""
    import torch

    from mckd.digits import DigitClassifier
    from mckd.digits.data import read_pictures, read_recordings, read_wave

    torch.set_num_threads(arguments.threads)
    classifier = DigitClassifier.load(CHECKPOINTS / "digits.safetensors")
    drawn = np.kron(read_pictures(EXAMPLES)[0].images[75], np.ones((10, 10), np.uint8))
    samples, rate = read_wave(read_recordings(EXAMPLES)[75].path)
    # As from a microphone: 44.1 kHz, two seconds, the word somewhere in between.
    times = np.arange(0, len(samples) / rate, 1 / 44_100)
    word = np.interp(times, np.arange(len(samples)) / rate, samples)
    spoken = np.pad(word, (30_000, 88_200 - 30_000 - len(word))), 44_100
    calls: dict[str, Callable[[], object]] = {
        "picture (280 x 280)": lambda: classifier.predict(image=drawn),
        "voice (2 s at 44.1 kHz)": lambda: classifier.predict(audio=spoken),
        "both": lambda: classifier.predict(drawn, spoken),
    }
    seen, heard = classifier.see(drawn), classifier.hear(spoken)
    calls["a switch (features kept)"] = lambda: classifier.decide(seen, heard)
    print(f"DigitClassifier.predict, {arguments.threads} threads, {arguments.repeats} calls each")
    results = {}
    for name, call in calls.items():
        milliseconds = _time(call, arguments.repeats)
        p50, p95 = statistics.median(milliseconds), float(np.percentile(milliseconds, 95))
        results[name] = {"p50_ms": round(p50, 2), "p95_ms": round(p95, 2)}
        print(f"{name:28} median {p50:6.1f} ms   95 % within {p95:6.1f} ms")
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(f"peak memory {peak:.0f} MB")
    print(json.dumps(results))
    return 0


def _time(call: Callable[[], object], repeats: int) -> list[float]:
    for _ in range(5):
        call()
    milliseconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        milliseconds.append((time.perf_counter() - start) * 1000)
    return milliseconds
