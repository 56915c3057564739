"""`python -m train digits`, its data, and the commands that only this task has."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.digits.about import ABOUT
from mckd.tasks import CHECKPOINTS, ROOT
from train.digits import rows
from train.digits.settings import PRESETS, DigitSettings, paper
from train.flags import DEFAULT, Later, add_threads, at_least, file, folder

if TYPE_CHECKING:
    from train.task import Task

__all__ = [
    "BENCHES",
    "FIGURES",
    "PRESETS",
    "SETTINGS",
    "TABLES",
    "add_bench_flags",
    "add_commands",
    "add_data_commands",
    "add_figure_flags",
    "add_flags",
    "task",
]

BUNDLED = ABOUT.assets()
ABLATION = CHECKPOINTS / "tables" / "ablation" / "table.csv"

SETTINGS = DigitSettings
BENCHES = {"digits": Later("train.digits.bench", "bench")}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=folder,
        default=BUNDLED,
        help="folder of pictures and recordings (default: the bundled synthetic set)",
    )
    parser.add_argument(
        "--voices",
        type=folder,
        help="folder of synthesised voices, added to the training of the preset studio "
        "(default: none)",
    )


def add_data_commands(commands: Any) -> None:
    """`python -m train data ...`: where this task's data comes from."""
    avmnist = commands.add_parser("avmnist", help="download Audiovision-MNIST (about 30 MB)")
    avmnist.add_argument("--out", type=Path, default=Path("data/avmnist"), help=f"folder {DEFAULT}")
    avmnist.set_defaults(action=_fetch)
    mfcc = commands.add_parser("mfcc", help="compute the MFCC of recordings once, for many runs")
    mfcc.add_argument(
        "--data", type=folder, required=True, help="folder of Audiovision-MNIST (required)"
    )
    mfcc.set_defaults(action=_keep_mfcc)
    voices = commands.add_parser("voices", help="synthesise voices with espeak-ng (and flite)")
    voices.add_argument("--out", type=Path, default=Path("data/voices"), help=f"folder {DEFAULT}")
    voices.add_argument("--speakers", type=int, default=400, help=f"how many {DEFAULT}")
    voices.add_argument("--seed", type=int, default=0, help=f"of all that is random {DEFAULT}")
    voices.set_defaults(action=_synthesise)
    synthetic = commands.add_parser("synthetic", help="make the bundled synthetic set anew")
    synthetic.add_argument("--out", type=Path, required=True, help="folder (required)")
    synthetic.add_argument("--seed", type=int, default=0, help=f"of all that is random {DEFAULT}")
    synthetic.set_defaults(action=_make_synthetic)


def task(settings: DigitSettings, arguments: argparse.Namespace) -> Task:
    if settings.network == "paper":
        from train.digits.protocol import PaperTask

        return PaperTask(settings, arguments.data)
    from train.digits.studio import StudioTask

    return StudioTask(settings, arguments.data, arguments.voices)


def add_table(which: str, parser: argparse.ArgumentParser) -> None:
    """which: of `train.digits.rows.TABLES`."""
    parser.add_argument(
        "--data", type=folder, required=True, help="folder of Audiovision-MNIST (required)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the table and its runs (required)"
    )
    parser.add_argument("--seeds", type=at_least(1), default=10, help=f"runs per row {DEFAULT}")
    parser.add_argument(
        "--selection-seeds",
        type=at_least(1),
        default=3,
        help=f"runs that choose a system's weight decay, whatever --seeds is {DEFAULT}",
    )
    parser.add_argument(
        "--report-only",
        action="store_true",
        help="train nothing: the table of the seeds that are complete (default: no)",
    )
    parser.add_argument(
        "--draws",
        type=at_least(0),
        default=3,
        help=f"random draws of pictures; 0 takes them in the order of --order {DEFAULT}",
    )
    parser.add_argument(
        "--order",
        default=paper().order,
        choices=DigitSettings.CHOICES["order"],
        help=f"in which pictures are taken without draws {DEFAULT}",
    )
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=rows.TABLES[which].variants,
        default=(),
        help="rows to train (default: all)",
    )
    parser.add_argument(
        "--tested",
        nargs="+",
        choices=tuple(rows.TABLES[which].titles),
        default=(),
        help="only rows that are tested on these (default: all)",
    )
    parser.add_argument(
        "--epochs", type=at_least(1), default=paper().epochs, help=f"of each run {DEFAULT}"
    )
    parser.add_argument(
        "--features",
        default=paper().features,
        choices=DigitSettings.CHOICES["features"],
        help=f"MFCC variant {DEFAULT}",
    )
    parser.add_argument(
        "--jobs", type=at_least(1), default=2, help=f"runs trained side by side {DEFAULT}"
    )
    parser.set_defaults(action=Later("train.digits.table", "make_table"))


def add_commands(commands: Any) -> None:
    """`python -m train calibrate-digits`."""
    parser = commands.add_parser(
        "calibrate-digits", help="make the digit model's probabilities as often right as they say"
    )
    bundled = ABOUT.checkpoint()
    parser.add_argument(
        "--checkpoint",
        type=file,
        default=bundled,
        help=f"its header is written anew (default: {bundled.relative_to(ROOT)})",
    )
    parser.add_argument(
        "--data",
        type=folder,
        required=True,
        help="folder of pictures and recordings that it was trained with (required)",
    )
    parser.add_argument(
        "--folds",
        type=Path,
        nargs="+",
        required=True,
        metavar="RUN",
        help="finished runs trained as it was, each with --leave-out of a speaker (required)",
    )
    parser.add_argument(
        "--report", type=Path, help="folder for the table and a reliability diagram (default: none)"
    )
    add_threads(parser)
    parser.set_defaults(action=Later("train.digits.calibrate", "calibrate"))


TABLES = {which: partial(add_table, which) for which in rows.TABLES}

FIGURES = {"3": Later("train.digits.figures", "strengths")}


def add_figure_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ablation",
        type=file,
        default=ABLATION,
        help="of Fig. 3: table.csv of 'python -m train table --which ablation' "
        f"(default: {ABLATION.relative_to(ROOT)})",
    )


def add_bench_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repeats", type=at_least(1), default=200, help=f"calls of the digits model {DEFAULT}"
    )


def _fetch(arguments: argparse.Namespace) -> int:
    from train.digits.download import fetch_avmnist

    fetch_avmnist(arguments.out)
    return 0


def _keep_mfcc(arguments: argparse.Namespace) -> int:
    from train.digits.mfcc import keep_mfcc

    print(f"The MFCC of {keep_mfcc(arguments.data)} recordings.")
    return 0


def _synthesise(arguments: argparse.Namespace) -> int:
    from train.digits.voices import synthesise

    count = synthesise(arguments.out / "recordings", arguments.seed, arguments.speakers)
    print(f"{count} synthesised recordings.")
    return 0


def _make_synthetic(arguments: argparse.Namespace) -> int:
    from train.digits.synthetic import make_synthetic

    count = make_synthetic(arguments.out, arguments.seed)
    print(f"{count} synthetic pictures and recordings.")
    return 0
