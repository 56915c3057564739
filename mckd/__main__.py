"""MCKD from the command line: brain tumours in folders of MRI, with any sequences missing.

python -m mckd predict FOLDER --out DIR                       # one case or many, as they are
python -m mckd predict FOLDER --out DIR --report              # every subset, with a PDF
python -m mckd predict FOLDER --out DIR --subsets flair+t1c,t2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.files.atomic import write_atomically
from mckd.memory import keep_memory
from mckd.tumour.comparison import Comparison, Row, Subset, key_of
from mckd.tumour.data import Case, find_cases, read_case
from mckd.tumour.labels import portable_name, region_bits
from mckd.tumour.naming import SEQUENCES, CaseError

if TYPE_CHECKING:
    from mckd.tumour import TumourSegmenter

BUNDLED = Path(__file__).resolve().parents[1] / "checkpoints" / "tumour.safetensors"
OK, SOME_FAILED, USAGE, STOPPED = 0, 1, 2, 130
ALL = "all"
SHARES = (0.08, 0.22, 0.5, 0.2)  # of the time for a case: reading, encoding, subsets, writing

ABOUT_PREDICT = """\
Finds enhancing tumour, tumour core and whole tumour in every case of a folder, from the sequences
that it has (any of FLAIR, T1, T1c, T2: skull-stripped, on one grid, about 1 mm). Files are told
apart by their names: BraTS, BIDS, MSD. Research only, not a medical device.
"""
AFTER_PREDICT = """\
DIR gets a folder per case:
  masks/                  NIfTI labels on the grid of the images, a file per subset
  figures.csv, .json      volumes; Dice and HD95 where the case has a reference
  contributions.csv       what each sequence adds (--subsets all)
  report.pdf, *.png       with --report
  README.txt, SHA256SUMS  what is there, and its hashes

A case that cannot be read costs one sentence, and the others go on.
exit status: 0 all done, 1 some case failed, 2 nothing could be begun
"""


class UsageError(ValueError):
    """What was asked for cannot be begun: one sentence."""


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.action(arguments))
    except KeyboardInterrupt:
        print("Stopped. What is written stays.", file=sys.stderr)
        return STOPPED
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mckd", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "predict",
        help="segment the cases of a folder",
        description=ABOUT_PREDICT,
        epilog=AFTER_PREDICT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a case, or a folder of cases")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    command.add_argument(
        "--subsets",
        type=_subsets_of,
        metavar="WHICH",
        help="all, or a list like flair+t1c,t2 (default: what a case has; all with --report). "
        "The result from everything a case has is always there to compare with",
    )
    command.add_argument("--report", action="store_true", help="pictures and a PDF too")
    command.add_argument(
        "--checkpoint", type=Path, default=BUNDLED, help="of a tumour model (default: the bundled)"
    )
    command.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    command.set_defaults(action=predict)
    return parser


def _subsets_of(words: str) -> str | list[Subset]:
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


def predict(arguments: argparse.Namespace) -> int:
    """Segment every case below a folder and write what was found."""
    sources = _sources(arguments.folder, arguments.out)
    segmenter = _segmenter(arguments.checkpoint, arguments.threads)
    _make(arguments.out)
    wanted = arguments.subsets or (ALL if arguments.report else [])
    progress = Progress(len(sources))
    taken: set[str] = set()
    failed = 0
    for source in sources:
        progress.begin(source.name)
        try:
            case = read_case(source)
            name = _free(portable_name(case.name), taken)
            row = _one(case, segmenter, wanted, arguments.report, arguments.out / name, progress)
        except CaseError as error:
            failed += 1
            progress.fail(f"{source.name}: {error}")
        except OSError as error:
            failed += 1
            progress.fail(f"{source.name}: its results cannot be written ({error.strerror}).")
        except Exception as error:  # the other cases must not suffer
            failed += 1
            progress.fail(f"{source.name}: something went wrong ({type(error).__name__}).")
        else:
            progress.end(f"{name}: {_brief(row)}")
    done = len(sources) - failed
    print(f"{done} of {len(sources)} cases in {arguments.out}", file=sys.stderr)
    return SOME_FAILED if failed else OK


def _one(
    case: Case,
    segmenter: TumourSegmenter,
    wanted: str | Iterable[Subset],
    with_report: bool,
    out: Path,
    progress: Progress,
) -> Row:
    """Segment one case and write its folder; returns what all its sequences found."""
    from mckd.report import archive
    from mckd.report.subject import Subject

    progress.reach(0, 1.0, "the model reads the images")
    encoded = segmenter.encode(case, lambda share: progress.reach(1, share))
    whole = segmenter.decide(encoded, case.present).canonical
    compared = Comparison(case, whole)
    maps = {case.present: region_bits(whole)}
    others = _of_case(case, wanted)
    for count, subset in enumerate(others):
        progress.reach(2, count / len(others), f"subset {count + 1} of {len(others)}")
        found = segmenter.decide(encoded, subset).canonical
        compared.add(subset, found)
        maps[subset] = region_bits(found)
    progress.reach(2, 1.0, "writing")
    subject = Subject(compared, maps, segmenter.about, segmenter.importance, date.today(), out.name)
    files = {**archive.masks(subject), **archive.figures(subject)}
    if with_report:
        files |= archive.report(subject)
    for name, data in archive.sealed(subject, files).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out / name, data)
    return compared.rows[-1]


def _of_case(case: Case, wanted: str | Iterable[Subset]) -> list[Subset]:
    """The subsets wanted, but for that of all sequences, which is always there.

    Raises:
        CaseError: the case has none of them.
    """
    from mckd.method import subsets

    every = subsets([s for s in SEQUENCES if s in case.present])
    if wanted == ALL:
        return every[:-1]
    asked = list(dict.fromkeys(frozenset(subset) for subset in wanted))
    here = [subset for subset in asked if subset <= case.present]
    if asked and not here:
        raise CaseError(
            f"It has {', '.join(case.volumes)}, so none of the subsets asked for: "
            f"{', '.join(map(key_of, asked))}."
        )
    return [subset for subset in here if subset != case.present]


def _sources(folder: Path, out: Path) -> list[Path]:
    """The cases below a folder; what an earlier run wrote there is none."""
    if not folder.exists():
        raise UsageError(f"There is no {folder}. Give a folder with a case, or with folders of it.")
    found = find_cases(folder) if folder.is_dir() else [folder]
    found = [path for path in found if not path.resolve().is_relative_to(out.resolve())]
    if not found:
        raise UsageError(f"{folder} holds no NIfTI file (.nii or .nii.gz), so no case.")
    return found


def _segmenter(checkpoint: Path, threads: int | None) -> TumourSegmenter:
    try:
        import torch

        from mckd.tumour import TumourSegmenter
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing. pip install -r requirements.txt") from error
    from mckd.files.checkpoint import CheckpointError

    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return TumourSegmenter.load(checkpoint, device=device)
    except CheckpointError as error:
        raise UsageError(str(error)) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}).") from error


def _free(name: str, taken: set[str]) -> str:
    """A name that no case of this run has yet; a second `a` becomes `a_2`."""
    free, count = name, 1
    while free.lower() in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free.lower())
    return free


def _brief(row: Row) -> str:
    """Volumes from all sequences, with the Dice where there is one."""
    words = []
    for found in row.regions:
        score = found.score
        told = ""
        if score is not None:
            told = f" ({score.outcome if score.dice is None else f'Dice {score.dice:.3f}'})"
        words.append(f"{found.region.upper()} {found.volume_ml:.1f} mL{told}")
    return ", ".join(words)


@dataclass
class Progress:
    """How far the cases are, and how long they will take: on stderr, one line if it is a screen."""

    cases: int
    done: int = 0
    name: str = ""
    step: str = ""
    stream: Any = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)
    shown: int = 0

    def begin(self, name: str) -> None:
        self.name, self.step = name, "reading"
        self._show(0.0)

    def reach(self, stage: int, share: float, step: str = "") -> None:
        """That much of a stage is done; the next step has this name."""
        self.step = step or self.step
        self._show(sum(SHARES[:stage]) + share * SHARES[stage])

    def end(self, line: str) -> None:
        """The case is done: its line goes to stdout."""
        self._clear()
        self.done += 1
        print(line, flush=True)

    def fail(self, line: str) -> None:
        self._clear()
        self.done += 1
        print(line, file=self.stream, flush=True)

    def _show(self, share: float) -> None:
        """In place on a screen; in a log one line when a case begins."""
        screen = self.stream.isatty()
        if share and not screen:
            return
        part = self.done + share
        took = time.monotonic() - self.started
        left = f", {_clock(took / part * (self.cases - part))} left" if part > 0 else ""
        line = f"[{self.done + 1}/{self.cases}] {self.name}: {self.step}{left}"
        if screen:
            print(f"\r{line:<{self.shown}}", end="", file=self.stream, flush=True)
            self.shown = len(line)
        else:
            print(line, file=self.stream, flush=True)

    def _clear(self) -> None:
        if self.shown:
            print(f"\r{'':<{self.shown}}\r", end="", file=self.stream, flush=True)
        self.shown = 0


def _clock(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


if __name__ == "__main__":
    keep_memory()
    sys.exit(main(sys.argv[1:]))
