"""Measure what hostile files cost: `python -m tests.hostile [--files 300] [--seed 0] [--list]`.

Each file is handed to its door in a process of its own (Linux): a fork of one that has imported
everything and read nothing. Printed are crashes, time, and the memory that a file took at its
worst beyond what the process had before. CPU time tells more than wall time on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.hostile.doors import knock, lay_out
from tests.hostile.files import Hostile, hostile_files

LIMIT_S, LIMIT_MB = 1.0, 100.0
PATIENCE_S = 30


@dataclass(frozen=True)
class Cost:
    """What one file cost. answer: the refusal, "" if it was let in, None after a crash."""

    hostile: Hostile
    answer: str | None
    wall_s: float
    cpu_s: float
    extra_mb: float


def measure(hostile: Hostile) -> Cost:
    """Hand one file over in a fork of this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = lay_out(hostile, Path(folder))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(PATIENCE_S)
            os.close(reader)
            try:
                said = _knock_and_weigh(hostile.door, path)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os.write(writer, json.dumps(said).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
    if not said:
        return Cost(hostile, None, 0, 0, 0)
    return Cost(hostile, *json.loads(said))


def _knock_and_weigh(door: str, path: Path) -> tuple[str, float, float, float]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at what there is now
    before, wall, cpu = _peak_mb(), time.perf_counter(), time.process_time()
    answer = knock(door, path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return answer, wall, cpu, _peak_mb() - before


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) / 1024


def summary(costs: list[Cost]) -> str:
    """A table by door, the worst of all, and the verdict."""
    lines = [
        f"{'door':12}{'files':>6}{'let in':>8}{'crashes':>9}{'wall s':>14}{'CPU s':>14}{'MB':>7}"
    ]
    lines += [f"{'':35}{'median':>7}{'worst':>7}{'median':>7}{'worst':>7}{'worst':>7}"]
    for door in [*Counter(cost.hostile.door for cost in costs), "all"]:
        here = [cost for cost in costs if door in (cost.hostile.door, "all")]
        wall, cpu = [c.wall_s for c in here], [c.cpu_s for c in here]
        lines.append(
            f"{door:12}{len(here):6}{sum(c.answer == '' for c in here):8}"
            f"{sum(c.answer is None for c in here):9}"
            f"{np.median(wall):7.3f}{max(wall):7.3f}{np.median(cpu):7.3f}{max(cpu):7.3f}"
            f"{max(c.extra_mb for c in here):7.1f}"
        )
    for what, key in (("slowest", "cpu_s"), ("largest", "extra_mb")):
        worst = sorted(costs, key=lambda cost: getattr(cost, key), reverse=True)[:3]
        named = ", ".join(f"{cost.hostile.kind} ({getattr(cost, key):.2f})" for cost in worst)
        lines.append(f"{what}: {named}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="every file and its answer")
    asked = parser.parse_args()
    costs = []
    for hostile in hostile_files(asked.files, asked.seed):
        cost = measure(hostile)
        costs.append(cost)
        if asked.list or cost.answer is None:
            answer = "CRASH" if cost.answer is None else cost.answer or "let in"
            print(f"{hostile.kind:26}{cost.cpu_s:6.2f} s{cost.extra_mb:7.1f} MB  {answer}")
    print(summary(costs))
    failed = [
        cost
        for cost in costs
        if cost.answer is None or cost.cpu_s > LIMIT_S or cost.extra_mb > LIMIT_MB
    ]
    print(
        f"{len(costs)} files, {len(failed)} over {LIMIT_S:g} s of CPU, {LIMIT_MB:g} MB or crashed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
