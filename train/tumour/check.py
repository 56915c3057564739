"""`python -m train data check DIR`: what cases are there, and can they be used?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mckd.tumour import REGIONS, SEQUENCES, Case, CaseError, find_cases, read_case, regions
from mckd.tumour.metrics import volumes_ml

SHORT = {"flair": "FLAIR", "t1": "T1", "t1c": "T1c", "t2": "T2"}
ABSENT = "-"


def check(folder: Path, say: Callable[[str], None] = print) -> int:
    """Read every case below `folder` and print a line for each; 1 if any cannot be used, else 0.

    Volumes are those of the reference labels, in mL. What is odd but usable is printed as a note
    and is no problem.

    Raises:
        CaseError: no such folder.
    """
    if not folder.is_dir():
        raise CaseError(f"{folder.name} is no folder. Give the folder that holds the cases.")
    found = find_cases(folder)
    if not found:
        say(f"{folder.name} holds no NIfTI files (.nii or .nii.gz).")
        return 1
    width = max(len(_label(path, folder)) for path in found)
    say(_row(width, "case", [SHORT[s] for s in SEQUENCES], "voxels", "axes", "mm", REGIONS))
    problems, notes, counts = [], [], dict.fromkeys(SEQUENCES, 0)
    for path in found:
        label = _label(path, folder)
        try:
            case = read_case(path)
        except CaseError as error:
            problems.append(f"{label}: {error}")
            say(f"{label:<{width}}  cannot be used, see below")
            continue
        say(_line(width, label, case))
        notes += [f"{label}: {warning}" for warning in case.warnings]
        for sequence in case.present:
            counts[sequence] += 1
    for title, lines in (("Notes", notes), ("Problems", problems)):
        if lines:
            say("\n".join(["", f"{title}:", *(f"  {line}" for line in lines)]))
    each = ", ".join(f"{SHORT[s]} {n}" for s, n in counts.items())
    cases = "1 case" if len(found) == 1 else f"{len(found)} cases"
    say(f"\n{cases}, {len(problems)} with problems. Sequences: {each}.")
    return 1 if problems else 0


def _label(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder).as_posix()
    return folder.resolve().name if relative == "." else relative


def _line(width: int, label: str, case: Case) -> str:
    present = [SHORT[s] if s in case.present else ABSENT for s in SEQUENCES]
    shape = "x".join(map(str, case.input_grid.shape))
    spacing = "x".join(f"{mm:.3g}" for mm in case.input_grid.spacing_mm)
    volumes = [ABSENT] * len(REGIONS)
    if case.labels is not None:
        of_region = volumes_ml(regions(case.labels), case.grid.canonical)
        volumes = [
            f"{of_region[name]:.1f}" if name in case.reference_regions else ABSENT
            for name in REGIONS
        ]
    return _row(width, label, present, shape, case.input_grid.axes, spacing, volumes)


def _row(
    width: int,
    label: str,
    present: list[str],
    shape: str,
    axes: str,
    spacing: str,
    volumes: list[str] | tuple[str, ...],
) -> str:
    sequences = " ".join(
        f"{text:<{len(SHORT[s])}}" for s, text in zip(SEQUENCES, present, strict=True)
    )
    numbers = " ".join(
        f"{f'{text.upper()} mL' if text in REGIONS else text:>8}" for text in volumes
    )
    return f"{label:<{width}}  {sequences}  {shape:<11}  {axes:<4}  {spacing:<11} {numbers}"
