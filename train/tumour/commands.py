"""`python -m train tumour`, its data, and the commands that only this task has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.tasks import CHECKPOINTS
from mckd.tumour.about import ABOUT
from mckd.tumour.naming import SEQUENCES
from train.flags import DEFAULT, Later, add_threads, at_least, file, folder
from train.tumour.settings import PRESETS, TumourSettings

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

SETTINGS = TumourSettings
BENCHES = {
    "tumour": Later("train.tumour.bench", "bench"),
    "training": Later("train.tumour.bench", "bench_training"),
    "clinic": Later("train.clinic.undo", "bench"),
    "thick": Later("train.clinic.thick", "bench"),
}
FIGURES = {number: Later("train.tumour.figures", f"figure_{number}") for number in ("1", "6", "7")}
CASE = BUNDLED / "phantom_a"
CASES = [BUNDLED / f"phantom_{letter}" for letter in "abc"]
MODELS = [
    CHECKPOINTS / "compared" / f"{name}.safetensors"
    for name in ("hemis", "baseline", "shaspec", "mckd")
]


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
    phantoms.add_argument(
        "--healthy", action="store_true", help="heads without a tumour (default: no)"
    )
    phantoms.add_argument(
        "--share",
        type=float,
        default=1.0,
        help=f"of their size that the tumours have reached, for an earlier visit of the same heads "
        f"{DEFAULT}",
    )
    phantoms.set_defaults(action=_make_phantoms)


def add_commands(commands: Any) -> None:
    """`python -m train evaluate`, `calibrate`, `recipe`, `follow`, `heads` and `brain`."""
    _add_brain(commands.add_parser("brain", help="train the network that finds a brain in a head"))
    parser = commands.add_parser("evaluate", help="score a tumour model, all subsets")
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
    parser.add_argument(
        "--plain",
        action="store_true",
        help="outlines of voxels more likely than not in a region, by no other rule (default: no)",
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
    parser.set_defaults(action=Later("train.tumour.evaluate", "run"))
    _add_calibrate(commands)
    _add_corrupt(commands.add_parser("corrupt", help="spoil sequences, and count which are found"))
    _add_recipe(commands)
    _add_follow(commands)
    _add_heads(commands.add_parser("heads", help="measure how well two people's visits are told"))


def _add_heads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=folder, nargs="+", required=True, help="folders of cases (required)"
    )
    parser.add_argument(
        "--later",
        type=folder,
        metavar="DIR",
        help="folder of later visits of the same heads, under the same names (default: each is "
        "made of the case itself)",
    )
    parser.set_defaults(action=Later("train.tumour.strangers", "heads"))


def _add_corrupt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=folder, nargs="+", required=True, help="folders of sound cases (required)"
    )
    _add_checkpoint(parser, "whose outlines motion changes")
    parser.add_argument(
        "--outlines",
        action="store_true",
        help="how much motion changes them, too; three times the time (default: no)",
    )
    add_threads(parser)
    parser.set_defaults(action=Later("train.tumour.misled", "corrupt"))


def _add_checkpoint(parser: argparse.ArgumentParser, what: str) -> None:
    """The model that a command is about; the bundled one where none is named."""
    bundled = ABOUT.checkpoint()
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=bundled,
        help=f"{what} (default: {bundled.parent.name}/{bundled.name})",
    )


def _add_calibrate(commands: Any) -> None:
    """`python -m train calibrate`."""
    parser = commands.add_parser(
        "calibrate", help="measure how far a tumour model's volumes are off"
    )
    _add_checkpoint(parser, "it lies beside this one")
    parser.add_argument(
        "--data",
        type=folder,
        nargs="+",
        required=True,
        help="folders of cases with references that it did not see, heads without a tumour among "
        "them (required)",
    )
    parser.add_argument(
        "--real",
        type=folder,
        metavar="DIR",
        help="folder of real cases, for --folds (default: none)",
    )
    parser.add_argument(
        "--folds",
        type=file,
        nargs="+",
        metavar="FILE",
        help="checkpoints of a cross-validation: each case of --real is measured by the first that "
        "did not see it, and intervals of real cases are made from these (default: none)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="folder for the tables and a reliability diagram (default: tables are only printed)",
    )
    parser.add_argument(
        "--measured",
        type=Path,
        required=True,
        help="keep what was measured of a case in this folder; a command that was stopped goes on "
        "from it (required)",
    )
    add_threads(parser)
    parser.set_defaults(action=Later("train.tumour.calibrate", "calibrate"))


def _add_recipe(commands: Any) -> None:
    """`python -m train recipe`."""
    parser = commands.add_parser("recipe", help="make a tumour model from its data, with its folds")
    parser.add_argument("model", choices=("tumour",), help="the one that is made (required)")
    parser.add_argument(
        "--data", type=folder, required=True, help="folder of the real cases (required)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of cases, runs and scores (required)"
    )
    parser.add_argument(
        "--cache", type=Path, help="keep the prepared volumes in this folder (default: in memory)"
    )
    parser.add_argument(
        "--jobs", type=at_least(1), default=2, help=f"of what can be done side by side {DEFAULT}"
    )
    parser.set_defaults(action=Later("train.tumour.recipe", "make_tumour"))


def _add_follow(commands: Any) -> None:
    """`python -m train follow`."""
    parser = commands.add_parser(
        "follow", help="measure how right growth is told between visits of unequal sequences"
    )
    _add_checkpoint(parser, "of a tumour model, with a calibration")
    for name in ("earlier", "later"):
        parser.add_argument(
            f"--{name}",
            type=folder,
            required=True,
            metavar="DIR",
            help=f"folder of cases with references, the same heads {name} (required)",
        )
    parser.add_argument(
        "--measured",
        type=Path,
        required=True,
        help="keep what was measured of a case in this folder (required)",
    )
    add_threads(parser)
    parser.set_defaults(action=Later("train.tumour.followup", "follow"))


def _add_brain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--heads", type=folder, required=True, help="NIfTI files with skull, for HD-BET (required)"
    )
    parser.add_argument(
        "--cases", type=folder, help="cases without skull, to be put into heads (default: none)"
    )
    parser.add_argument(
        "--held-out",
        nargs="*",
        default=[],
        metavar="NAME",
        help="how names of heads begin that are not trained on, but compared at the end "
        "(default: none)",
    )
    parser.add_argument("--kept", type=folder, help="folder for HD-BET's masks (default: none)")
    parser.add_argument("--steps", type=at_least(1), default=1200, help=f"of one sample {DEFAULT}")
    parser.add_argument("--seed", type=int, default=0, help=f"of all that is random {DEFAULT}")
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoint to write, .safetensors (required)"
    )
    add_threads(parser)
    parser.set_defaults(action=Later("train.clinic.brain", "train_brain"))


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """What a table of systems, or of variants of one, can be told."""
    parser.add_argument(
        "--data", type=folder, required=True, help="folder of cases to train on (required)"
    )
    parser.add_argument(
        "--test",
        type=folder,
        help="folder of cases to score; no run may have seen them (default: the fold that is left "
        "out, without --folds the validation cases)",
    )
    parser.add_argument(
        "--mix", type=folder, help="folder of further cases, only trained on (default: none)"
    )
    parser.add_argument(
        "--cache", type=Path, help="keep the prepared volumes in this folder (default: in memory)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the table and its runs (required)"
    )
    parser.add_argument(
        "--preset", default="table", choices=sorted(PRESETS), help=f"the recipe {DEFAULT}"
    )
    parser.add_argument("--epochs", type=at_least(1), help="of each run (default: the recipe's)")
    parser.add_argument("--seeds", type=at_least(1), default=3, help=f"runs per row {DEFAULT}")
    parser.add_argument(
        "--folds", type=int, default=0, help=f"of a cross-validation over --data {DEFAULT}"
    )
    parser.add_argument(
        "--start",
        type=folder,
        metavar="DIR",
        help="the --out of a table without --folds: each run begins with the weights of its row "
        "and seed there (default: none)",
    )
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to train (default: all)")
    parser.add_argument(
        "--jobs", type=at_least(1), default=2, help=f"runs trained side by side {DEFAULT}"
    )
    parser.set_defaults(action=Later("train.tumour.table", "make_table"))


TABLES = {"1": add_comparison, "collapse": add_comparison, "fill": add_comparison}


def add_figure_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cases",
        type=folder,
        nargs="+",
        default=CASES,
        metavar="DIR",
        help="of Fig. 1, 6 and 7, which show the first, second and third: folders of cases with "
        "references (default: the bundled synthetic cases)",
    )
    parser.add_argument(
        "--models",
        type=file,
        nargs="+",
        default=MODELS,
        metavar="FILE",
        help="of Fig. 1, 6 and 7: checkpoints, a column each (default: four of Table 1, seed 0)",
    )
    parser.add_argument(
        "--sequence",
        choices=SEQUENCES,
        default="t1",
        help=f"of Fig. 1, 6 and 7: the one that is given {DEFAULT}",
    )


def add_bench_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case",
        type=Path,
        default=CASE,
        help=f"folder of a tumour case (default: the bundled {CASE.name})",
    )
    _add_checkpoint(parser, "of the tumour model")
    parser.add_argument(
        "--rounds", type=at_least(1), default=3, help=f"of the tumour model {DEFAULT}"
    )
    parser.add_argument(
        "--device", default="cpu", help=f"of the tumour model, as PyTorch names it {DEFAULT}"
    )
    parser.add_argument(
        "--data", type=folder, default=BUNDLED, help="cases with references (default: bundled)"
    )
    parser.add_argument("--limit", type=at_least(1), help="only the first cases (default: all)")
    parser.add_argument(
        "--head", type=Path, help="NIfTI file whose skull `clinic` gives to cases (default: none)"
    )
    parser.add_argument(
        "--way", choices=("light", "hd-bet"), default="light", help=f"to find a brain {DEFAULT}"
    )
    parser.add_argument(
        "--crop", type=at_least(16), default=112, help=f"voxels per axis of a sample {DEFAULT}"
    )


def _fetch(arguments: argparse.Namespace) -> int:
    from train.tumour.download import fetch_msd

    fetch_msd(arguments.out)
    return 0


def _make_phantoms(arguments: argparse.Namespace) -> int:
    from train.tumour.phantoms.generate import make_phantoms

    out, cases, seed = arguments.out, arguments.cases, arguments.seed
    make_phantoms(
        out, cases, seed, arguments.jobs, healthy=arguments.healthy, share=arguments.share
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from train.tumour.check import check

    return check(arguments.folder)
