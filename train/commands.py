"""The commands that train nothing new, and what they can be told.

What does the work is imported when it is asked for: `--help` and complaints need no PyTorch.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from train.digits.settings import DigitSettings, paper
from train.flags import DEFAULT, add_threads, at_least

ROOT = Path(__file__).parents[1]
CHECKPOINTS = ROOT / "checkpoints"
CASE = ROOT / "assets" / "tumour" / "phantom_a"


@dataclass(frozen=True)
class Later:
    """A function that is imported when it is called; unlike a closure it can go to a process."""

    module: str
    function: str

    def __call__(self, arguments: argparse.Namespace) -> int:
        return int(getattr(import_module(self.module), self.function)(arguments))


def add_commands(commands: Any) -> None:
    """`python -m train table`, `evaluate`, `bench` and `bundle`."""
    _add_table(commands.add_parser("table", help="redo the paper's Table 2"))
    _add_evaluate(commands.add_parser("evaluate", help="score a tumour model, all subsets"))
    _add_bench(commands.add_parser("bench", help="time the bundled models"))
    _add_bundle(commands.add_parser("bundle", help="put a finished run into checkpoints"))


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of Audiovision-MNIST (required)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the table and its runs (required)"
    )
    parser.add_argument("--seeds", type=at_least(1), default=10, help=f"runs per row {DEFAULT}")
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
        "--processes", type=at_least(1), default=2, help=f"runs trained side by side {DEFAULT}"
    )
    parser.set_defaults(action=Later("train.digits.table", "make_table"))


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, nargs="+", help="one, or the folds of a run (default: none)"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of cases with reference labels (default: none)"
    )
    parser.add_argument("--out", type=Path, help="folder of the tables (default: only printed)")
    parser.add_argument("--limit", type=at_least(1), help="only the first cases (default: all)")
    parser.add_argument(
        "--subsets",
        choices=("all", "full"),
        default="all",
        help=f"all 15 subsets, or only all four sequences {DEFAULT}",
    )
    parser.add_argument(
        "--hd95", action="store_true", help="distances too; about twice the time (default: no)"
    )
    parser.add_argument(
        "--seen", action="store_true", help="also cases seen in training (default: no)"
    )
    add_threads(parser)
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="folders of tables, the first against the others; goes without the rest "
        "(default: none)",
    )
    parser.set_defaults(action=Later("train.evaluate", "run"))


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task",
        nargs="?",
        choices=("digits", "tumour", "training"),
        help="what is timed (default: digits and tumour)",
    )
    parser.add_argument(
        "--repeats", type=at_least(1), default=200, help=f"calls of the digits model {DEFAULT}"
    )
    add_threads(parser, 2)
    parser.add_argument(
        "--case",
        type=Path,
        default=CASE,
        help=f"folder of a tumour case (default: the bundled {CASE.name})",
    )
    bundled = CHECKPOINTS / "tumour.safetensors"
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=bundled,
        help=f"of the tumour model (default: {CHECKPOINTS.name}/{bundled.name})",
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=3, help=f"of the tumour model {DEFAULT}"
    )
    parser.add_argument(
        "--crop", type=at_least(16), default=112, help=f"voxels per axis of a sample {DEFAULT}"
    )
    parser.set_defaults(action=Later("train.bench", "bench"))


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="a finished run folder (required)")
    parser.add_argument(
        "--name", required=True, help="name of the checkpoint, for example digits (required)"
    )
    parser.add_argument(
        "--folds",
        type=Path,
        nargs="*",
        default=[],
        help="finished runs that left data out; their test scores go along (default: none)",
    )
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="DIR",
        help="tables of `evaluate` on cases that the model did not see; they say beside a volume "
        "how reliable it is (default: none)",
    )
    parser.add_argument(
        "--into",
        type=Path,
        default=CHECKPOINTS,
        help=f"folder of checkpoints (default: {CHECKPOINTS.name})",
    )
    parser.set_defaults(action=Later("train.bundle", "bundle"))
