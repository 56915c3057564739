"""The paper's Fig. 1, 6 and 7: what several systems find in a case from T1 alone."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.files.runs import RunError
from mckd.systems import SYSTEMS
from train.charts import save_figure

if TYPE_CHECKING:
    from mckd.report.subject import Subject
    from mckd.tumour import Case
    from mckd.tumour.geometry import Bools

PLACES = {"1": 0, "6": 1, "7": 2}
"""Which of the cases a figure shows."""


def figure_1(arguments: argparse.Namespace) -> int:
    """In the first of the cases."""
    return _figure(arguments, "1")


def figure_6(arguments: argparse.Namespace) -> int:
    """In the second of the cases."""
    return _figure(arguments, "6")


def figure_7(arguments: argparse.Namespace) -> int:
    """In the third of the cases."""
    return _figure(arguments, "7")


def _figure(arguments: argparse.Namespace, number: str) -> int:
    """Three planes of one case: the image, what each model finds in it alone, the reference.

    Raises:
        RunError: too few cases, or one without a reference or the sequence.
    """
    from mckd.report.pictures import side_by_side
    from mckd.tumour import regions

    place = PLACES[number]
    if place >= len(arguments.cases):
        raise RunError(f"Fig. {number} shows case {place + 1} of --cases. Name as many.")
    case = _restricted(arguments.cases[place], arguments.sequence)
    assert case.labels is not None
    found = [_found(path, case) for path in arguments.models]
    reference = _subject(case, regions(case.labels))
    save_figure(arguments.out, f"fig{number}", side_by_side(found, reference))
    return 0


def _restricted(folder: Path, sequence: str) -> Case:
    """A case with one of its sequences alone; the others are not looked at."""
    from mckd.tumour import read_case

    case = read_case(folder)
    if case.labels is None:
        raise RunError(f"{case.name} has no reference labels to show beside. Name another case.")
    if sequence not in case.present:
        raise RunError(f"{case.name} has no {sequence}. Name another case, or another --sequence.")
    return replace(case, volumes={sequence: case.volumes[sequence]})


def _found(path: Path, case: Case) -> tuple[str, Subject]:
    """What the model of a checkpoint is called, and finds more likely than not (no other rule)."""
    from mckd.tumour import TumourSegmenter

    segmenter = TumourSegmenter.load(path)
    found = segmenter.decide(segmenter.encode(case), case.present)
    plain = case.brain.uncrop(found.cropped_probabilities > 0.5, case.grid.canonical.shape)
    return label_of(segmenter.about), _subject(case, plain, segmenter.about, segmenter.saw(case))


def label_of(about: Mapping[str, Any]) -> str:
    """The system of a checkpoint by its header; MCKD without distillation is the Baseline."""
    system = about.get("system", "mckd")
    method = about.get("settings", {}).get("method", {})
    return "Baseline" if method.get("alpha") == 0 else SYSTEMS[system].label


def _subject(
    case: Case, found: Bools, about: Mapping[str, Any] | None = None, seen: str = "no"
) -> Subject:
    """found: (3, X, Y, Z), canonical."""
    from mckd.report.subject import Subject
    from mckd.tumour.comparison import Comparison
    from mckd.tumour.labels import region_bits

    compared = Comparison(case, found, distances=False)
    maps = {case.present: region_bits(found)}
    return Subject(compared, maps, about or {}, {}, date.today(), seen=seen)
