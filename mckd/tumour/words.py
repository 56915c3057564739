"""The words of an image's name, as the vocabulary knows them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mckd.tumour.vocabulary import PREFIXES, SEQUENCE_KINDS, VOCABULARY, Kind

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


@dataclass(frozen=True)
class Word:
    """A word of a name, as the vocabulary spells it."""

    text: str
    kind: Kind


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
    known = split_known(chunk, own)
    if known is not None:
        return known
    humps = _HUMPS.findall(cased) if cased.isascii() else []
    if len(humps) > 1 and "".join(humps) == cased and any(map(_tells, humps)):
        words: list[Word] = []
        for hump in humps:
            words += split_known(hump.lower(), own) or [Word(hump.lower(), Kind.UNKNOWN)]
        return words
    if first and _CODE.fullmatch(chunk):
        return [Word(chunk, Kind.WHO)]
    return [Word(chunk, Kind.UNKNOWN)]


def _tells(hump: str) -> bool:
    """Whether this part of a chunk is a word for a sequence or labels."""
    kinds = VOCABULARY.get(hump.lower(), ())
    return any(kind in SEQUENCE_KINDS | {Kind.SEG, Kind.TUMOUR} for kind in kinds)


def split_known(chunk: str, own: frozenset[str]) -> list[Word] | None:
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


def is_of_data_set(word: str) -> bool:
    """Whether a word begins the names of a public data set, and numbers behind it are its cases."""
    return _DATASET.fullmatch(word) is not None


def kinds_of(words: Iterable[Word]) -> set[Kind]:
    return {word.kind for word in words}
