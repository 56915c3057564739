"""The files of an export, and one archive that holds them. The same input gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

from mckd.report.subject import Subject
from mckd.report.tables import contributions_csv, figures_csv, figures_json
from mckd.tumour.comparison import key_of
from mckd.tumour.labels import file_name, label_file
from mckd.tumour.naming import SEQUENCE_NAMES

MANIFEST = "SHA256SUMS"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip knows: every file gets it
CONTENTS = {
    "masks": "masks/: labels on the grid of the images, a file per subset of the sequences:\n"
    "    1 core without enhancement, 2 oedema, 4 enhancing tumour",
    "figures.csv": "figures.csv: volumes, agreement and scores, a line per subset and region",
    "contributions.csv": "contributions.csv: how each region depends on each sequence",
    "figures.json": "figures.json: all of it, with geometry, model, versions, and what it means",
    "report.pdf": "report.pdf: the report to read",
    "key_slices.png": "key_slices.png: three regions in three planes, from all sequences",
    "subsets.png": "subsets.png: one slice, what each subset finds on it",
    "votes.png": "votes.png: how many of the subsets call a voxel tumour",
}


def archive(subject: Subject) -> tuple[str, bytes]:
    """Name and content of a zip with everything, masks included."""
    everything = {**masks(subject), **figures(subject), **report(subject)}
    return f"{subject.name}_mckd.zip", zipped(sealed(subject, everything), subject.name)


def masks(subject: Subject) -> dict[str, bytes]:
    """{name: a label file} of every subset."""
    return {
        f"masks/{file_name(subject.name, key_of(s).split('+'))}": label_file(
            subject.maps[s], subject.case
        )
        for s in subject.subsets
    }


def figures(subject: Subject) -> dict[str, bytes]:
    """{name: a table}; contributions only if every subset is in."""
    tables = {"figures.csv": figures_csv(subject), "figures.json": figures_json(subject)}
    if subject.compared.complete:
        tables["contributions.csv"] = contributions_csv(subject)
    return tables


def report(subject: Subject) -> dict[str, bytes]:
    """{name: a picture, or the PDF that shows them}."""
    from mckd.report.document import document
    from mckd.report.pictures import key_slices, subset_slices, vote_slices

    pictures = {
        "key_slices.png": key_slices(subject),
        "subsets.png": subset_slices(subject),
        "votes.png": vote_slices(subject),
    }
    return {**pictures, "report.pdf": document(subject, pictures)}


def sealed(subject: Subject, files: Mapping[str, bytes]) -> dict[str, bytes]:
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
