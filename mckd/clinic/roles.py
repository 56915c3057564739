"""Which series is FLAIR, T1, T1 with contrast or T2: by its header and its name.

How a series was taken (times, sequence) says what its contrast must be; its description says what
somebody called it. Where both agree, or only one speaks, that is the role; where they contradict
each other, or a T1 may be before or after contrast, a person is asked. What the picture adds is in
`looks`.

    guesses = in_time(all_facts)       # of one study, in the order of time
    guesses[0].role
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mckd.clinic.kinds import kind_of
from mckd.clinic.series import Facts, Role
from mckd.tumour.contrast import agent_given, contrast_of, without_events, without_target
from mckd.tumour.naming import ASK, NONE, SEQUENCE_NAMES, Verdict, verdicts
from mckd.tumour.words import words_of

FLAIR, T1, T2 = frozenset({"flair"}), frozenset({"t1", "t1c"}), frozenset({"t2"})
NONE_OF_THEM: frozenset[str] = frozenset()
ANY = FLAIR | T1 | T2

_BOTH = re.compile(r"\+ ?/ ?-|±")
# Of a dose, of a time after it, and of a pulse that is mostly used after it.
_PERHAPS = re.compile(
    r"\+ ?/ ?-|±|delay|mmol|\d ?m(l|in)(?![^\W_])"
    r"|(?<![^\W_])(late|ml|mtc?|dos[ei]s?)(?![^\W_])",
    re.IGNORECASE,
)
# What names of files use for another kind of image, but protocols for an angle, a slab, a dose.
_BESIDE = re.compile(
    r"(?<![^\W_])(fa[\W_]?\d+|rest[\W_]?slabs?|dos[ei]s?)(?![^\W_])", re.IGNORECASE
)
_NEVER_MEANT = ("T2*", "STIR")  # though their names say T2
# ms, of protocols at 1.5 and 3 T
SHORT_TE, LONG_TE, T2STAR_TE = 35.0, 70.0, 12.0
SHORT_TR, LONG_TR = 1500.0, 1800.0
STEADY_TR = 15.0
STIR_TI, T1_TI, FLAIR_TI = 300.0, 1300.0, 1500.0
SMALL_FLIP, STEADY_FLIP = 6.0, 30.0  # degrees; between them lie spoiled sequences of short TR


@dataclass(frozen=True)
class Guess:
    """What a series may be.

    slots: what is left possible, one if it is told; none and `aside`: no candidate. why, doubt: as
    in `Role`.
    """

    slots: frozenset[str]
    why: str = ""
    doubt: str = ""
    aside: bool = False

    @property
    def role(self) -> Role:
        if self.aside:
            return Role(sure=True, why=self.why)
        told = len(self.slots) == 1
        return Role(min(self.slots) if told else "", told and not self.doubt, self.why, self.doubt)


@dataclass(frozen=True)
class Physics:
    """What the way of taking leaves possible. kind: of an image that is no candidate. times: for
    people. usual: whether only such images are taken so; else a name has to say the same."""

    slots: frozenset[str]
    times: str = ""
    kind: str = ""
    usual: bool = True

    @property
    def says(self) -> bool:
        return self.slots != ANY


@dataclass(frozen=True)
class Called:
    """What a description says. may_be: the sequences that it leaves open, none if it names none.
    other: it names another kind of image. surely: nothing in it is open. with_agent,
    without_agent: of a T1, that it is after or before contrast; perhaps: that it may be after."""

    may_be: frozenset[str]
    surely: bool = False
    other: bool = False
    with_agent: bool = False
    without_agent: bool = False
    perhaps: bool = False


def in_time(study: Sequence[Facts]) -> list[Guess]:
    """The roles of all series of a study, in the order of time; of number, where no time tells it.

    A T1 of which neither name nor agent speak is before contrast if it was taken before the first
    that is after; if it was taken later, that is asked, and of one taken twice where no time tells
    which came first. An agent in the header of every T1 was filled in for all, and tells none
    apart; a word there that is none, or no agent known, is asked.
    """
    called = [called_of(facts.description) for facts in study]
    guesses = [_by_header(facts, said) for facts, said in zip(study, called, strict=True)]
    t1 = [place for place, guess in enumerate(guesses) if _open_t1(guess)]
    agents = {place: agent_given(study[place].contrast) for place in t1}
    filled_in = len(t1) > 1 and all(agents.values())
    if filled_in:
        agents = dict.fromkeys(t1, False)
    orders = [facts.order for facts in study if facts.order is not None]
    timed = len(orders) == len(study)
    when = orders if timed else [*range(len(study))]
    with_agent = [
        p
        for p in t1
        if called[p].with_agent or (agents[p] is not False and not called[p].without_agent)
    ]
    after = [when[p] for p in with_agent]
    acquired = Counter(
        study[p].description
        for p in t1
        if p not in with_agent and "DERIVED" not in study[p].image_type
    )
    for place in t1:
        same = [p for p in t1 if study[p].description == study[place].description]
        again = (
            any(when[p] < when[place] for p in same)
            if timed
            else acquired[study[place].description] > 1
        )
        unclear = ""
        if agents[place] is None:
            unclear = "its header names no agent that is known here, nor says that there was none"
        elif after and when[place] >= min(after):
            unclear = "taken after contrast was given, which it does not say"
        elif again:
            unclear = "taken twice, perhaps before and after contrast"
        elif filled_in and not after:
            unclear = "the header of every T1 names an agent"
        elif called[place].perhaps:
            unclear = "its name may speak of contrast"
        guesses[place] = _by_contrast(guesses[place], called[place], bool(agents[place]), unclear)
    return guesses


def _open_t1(guess: Guess) -> bool:
    return bool(guess.slots) and guess.slots <= T1 and not guess.doubt


def _by_header(facts: Facts, called: Called) -> Guess:
    """By the way of taking and the name; every T1 is left open between T1 and T1c."""
    kind = kind_of(facts)
    if kind:
        return Guess(NONE_OF_THEM, f"set aside: {kind}", aside=True)
    taken = taken_as(facts)
    if called.other:
        return Guess(NONE_OF_THEM, "set aside: its name says another kind of image", aside=True)
    if taken.kind in _NEVER_MEANT or (taken.kind and not called.may_be):
        return Guess(NONE_OF_THEM, f"set aside: {taken.kind} ({taken.times})", aside=True)
    named = called.may_be | (T1 if called.may_be & T1 else NONE_OF_THEM)
    if not named:
        if taken.says and taken.usual:
            return Guess(taken.slots, f"taken like {_spoken(taken.slots)} ({taken.times})")
        return Guess(ANY, "neither its name nor its header says which sequence it is")
    both = named & taken.slots
    if not both:
        how = taken.kind or _spoken(taken.slots)
        return Guess(
            named if named in (FLAIR, T2) else NONE_OF_THEM,
            f"its name says {_spoken(named)}",
            f"called {_spoken(named)}, but taken like {how} ({taken.times})",
        )
    if both in (FLAIR, T1, T2) and (called.surely or taken.says):
        times = f", and so do its times ({taken.times})" if taken.says else ""
        return Guess(both, f"its name says {_spoken(both)}{times}")
    return Guess(both if len(both) > 1 else ANY, "what its name says is not clear")


def _by_contrast(guess: Guess, called: Called, agent: bool, unclear: str) -> Guess:
    """A T1 before or after contrast. unclear: why that is not told where nothing speaks of it."""
    if called.with_agent and called.without_agent:
        return replace(guess, why=f"{guess.why}; of contrast its name says both")
    if called.perhaps and called.without_agent:
        return replace(guess, why=f"{guess.why}; what its name says of contrast is not clear")
    if called.with_agent:
        return Guess(frozenset({"t1c"}), f"{guess.why}; its name says contrast")
    if called.without_agent:
        doubt = "its name says no contrast, its header names an agent" if agent else ""
        return Guess(frozenset({"t1"}), f"{guess.why}; its name says no contrast", doubt)
    if agent:
        return Guess(frozenset({"t1c"}), f"{guess.why}; its header names a contrast agent")
    if unclear:
        return replace(guess, why=f"{guess.why}; {unclear}")
    return Guess(frozenset({"t1"}), f"{guess.why}; nothing speaks of contrast")


# ---- the way of taking


def taken_as(facts: Facts) -> Physics:
    """What an image can be by its times and the kind of its sequence; where they leave it open, by
    the contrast that an enhanced header names, if its echo time fits."""
    physics = _by_times(facts)
    if physics.says:
        return physics
    te = facts.te_ms or 0
    coded = set(facts.image_type) & {"T1", "T2", "FLUID_ATTENUATED"}
    if "FLUID_ATTENUATED" in coded and te >= LONG_TE:
        return replace(physics, slots=FLAIR)
    if coded == {"T1"} and te < SHORT_TE:
        return replace(physics, slots=T1)
    if coded == {"T2"} and te >= LONG_TE:
        return replace(physics, slots=T2)
    return physics


def _by_times(facts: Facts) -> Physics:
    te, tr, ti = facts.te_ms, facts.tr_ms, facts.ti_ms
    if te is None or tr is None:
        return Physics(ANY)
    named = (("TR", tr), ("TE", te), ("TI", ti))
    times = ", ".join(
        f"{word} {value:.{1 if value < 10 else 0}f} ms" for word, value in named if value
    )
    sequence = set(facts.sequence)
    if "EP" in sequence:
        return Physics(NONE_OF_THEM, times, "echo-planar, as of diffusion or function")
    if "GR" in sequence and "SE" not in sequence:
        return _gradient_echo(facts, te, tr, times)
    if "IR" in sequence or (ti and "SE" in sequence):
        return _inversion(te, tr, ti, times)
    if "SE" in sequence:
        return _spin_echo(te, tr, times)
    return Physics(ANY, times)


def _gradient_echo(facts: Facts, te: float, tr: float, times: str) -> Physics:
    """T1, if it is spoiled and flips enough; in planes a field map may look the same."""
    if te >= T2STAR_TE:
        return Physics(NONE_OF_THEM, times, "T2*")
    flip = facts.flip_deg or 0
    if tr < STEADY_TR and flip >= STEADY_FLIP:
        return Physics(T1 | T2, times)
    if 0 < flip < SMALL_FLIP and not facts.ti_ms:
        return Physics(NONE_OF_THEM, times, f"PD, of a small angle ({flip:.0f} degrees)")
    return Physics(T1, times, usual=bool(facts.three_d) and (tr < STEADY_TR or tr > SHORT_TR))


def _inversion(te: float, tr: float, ti: float | None, times: str) -> Physics:
    if not ti:
        if te >= LONG_TE and tr > 3 * LONG_TR:
            return Physics(FLAIR, times)
        return Physics(T1 if te < SHORT_TE else ANY, times)
    if ti < STIR_TI:
        return Physics(NONE_OF_THEM, times, "STIR")
    if ti <= T1_TI and te < LONG_TE:
        return Physics(T1, times)
    if ti >= FLAIR_TI and te >= LONG_TE:
        return Physics(FLAIR, times)
    return Physics(ANY, times)


def _spin_echo(te: float, tr: float, times: str) -> Physics:
    if te < SHORT_TE:
        return Physics(T1, times) if tr <= SHORT_TR else Physics(NONE_OF_THEM, times, "PD")
    if te >= LONG_TE:
        # Without its inversion in the header a FLAIR looks like a T2 of very long TR.
        return Physics(T2 if tr < 3 * LONG_TR else T2 | FLAIR, times)
    return Physics(ANY, times)


# ---- the name


def called_of(description: str) -> Called:
    """What a description says, by the vocabulary of file names (see `mckd.tumour.naming`)."""
    name = re.sub(r"[/\\]", " ", description).strip()
    name = _BESIDE.sub(" ", name).strip()
    if re.search("t2", name, re.IGNORECASE):  # of two echoes, PD and T2, the times tell which
        name = re.sub(r"(?<![^\W_])pdw?(?![^\W_])", " ", name, flags=re.IGNORECASE).strip()
    if not name:
        return Called(NONE_OF_THEM)
    verdict = verdicts([f"{name}.nii"])[f"{name}.nii"]
    words = without_events(without_target(words_of(name)))
    says_with, says_without, unclear = contrast_of(words)
    perhaps = unclear or bool(_PERHAPS.search(description))
    if perhaps and says_with and _BOTH.search(description):
        says_without = True
    if verdict.answer == NONE:
        return Called(NONE_OF_THEM, other=True)
    surely = verdict.answer != ASK
    may_be = frozenset({verdict.answer}) if surely else verdict.may_be
    return Called(may_be & ANY, surely, False, says_with, says_without, perhaps)


def by_verdict(verdict: Verdict) -> Guess:
    """Of an image without a header that tells: what its name says."""
    if verdict.answer == NONE:
        return Guess(NONE_OF_THEM, f"set aside: {verdict.why}", aside=True)
    if verdict.answer == ASK:
        return Guess(verdict.may_be & ANY or ANY, f"its name leaves open {verdict.why}")
    slots = frozenset({verdict.answer})
    return Guess(slots, f"its name says {_spoken(slots)}")


def _spoken(slots: frozenset[str]) -> str:
    if slots == T1:
        return "T1"
    return " or ".join(SEQUENCE_NAMES[slot] for slot in sorted(slots))
