"""The words of this task, and which file of a case holds which sequence: by name only.

    BraTS 2017 to 2021   X_flair  X_t1   X_t1ce  X_t2   X_seg
    BraTS 2023 on        X-t2f    X-t1n  X-t1c   X-t2w  X-seg
    BIDS                 sub-X_FLAIR  sub-X_T1w  sub-X_ce-gad_T1w  sub-X_T2w  sub-X_dseg
    MSD Task01           imagesTr/BRATS_001 (4-D: FLAIR, T1w, T1gd, T2w)  labelsTr/BRATS_001
    common words         gd, gad, post, contrast, tirm, dark-fluid, ...

A name that says nothing, or two things at once, belongs to no slot: it is reported, not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

SEQUENCES = ("flair", "t1", "t1c", "t2")
REGIONS = ("et", "tc", "wt")
SEQUENCE_NAMES = {"flair": "FLAIR", "t1": "T1", "t1c": "T1c", "t2": "T2"}
REGION_NAMES = {"et": "Enhancing tumour", "tc": "Tumour core", "wt": "Whole tumour"}
SEG = "seg"
STACK = "stack"
SUFFIXES = (".nii.gz", ".nii")
IMAGE_FOLDERS = ("imagesTr", "imagesTs")
LABEL_FOLDERS = ("labelsTr", "labelsTs")
LONGEST_NAME = 60

# Unicode's categories: control, format, surrogate, private, unassigned, separators of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MSD_NAME = re.compile(r"brats_\d+")
# BIDS entities that name a person, a visit or a grid, so their values are no sequence words.
_ENTITY = re.compile(
    r"(?:^|(?<=_))(?:sub|ses|run|task|space|res|from|to|hemi|echo|dir|part|chunk)-[a-z0-9]+"
)
_AGENT = re.compile(r"(?:^|(?<=_))ce-([a-z0-9]+)")
_NO_AGENT = frozenset({"none", "no", "non", "pre", "without"})

_CONTRAST = "ce|c|gd|gad|gado|post|km|contrast|postcontrast"
_T1_WITH_CONTRAST = re.compile(rf"t1(?:w|wi)?(?:{_CONTRAST})")
_T1 = frozenset({"t1", "t1w", "t1wi", "t1n", "t1weighted", "t1pre"})
_T2 = frozenset({"t2", "t2w", "t2wi", "t2weighted"})
_FLAIR = frozenset({"flair", "t2f", "t2flair", "flairw", "tirm", "darkfluid"})
_SEG = frozenset({"seg", "dseg", "segmentation", "label", "labels", "tumorseg", "tumourseg"})
_CONTRAST_WORDS = frozenset(
    {"ce", "gd", "gad", "gado", "gadolinium", "post", "contrast", "postcontrast", "enhanced"}
)
_WITHOUT = frozenset({"pre", "no", "non", "without", "native", "unenhanced", "precontrast"})
_ANATOMY = frozenset({"brain", "tissue", "skull"})
_TUMOUR = frozenset({"tumor", "tumour", "glioma", "lesion"})
# Other images of a head that carry a sequence's name without being it.
_OTHER = frozenset(
    {"map", "star", "swi", "dwi", "adc", "dsc", "dce", "asl", "perfusion", "mask", "brainmask"}
)


class CaseError(ValueError):
    """A case that cannot be read: one sentence naming the file, what is wrong and what to do."""


def plain_name(filename: str) -> str:
    """A file's name as people may see it: no folder, one line, at most LONGEST_NAME characters.

    Characters that are not seen but change how others are (control, direction, unassigned) become
    `?`; of a long name the beginning and the end are kept.
    """
    name = PurePath(filename.replace("\\", "/")).name
    seen = "".join("?" if unicodedata.category(c) in _UNSEEN else c for c in name)
    if len(seen) > LONGEST_NAME:
        seen = f"{seen[: LONGEST_NAME - 21]}…{seen[-20:]}"
    return seen or "?"


def stem_of(filename: str) -> str | None:
    """The name without folder and ending, or None if it does not end in .nii or .nii.gz."""
    name = PurePath(filename.replace("\\", "/")).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None


def slot_of(filename: str) -> str | None:
    """What a file holds by its name: a sequence, `seg`, `stack` (4-D, MSD order), or None.

    Upper and lower case are the same; a folder counts only where it is one of MSD's.
    """
    stem = stem_of(filename)
    if stem is None:
        return None
    folder = PurePath(filename.replace("\\", "/")).parent.name
    if folder in LABEL_FOLDERS:
        return SEG
    if folder in IMAGE_FOLDERS or _MSD_NAME.fullmatch(stem.lower()):
        return STACK
    words = _words(stem.lower())
    if words & _SEG:
        return None if words & _ANATOMY and not words & _TUMOUR else SEG
    if words & _OTHER:
        return None
    with_contrast = any(_T1_WITH_CONTRAST.fullmatch(word) for word in words)
    t1, t2 = bool(words & _T1) or with_contrast, bool(words & _T2)
    if words & _FLAIR:
        return None if t1 else "flair"
    if t1 == t2:
        return None
    if t2:
        return "t2"
    says_with, says_without = bool(words & _CONTRAST_WORDS), bool(words & _WITHOUT)
    if with_contrast:
        return None if says_without else "t1c"
    if says_without:
        # `pre contrast`, `non enhanced`; but `pre` and `post` together say nothing.
        return None if words & {"post", "postcontrast"} else "t1"
    return "t1c" if says_with else "t1"


def match_sequences(filenames: Iterable[str]) -> dict[str, str]:
    """Which file is which: {slot: filename} for the slots found, in the order of SEQUENCES.

    Slots are the sequences, `seg` for reference labels and `stack` for a 4-D file of all four.
    The order of the files plays no part. `unrecognised` lists the images that got no slot.

    Raises:
        CaseError: two files for one slot, or a 4-D file beside single sequences.
    """
    found: dict[str, str] = {}
    for filename in sorted(filenames, key=_short):
        slot = slot_of(filename)
        if slot is None:
            continue
        if slot in found:
            raise CaseError(
                f"{_short(found[slot])} and {_short(filename)} both look like "
                f"{_SPOKEN[slot]}. Keep one of them, or say which is which."
            )
        found[slot] = filename
    if STACK in found and any(sequence in found for sequence in SEQUENCES):
        raise CaseError(
            f"{_short(found[STACK])} looks like a 4-D file of all four sequences, and there are "
            "single sequences beside it. Keep one or the other."
        )
    return {slot: found[slot] for slot in (*SEQUENCES, STACK, SEG) if slot in found}


def unrecognised(filenames: Iterable[str]) -> list[str]:
    """The NIfTI files whose names fit no slot, sorted."""
    return sorted(f for f in filenames if stem_of(f) is not None and slot_of(f) is None)


_SPOKEN = {
    "flair": "FLAIR",
    "t1": "T1 without contrast",
    "t1c": "T1 with contrast",
    "t2": "T2",
    SEG: "the reference labels",
    STACK: "a 4-D file of all four sequences",
}


def _short(filename: str) -> str:
    """The name, with its folder only where that tells two files of the same name apart."""
    folder = PurePath(filename.replace("\\", "/")).parent.name
    name = plain_name(filename)
    return f"{folder}/{name}" if folder in (*IMAGE_FOLDERS, *LABEL_FOLDERS) else name


def _words(stem: str) -> set[str]:
    """The words of a lower-case name, BIDS entities and joined pairs understood."""
    agent = _AGENT.search(stem)
    stem = _ENTITY.sub("", _AGENT.sub("", stem))
    stem = re.sub(r"t1(w?)[ _+-]c(?![a-z0-9])", r"t1\1c", stem)
    stem = re.sub(r"dark[^a-z0-9]+fluid", "darkfluid", stem)
    stem = re.sub(r"post[^a-z0-9]*op(?:erative)?(?![a-z0-9])", "", stem)  # a visit, not an agent
    stem = re.sub(r"pre[^a-z0-9]*op(?:erative)?(?![a-z0-9])", "", stem)
    stem = re.sub(r"(?:tumou?r|glioma|lesion)[^a-z0-9]*mask", "seg", stem)
    words = set(re.split(r"[^a-z0-9]+", stem)) - {""}
    if agent:
        words.add("pre" if agent[1] in _NO_AGENT else "ce")
    return words
