"""The files of an export, and one archive that holds them. The same input gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mckd.report.subject import Subject
from mckd.report.tables import contributions_csv, figures_csv, figures_json
from mckd.tumour.comparison import Subset
from mckd.tumour.labels import bits_to_regions, file_name, label_file, probability_file
from mckd.tumour.naming import REGIONS, SEQUENCE_NAMES, key_of

if TYPE_CHECKING:
    from mckd.tumour import Prediction

Files = dict[str, bytes]
Tell = Callable[[str, float], None]
"""Hears what is made next, and which share of the whole work is done."""

MANIFEST = "SHA256SUMS"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip knows: every file gets it
CONTENTS = {
    "masks": "masks/: labels on the grid of the images, a file per subset of the sequences:\n"
    "    1 core without enhancement, 2 oedema, 4 enhancing tumour",
    "probabilities": "probabilities/: how likely each voxel is in a region, 0 to 1, on the grid\n"
    "    of the images, from the same subsets; calibrated if the model is",
    "figures.csv": "figures.csv: volumes, agreement and scores, a line per subset and region",
    "contributions.csv": "contributions.csv: how each region depends on each sequence",
    "figures.json": "figures.json: all of it, with geometry, model, versions, and what it means",
    "report.pdf": "report.pdf: the report to read",
    "key_slices.png": "key_slices.png: three regions in three planes, from all sequences",
    "subsets.png": "subsets.png: one slice, what each subset finds on it",
    "preparation.png": "preparation.png: outline of the brain, and sequences in checkerboards",
    "native": "native/: labels on the slices of each series, from all sequences, as in masks/",
    "dicom": "dicom/: the same as DICOM-SEG. They hold the name and number of the patient, as the\n"
    "    images do that they refer to",
    "votes.png": "votes.png: how many of the subsets call a voxel tumour",
}


@dataclass(frozen=True)
class Step:
    """A part of the work: what it does, its share against that of other steps, and the doing.

    make: takes the files that the steps before have made, returns its own.
    """

    what: str
    share: float
    make: Callable[[Files], Files]


def archive(subject: Subject, tell: Tell = lambda what, done: None) -> tuple[str, bytes]:
    """Name and content of a zip with everything, masks included."""
    everything = _made([*_report(subject), *_masks(subject)], tell) | native(subject)
    everything |= figures(subject)
    return f"{subject.name}_mckd.zip", zipped(sealed(subject, everything), subject.name)


def masks(subject: Subject) -> Files:
    """{name: a label file} of every subset."""
    return _made(_masks(subject))


def probabilities(found: Prediction, alias: str) -> Files:
    """{name: a file} of how likely each region of a prediction is. alias: as of `Subject`."""
    name = file_name(alias, key_of(found.present).split("+")).removesuffix(".nii.gz")
    return {
        f"probabilities/{name}_{region}.nii.gz": probability_file(p, found.case, region)
        for region, p in zip(REGIONS, found.probabilities, strict=True)
    }


def native(subject: Subject, dicom: bool = False) -> Files:
    """{name: labels on the slices of a series}, where the case was made of such series.

    Args:
        dicom: as DICOM-SEG too, for series that are DICOM. They name the patient.
    """
    if subject.prepared is None:
        return {}
    from mckd.clinic.results import dicom_files, nifti_files
    from mckd.clinic.segmentation import Algorithm

    prepared, found = subject.prepared, bits_to_regions(subject.maps[subject.case.present])
    files = {f"native/{name}": data for name, data in nifti_files(prepared, found).items()}
    if dicom:
        algorithm = Algorithm(str(subject.about.get("sha256", "")), tuple(subject.sequences))
        segs = dicom_files(prepared, found, algorithm)
        files |= {f"dicom/{name}": data for name, data in segs.items()}
    return files


def figures(subject: Subject) -> Files:
    """{name: a table}; contributions only if every subset is in."""
    tables = {"figures.csv": figures_csv(subject), "figures.json": figures_json(subject)}
    if subject.compared.complete:
        tables["contributions.csv"] = contributions_csv(subject)
    return tables


def report(subject: Subject, tell: Tell = lambda what, done: None) -> Files:
    """{name: a picture, or the PDF that shows them}."""
    return _made(_report(subject), tell)


def _masks(subject: Subject) -> list[Step]:
    def packed(subset: Subset, _: Files) -> Files:
        name = file_name(subject.name, key_of(subset).split("+"))
        return {f"masks/{name}": label_file(subject.maps[subset], subject.case)}

    return [Step("Packing the masks", 0.3, partial(packed, s)) for s in subject.subsets]


def _report(subject: Subject) -> list[Step]:
    from mckd.report.document import document
    from mckd.report.pictures import key_slices, subset_slices, vote_slices

    return [
        *_check(subject),
        Step("Drawing the key slices", 3, lambda _: {"key_slices.png": key_slices(subject)}),
        Step("Drawing every subset", 4, lambda _: {"subsets.png": subset_slices(subject)}),
        Step("Drawing where they agree", 2, lambda _: {"votes.png": vote_slices(subject)}),
        Step("Writing the report", 2, lambda files: {"report.pdf": document(subject, files)}),
    ]


def _check(subject: Subject) -> list[Step]:
    """What the preparation is checked by, where something was done."""
    prepared = subject.prepared
    if prepared is None or prepared.untouched:
        return []
    from mckd.report.preparation import PICTURE, check_slices

    return [
        Step("Drawing the preparation", 2, lambda _: {PICTURE: check_slices(subject, prepared)})
    ]


def _made(steps: list[Step], tell: Tell = lambda what, done: None) -> Files:
    """The files of all steps, one after the other."""
    files: Files = {}
    done, whole = 0.0, sum(step.share for step in steps)
    for step in steps:
        tell(step.what, done / whole)
        files |= step.make(files)
        done += step.share
    return files


def sealed(subject: Subject, files: Mapping[str, bytes]) -> Files:
    """The files with a line about each, and with a manifest that `sha256sum -c` reads."""
    kinds = dict.fromkeys(name.partition("/")[0] for name in files)
    lines = [subject.name, *subject.marks, ""]
    used = ", ".join(SEQUENCE_NAMES[s] for s in subject.sequences)
    lines += [f"Images used: {used}.", *subject.notes, ""]
    lines += [about for kind, about in CONTENTS.items() if kind in kinds]
    lines += [f"{MANIFEST}: check the files with sha256sum -c {MANIFEST}", ""]
    whole = {**files, "README.txt": "\n".join(lines).encode()}
    sums = [f"{hashlib.sha256(whole[name]).hexdigest()}  {name}\n" for name in sorted(whole)]
    return {**whole, MANIFEST: "".join(sums).encode()}


def zipped(files: Mapping[str, bytes], folder: str) -> bytes:
    """A zip of the files, sorted, in one folder, with no time and no owner."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # as on Unix, whatever the system
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, files[name])
    return data.getvalue()
