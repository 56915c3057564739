"""MCKD from the command line: brain tumours in folders of MRI, with any sequences missing.

python -m mckd predict FOLDER --out DIR                       # one case or many, as they are
python -m mckd predict FOLDER --out DIR --report              # every subset, with a PDF
python -m mckd predict FOLDER --out DIR --subsets flair+t1c,t2
python -m mckd predict --flair A.nii.gz --t1c B.nii.gz --out DIR
python -m mckd predict DICOM --out DIR --dicom-seg            # a folder of a scanner, or a ZIP
python -m mckd predict FOLDER --out DIR --jobs 4 --resume     # four at a time, go on
python -m mckd predict FOLDER --out DIR --shard 3/16          # the third of 16 shares
python -m mckd follow VISIT1 VISIT2 --out DIR                 # one patient's visits compared
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from mckd import __version__
from mckd.clinic import NEEDS
from mckd.memory import keep_memory
from mckd.progress import Progress
from mckd.tasks import about
from mckd.tumour.days import day_of
from mckd.tumour.naming import NONE, SEG, SEQUENCE_NAMES, SEQUENCES, STACK

# Nothing here imports numpy or torch: help and errors of the command line answer at once.
__all__ = ["Progress", "main"]

BUNDLED = about("tumour").checkpoint()
USAGE, STOPPED = 2, 130
ALL = "all"

ABOUT_PREDICT = """\
Finds enhancing tumour, tumour core and whole tumour in every case of a folder, from the sequences
that it has (any of FLAIR, T1, T1c, T2). NIfTI files are told apart by their names, folders by how
they lie: BraTS, BIDS, MSD, nnU-Net, patient/visit, a folder per sequence, cases side by side. DICOM
files, in folders of any depth or one ZIP archive, are told apart by their headers: each examination
is a case. Links are followed. What is left open is asked, not guessed. Images that are prepared
(skull-stripped, on one grid, about 1 mm) are used as they are; all others are prepared first.
Made for adult glioma before surgery. Research only, not a medical device.
"""
AFTER_PREDICT = """\
DIR gets a folder per case, called like its path below FOLDER:
  masks/                  NIfTI labels on the grid of the images, a file per subset
  probabilities/          with --probabilities: a file per subset and region, calibrated if the
                          model is
  native/                 of prepared studies: on the slices of each series, from all sequences
  dicom/                  the same as DICOM-SEG, with --dicom-seg: they name the patient
  figures.csv, .json      volumes, notes; Dice and HD95 where the case has a reference
  contributions.csv       what each sequence changes (--subsets all)
  report.pdf, *.png       with --report
  README.txt, SHA256SUMS  what is there, and its hashes
Nothing else in them names a person, a file or a folder unless --names is given. Beside them, for
your own eyes:
  index.csv               which case each folder belongs to, and what became of it
  files.csv               every file found: what it was used as, or why it was left out
  figures.csv             the figures of all cases

A case that cannot be read costs one sentence, and the others go on. A case whose images are unlike
those of the training (not a whole brain, thick slices, ...) even when they are prepared is held
back unless --anyway is given.
exit status:
  0  all done
  1  some case failed
  2  nothing could be begun
  3  no case failed, but some were held back as unlike the training
  130  stopped; --resume goes on
"""

ABOUT_FOLLOW = """\
Compares the visits of one patient, which may have different sequences: what has grown is told from
the sequences that both visits have, apart from what the other sequences change. Every case found in
the folders or archives given is a visit, read and prepared as by `predict`. Where headers or brains
speak for two people that is said, and nothing is compared. Research only, not a medical device.
"""
AFTER_FOLLOW = """\
DIR gets changes.csv (what has grown, from visit to visit), visits.csv (volumes with 90 % ranges and
diameters as RANO asks), followup.json (all of it, and what it means) and followup.pdf, a report.
They name no person, no file and no folder, but the dates of the visits.

exit status: 0 all done, 2 nothing could be compared
"""


def main(argv: Sequence[str]) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "predict":
        _require_a_source(parser, arguments)
    from mckd.predict import UsageError, follow, predict

    try:
        return {"predict": predict, "follow": follow}[arguments.command](arguments)
    except KeyboardInterrupt:
        print("Stopped. What is written stays.", file=sys.stderr)
        return STOPPED
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return USAGE
    except ModuleNotFoundError as error:
        print(f"Error: {error.name} is missing. {NEEDS}", file=sys.stderr)
        return USAGE


def _require_a_source(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """A folder, or files one by one; ends with usage and status 2 where it is neither or both."""
    images = [slot for slot in SEQUENCES if getattr(arguments, slot) is not None]
    single = bool(images) or arguments.seg is not None
    if arguments.folder is None and not images:
        parser.error("give FOLDER, or at least one of --flair, --t1, --t1c and --t2")
    if single and (arguments.folder is not None or arguments.map or arguments.order):
        parser.error("give either FOLDER, with --map and --order if need be, or files one by one")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mckd", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"mckd {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_predict(commands)
    _add_follow(commands)
    return parser


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="segment the cases of a folder",
        description=ABOUT_PREDICT,
        epilog=AFTER_PREDICT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER", help="a case, or a folder of cases"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    files = command.add_argument_group("files one by one, instead of FOLDER")
    for slot in SEQUENCES:
        files.add_argument(
            f"--{slot}", type=Path, metavar="FILE", help=f"{SEQUENCE_NAMES[slot]} (default: none)"
        )
    files.add_argument(
        f"--{SEG}", type=Path, metavar="FILE", help="reference labels to score against (none)"
    )
    _add_names(command)
    command.add_argument(
        "--subsets",
        type=_subsets_of,
        metavar="WHICH",
        help="all, or a list like flair+t1c,t2 (default: what a case has; all with --report). "
        "The result from everything a case has is always there to compare with",
    )
    _add_prepare(command)
    command.add_argument(
        "--dicom-seg",
        action="store_true",
        help="of DICOM series also DICOM-SEG; they name the patient, as the images do (default: "
        "no)",
    )
    command.add_argument(
        "--probabilities",
        action="store_true",
        help="how likely each voxel is in each region too, as NIfTI, 0 to 1 in 256 steps (default: "
        "no)",
    )
    command.add_argument(
        "--report", action="store_true", help="pictures and a PDF too (default: no)"
    )
    command.add_argument(
        "--anyway",
        action="store_true",
        help="segment images that are unlike those of the training too, NIfTI on one grid as it is "
        "(default: prepare them, and hold them back if that does not help)",
    )
    command.add_argument(
        "--names",
        action="store_true",
        help="call cases like their folders in the results too (default: 'case')",
    )
    command.add_argument(
        "--replace",
        action="store_true",
        help="replace earlier results of the same case (default: keep them and say so)",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run that was stopped: cases that are done stay as they are (default: "
        "say that they are there, and fail them)",
    )
    many = command.add_argument_group("many cases")
    many.add_argument(
        "--jobs",
        type=_count,
        default=1,
        metavar="N",
        help="so many cases at a time, each by a process with a model of its own, about 1.5 GB "
        "(default: 1)",
    )
    many.add_argument(
        "--shard",
        type=_shard,
        metavar="K/N",
        help="only the Kth of N shares of the cases, for the array job of a cluster: all shares "
        "may write into one DIR at once (default: all cases)",
    )
    _add_model(command)


def _add_follow(commands: Any) -> None:
    command = commands.add_parser(
        "follow",
        help="compare the visits of one patient",
        description=ABOUT_FOLLOW,
        epilog=AFTER_FOLLOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "visits",
        type=Path,
        nargs="+",
        metavar="VISIT",
        help="a case, or a folder of cases: every case is a visit",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    command.add_argument(
        "--dates",
        type=_dates,
        metavar="LIST",
        help="of the visits, in their order, like 2024-01-31,2024-04-28 (default: what DICOM "
        "headers say, else what the names of cases do; without dates visits stay in their order)",
    )
    command.add_argument(
        "--one-patient",
        action="store_true",
        help="all visits are of one patient, whatever headers or brains say (default: where these "
        "may be of two people, no growth is told)",
    )
    _add_names(command)
    _add_prepare(command)
    command.add_argument(
        "--anyway",
        action="store_true",
        help="segment images that are unlike those of the training too (default: fail)",
    )
    command.add_argument(
        "--replace", action="store_true", help="replace earlier results (default: keep them)"
    )
    _add_model(command)


def _add_names(command: argparse.ArgumentParser) -> None:
    names = command.add_argument_group("what files are, where their names do not say")
    names.add_argument(
        "--map",
        type=_mapping,
        action="append",
        metavar="PATTERN=SLOT",
        help=f"files whose name or path below FOLDER, and DICOM series whose name fits the pattern "
        f"(* and ?) are SLOT: "
        f"{', '.join(SEQUENCES)}, {SEG}, {STACK} (4-D) or {NONE} (leave out). May be repeated, the "
        "first that fits counts (default: by their names)",
    )
    names.add_argument(
        "--order",
        type=_order,
        metavar="LIST",
        help="what files numbered _0000, _0001, ... hold, and the volumes of 4-D files, like "
        "flair,t1,t1c,t2 (default: what dataset.json says; 4-D: flair,t1,t1c,t2)",
    )


def _add_prepare(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--prepare",
        choices=["auto", "never"],
        default="auto",
        help="auto: bring images that are not prepared (DICOM, a skull, thick slices, own grids) "
        "onto one grid, without the skull, and tell regions on the slices of each series; never: "
        "only images that are prepared already (default: auto)",
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--checkpoint",
        type=Path,
        default=BUNDLED,
        metavar="FILE",
        help="of a tumour model (default: the bundled)",
    )
    command.add_argument(
        "--threads",
        type=_count,
        metavar="N",
        help="CPU threads, from 1 (default: PyTorch's choice)",
    )


def _subsets_of(words: str) -> str | list[frozenset[str]]:
    """`all`, or the subsets of a list like `flair+t1c,t2`."""
    if words == ALL:
        return ALL
    found = []
    for word in words.split(","):
        names = [name.strip() for name in word.lower().split("+")]
        for name in names:
            if name not in SEQUENCES:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is no sequence; write all, or a list like flair+t1c,t2 of "
                    f"{', '.join(SEQUENCES)}"
                )
        found.append(frozenset(names))
    return found


def _mapping(words: str) -> tuple[str, str]:
    """`*_KM.nii.gz=t1c` as (pattern, slot)."""
    pattern, sign, slot = words.rpartition("=")
    known = (*SEQUENCES, SEG, STACK, NONE)
    if not sign or not pattern or slot.strip().lower() not in known:
        raise argparse.ArgumentTypeError(
            f"{words!r} is no PATTERN=SLOT; write it like '*_KM.nii.gz=t1c', SLOT one of "
            f"{', '.join(known)}"
        )
    return pattern, slot.strip().lower()


def _order(words: str) -> list[str]:
    """`flair,t1,t1c,t2` as a list; `none` for what is to be left out."""
    names = [name.strip() for name in words.lower().split(",")]
    used = [name for name in names if name != NONE]
    unknown = [name for name in used if name not in SEQUENCES]
    if unknown or not used or len(set(used)) < len(used):
        raise argparse.ArgumentTypeError(
            f"{words!r} is no order; write each of {', '.join(SEQUENCES)} once at most, like "
            f"flair,t1,t1c,t2, and {NONE} for what is to be left out"
        )
    return names


def _dates(words: str) -> list[date]:
    """`2024-01-31,2024-04-28` as dates."""
    try:
        return [day_of(word.strip()) for word in words.split(",")]
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{words!r}: {problem}") from None


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1")
    return int(word)


def _shard(words: str) -> tuple[int, int]:
    """`2/8` as (2, 8)."""
    number, sign, count = words.partition("/")
    if not (sign and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{words!r} is no share; write K/N, K from 1 to N")
    return int(number), int(count)


def run() -> int:
    """`mckd`, once installed."""
    keep_memory()
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
