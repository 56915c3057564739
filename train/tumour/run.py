"""`python -m train tumour`, and `python -m train data ...` for its data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.flags import DEFAULT, folder
from train.tumour.settings import PRESETS, TumourSettings

if TYPE_CHECKING:
    from train.task import Task

BUNDLED = Path(__file__).parents[2] / "assets" / "tumour"

KIND = TumourSettings
__all__ = ["BUNDLED", "KIND", "PRESETS", "add_data_commands", "add_flags", "resolve", "task"]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=folder,
        default=BUNDLED,
        help="folder of cases with references (default: the bundled synthetic cases)",
    )
    parser.add_argument(
        "--mix", type=folder, help="folder of further cases, only trained on (default: none)"
    )
    parser.add_argument(
        "--start", type=Path, help="checkpoint whose weights to begin with (default: none)"
    )
    parser.add_argument(
        "--cache", type=Path, help="keep the prepared volumes in this folder (default: in memory)"
    )


def resolve(settings: TumourSettings) -> TumourSettings:
    return settings


def task(settings: TumourSettings, arguments: argparse.Namespace) -> Task:
    from train.tumour.task import TumourTask

    return TumourTask(settings, arguments.data, arguments.mix, arguments.start, arguments.cache)


def add_data_commands(commands: Any) -> None:
    """`python -m train data ...`: where this task's data comes from, and whether it is usable."""
    msd = commands.add_parser("msd", help="download MSD Task01, 484 brain tumours (7.6 GB)")
    msd.add_argument("--out", type=Path, default=Path("data/msd"), help=f"folder {DEFAULT}")
    msd.set_defaults(action=_fetch)
    check = commands.add_parser("check", help="report on a folder of brain tumour cases")
    check.add_argument("folder", type=Path, help="one case, or cases below it (required)")
    check.set_defaults(action=_check)
    phantoms = commands.add_parser("phantoms", help="make synthetic brain tumour cases")
    phantoms.add_argument("--cases", type=int, required=True, help="how many (required)")
    phantoms.add_argument(
        "--out", type=Path, required=True, help="folder to write them to (required)"
    )
    phantoms.add_argument("--seed", type=int, default=0, help=f"of all that is random {DEFAULT}")
    phantoms.add_argument("--jobs", type=int, default=1, help=f"processes {DEFAULT}")
    phantoms.set_defaults(action=_make_phantoms)


def _fetch(arguments: argparse.Namespace) -> int:
    from train.tumour.download import fetch_msd

    fetch_msd(arguments.out)
    return 0


def _make_phantoms(arguments: argparse.Namespace) -> int:
    from train.phantoms.generate import make_phantoms

    make_phantoms(arguments.out, arguments.cases, arguments.seed, arguments.jobs)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from train.tumour.check import check

    return check(arguments.folder)
