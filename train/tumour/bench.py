"""How long the segmenter takes, and a step of its training: `python -m train bench tumour`."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from train.bench import Watch, peak_mb

TOGGLES = ({"t2"}, {"flair", "t1c"}, {"flair", "t1", "t2"})


def bench(arguments: argparse.Namespace) -> int:
    """The segmenter, where there is a checkpoint and a case."""
    missing = [p for p in (arguments.checkpoint, arguments.case) if not p.exists()]
    if missing:
        print(f"Brain tumours are not timed: there is no {missing[0].name}.")
        return 0
    a = arguments
    bench_segmenter(a.checkpoint, a.case, a.threads, a.rounds, a.device)
    return 0


def bench_training(arguments: argparse.Namespace) -> int:
    """A sample and a step of training, from the cases beside the one that is named."""
    bench_steps(arguments.case.parent, arguments.crop, arguments.threads, arguments.rounds)
    return 0


def bench_segmenter(
    checkpoint: Path, folder: Path, threads: int, rounds: int, device: str = "cpu"
) -> dict[str, Any]:
    """From files to the first overlay, a toggle, all 15 subsets: medians over `rounds`.

    Against them the same network 15 times without keeping features: every subset encodes its
    sequences again. The peak of memory, of the machine and not of a GPU, is taken before that.
    """
    from mckd.method import subsets
    from mckd.tumour import SEQUENCES, TumourSegmenter, read_case

    everything = frozenset(SEQUENCES)
    case = read_case(folder)
    if case.present != everything:
        raise ValueError(f"{case.name} has not all four sequences; give another --case.")
    size = " x ".join(map(str, case.grid.shape))
    print(
        f"TumourSegmenter on {device}, {threads} threads, {case.name}, {size} voxels, "
        f"{rounds} rounds"
    )
    busy = os.getloadavg()[0]  # of the minute before: is the machine quiet?
    watch = Watch()
    load = partial(TumourSegmenter.load, checkpoint, device=device)
    segmenter = load()
    segmenter.decide(segmenter.encode(case), everything)  # warm
    for _ in range(rounds):
        segmenter = load()
        with watch("read the files"):
            case = read_case(folder)
        with watch("encode 4 sequences"):
            encoded = segmenter.encode(case)
        with watch("decode 1 subset"):
            found = segmenter.decide(encoded, everything)
        with watch("ranges and advice of 1 subset"):
            _ = found.intervals_ml, found.advice
        with watch("regions to the grid of the files"):
            _ = found.regions
        for toggled in TOGGLES:
            with watch("a toggle (decode, to the grid)"):
                _ = segmenter.decide(encoded, toggled).regions
        with watch("decode 15 subsets"):
            for _ in segmenter.decide_each(encoded, subsets(SEQUENCES)):
                pass
    peak = peak_mb()
    forgetful = load(budget=0)
    encoded = forgetful.encode(case)
    with watch("15 subsets without kept features"):
        for _ in forgetful.decide_each(encoded, subsets(SEQUENCES), at_once=1):
            pass
    s = watch.medians()
    one = s["encode 4 sequences"] + s["decode 1 subset"]
    all_15 = s["encode 4 sequences"] + s["decode 15 subsets"]
    first = s["read the files"] + one + s["regions to the grid of the files"]
    s |= {"files to the first overlay": first, "all 15 subsets (encode 4, decode 15)": all_15}
    for name, seconds in s.items():
        print(f"{name:38} {seconds:7.2f} s")
    again = s["15 subsets without kept features"]
    results = {
        "seconds": {name: round(seconds, 3) for name, seconds in s.items()},
        "15_over_1": round(all_15 / one, 2),
        "15_over_1_with_reading": round((first - one + all_15) / first, 2),
        "faster_than_without_keeping": round(again / all_15, 2),
        "peak_mb": round(peak),
        "load_before": round(busy, 2),
    }
    print(
        f"15 subsets take {results['15_over_1']} times one prediction "
        f"({results['15_over_1_with_reading']} times with reading the files on both sides); "
        f"without kept features they take {results['faster_than_without_keeping']} times as long"
    )
    print(f"peak memory {peak:.0f} MB; load of the machine before the start {busy:.1f}")
    print(json.dumps(results))
    return results


def bench_steps(folder: Path, crop: int, threads: int, rounds: int) -> dict[str, Any]:
    """Seconds to make a sample, and of a step with 1 to 4 sequences; medians over `rounds`.

    Against the steps, in bfloat16 where the processor has it, the same ones in float32, and these
    with `F.conv3d` for every convolution.
    """
    import torch
    import torch.nn.functional as F

    from mckd.precision import in_bfloat16
    from mckd.systems import Moment, Trainer, system_class
    from mckd.tumour import network
    from train.settings import override
    from train.state import make_optimizer
    from train.tumour.settings import studio
    from train.tumour.task import TumourTask

    changes = {"transplant": 0.5, "vary": 0.5, "deform": 0.5, "validation": 1, "fold": -1}
    settings = override(studio(), {"crop": crop, **changes})
    task = TumourTask(settings, folder)
    exact = False
    trainer = Trainer(
        task_loss=task.loss,
        optimizer=partial(make_optimizer, settings=settings),
        device=torch.device("cpu"),
        accumulate=1,
        autocast=lambda: in_bfloat16("cpu", not exact),
        synchronise=lambda gradients: None,
        average=lambda tensors: None,
        complete=lambda: task.training_batch(0, 0, 1),
    )
    system = system_class(settings.system)(task.parts, settings.method, trainer)
    print(f"Training on crops of {crop} voxels per axis, {threads} threads, {rounds} rounds")

    def step(batch: Any, bf16: bool) -> None:
        nonlocal exact
        exact = not bf16
        system.step(Moment(0, settings.lr, batch, lambda number: batch))

    def plain(x: Any, weight: Any, bias: Any = None) -> Any:
        return F.conv3d(x, weight, bias, padding=weight.shape[-1] // 2)

    ways = (
        ("", settings.bf16, network.convolve),
        (", float32", False, network.convolve),
        (", F.conv3d", False, plain),
    )
    task.training_batch(0, 0, 1)  # warm
    watch = Watch()
    for number in range(rounds):
        for sample in range(10):
            with watch("make a sample"):
                batch = task.training_batch(10 * number + sample, 0, 1)
        for count in range(1, 5):
            some = replace(batch, present=batch.present & (torch.arange(4) < count))
            for name, bf16, convolve in ways:
                with patch.object(network, "convolve", convolve):
                    if not number:
                        step(some, bf16)  # warm
                    with watch(f"a step, {count} of 4 sequences{name}"):
                        step(some, bf16)
    s = watch.medians()
    for name, seconds in s.items():
        print(f"{name:38} {seconds:7.2f} s")
    ours, exact, plainly = (
        sum(seconds for name, seconds in s.items() if name.endswith(end))
        for end in ("sequences", "float32", "F.conv3d")
    )
    results = {
        "seconds": {name: round(seconds, 3) for name, seconds in s.items()},
        "float32_over_ours": round(exact / ours, 2),
        "conv3d_over_float32": round(plainly / exact, 2),
    }
    print(
        f"in float32 steps take {exact / ours:.2f} times as long, and with F.conv3d for every "
        f"convolution {plainly / exact:.2f} times as long again"
    )
    print(json.dumps(results))
    return results
