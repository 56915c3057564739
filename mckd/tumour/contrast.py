"""What the words of a name say of contrast agent, and which of them speak of something else:
a visit, an operation, the space that an image was brought into. What a header says of an agent."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mckd.tumour.vocabulary import CONTRAST_KINDS, SEQUENCE_KINDS, Kind
from mckd.tumour.words import Word, words_of

_TARGETS = SEQUENCE_KINDS | CONTRAST_KINDS | {Kind.PLACE, Kind.T1_LIKE, Kind.NUMBER}
_TEMPLATES = frozenset({"atlas", "template"})
_ALONE_WITHOUT = frozenset(
    {"no", "non", "without", "wo", "ohne", "sans", "sin", "senza", "sem", "zonder", "pre"}
)
_DATED = re.compile(r"(?:day|week|month|year|[dmy])\d+[a-z]?")
_TIMES = frozenset(
    "baseline basal day days week weeks wk month months mth year years".split()  # noqa: SIM905
)
_PROCESSES = frozenset(
    "processed proc registration alignment stripping extraction".split()  # noqa: SIM905
)


# Of a header: nothing, or a dose of none.
_NOTHING = re.compile(r"[\W_0]*(ml|cc)?[\W_]*", re.IGNORECASE)
_DOSE = re.compile(r"\d+([.,]\d+)?[\W_]*(ml|cc)\W*", re.IGNORECASE)
_NONE = frozenset("none nil null n a na false".split())  # noqa: SIM905
_GIVING = frozenset(
    "iv given used administered applied media medium verabreicht gegeben".split()  # noqa: SIM905
)
_YES = frozenset("yes y true ja oui si given".split())  # noqa: SIM905
_DENIALS = frozenset({Kind.NOT, Kind.PLAIN, Kind.BEFORE})


def agent_given(said: str) -> bool | None:
    """Whether an agent was given, by what a header holds for its name; None if that is not clear.

    An agent or a dose, not denied, was given. What begins with a denial and says no more than that
    it is one of an agent, was not.
    """
    words = words_of(said)
    if _NOTHING.fullmatch(said) or not words:
        return False
    denied = [word for word in words if word.kind in _DENIALS or word.text in _NONE]
    named = [word for word in words if word.kind in (Kind.AGENT, Kind.C)]
    if denied:
        no_more = all(w in denied or w in named or w.text in _GIVING for w in words)
        return False if words[0] in denied and no_more else None
    if named or _DOSE.fullmatch(said) or all(word.text in _YES for word in words):
        return True
    return None


def contrast_of(words: Sequence[Word]) -> tuple[bool, bool, bool]:
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


def without_target(words: list[Word]) -> list[Word]:
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


def without_events(words: list[Word]) -> list[Word]:
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
