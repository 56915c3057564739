"""How long the bundled classifier takes: `python -m train bench digits`."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable

import numpy as np

from mckd.digits.about import ABOUT
from train.bench import milliseconds_of, peak_mb


def bench(arguments: argparse.Namespace) -> int:
    """Median and 95th percentile of `DigitClassifier.predict`."""
    from mckd.digits import DigitClassifier
    from mckd.digits.data import read_pictures, read_recordings
    from mckd.digits.wave import read_wave

    classifier = DigitClassifier.load(ABOUT.checkpoint())
    drawn = np.kron(read_pictures(ABOUT.assets())[0].images[75], np.ones((10, 10), np.uint8))
    samples, rate = read_wave(read_recordings(ABOUT.assets())[75].path)
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
        milliseconds = milliseconds_of(call, arguments.repeats)
        p50, p95 = statistics.median(milliseconds), float(np.percentile(milliseconds, 95))
        results[name] = {"p50_ms": round(p50, 2), "p95_ms": round(p95, 2)}
        print(f"{name:28} median {p50:6.1f} ms   95 % within {p95:6.1f} ms")
    print(f"peak memory {peak_mb():.0f} MB")
    print(json.dumps(results))
    return 0
