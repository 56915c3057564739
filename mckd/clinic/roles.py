"""Which series is FLAIR, T1, T1 with contrast or T2: from its header and its name.

How a series was taken (times, angle, sequence) says what its contrast must be; its description says
what somebody called it. Where both agree, or only one speaks, that is the role; where they
contradict each other, or a T1 may be before or after contrast, a person is asked.

    role = of_header(facts)         # one series alone
    roles = in_time(all_facts)      # all of a study: which T1 is after contrast
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mckd.clinic.series import Facts, Role
from mckd.tumour.naming import ASK, NONE, SEQUENCE_NAMES, verdicts

FLAIR, T1, T2 = frozenset({"flair"}), frozenset({"t1", "t1c"}), frozenset({"t2"})
ANY: frozenset[str] = FLAIR | T1 | T2

# Times in ms, of protocols at 1.5 and 3 T.
SHORT_TE, LONG_TE, T2STAR_TE = 35.0, 70.0, 12.0
SHORT_TR, LONG_TR = 1500.0, 1800.0
STIR_TI, T1_TI, FLAIR_TI = 300.0, 1300.0, 1500.0

_KINDS = (
    ("a localizer", r"locali[sz]er|localizador|\bloc\b|scout|survey|3.?pl(ane)?\b|smartbrain"),
    ("a calibration scan", r"\bcalib|\bshim|\bb1.?map|reference scan|coil ?survey"),
    ("diffusion", r"diffusion|\bdwi|\bdti|\b[de]?adc\b|trace|\bb ?\d{3,4}\b|diff\b|ep_b\d|resolve"),
    ("susceptibility-weighted", r"\bswi|\bswan|swip|mnip|minip|venobold|\bqsm\b|hemo"),
    (
        "perfusion",
        r"perf|\bp?c?asl\b|3dpcasl|\bpwi|\bds?ce\b|\br?cb[fv]\b|mtt\b|\bttp\b|\btmax\b",
    ),
    ("a subtraction", r"\bsub\b|subtr"),
    ("an angiography", r"\btof\b|\bmr[av]\b|angio|\bpc[a23]?d?\b"),
    ("a projection", r"\bmip\b|projection"),
    ("spectroscopy", r"spectro|\bcsi\b|\bsvs\b|\bmrs\b"),
    ("functional imaging", r"\bbold\b|\bfc?mri|\brest(ing)?\b|moco"),
    ("a field map", r"field ?map|\bgre field|\bb0\b"),
)


class Physics(NamedTuple):
    """What the way of taking leaves possible, and why. kind: of an image that is no candidate."""

    slots: frozenset[str]
    why: str
    kind: str = ""


def of_header(facts: Facts) -> Role:
    """The role of a series by its own header and name; of a T1, before contrast if nothing speaks
    for contrast: see `in_time`."""
    kind = _kind(facts)
    if kind:
        return Role(sure=True, why=f"set aside: {kind}")
    named, called = _named(facts)
    physics = taken_as(facts)
    if physics.kind and not named:
        return Role(sure=True, why=f"set aside: {physics.kind} ({physics.why})")
    if called == NONE:
        return Role(sure=True, why="set aside: its name says another kind of image")
    both = named & physics.slots if named else physics.slots
    if named and not both:
        spoken = " or ".join(SEQUENCE_NAMES[slot] for slot in sorted(named))
        return Role(doubt=f"called {spoken}, but taken like {physics.kind or _spoken(physics)}")
    reasons = [f"name: {called}"] if called not in ("", ASK) else []
    reasons += [physics.why] if physics.slots != ANY else []
    if both in (FLAIR, T2):
        return Role(min(both), True, "; ".join(reasons))
    if both <= T1:
        return _contrast(facts, both, reasons)
    return Role(why="neither its name nor its header says which sequence it is")


def taken_as(facts: Facts) -> Physics:
    """What an image can be by the way it was taken."""
    te, tr, ti = facts.te_ms, facts.tr_ms, facts.ti_ms
    said = ", ".join(
        f"{word} {value:.0f} ms" for word, value in (("TR", tr), ("TE", te), ("TI", ti)) if value
    )
    sequence = set(facts.sequence)
    if te is None or tr is None:
        return Physics(ANY, "")
    if "EP" in sequence:
        return Physics(frozenset(), said, "an echo-planar series, as of diffusion or function")
    inverted = "IR" in sequence or bool(ti)
    if "GR" in sequence and "SE" not in sequence:
        if te >= T2STAR_TE:
            return Physics(frozenset(), said, "T2*")
        return Physics(T1, said)
    if "SE" in sequence or inverted:
        if inverted and ti:
            if ti < STIR_TI:
                return Physics(frozenset(), said, "STIR")
            if ti <= T1_TI and te < LONG_TE:
                return Physics(T1, said)
            if ti >= FLAIR_TI and te >= LONG_TE:
                return Physics(FLAIR, said)
            return Physics(ANY, said)
        if te < SHORT_TE:
            if tr <= SHORT_TR:
                return Physics(T1, said)
            return Physics(T1 if inverted else frozenset(), said, "" if inverted else "PD")
        if te >= LONG_TE and tr >= LONG_TR:
            return Physics(FLAIR | T2 if inverted else T2, said)
    return Physics(ANY, said)


def in_time(study: Sequence[Facts]) -> list[Role]:
    """The roles of all series of a study."""
    return [of_header(facts) for facts in study]


def _kind(facts: Facts) -> str:
    """Of which kind a series is that is no candidate, whatever its times; "" of all others."""
    if facts.modality not in ("", "MR"):
        return f"{facts.modality}, not MR"
    if (facts.b_value or 0) > 0:
        return "diffusion"
    said = re.sub(r"[\W_]+", " ", " ".join([*facts.image_type, facts.pulse, facts.description]))
    return next((kind for kind, words in _KINDS if re.search(words, said.lower())), "")


def _named(facts: Facts) -> tuple[frozenset[str], str]:
    """What the description says: {slots that it may be}, and the answer of `naming`."""
    name = re.sub(r"[/\\]", " ", facts.description) + ".nii"
    verdict = verdicts([name])[name]
    if verdict.answer in (ASK, NONE):
        return verdict.may_be & ANY, verdict.answer if facts.description else ""
    return frozenset({verdict.answer}) & ANY, verdict.answer


def _contrast(facts: Facts, slots: frozenset[str], reasons: list[str]) -> Role:
    """T1 before or after contrast."""
    agent = bool(facts.contrast)
    if slots == T1:
        slot = "t1c" if agent else "t1"
        return Role(slot, True, "; ".join([*reasons, "contrast agent" if agent else ""]))
    (slot,) = slots
    return Role(slot, True, "; ".join(reasons))


def _spoken(physics: Physics) -> str:
    return " or ".join(SEQUENCE_NAMES[slot] for slot in sorted(physics.slots)) or physics.why
