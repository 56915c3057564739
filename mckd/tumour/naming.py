"""The words of this task, and which file of a case holds which sequence: by name only.

    BraTS 2017 to 2021   X_flair  X_t1   X_t1ce  X_t2   X_seg
    BraTS 2023 on        X-t2f    X-t1n  X-t1c   X-t2w  X-seg
    BIDS                 sub-X_FLAIR  sub-X_T1w  sub-X_ce-gad_T1w  sub-X_T2w  sub-X_dseg
    MSD Task01           imagesTr/BRATS_001 (4-D: FLAIR, T1w, T1gd, T2w)  labelsTr/BRATS_001
    hospitals            AX_T1_+C, t1_mprage_nach_KM, T1 sans gado, t2_tirm_dark-fluid, T1增强, ...

Only known words decide (see `vocabulary`). A name that says two things, or holds a word that is
not known where it could matter, is never guessed: the answer is ASK. What is known to be no input
(a map, a mask of the brain, a localizer) is NONE. Words that all files of a case share, such as a
patient's name, say nothing about any of them, so files are best judged together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath

from mckd.files.names import plain_name
from mckd.tumour.contrast import contrast_of, without_events, without_target
from mckd.tumour.vocabulary import CONTRAST_KINDS, SEQUENCE_KINDS, Kind
from mckd.tumour.words import Word, folded, is_of_data_set, kinds_of, split_known, words_of

SEQUENCES = ("flair", "t1", "t1c", "t2")
REGIONS = ("et", "tc", "wt")
SEQUENCE_NAMES = {"flair": "FLAIR", "t1": "T1", "t1c": "T1c", "t2": "T2"}
REGION_NAMES = {"et": "Enhancing tumour", "tc": "Tumour core", "wt": "Whole tumour"}
SEG = "seg"
STACK = "stack"
NONE = "none"
ASK = "ask"
SUFFIXES = (".nii.gz", ".nii")
IMAGE_FOLDERS = ("imagesTr", "imagesTs")
LABEL_FOLDERS = ("labelsTr", "labelsTs")

_MSD_NAME = re.compile(r"brats_\d+")


class CaseError(ValueError):
    """A case that cannot be read: one sentence naming the file, what is wrong and what to do."""


@dataclass(frozen=True)
class Verdict:
    """What a file holds by its name.

    answer: a sequence, `seg`, `stack` (4-D), NONE (known to be no input) or ASK (unclear).
    may_be: what an unclear file could be; empty if nothing in its name tells.
    why: of NONE and ASK, in a few words, without anything of the name.
    """

    answer: str
    may_be: frozenset[str] = frozenset()
    why: str = ""


def key_of(subset: Iterable[str]) -> str:
    """A subset in one word, in the order of SEQUENCES: `flair+t1c`."""
    names = frozenset(subset)
    return "+".join(s for s in SEQUENCES if s in names)


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def stem_of(filename: str) -> str | None:
    """The name without folder and ending, or None if it does not end in .nii or .nii.gz."""
    name = PurePath(filename.replace("\\", "/")).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None


def slot_of(filename: str) -> str | None:
    """What a file holds by its name alone: a sequence, `seg`, `stack` (4-D), or None.

    Upper and lower case are the same; a folder counts only where it is one of MSD's. Whether None
    means that the file is no input, or that somebody has to say what it is, tells `judge`.
    """
    answer = judge(filename)
    return None if answer in (NONE, ASK) else answer


def judge(filename: str) -> str:
    """As `slot_of`, with NONE for what is known to be no input and ASK for what is unclear."""
    return verdicts([filename])[filename].answer


def verdicts(filenames: Iterable[str], folder: str = "") -> dict[str, Verdict]:
    """What each file of one case holds; {filename: verdict}, in the order given.

    Words that are not known, but stand in all names of images or in that of their folder, are the
    case's, and say nothing.
    """
    names = list(dict.fromkeys(filenames))
    stems = {name: stem for name in names if (stem := stem_of(name)) is not None}
    own = _shared([*stems.values()], folder)
    visit = _said_of_all(stems.values(), own)
    found = {name: _verdict(name, own, visit, len(stems) > 1) for name in names}
    if visit and not any(verdict.answer == "t1c" for verdict in found.values()):
        # `post` in every name may still mean contrast, unless another T1 shows that it does not.
        for name, verdict in found.items():
            if verdict.answer == "t1" and "post" in visit:
                found[name] = _ask({"t1", "t1c"}, "whether it is after contrast")
    return found


def match_sequences(filenames: Iterable[str]) -> dict[str, str]:
    """Which file is which: {slot: filename} for the slots found, in the order of SEQUENCES.

    Slots are the sequences, `seg` for reference labels and `stack` for a 4-D file of all four.
    The order of the files plays no part. Files that are unclear get no slot.

    Raises:
        CaseError: two files for one slot, or a 4-D file beside single sequences.
    """
    answers = {name: verdict.answer for name, verdict in verdicts(filenames).items()}
    return matched({name: slot for name, slot in answers.items() if slot not in (NONE, ASK)})


def matched(slots: dict[str, str]) -> dict[str, str]:
    """{filename: slot} the other way round, in the order of SEQUENCES; raises as above."""
    found: dict[str, str] = {}
    for filename in sorted(slots, key=_short):
        slot = slots[filename]
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


# ---- a verdict


_SLOTS_OF = {Kind.FLAIR: ("flair",), Kind.T1: ("t1", "t1c"), Kind.T2: ("t2",)}


def _ask(may_be: Iterable[str], why: str) -> Verdict:
    return Verdict(ASK, frozenset(may_be), why)


def _verdict(
    filename: str, own: frozenset[str], visit: frozenset[str], among_others: bool
) -> Verdict:
    stem = stem_of(filename)
    if stem is None:
        return Verdict(NONE, why="no NIfTI file")
    folder = PurePath(filename.replace("\\", "/")).parent.name
    if folder in LABEL_FOLDERS:
        return Verdict(SEG)
    if folder in IMAGE_FOLDERS or _MSD_NAME.fullmatch(stem.lower()):
        return Verdict(STACK)
    words = [w for w in words_of(stem, own) if w.text not in visit]
    words = without_events(without_target(words))
    kinds = {word.kind for word in words}
    if Kind.TUMOUR in kinds and Kind.MASK in kinds:
        kinds.add(Kind.SEG)
    if Kind.OTHER in kinds or (Kind.MASK in kinds and Kind.SEG not in kinds):
        return Verdict(NONE, why="another kind of image, or made from images")
    if Kind.SEG in kinds:
        return _verdict_on_labels(words, kinds, among_others)
    return _verdict_on_sequence(words, kinds, among_others)


def _verdict_on_labels(words: Sequence[Word], kinds: set[Kind], among_others: bool) -> Verdict:
    if Kind.TUMOUR not in kinds and Kind.ANATOMY in kinds:
        return Verdict(NONE, why="a segmentation of anatomy")
    if Kind.TUMOUR not in kinds and kinds & SEQUENCE_KINDS:
        return _ask({SEG}, "what is segmented")
    if _unknown(words, {Kind.SEG, Kind.TUMOUR}, leading_too=among_others):
        return _ask({SEG}, "what one of its words means")
    return Verdict(SEG)


def _verdict_on_sequence(words: Sequence[Word], kinds: set[Kind], among_others: bool) -> Verdict:
    weighted = kinds & SEQUENCE_KINDS
    order = [word.kind for word in words if word.kind in SEQUENCE_KINDS | {Kind.TUMOUR}]
    if Kind.TUMOUR in order and (not weighted or order[-1] is Kind.TUMOUR):
        return _ask({SEG}, "whether it is an image or labels")
    if Kind.T1_LIKE in kinds and not weighted:
        weighted = {Kind.T1}
    if Kind.FLAIR in weighted:
        weighted -= {Kind.T2}
    may_be = {slot for kind in weighted for slot in _SLOTS_OF[kind]}
    if len(weighted) > 1:
        return _ask(may_be, "which sequence it is")
    if any(word.text == "skull" for word in words):
        return _ask(may_be, "what of the head it shows")
    if not weighted:
        return _ask({"t1c"} if Kind.AGENT in kinds else (), "which sequence it is")
    if Kind.T1 in weighted:
        return _verdict_on_contrast(words, Kind.T1 in kinds, among_others)
    (slot,) = may_be
    if slot == "t2" and Kind.GRADIENT in kinds:
        return _ask({slot}, "whether it is T2 or T2*")
    if _unknown(words, SEQUENCE_KINDS, leading_too=among_others):
        return _ask({slot}, "what one of its words means")
    return Verdict(slot)


def _verdict_on_contrast(words: Sequence[Word], named: bool, among_others: bool) -> Verdict:
    """With or without contrast. named: the name says T1, not only how T1 images are taken."""
    says_with, says_without, unclear = contrast_of(words)
    if unclear or (says_with and says_without):
        return _ask({"t1", "t1c"}, "whether it is after contrast")
    slot = "t1c" if says_with else "t1"
    said = says_with or says_without
    telling = SEQUENCE_KINDS | CONTRAST_KINDS | {Kind.T1_LIKE}
    # Before everything else a name of its own is usual; but where nothing is said of contrast,
    # that word might be what says it, unless it belongs to the number of a case of a data set.
    before = list(takewhile(lambda word: word.kind not in telling, words))
    dataset = (
        len(before) > 1 and is_of_data_set(before[0].text) and before[-1].kind is not Kind.UNKNOWN
    )
    if _unknown(words, telling, leading_too=among_others or not (said or dataset)):
        return _ask({slot} if said else {"t1", "t1c"}, "what one of its words means")
    if not (named or said):
        return _ask({"t1", "t1c"}, "whether it is after contrast")
    return Verdict(slot)


def _unknown(words: Sequence[Word], telling: Collection[Kind], leading_too: bool) -> bool:
    """Whether a word is not known; before the first that is telling only if `leading_too`."""
    first = next((i for i, word in enumerate(words) if word.kind in telling), 0)
    return any(w.kind is Kind.UNKNOWN and (leading_too or i > first) for i, w in enumerate(words))


def _shared(stems: Sequence[str], folder: str) -> frozenset[str]:
    """Words that are not known and stand in the names of all images, or in their folder's.

    Labels may have a name of their own; they are asked only where there is one image.
    """
    telling = SEQUENCE_KINDS | {Kind.SEG, Kind.T1_LIKE}
    said = [words for words in map(words_of, stems) if telling & kinds_of(words)]
    images = [words for words in said if Kind.SEG not in kinds_of(words)]
    unknown = [
        {word.text for word in words if word.kind is Kind.UNKNOWN}
        for words in (images if len(images) > 1 else said)
    ]
    own = set.intersection(*unknown) if len(unknown) > 1 else set()
    about = words_of(folder) if folder else []
    if not any(word.kind in telling for word in about):
        own |= {word.text for word in about if word.kind is Kind.UNKNOWN}
    glued = re.split(r"[\W_]+", folded(_start(stems)))[-1]  # `anna` of annaT1, annaT2
    if len(glued) > 2 and not split_known(glued, frozenset()):
        own |= {glued, glued[:-1]}
    return frozenset(own)


def _start(stems: Sequence[str]) -> str:
    """What several names begin with; nothing of one alone."""
    if len(stems) < 2:
        return ""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*stems, strict=False))
    return "".join(letters[0] for letters in same)


def _said_of_all(stems: Iterable[str], own: frozenset[str]) -> frozenset[str]:
    """What every name says and that therefore tells none from another: a visit, a case.

    `pre`, `post`, `c` where every image has it, and not only T1s do; a part of the body where all
    names begin with it: small_head_t1, small_head_seg.
    """
    stems = [*stems]
    whole_words = re.sub(r"[^\W_]+$", "", _start(stems))
    about = {w.text for w in words_of(whole_words, own) if w.kind is Kind.ANATOMY}
    images = [
        words for words in (words_of(s, own) for s in stems) if kinds_of(words) & SEQUENCE_KINDS
    ]
    if len(images) > 1 and not all(Kind.T1 in kinds_of(words) for words in images):
        about |= {
            text
            for text in ("pre", "post", "c")
            if all(text in {w.text for w in words} for words in images)
        }
    return frozenset(about)
