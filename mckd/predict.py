"""`python -m mckd predict`: what a run over the cases of a folder does, from files to results."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mckd.files.names import visible
from mckd.files.results import DONE, FILES, OccupiedError, Results
from mckd.progress import Progress
from mckd.tumour.comparison import Comparison, Row, Subset, key_of
from mckd.tumour.data import Case, read_case
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.labels import region_bits
from mckd.tumour.layout import FLAG_MAP, Group, Layout, Rules, flag_for, layout_of
from mckd.tumour.naming import IMAGE_FOLDERS, SEG, SEQUENCES, CaseError
from mckd.tumour.survey import NO_TARGET, survey

if TYPE_CHECKING:
    from mckd.report.subject import Subject
    from mckd.tumour import TumourSegmenter

OK, SOME_FAILED, USAGE, SOME_HELD = 0, 1, 2, 3
ALL = "all"
FAILED, HELD = "failed", "held back"
MOST_TOLD = 3


class UsageError(ValueError):
    """What was asked for cannot be begun: one sentence."""


class UnlikeError(CaseError):
    """The images are unlike those of the training, and nobody said to segment them anyway."""


@dataclass(frozen=True)
class Work:
    """A case to segment.

    name: its path below what was given. root: what the paths of `group` and `left` lead from.
    given: what was given, a folder or files; with the name it tells the case from all others.
    """

    name: str
    root: Path
    group: Group
    left: Mapping[str, str]
    given: tuple[Path, ...]

    @property
    def source(self) -> str:
        return _hashed(*map(str, self.given), self.group.name)

    @property
    def label(self) -> str:
        """The name as it may be printed."""
        return visible(self.name)

    @property
    def files(self) -> dict[str, Path]:
        return {slot: self.root / path for path, slot in self.group.slots.items()}


def _hashed(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def predict(arguments: argparse.Namespace) -> int:
    """Segment every case that was asked for and write what was found; the exit status."""
    layout, works = _works(arguments)
    segmenter = _segmenter(arguments.checkpoint, arguments.threads)
    try:
        results = Results(arguments.out)
    except OSError as error:
        raise UsageError(f"{arguments.out} cannot be made ({error.strerror}).") from error
    except OccupiedError as error:
        raise UsageError(f"In {arguments.out}, {error}") from error
    progress = Progress(len(works))
    states: Counter[str] = Counter()
    try:
        for work in works:
            states[_work_off(work, segmenter, arguments, results, progress)] += 1
    finally:
        _list_files(works, layout, results)
    print(f"{states[DONE]} of {len(works)} cases in {arguments.out}", file=sys.stderr)
    if layout.left:
        count = f"{len(layout.left)} file{'s were' if len(layout.left) > 1 else ' was'} left out"
        print(f"{count}; {FILES} there says which and why", file=sys.stderr)
    return SOME_FAILED if states[FAILED] else SOME_HELD if states[HELD] else OK


def _work_off(
    work: Work,
    segmenter: TumourSegmenter,
    arguments: argparse.Namespace,
    results: Results,
    progress: Progress,
) -> str:
    """One case from its files to its folder, whatever happens; what became of it."""
    progress.begin(work.label)
    state, why = FAILED, ""
    try:
        name = results.place(work.name, work.source, arguments.replace)
        case = _read(work, arguments.anyway)
        told, files = _one(case, segmenter, arguments, work.name, progress)
        results.put(name, files, arguments.replace)
    except OccupiedError as error:  # what the index says of its results stays true
        progress.fail(f"{work.label}: {error}")
        return FAILED
    except UnlikeError as error:
        state, why = HELD, str(error)
    except CaseError as error:
        why = str(error)
    except OSError as error:
        why = f"its results cannot be written ({error.strerror})."
    except Exception as error:  # the other cases must not suffer
        why = f"something went wrong ({type(error).__name__})."
    else:
        state = DONE
        for line in (*_asides(work), *case.warnings):
            progress.note(f"{work.label}: {line}")
        progress.end(f"{name}: {told}")
    if why:
        progress.fail(f"{work.label}: {why}")
    try:
        results.tell(work.name, work.source, state, why)
    except OSError as error:
        progress.note(f"{work.label}: the index cannot be written ({error.strerror}).")
    return state


def _read(work: Work, anyway: bool) -> Case:
    """The case with a note on what was left out of its folder.

    Raises:
        CaseError: it cannot be read, or something has to be answered first.
        UnlikeError: the app would not segment it unasked.
    """
    group = work.group
    if group.question:
        raise CaseError(f"{group.question} Answer with {' '.join(group.flags)}")
    case = read_case(work.files, order=group.order)
    if case.unlike_training and not anyway:
        doubts = " ".join(case.warnings)
        raise UnlikeError(f"held back. {doubts} Segment it all the same with --anyway.")
    if not work.left:
        return case
    reasons = "; ".join(dict.fromkeys(work.left.values()))
    count = "1 file" if len(work.left) == 1 else f"{len(work.left)} files"
    note = f"Left out of the case's folder: {count} ({reasons})."
    return replace(case, warnings=(*case.warnings, note))


def _asides(work: Work) -> list[str]:
    """What the console says of single files, by their names, which no result may hold."""
    broken = (path for path, why in work.left.items() if why == NO_TARGET)
    lines = [f"{visible(path)} points to nothing." for path in broken]
    for path, verdict in work.group.spare.items():
        open_ = f"{visible(path)} is left out: its name leaves open {verdict.why}."
        lines.append(f"{open_} Say otherwise with {flag_for(path, verdict)}")
    return lines


def _one(
    case: Case,
    segmenter: TumourSegmenter,
    arguments: argparse.Namespace,
    name: str,
    progress: Progress,
) -> tuple[str, dict[str, bytes]]:
    """Segment one case: a line about the result, and the files of its folder."""
    from mckd.report import archive
    from mckd.report.subject import Subject

    progress.reach(0, 1.0, "the model reads the images")
    encoded = segmenter.encode(case, lambda share: progress.reach(1, share))
    whole = segmenter.decide(encoded, case.present).canonical
    compared = Comparison(case, whole)
    maps = {case.present: region_bits(whole)}
    others = _of_case(case, arguments.subsets or (ALL if arguments.report else []))
    for count, subset in enumerate(others):
        progress.reach(2, count / len(others), f"subset {count + 1} of {len(others)}")
        found = segmenter.decide(encoded, subset).canonical
        compared.add(subset, found)
        maps[subset] = region_bits(found)
    progress.reach(2, 1.0, "writing")
    alias = name.replace("/", "_") if arguments.names else ""
    about, weights, seen = segmenter.about, segmenter.importance, segmenter.saw(case)
    subject = Subject(compared, maps, about, weights, date.today(), alias, seen)
    files = {**archive.masks(subject), **archive.figures(subject)}
    if arguments.report:
        files |= archive.report(subject)
    return _brief(compared.rows[-1], subject), archive.sealed(subject, files)


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


# ---- which cases


def _works(arguments: argparse.Namespace) -> tuple[Layout, list[Work]]:
    """What is left out, and the cases to segment: of a folder, or of files given one by one."""
    single = {slot: getattr(arguments, slot) for slot in (*SEQUENCES, SEG)}
    given = {slot: path for slot, path in single.items() if path is not None}
    if given:
        return Layout((), {}), [_of_files(given)]
    return _of_folder(arguments.folder, arguments.out, _rules(arguments))


def _rules(arguments: argparse.Namespace) -> Rules:
    return Rules(tuple(arguments.map or ()), tuple(arguments.order or ()))


def _of_files(given: Mapping[str, Path]) -> Work:
    for slot, path in given.items():
        if not path.is_file():
            raise UsageError(f"There is no file {path}, given as --{slot}.")
    paths = {str(path.resolve()): slot for slot, path in given.items()}
    folders = {Path(path).parent for path in paths}
    name = folders.pop().name if len(folders) == 1 else ""
    whole = tuple(map(Path, sorted(paths)))
    return Work(name or "case", Path("/"), Group("", paths), {}, whole)


def _of_folder(folder: Path, out: Path, rules: Rules) -> tuple[Layout, list[Work]]:
    if not folder.exists():
        raise UsageError(f"There is no {folder}. Give a folder with a case, or with folders of it.")
    root, layout = _layout(folder, out, rules)
    _require_used(rules, layout)
    if not layout.cases:
        told = [f"{visible(path)}: {why}." for path, why in sorted(layout.left.items())]
        raise UsageError(
            " ".join(
                [f"{folder} holds no NIfTI file (.nii or .nii.gz) to segment.", *told[:MOST_TOLD]]
            )
        )
    given = folder.resolve()
    top = given.name if folder.is_dir() else given.name.partition(".")[0]
    return layout, [
        Work(group.name or top or "case", root, group, _left_of(group, layout), (given,))
        for group in layout.cases
    ]


def _layout(folder: Path, out: Path, rules: Rules) -> tuple[Path, Layout]:
    """What lies below a folder, or is one file, and what its paths lead from.

    Labels of MSD and nnU-Net lie beside the folder of images.
    """
    whole = folder.resolve()
    images = whole if folder.is_dir() else whole.parent
    if images.name not in IMAGE_FOLDERS:
        if folder.is_dir():
            return folder, survey(folder, rules, skip=out).layout
        return images, layout_of([whole.name], rules, folder=images.name)
    root = images.parent
    found = survey(root, rules, skip=out).layout
    mine = f"{images.name}/" if folder.is_dir() else f"{images.name}/{whole.name}"
    cases = tuple(
        case
        for case in found.cases
        if any(path.startswith(mine) for path in (*case.slots, *case.asks))
    )
    return root, Layout(cases, {p: why for p, why in found.left.items() if p.startswith(mine)})


def _require_used(rules: Rules, layout: Layout) -> None:
    """A pattern that fits nothing is a slip of the pen, not to be passed over."""
    paths = [path for group in layout.cases for path in (*group.slots, *group.asks)]
    paths += layout.left
    for pattern, slot in rules.maps:
        if not any(Rules(((pattern, slot),)).slot(path) for path in paths):
            raise UsageError(f"{FLAG_MAP} {pattern}={slot} fits none of the files.")


def _left_of(group: Group, layout: Layout) -> dict[str, str]:
    """{path: why} of the files left out that lie nearest to this case."""
    names = {other.name for other in layout.cases}
    found = {}
    for path, why in layout.left.items():
        above = [str(folder).removeprefix(".") for folder in PurePosixPath(path).parents]
        if next((folder for folder in above if folder in names), None) == group.name:
            found[path] = why
    return found


def _list_files(works: Iterable[Work], layout: Layout, results: Results) -> None:
    """Say in the tables of all results what each file was used as, and gather the figures."""
    rows = []
    for work in works:
        for path, slot in work.group.slots.items():
            used = {"used_as": "", "why": "has to be asked about"} if work.group.question else {}
            rows.append({"results": work.source, "file": path, "used_as": slot, "why": ""} | used)
        rows += [
            {"results": "", "file": path, "used_as": "", "why": f"unclear: {verdict.why}"}
            for path, verdict in work.group.asks.items()
        ]
    rows += [
        {"results": "", "file": path, "used_as": "", "why": why}
        for path, why in layout.left.items()
    ]
    source = _hashed(*{str(path): None for work in works for path in work.given})
    try:
        results.list_files(source, sorted(rows, key=lambda row: row["file"]))
        results.gather_figures()
    except OSError as error:
        print(f"The tables cannot be written ({error.strerror}).", file=sys.stderr)


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


def _brief(row: Row, subject: Subject) -> str:
    """Volumes from all sequences, with the Dice where there is one, and what is to be doubted."""
    words = []
    for found in row.regions:
        score = found.score
        told = ""
        if score is not None:
            told = f" ({score.outcome if score.dice is None else f'Dice {score.dice:.3f}'})"
        doubt = subject.cautioned(row.subset, found.region)
        told += f" ({doubt})" if doubt else ""
        words.append(f"{found.region.upper()} {found.volume_ml:.1f} mL{told}")
    seen = TAGS[subject.seen]
    return ", ".join(words) + (f" [{seen}]" if seen else "")
