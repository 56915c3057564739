"""What an export is made from, and the plain facts about it that every export states."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.metadata import version
from platform import python_version
from typing import Any

import numpy as np

from mckd import __version__
from mckd.clinic.series import Prepared
from mckd.tumour.advice import sentence
from mckd.tumour.comparison import Figures, Row, Subset, title_of
from mckd.tumour.data import Case, regions
from mckd.tumour.evidence import cautioned, no_tumour
from mckd.tumour.fingerprint import SAID, UNKNOWN
from mckd.tumour.geometry import Bools, Box, Grid, Triple, bounding_box
from mckd.tumour.labels import BITS, Bytes, portable_name
from mckd.tumour.naming import REGIONS, SEQUENCE_NAMES, SEQUENCES
from mckd.tumour.scope import SCOPE

PURPOSE = "Research only, not a medical device. Not for any decision about a patient."
SYNTHETIC = "Synthetic case: made by this project, it shows no patient."
EMPTY = (
    "Where only one of prediction and reference holds a region, Dice is 0 and HD95 the image's "
    "diagonal; where neither does, there is no Dice and no HD95 (1 and 0 by the BraTS rule). "
    "A contribution to Dice exists only where the reference has the region."
)
"""What the numbers mean where a mask is empty."""
PACKAGES = ("numpy", "torch", "nibabel", "grand-challenge-metrics", "matplotlib", "reportlab")

WINDOW = (0.5, 99.5)  # percentiles of the brain that become black and white

_FILE = re.compile(r"\S*\.nii(\.gz)?\b", re.IGNORECASE)
"""What is left of a name that no file of the case has."""
_NOBODY = re.compile(rf"{'|'.join(SEQUENCE_NAMES.values())}|\d{{1,3}}", re.IGNORECASE)
"""Names that are left in: they name nobody, and stand in sentences about no file too."""
_ONE = "one of the files"


@dataclass(frozen=True, eq=False)
class Subject:
    """One compared case.

    compared: all that was measured. maps: for each of its subsets (X, Y, Z) bits as `region_bits`
    makes them, canonical; only pictures and masks look at them. about: the checkpoint's header with
    its `sha256`. importance: {sequence: weight}. day: of the report. alias: what the case is called
    in exports; the name of its files, which may be a person's, is in none unless it is given here.
    seen: where the model saw it before, one of `mckd.tumour.fingerprint`. prepared: how the case
    came out of a study as a scanner gave it; None where its images were given prepared.
    """

    compared: Figures
    maps: Mapping[Subset, Bytes]
    about: Mapping[str, Any]
    importance: Mapping[str, float]
    day: date
    alias: str = ""
    seen: str = UNKNOWN
    prepared: Prepared | None = None

    @property
    def case(self) -> Case:
        return self.compared.case

    @property
    def grid(self) -> Grid:
        """Of every array here: the case's, canonical."""
        return self.case.grid.canonical

    @property
    def name(self) -> str:
        """The alias as far as a file name may hold it, else `case`."""
        return portable_name(self.alias)

    @property
    def sequences(self) -> list[str]:
        """Those of the case, in the order of SEQUENCES."""
        return [s for s in SEQUENCES if s in self.case.present]

    @property
    def subsets(self) -> list[Subset]:
        """Those compared, in the order of the paper."""
        return [row.subset for row in self.compared.rows]

    @property
    def notes(self) -> list[str]:
        """The case's warnings, each once; file names, which may name a person, are left out."""
        return [*dict.fromkeys(_nameless(note, self.case.called) for note in self.case.warnings)]

    @property
    def marks(self) -> list[str]:
        """What nobody may overlook."""
        marks = [SYNTHETIC] if self.case.synthetic else []
        return [*marks, *filter(None, [SAID[self.seen]]), f"{PURPOSE} {SCOPE}"]

    def cautioned(self, subset: Subset, region: str) -> str:
        """What has to stand beside a volume, or ""."""
        return cautioned(self.about, subset, region)

    def no_tumour(self, row: Row) -> str:
        """What has to be said where a subset may have found no tumour, or ""."""
        return no_tumour(row["wt"].volume_ml, row["wt"].interval_ml)

    def next_sequence(self, row: Row) -> str:
        """What another sequence would most likely add to a subset, in a sentence; "" if none is
        absent, or without a calibration."""
        return sentence(row.advice, row.subset) if self.intervals else ""

    @property
    def intervals(self) -> str:
        """What the ranges behind volumes mean; "" without them."""
        return str(self.about.get("intervals", ""))

    @property
    def model(self) -> dict[str, Any]:
        """Which weights were used, and what they learned from."""
        known = {
            key: self.about.get(key)
            for key in ("sha256", "network", "data", "et_min_ml", "least_part", "system")
        }
        trained = self.about.get("versions", {})
        weights = {s: round(float(w), 4) for s, w in self.importance.items()}
        return {**known, "importance": weights, "trained_with": dict(trained)}

    @property
    def model_line(self) -> str:
        """The model in a sentence."""
        data = self.about.get("data")
        return f"Trained with MCKD (arXiv 2405.07155) on {data or 'data that it does not name'}."

    @property
    def versions(self) -> dict[str, str]:
        """Of what made the export."""
        return {
            "mckd": __version__,
            "python": python_version(),
            **{package: version(package) for package in PACKAGES},
        }

    @property
    def geometry(self) -> dict[str, Any]:
        """Of the input grid; axes like `LPS`, with `?` where left and right are not known."""
        grid, known = self.case.input_grid, self.case.sides_known
        return {
            "shape": list(grid.shape),
            "spacing_mm": [round(mm, 4) for mm in grid.spacing_mm],
            "axes": grid.axes if known else re.sub("[LR]", "?", grid.axes),
            "voxel_ml": round(grid.voxel_ml, 8),
            "affine": np.round(grid.affine, 5).tolist(),
            "sides_known": known,
        }

    @property
    def scored(self) -> bool:
        """Whether there is a reference."""
        return self.case.labels is not None

    @property
    def distances(self) -> bool:
        """Whether there are HD95s."""
        return self.compared.distances and self.scored

    @cached_property
    def reference(self) -> Bools | None:
        """(3, X, Y, Z), canonical."""
        return None if self.case.labels is None else regions(self.case.labels)

    @property
    def reference_regions(self) -> list[str]:
        """The regions that the reference can tell."""
        known = self.case.reference_regions if self.scored else ()
        return [region for region in REGIONS if region in known]

    def mask(self, subset: Subset, region: str) -> Bools:
        """(X, Y, Z) bool, canonical."""
        found: Bools = self.maps[subset] & BITS[region] != 0
        return found

    @cached_property
    def key_voxels(self) -> dict[str, Triple]:
        """{region: for each axis the slice with most of it, as found from all sequences}.

        Where that is empty: of the reference, else of the whole tumour, else the brain's middle.
        """
        return {region: self._key_voxel(region) for region in REGIONS}

    def _key_voxel(self, region: str) -> Triple:
        k = REGIONS.index(region)
        places = [self.mask(self.case.present, region)]
        if self.reference is not None:
            places.append(self.reference[k])
        places.append(self.mask(self.case.present, "wt"))
        place = next((mask for mask in places if mask.any()), None)
        if place is None:
            a, b, c = (
                (i + j) // 2
                for i, j in zip(self.case.brain.start, self.case.brain.stop, strict=True)
            )
            return a, b, c
        box = bounding_box(place)
        counts = (
            box.crop(place).sum(axis=tuple(x for x in range(3) if x != axis)) for axis in range(3)
        )
        a, b, c = (
            start + int(np.argmax(count)) for start, count in zip(box.start, counts, strict=True)
        )
        return a, b, c

    @cached_property
    def greys(self) -> dict[str, tuple[float, float]]:
        """{sequence: the values that are drawn black and white}."""
        brain, found = self.case.brain, {}
        for sequence, volume in self.case.volumes.items():
            inside = brain.crop(volume)
            low, high = (float(v) for v in np.percentile(inside[inside != 0][::7], WINDOW))
            found[sequence] = low, max(high, low + 1e-6)
        return found

    @cached_property
    def extent(self) -> Box:
        """Around what half of the subsets, or the reference, call tumour; else the brain's."""
        votes = np.zeros_like(self.maps[self.case.present])
        for subset in self.subsets:
            votes += self.mask(subset, "wt")
        tumour: Bools = 2 * votes >= len(self.subsets)
        if self.reference is not None:
            tumour |= self.reference[-1]
        return bounding_box(tumour) if tumour.any() else self.case.brain


def subset_title(subset: Subset, present: Subset) -> str:
    """A subset in a few words: `FLAIR + T1c`, or `All sequences`."""
    return "All sequences" if subset == present and len(present) > 1 else title_of(subset)


def _nameless(note: str, called: Collection[str]) -> str:
    """A sentence without the names of files and series, wherever in it they stand and whatever they
    end in."""
    names = [name for name in called if not _NOBODY.fullmatch(name)]
    for name in sorted(names, key=len, reverse=True):  # one may be part of another
        note = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _ONE, note)
    note = _FILE.sub(_ONE, note)
    return note[:1].upper() + note[1:]
