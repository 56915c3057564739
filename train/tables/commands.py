"""`python -m train tables`, and the benches of this task."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.tables.about import ABOUT
from train.flags import DEFAULT, Later, at_least, folder
from train.tables.settings import PRESETS, TableSettings

if TYPE_CHECKING:
    from train.task import Task

__all__ = [
    "BENCHES",
    "FIGURES",
    "PRESETS",
    "SETTINGS",
    "add_bench_flags",
    "add_commands",
    "add_data_commands",
    "add_figure_flags",
    "add_flags",
    "task",
]

BUNDLED = ABOUT.assets()

SETTINGS = TableSettings
BENCHES = {
    "tables": Later("train.tables.bench", "bench"),
    "trees": Later("train.tables.trees", "compare"),
}
FIGURES: dict[str, Later] = {}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=folder,
        default=BUNDLED,
        help="folder of labels.csv and 2 to 8 tables, CSV or Parquet, one per modality "
        "(default: the bundled Multiple Features)",
    )


def add_data_commands(commands: Any) -> None:
    """Tables are the user's own, so nothing is fetched or made."""


def add_commands(commands: Any) -> None:
    """All that there is to do is done by commands that every task has."""


def add_figure_flags(parser: argparse.ArgumentParser) -> None:
    """The paper has no figure of tables."""


def add_bench_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tables",
        type=folder,
        default=BUNDLED,
        metavar="DIR",
        help="of trees: folder of labels.csv and tables (default: the bundled Multiple Features)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="of trees: folder of its results, gone on with (default: none; trees needs one)",
    )
    parser.add_argument("--seeds", type=at_least(1), default=10, help=f"of trees: splits {DEFAULT}")
    parser.add_argument(
        "--jobs", type=at_least(1), default=1, help=f"of trees: fits side by side {DEFAULT}"
    )


def task(settings: TableSettings, arguments: argparse.Namespace) -> Task:
    from train.tables.task import TableTask

    return TableTask(settings, arguments.data)
