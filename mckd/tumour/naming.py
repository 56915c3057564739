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
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePath

from mckd.files.names import plain_name
from mckd.tumour.vocabulary import CONTRAST_KINDS, PREFIXES, SEQUENCE_KINDS, VOCABULARY, Kind

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
# BIDS entities that name a person, a visit or a grid, so their values are no sequence words.
_ENTITY = re.compile(
    r"(?:^|(?<=_))(?:sub|ses|run|task|space|res|from|to|hemi|echo|dir|part|chunk)-[a-z0-9]+"
)
_AGENT = re.compile(r"(?:^|(?<=_))ce-(?!t[12]|flair)([a-z0-9]+)")
_NO_AGENT = frozenset({"none", "no", "non", "pre", "without"})
# Signs and pairs of words, rewritten as words before a name is cut at what is no letter or digit.
_REWRITTEN = (
    (r"(?<![^\W_])brats[\W_]*(?:gli|met|men|ped|ssa)(?![^\W_])", " brats "),
    (r"(?<![^\W_])part-phase(?![^\W_])", " phase "),
    (r"t2\*", " t2star "),
    (r"(?<![^\W_])(?:dark|da)[\W_]*fl(?:uid)?(?![^\W_])", " darkfluid "),
    (r"(?<![^\W_])mp[\W_]rage", " mprage "),
    (r"(?<![^\W_])fat[\W_]sat", " fatsat "),
    (r"(?<![^\W_])ground[\W_]truth", " groundtruth "),
    (r"(?<![^\W_])follow[\W_]up", " followup "),
    (r"(?<![^\W_])skull[\W_]*strip(?:ped|ping)?(?![^\W_])", " skullstripped "),
    (r"bias[\W_]*field[\W_]*corr(?:ected|ection)?", " biascorrected "),
    (r"(?<![^\W_])native[\W_]*space(?![^\W_])", " space "),
    (r"(?<![^\W_])t2[\W_]star(?![^\W_])", " t2star "),
    (r"(?<![^\W_])w(?:[\W_]and)?[\W_]wo(?![^\W_])", " with without "),
    (r"(?<![^\W_])w[\W_]?o(?![^\W_])", " without "),
    (r"(?<=[_ ])-(c|gd|gad|km|ce|kontrast|contrast)(?![^\W_])", r" without \1 "),
    (r"(?:(?<![^\W_])|(?<=t1))(c|gd|gad|km)-(?=[_ ]|$)", r" without \1 "),
    (r"(?<![^\W_])o[\W_]?(?=km(?![^\W_]))", " ohne "),
    (r"(?<![^\W_])m[\W_]?(?=km(?![^\W_]))", " mit "),
    (r"(?<![^\W_])wo(?=(?:gd|gad|c|contrast)(?![^\W_]))", " without "),
    (r"(?<![^\W_])w(?=(?:gd|gad|contrast)(?![^\W_]))", " with "),
    (r"\+", " plus "),
)
_WHO = re.compile(
    r"(?:s|se|ser|series|im|img|i|e|v|ver|rev|acq|scan|run|p|pat|patient|sub|subj|subject|case|id|tp"
    r"|ses|session|visit|fu|day|week|month|year|y|m|d|brats|tcia|ixi|oas|phantom|sample"
    r"|brain|head)\d+[a-z]?"
    r"|(?:case|patient|pat|phantom|subject)[a-z]"
)
_HUMPS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+\d*[a-z]?(?![a-z])|\d+")
_MEASURE = re.compile(r"\d+(?:mm|t|d|ch|x\d+(?:x\d+)?)|t[rei]\d+|p\d|iso\d+(?:mm)?|[lr][ap][is]")
_CODE = re.compile(r"(?=(?:\D*\d){2})(?=.*[a-z])[a-z0-9]{3,}")  # letters and digits, like an id
_DATASET = re.compile(r"brats(?:\d*|[a-z]*)|tcga|upenn|ucsf|ixi\d+|oasis\d*")
_TEMPLATES = frozenset({"atlas", "template"})
_TARGETS = SEQUENCE_KINDS | CONTRAST_KINDS | {Kind.PLACE, Kind.T1_LIKE, Kind.NUMBER}
_ALONE_WITHOUT = frozenset(
    {"no", "non", "without", "wo", "ohne", "sans", "sin", "senza", "sem", "zonder", "pre"}
)


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


@dataclass(frozen=True)
class Word:
    """A word of a name, as the vocabulary spells it."""

    text: str
    kind: Kind


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


def is_of_data_set(word: str) -> bool:
    """Whether a word begins the names of a public data set, and numbers behind it are its cases."""
    return _DATASET.fullmatch(word) is not None


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
    words = _without_events(_without_target(words))
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
    says_with, says_without, unclear = _contrast(words)
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


def _contrast(words: Sequence[Word]) -> tuple[bool, bool, bool]:
    """Whether a T1 says that it is with contrast, that it is without, and whether it is unclear."""
    says_with = says_without = unclear = False
    kinds = [word.kind for word in words]
    place = 0
    while place < len(words):
        word, kind = words[place], kinds[place]
        following = kinds[place + 1] if place + 1 < len(words) else None
        agent = following in (Kind.AGENT, Kind.C)
        if kind in (Kind.NOT, Kind.BEFORE):
            if following in (Kind.IDLE, Kind.GRADIENT) and kind is Kind.NOT:
                place += 1  # no fatsat
            elif agent or following is Kind.PLAIN or word.text in _ALONE_WITHOUT:
                says_without = True
                place += agent
            else:
                unclear = True
        elif kind in (Kind.WITH, Kind.AFTER):
            if agent:
                says_with = True
                place += 1
            elif word.text == "post":
                visit = following is Kind.WHO and _DATED.fullmatch(words[place + 1].text)
                dated = bool(visit) or (place > 0 and words[place - 1].text in _TIMES)
                done = following is Kind.IDLE and words[place + 1].text in _PROCESSES
                says_with |= not (dated or done)
                unclear |= dated or done
            elif word.text == "w" and place and kinds[place - 1] is Kind.T1:
                pass  # weighted
            elif following is Kind.NOT:
                says_with = True  # with and without
            else:
                unclear = True
        elif kind is Kind.AGENT:
            says_with = True
            place += following is Kind.WITH and words[place + 1].text == "plus"
        elif kind is Kind.PLAIN:
            says_without = True
        elif kind is Kind.C:
            signed = following is Kind.WITH and words[place + 1].text == "plus"
            beside = place > 0 and kinds[place - 1] is Kind.T1
            says_with |= signed or beside
            unclear |= not (signed or beside)
            place += signed
        elif kind is Kind.EVENT and word.text not in _TIMES:
            unclear |= any(k in (Kind.AFTER, Kind.BEFORE) for k in kinds)
        place += 1
    return says_with, says_without, unclear


_DATED = re.compile(r"(?:day|week|month|year|[dmy])\d+[a-z]?")
_TIMES = frozenset(
    "baseline basal day days week weeks wk month months mth year years".split()  # noqa: SIM905
)
_PROCESSES = frozenset(
    "processed proc registration alignment stripping extraction".split()  # noqa: SIM905
)


def _without_target(words: list[Word]) -> list[Word]:
    """Without the space that an image was brought into: `T2 to T1c` is a T2."""
    moving = (*SEQUENCE_KINDS, Kind.SEG, Kind.MASK, Kind.TUMOUR, Kind.T1_LIKE, Kind.OTHER)
    place = next((i for i, word in enumerate(words) if word.kind in moving), len(words)) + 1
    kept = words[:place]
    while place < len(words):
        word, aim = words[place], place + 1
        while aim < len(words) and _is_target(words[aim]):
            aim += 1
        aimed = words[place + 1 : aim]
        to = word.kind is Kind.TO and any(w.kind is not Kind.NUMBER for w in aimed)
        two = word.text == "2" and aimed and aimed[0].kind in SEQUENCE_KINDS | {Kind.PLACE}
        if to or two:
            place = aim
            continue
        kept.append(word)
        place += 1
    return [Word(w.text, Kind.UNKNOWN) if w.kind is Kind.TO else w for w in kept]


def _is_target(word: Word) -> bool:
    return word.kind in _TARGETS or word.text in _TEMPLATES


def _without_events(words: list[Word]) -> list[Word]:
    """Without `post surgery`, `pre RT`: a visit, not an agent."""
    kept: list[Word] = []
    place = 0
    while place < len(words):
        timed = words[place].kind in (Kind.AFTER, Kind.BEFORE)
        if timed and place + 1 < len(words) and words[place + 1].kind is Kind.EVENT:
            place += 2
            while place < len(words) and words[place].kind in (Kind.EVENT, Kind.NUMBER):
                place += 1
            continue
        kept.append(words[place])
        place += 1
    return kept


# ---- words


def folded(text: str) -> str:
    """Lower case, without accents, one form for each character."""
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in apart if not ("̀" <= c <= "ͯ"))
    return unicodedata.normalize("NFC", bare).lower()


@lru_cache(4096)
def words_of(stem: str, own: frozenset[str] = frozenset()) -> list[Word]:
    """The words of a name, BIDS entities, signs and joined words understood.

    own: words of the case (see `verdicts`).
    """
    text = unicodedata.normalize("NFKC", stem)
    lower = folded(text)
    agent = _AGENT.search(lower)
    cased = text if len(text) == len(lower) else lower
    for pattern in (_AGENT, _ENTITY):
        for match in reversed([*pattern.finditer(lower)]):
            if match[0].startswith("part-pha"):
                continue
            lower = lower[: match.start()] + " " + lower[match.end() :]
            cased = cased[: match.start()] + " " + cased[match.end() :]
    words: list[Word] = []
    if agent:
        words.append(Word("ce", Kind.PLAIN if agent[1] in _NO_AGENT else Kind.AGENT))
    cased_chunks = {folded(chunk): chunk for chunk in re.split(r"[\W_]+", cased) if chunk}
    for pattern_, new in _REWRITTEN:
        lower = re.sub(pattern_, new, lower)
    for chunk in filter(None, re.split(r"[\W_]+", lower)):
        leading = all(word.kind in (Kind.WHO, Kind.NUMBER) for word in words)
        words += _words_of_chunk(chunk, cased_chunks.get(chunk, chunk), own, leading)
    return words


def _words_of_chunk(chunk: str, cased: str, own: frozenset[str], first: bool) -> list[Word]:
    """first: whether only numbers and words for a case stand before it."""
    if first and (chunk == "sub" or (len(chunk) == 1 and chunk not in "ckg")):
        return [Word(chunk, Kind.WHO)]
    if chunk in own and chunk not in VOCABULARY:
        return [Word(chunk, Kind.WHO)]
    if _WHO.fullmatch(chunk) or is_of_data_set(chunk):
        return [Word(chunk, Kind.WHO)]
    if _MEASURE.fullmatch(chunk):
        return [Word(chunk, Kind.IDLE)]
    known = _cut(chunk, own)
    if known is not None:
        return known
    humps = _HUMPS.findall(cased) if cased.isascii() else []
    if len(humps) > 1 and "".join(humps) == cased and any(map(_tells, humps)):
        words: list[Word] = []
        for hump in humps:
            words += _cut(hump.lower(), own) or [Word(hump.lower(), Kind.UNKNOWN)]
        return words
    if first and _CODE.fullmatch(chunk):
        return [Word(chunk, Kind.WHO)]
    return [Word(chunk, Kind.UNKNOWN)]


def _tells(hump: str) -> bool:
    """Whether this part of a chunk is a word for a sequence or labels."""
    kinds = VOCABULARY.get(hump.lower(), ())
    return any(kind in SEQUENCE_KINDS | {Kind.SEG, Kind.TUMOUR} for kind in kinds)


def _cut(chunk: str, own: frozenset[str]) -> list[Word] | None:
    """A chunk as the fewest known words without a rest; None if it cannot be cut so.

    Words of one or two letters are believed only beside a sequence or `pre`, `post`, `non`.
    """
    best: list[tuple[float, list[Word]] | None] = [None] * len(chunk) + [(0.0, [])]
    for start in range(len(chunk) - 1, -1, -1):
        for end in range(start + 1, len(chunk) + 1):
            rest = best[end]
            if rest is None:
                continue
            found = _known(chunk, start, end, rest[1], own)
            if not found:
                continue
            cost = 1.0 - 0.25 * any(w.kind in SEQUENCE_KINDS for w in found) + rest[0]
            here = best[start]
            if here is None or cost < here[0]:
                best[start] = cost, [*found, *rest[1]]
    if best[0] is None:
        return None
    words = best[0][1]
    short = any(len(w.text) < 3 and w.text.isascii() and w.text.isalpha() for w in words)
    anchors = (*SEQUENCE_KINDS, Kind.AFTER, Kind.BEFORE)
    anchored = any(w.kind in anchors or w.text == "non" for w in words)
    return words if len(words) == 1 or anchored or not short else None


def _known(
    chunk: str, start: int, end: int, rest: Sequence[Word], own: frozenset[str]
) -> list[Word]:
    """What chunk[start:end] is, followed by `rest`; nothing if it is no word there."""
    part = chunk[start:end]
    if part.isdigit():
        # A digit right after t1 or t2 would make another number of it: t10, t25.
        glued = (start > 0 and chunk[start - 1].isdigit()) or (
            end < len(chunk) and chunk[end].isdigit()
        )
        return [] if glued else [Word(part, Kind.NUMBER)]
    if part[-1:].isdigit() and end < len(chunk) and chunk[end].isdigit():
        return []
    if part in PREFIXES and start == 0 and rest and rest[0].kind in SEQUENCE_KINDS:
        return [Word(part, Kind.IDLE)]
    if part in own and len(part) > 2 and part not in VOCABULARY:
        return [Word(part, Kind.WHO)]
    if (
        len(part) == 1
        and part.isascii()
        and not (start == 0 and end == len(chunk))
        and part not in "cw"
    ):
        return []
    return [Word(part, kind) for kind in VOCABULARY.get(part, ())]


def _shared(stems: Sequence[str], folder: str) -> frozenset[str]:
    """Words that are not known and stand in the names of all images, or in their folder's.

    Labels may have a name of their own; they are asked only where there is one image.
    """
    telling = SEQUENCE_KINDS | {Kind.SEG, Kind.T1_LIKE}
    said = [words for words in map(words_of, stems) if telling & _kinds(words)]
    images = [words for words in said if Kind.SEG not in _kinds(words)]
    unknown = [
        {word.text for word in words if word.kind is Kind.UNKNOWN}
        for words in (images if len(images) > 1 else said)
    ]
    own = set.intersection(*unknown) if len(unknown) > 1 else set()
    about = words_of(folder) if folder else []
    if not any(word.kind in telling for word in about):
        own |= {word.text for word in about if word.kind is Kind.UNKNOWN}
    glued = re.split(r"[\W_]+", folded(_start(stems)))[-1]  # `anna` of annaT1, annaT2
    if len(glued) > 2 and not _cut(glued, frozenset()):
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
        words for words in (words_of(s, own) for s in stems) if _kinds(words) & SEQUENCE_KINDS
    ]
    if len(images) > 1 and not all(Kind.T1 in _kinds(words) for words in images):
        about |= {
            text
            for text in ("pre", "post", "c")
            if all(text in {w.text for w in words} for words in images)
        }
    return frozenset(about)


def _kinds(words: Iterable[Word]) -> set[Kind]:
    return {word.kind for word in words}
