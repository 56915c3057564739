"""A tumour model from its data: `python -m train recipe tumour`, resumable.

Synthetic cases teach it first, some of them heads without a tumour. What they taught goes on three
times on two thirds of the real cases, to be scored on the third that was left out, and once on all
of them: that is the model.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from mckd.files.atomic import write_atomically
from mckd.files.runs import MODEL
from mckd.method import subsets
from mckd.tumour import SEQUENCES
from train.tumour.compare import Job, Plan, Variant, jobs_of, run_all
from train.tumour.evaluate import REPORT, evaluate
from train.tumour.phantoms.generate import make_phantoms
from train.tumour.report import report
from train.tumour.scores import DICE, write_scores

CASES, SEED = 104, 101
HEALTHY, HEALTHY_SEED = 12, 31
FOLDS = 3
TUMOUR = Variant("tumour", "Tumour", {})


def make_tumour(arguments: argparse.Namespace) -> int:
    """Cases, runs and scores on real cases, whichever of them are missing."""
    out, phantoms = arguments.out, arguments.out / "phantoms"
    make_phantoms(phantoms / "tumours", CASES, SEED, arguments.jobs)
    make_phantoms(phantoms / "healthy", HEALTHY, HEALTHY_SEED, arguments.jobs, healthy=True)
    synthetic = Plan(out / "synthetic", "tumour-synthetic", {}, phantoms, cache=arguments.cache)
    run_all(synthetic, [Job(TUMOUR, 0)], 1)
    real = replace(
        synthetic,
        out=out / "real",
        preset="tumour-real",
        data=arguments.data,
        mix=phantoms,
        start=synthetic.out,
    )
    folds = jobs_of([TUMOUR], 1, range(FOLDS))
    bundled = Job(TUMOUR, 0)
    run_all(real, [bundled, *folds], arguments.jobs)
    models = [real.run(job).checkpoints / MODEL for job in folds]
    scores, notes = evaluate(models, arguments.data, subsets(SEQUENCES))
    table, text = out / "scores-real", report(scores, notes, DICE)
    table.mkdir(exist_ok=True)
    write_scores(table, scores)
    write_atomically(table / REPORT, text.encode())
    print(text)
    run = real.run(bundled).path
    print(f"Bundle it: python -m train bundle --run {run} --name tumour --scores {table}")
    print(
        "Then calibrate it, DIR being synthetic cases of other seeds: python -m train calibrate "
        f"--data DIR --measured {out / 'measured'} --real {arguments.data} --folds "
        + " ".join(map(str, models))
    )
    return 0
