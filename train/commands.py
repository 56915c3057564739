"""The commands that are of no task, and what every task adds to the command line.

What does the work is imported when it is asked for: `--help` and complaints need no PyTorch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from mckd.tasks import CHECKPOINTS, TASKS, abouts
from train.flags import Later, add_threads, among, folder
from train.settings import TrainSettings

if TYPE_CHECKING:
    from train.task import Task


class TaskCommands(Protocol):
    """What `train/<task>/commands.py` holds; it imports nothing heavy.

    SETTINGS: the task's own, whose fields become flags. PRESETS: by name. BENCHES: by the word that
    names one; that of the task's own name is run where none is named. FIGURES: what draws a figure
    of the paper, by its number. TABLES, where it has any: what adds the flags and the action of
    `python -m train table --which WORD`, by the word.
    """

    SETTINGS: type[TrainSettings]
    PRESETS: Mapping[str, Callable[[], Any]]
    BENCHES: Mapping[str, Later]
    FIGURES: Mapping[str, Later]

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Flags of `python -m train <task>` that are no settings: where the data is."""
        ...

    def task(self, settings: Any, arguments: argparse.Namespace) -> Task:
        """The task of these settings and flags, with its data read."""
        ...

    def add_data_commands(self, commands: Any) -> None:
        """`python -m train data ...`: where the task's data comes from."""
        ...

    def add_commands(self, commands: Any) -> None:
        """Commands of this task alone."""
        ...

    def add_figure_flags(self, parser: argparse.ArgumentParser) -> None:
        """What its figures are drawn from."""
        ...

    def add_bench_flags(self, parser: argparse.ArgumentParser) -> None:
        """What its benches can be told."""
        ...


def commands_of(task: str) -> TaskCommands:
    """The trainer's half of a task."""
    return cast(TaskCommands, import_module(f"train.{task}.commands"))


def add_commands(commands: Any, table: str) -> None:
    """Commands such as `python -m train table`. table: the one that is asked for."""
    _add_table(commands.add_parser("table", help="train and score what a table compares"), table)
    _add_figures(commands.add_parser("figures", help="draw figures of the paper"))
    _add_bench(commands.add_parser("bench", help="time the bundled models"))
    _add_bundle(commands.add_parser("bundle", help="put a finished run into checkpoints"))
    _add_export(commands.add_parser("export", help="write a model as ONNX files"))
    _add_space(commands.add_parser("space", help="write the app as a folder for a Space"))


def _add_table(parser: argparse.ArgumentParser, which: str) -> None:
    tables: dict[str, Callable[[argparse.ArgumentParser], None]] = {}
    for task in TASKS:
        tables |= getattr(commands_of(task), "TABLES", {})
    parser.add_argument(
        "--which",
        choices=sorted(tables),
        required=True,
        help="a table of the paper, by its number, or another; with it --help tells its options "
        "(required)",
    )
    if which in tables:
        tables[which](parser)


def _add_figures(parser: argparse.ArgumentParser) -> None:
    tasks = [commands_of(task) for task in TASKS]
    figures = {
        "4": Later("train.curves", "weights_and_losses"),
        "5": Later("train.curves", "fill_distances"),
        **{number: drawn for task in tasks for number, drawn in task.FIGURES.items()},
    }
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures (required)")
    parser.add_argument(
        "--which",
        type=among(sorted(figures)),
        default=sorted(figures),
        metavar="NUMBERS",
        help=f"of the paper, between commas: any of {','.join(sorted(figures))} (default: all)",
    )
    parser.add_argument(
        "--runs",
        type=folder,
        nargs="+",
        default=[about.run() for about in abouts()],
        metavar="DIR",
        help="of Fig. 4 and 5: run folders (default: those of the bundled models)",
    )
    for task in tasks:
        task.add_figure_flags(parser)
    parser.set_defaults(action=Later("train.figures", "make_figures"), figures=figures)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    tasks = [commands_of(task) for task in TASKS]
    benches = {name: bench for task in tasks for name, bench in task.BENCHES.items()}
    usual = [name for name in benches if name in TASKS]
    parser.add_argument(
        "bench",
        nargs="?",
        choices=tuple(benches),
        help=f"what is timed (default: {', '.join(usual)})",
    )
    add_threads(parser, 2)
    for task in tasks:
        task.add_bench_flags(parser)
    parser.set_defaults(action=Later("train.bench", "bench"), benches=benches, usual=usual)


def _add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", type=Path, help="a finished run folder (default: none, with --hub alone)"
    )
    parser.add_argument(
        "--name",
        help="name of the checkpoint, for example digits; --run needs one (default: with --hub "
        "alone, every one)",
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
    parser.add_argument(
        "--pane",
        action="store_true",
        help="for a pane of the Compare tab: no record for replay, weights in 16 bits or, where "
        "they would be over 4 MB, in 8 with a step per channel (default: no)",
    )
    parser.add_argument(
        "--hub",
        type=Path,
        metavar="DIR",
        help="also write mckd-NAME there, a repository for the Hugging Face Hub (default: none)",
    )
    parser.set_defaults(action=Later("train.bundle", "bundle"))


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="a model.safetensors (required)"
    )
    parser.add_argument("--out", type=Path, required=True, help="a folder (required)")
    parser.set_defaults(action=Later("train.export", "export"))


def _add_space(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="a new folder (required)")
    parser.add_argument(
        "--owner",
        metavar="NAME",
        help="whose repositories of `bundle --hub` the Space names as its models (default: none)",
    )
    parser.set_defaults(action=Later("train.space", "space"))
