"""How long what is taken home takes: python tests/load/exports.py [--case phantom_a] [--repeats 3]

A bundled case is opened and compared as the app does it, then each export is made anew as often as
is asked for, and once more by the same visitor. Seconds of the wall, and of the processor in
brackets, which other work on the machine changes less. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path.cwd() if (Path.cwd() / "mckd").is_dir() else Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
KINDS = ("csv", "json", "report", "archive")
Seconds = tuple[float, float]  # of the wall, of the processor


def timed(steps: Iterator[Any]) -> tuple[Any, Seconds]:
    """The last of some steps, and what they took."""
    wall, busy = time.perf_counter(), time.process_time()
    *_, last = steps
    return last, (time.perf_counter() - wall, time.process_time() - busy)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", default="phantom_a", help="a bundled one (default: phantom_a)")
    parser.add_argument("--repeats", type=int, default=3, help="of each export (default: 3)")
    chosen = parser.parse_args()
    from mckd.studio.services import Services
    from mckd.studio.tasks.tumour.desk import Desk
    from mckd.studio.tasks.tumour.export import ExportService

    services = Services.open(ROOT, data=None, runs=None)
    load = os.getloadavg()[0]  # of the minute before: is the machine quiet?
    services.warm()
    tumour = services.tasks["tumour"]
    desk, seconds = Desk(), {}
    _, first = timed(tumour.cases.open(desk, tumour.cases.sources.bundled(chosen.case)))
    _, table = timed(tumour.compare.run(desk))
    seconds |= {"open": [first], "table": [table]}
    print(f"{chosen.case}: open {first[0]:.1f} s, table {table[0]:.1f} s; load before {load:.1f}")
    for _ in range(chosen.repeats):
        for kind in KINDS:
            fresh = ExportService(tumour.compare)  # which has made nothing yet
            for name in (kind, f"{kind} again"):
                made, took = timed(fresh.make(desk, kind))
                assert made.data, made
                seconds.setdefault(name, []).append(took)
    results = {
        name: [round(statistics.median(part), 3) for part in zip(*times, strict=True)]
        for name, times in seconds.items()
    }
    for name, (wall, busy) in results.items():
        first_wall = seconds[name][0][0]
        print(f"{name:16} {wall:6.2f} s ({busy:5.2f}); the first {first_wall:6.2f} s")
    print(json.dumps({"seconds": results, "load_before": round(load, 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
