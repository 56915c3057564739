"""One case that is open, and what was worked out of it: files for the browser, answers, rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.studio.tasks.tumour.volumes import Packed, pack_regions, pack_volume
from mckd.tumour.labels import bits_to_regions
from mckd.tumour.naming import REGION_NAMES, SEG

if TYPE_CHECKING:
    import numpy.typing as npt

    from mckd.clinic.series import Prepared
    from mckd.studio.tasks.tumour.studies import Examination, Looked
    from mckd.tumour import Case
    from mckd.tumour.advice import Advice
    from mckd.tumour.metrics import RegionScore

PACKERS = 2  # volumes that are compressed at a time
UNREADABLE = "Something went wrong while reading this case; the log of the app has the details."
GONE = "This case was deleted after a pause, as promised. Please open it again."


@dataclass(frozen=True)
class Choice:
    """What a visitor says of an examination.

    study: which of several, 0 is the newest. slots: {slot: key of a series}; empty: as proposed.
    reference: the slot whose series the others are moved onto, "" for the best.
    """

    study: int = 0
    slots: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class Reading:
    """How far the reading of an examination is."""

    text: str
    fraction: float | None
    examination: Examination | None


@dataclass(frozen=True)
class CaseFiles:
    """A case to open: its key among the open ones, and what `read_case` takes.

    files: a folder, or a file per slot. names: what a visitor calls the files. raw: whether the
    folder holds an examination as the scanner gave it. choice: what the visitor said of it. as_is:
    refused, not prepared, where its files lie on grids of their own.
    """

    key: str
    files: Path | dict[str, Path]
    names: Mapping[str, str] | None = None
    raw: bool = False
    choice: Choice | None = None
    examination: Examination | None = None
    as_is: bool = False


Wish = tuple[str, frozenset[str]]
"""A compared system, and the sequences that it is to segment from."""


@dataclass(frozen=True)
class Outlined:
    """What another system found: its label map as `pack_regions` makes it, and its `overlaps`.

    trained_on: the data it learned from. seen: the tag of a case that was among it.
    """

    labels: bytes
    overlaps: dict[str, dict[str, Any]]
    trained_on: str
    seen: str


@dataclass(frozen=True)
class Answer:
    """One prediction: its label map as `pack_regions` makes it, and its rows of the table.

    intervals: of its volumes, as the prediction has them. advice: which sequence next, best
    first. scores: the same rows with Dice and HD95; worked out afterwards, they take longer.
    """

    used: frozenset[str]
    labels: bytes
    rows: list[dict[str, Any]]
    seconds: float
    stamp: int
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    advice: Sequence[Advice] = ()
    scores: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Opened:
    """A case on the shelf, with everything that was worked out about it.

    maps: for the overlays, calibrated probabilities as `pack_probabilities` makes them. surfaces:
    for the 3-D view, packed: {name: bytes} of the answer from these sequences, or of what a word
    says; see `solid.surfaces_of`. systems: what other systems found. prepared, examination: where
    it came from raw series.
    """

    case: Case
    packed: dict[str, Packed]
    reference: bytes | None
    read_s: float
    encode_s: float = 0.0
    encoded: Any = None
    seen: str | None = None
    answers: dict[frozenset[str], Answer] = field(default_factory=dict)
    maps: dict[frozenset[str], bytes] = field(default_factory=dict)
    surfaces: dict[frozenset[str] | str, dict[str, bytes]] = field(default_factory=dict)
    systems: dict[Wish, Outlined] = field(default_factory=dict)
    prepared: Prepared | None = None
    examination: Examination | None = None

    def called(self, alias: str | None) -> str:
        """In what a visitor takes home: the alias, or with None what the files are called."""
        return self.case.name if alias is None else alias

    @property
    def answered(self) -> bool:
        """Whether the answer for every subset is known; the features are needed no more."""
        return len(self.answers) + 1 == 1 << len(self.case.present)

    @property
    def size(self) -> int:
        """Bytes of all its arrays and files; the features lie with the model."""
        arrays: list[npt.NDArray[Any] | None] = [*self.case.volumes.values(), self.case.labels]
        if self.prepared is not None:
            arrays += [*self.prepared.head.values(), self.prepared.brain]
        files = [self.reference, *(packed.data for packed in self.packed.values())]
        files += [answer.labels for answer in [*self.answers.values()]]
        files += [outlined.labels for outlined in [*self.systems.values()]]
        files += [*self.maps.values()]
        files += [data for made in [*self.surfaces.values()] for data in made.values()]
        return sum(a.nbytes for a in arrays if a is not None) + sum(len(f) for f in files if f)


def read(
    source: CaseFiles,
    report: Callable[[Reading], None] = lambda stage: None,
    looked: Looked | None = None,
) -> Opened:
    """Read a case and pack what a browser is sent of it; an examination is prepared before.

    looked: of an examination, if it was looked through already.

    Raises:
        ValueError: it cannot be; a sentence for visitors.
    """
    from mckd.studio.tasks.tumour.studies import look_through, offered, prepare_examination
    from mckd.tumour import read_case, regions
    from mckd.tumour.placing import ApartError
    from mckd.tumour.references import WITHOUT_REFERENCE

    started = time.perf_counter()
    _require_here(source.files)
    prepared = examination = None
    if source.raw:
        looked = looked or looked_through(source, report)
        prepared, examination = prepare_examination(looked, report)
        case = prepared.case
    else:
        try:
            case = read_case(source.files, shown=source.names)
        except ApartError:  # as a scanner gives them: each on a grid of its own
            if source.as_is:
                raise
            looked = look_through(replace(source, raw=True), report)
            prepared, examination = prepare_examination(looked, report)
            case = prepared.case
        except ValueError:
            report(Reading("", None, offered(source)))
            raise
        if case.unlike_training and prepared is None:
            examination = offered(source)
    if prepared is not None and isinstance(source.files, dict) and SEG in source.files:
        case = replace(case, warnings=(*case.warnings, WITHOUT_REFERENCE))
    with ThreadPoolExecutor(PACKERS) as packers:  # compression leaves Python's lock to others
        volumes = packers.map(lambda volume: pack_volume(volume, case.brain), case.volumes.values())
        packed = dict(zip(case.volumes, volumes, strict=True))
    reference = None if case.labels is None else pack_regions(regions(case.labels))
    took = time.perf_counter() - started
    return Opened(case, packed, reference, took, prepared=prepared, examination=examination)


def looked_through(source: CaseFiles, report: Callable[[Reading], None]) -> Looked:
    """The series of an examination, before it is prepared.

    Raises:
        ValueError: there are none that can be used; a sentence for visitors.
    """
    from mckd.studio.tasks.tumour.studies import look_through

    _require_here(source.files)
    return look_through(source, report)


def _require_here(files: Path | dict[str, Path]) -> None:
    """
    Raises:
        ValueError: a file is gone.
    """
    given = [files] if isinstance(files, Path) else [*files.values()]
    if not all(path.exists() for path in given):
        raise ValueError(GONE)


def rows_of(case: Case, found: Any) -> list[dict[str, Any]]:
    """One row per region with its volumes in mL.

    found: (3, X, Y, Z) canonical masks of a prediction, or None for the reference alone.
    """
    from mckd.tumour import regions
    from mckd.tumour.metrics import volumes_ml

    rows: list[dict[str, Any]] = [{"region": r, "name": name} for r, name in REGION_NAMES.items()]
    truth = None if case.labels is None else regions(case.labels)
    for key, masks in (("volume_ml", found), ("reference_ml", truth)):
        volumes = {} if masks is None else volumes_ml(masks, case.grid.canonical)
        told = REGION_NAMES if key == "volume_ml" else case.reference_regions
        for row in rows:
            if volumes and row["region"] in told:
                row[key] = round(volumes[row["region"]], 2)
    return rows


def scores_of(case: Case, bits: Any) -> list[dict[str, Any]]:
    """The rows of `_rows` with Dice and HD95 of a prediction, (X, Y, Z) bits, in addition."""
    from mckd.tumour import regions
    from mckd.tumour.metrics import score

    assert case.labels is not None
    found = bits_to_regions(bits)
    grid = case.grid.canonical
    scores = {
        s.region: {
            "reference_ml": round(s.reference_ml, 2),
            "outcome": s.outcome,
            "dice": None if s.dice is None else round(s.dice, 4),
            "hd95_mm": None if s.hd95_mm is None else round(s.hd95_mm, 2),
        }
        for s in score(found, regions(case.labels), grid, scored=case.reference_regions)
    }
    none = dict.fromkeys(("outcome", "dice", "hd95_mm"))
    return [row | scores.get(row["region"], none) for row in rows_of(case, found)]


def overlaps(case: Case, found: Any) -> dict[str, dict[str, Any]]:
    """{region: {"dice": float or None, "outcome": str}} of a prediction, (3, X, Y, Z) bool, for the
    regions that the case's reference tells; empty without one."""
    from mckd.tumour import regions
    from mckd.tumour.metrics import score

    if case.labels is None:
        return {}
    grid, told = case.grid.canonical, case.reference_regions
    scores = score(found, regions(case.labels), grid, distances=False, scored=told)
    return {s.region: overlap(s) for s in scores}


def overlap(score: RegionScore) -> dict[str, Any]:
    """Of one region, rounded to be shown."""
    dice = None if score.dice is None else round(score.dice, 4)
    return {"dice": dice, "outcome": score.outcome}


def now() -> int:
    """Microseconds: the browser drops what is older than what it shows."""
    return time.time_ns() // 1000


def spoken(name: str) -> str:
    """A folder's name as a title: `phantom_a` becomes `Phantom A`."""
    return " ".join(w.upper() if len(w) == 1 else w.capitalize() for w in re.split(r"[_\s]+", name))
