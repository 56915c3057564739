"""One case from its images to the files of its folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from mckd.predict.opening import Opened
from mckd.progress import Listener
from mckd.tumour.comparison import Comparison, Row, Subset
from mckd.tumour.data import Case
from mckd.tumour.evidence import ranged
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.labels import region_bits
from mckd.tumour.naming import SEQUENCES, CaseError, key_of

if TYPE_CHECKING:
    from mckd.report.subject import Subject
    from mckd.tumour import TumourSegmenter

ALL = "all"


def results_of(
    opened: Opened,
    segmenter: TumourSegmenter,
    arguments: argparse.Namespace,
    name: str,
    progress: Listener,
) -> tuple[str, dict[str, bytes]]:
    """Segment one case: a line about the result, and the files of its folder."""
    from mckd.report import archive
    from mckd.report.subject import Subject

    case, prepared = opened.case, opened.prepared
    alias = name.replace("/", "_") if arguments.names else ""
    likely: dict[str, bytes] = {}
    progress.reach(0, 1.0, "the model reads the images")
    encoded = segmenter.encode(case, lambda share: progress.reach(1, share))
    whole = segmenter.decide(encoded, case.present)
    compared = Comparison(case, whole.canonical, intervals=whole.intervals_ml, advice=whole.advice)
    maps = {case.present: region_bits(whole.canonical)}
    if arguments.probabilities:
        likely |= archive.probabilities(whole, alias)
    others = _of_case(case, arguments.subsets or (ALL if arguments.report else []))
    each = segmenter.decide_each(encoded, others)
    for count, subset in enumerate(others):
        progress.reach(2, count / len(others), f"subset {count + 1} of {len(others)}")
        found = next(each)
        compared.add(subset, found.canonical, found.intervals_ml, found.advice)
        maps[subset] = region_bits(found.canonical)
        if arguments.probabilities:
            likely |= archive.probabilities(found, alias)
    progress.reach(2, 1.0, "writing")
    about, weights, seen = segmenter.about, segmenter.importance, segmenter.saw(case)
    subject = Subject(compared, maps, about, weights, date.today(), alias, seen, prepared)
    files = {**archive.masks(subject), **likely, **archive.figures(subject)}
    files |= archive.native(subject, dicom=arguments.dicom_seg)
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
        spread = f" ({range_ml} at 90 %)" if (range_ml := ranged(found.interval_ml)) else ""
        words.append(f"{found.region.upper()} {found.volume_ml:.1f} mL{spread}{told}")
    seen = TAGS[subject.seen]
    said = (", ".join(words), subject.no_tumour(row), subject.next_sequence(row))
    told = ". ".join(one.removesuffix(".") for one in said if one)
    return told + (f" [{seen}]" if seen else "")
