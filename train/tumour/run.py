"""The tumour task on the command line: `python -m train data ...`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_data_commands(commands: Any) -> None:
    """`python -m train data ...`: where this task's data comes from, and whether it is usable."""
    msd = commands.add_parser("msd", help="download MSD Task01, 484 brain tumours (7.6 GB)")
    msd.add_argument("--out", type=Path, default=Path("data/msd"))
    msd.set_defaults(action=_fetch)
    check = commands.add_parser("check", help="report on a folder of brain tumour cases")
    check.add_argument("folder", type=Path, help="one case, or cases below it")
    check.set_defaults(action=_check)


def _fetch(arguments: argparse.Namespace) -> int:
    from train.tumour.download import fetch_msd

    fetch_msd(arguments.out)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from train.tumour.check import check

    return check(arguments.folder)
