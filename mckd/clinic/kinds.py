"""Kinds of series that are no candidates, whatever their times: told by ImageType, by the vendor's
name of the sequence, by the part of the body, or by a word of the description."""

from __future__ import annotations

import re

from mckd.clinic.series import Facts

_KINDS = (
    (
        "a localizer",
        r"locali[sz]er|localizador|lokali|\bloc\b|scout|survey|topogram|smart ?brain"
        r"|\b(3|three) ?(pl|plane)\b|\bplane ?loc",
    ),
    ("a calibration scan", r"\bcalib|\basset cal|\bref(erence)? ?(scan|head)|\bcoil ?sens"),
    (
        "diffusion",
        r"diffusion|\bdwi|\bdw\b|\bdti|\b[de]?adc\b|\btracew?\b|\bdiff\b|ep b ?\d|\bb ?\d{3,4}\b"
        r"|\bresolve\b|\btensor\b|\b(col)?fa\b(?! ?\d)|\bep2d diff",
    ),
    (
        "susceptibility-weighted",
        r"\bs?swi(p|3d\w*)?\b|\bswan\b|\bmnip\b|\bminip\b|\bm?ip images sw|\bven\w* ?bold|\bqsm\b"
        r"|\bsw [mp]\b",
    ),
    (
        "perfusion",
        r"\bperf|\bp?c?asl\b|pcasl|\bpwi\b|\bdce\b|\bdsc\b|\b(r|n)?cb[fv]\b|\bmtt\b|\bttp\b"
        r"|\btmax\b|\bblood (flow|volume)\b|\bktrans\b|\bgbp\b|\btwist\b|\btricks\b|\bdyn(amic)?\b",
    ),
    ("a subtraction", r"\bsub\b|subtr"),
    (
        "an angiography",
        r"\btof|\bmr[av]\b|angio|\bpca\b|\bphase contrast\b|\bvenogra|\b(2|3)d ?pc\b",
    ),
    ("a projection", r"\bmip\b|\bprojection\b"),
    ("spectroscopy", r"spectro|\bcsi\b|\bsvs\b|\bmrs(i)?\b"),
    (
        "functional imaging",
        r"\bbold\b|\bfc?mri\b|\bresting|\brest\d\b|\brest ?state|\bmoco\b|\bmosaic\b",
    ),
    ("a field map", r"field ?map|\bfield ?mapping|\bb[01] ?(map|ns)?\b|\bgre field|\bphase ?map\b"),
    ("a map or a measure, no image", r"\b(t[12](star)?|r2(star)?|pd|mtr|stiffness) ?map\b|\bquant"),
    ("a picture of a screen", r"screen ?(save|shot)|secondary capture|\breport\b"),
    (
        "fat or opposed phase of a Dixon series",
        r"\bop(p|posed)? ?phase\b|\bfat only\b|\bfat\b$|dixon.*\b(f|fat|opp?|out)\b",
    ),
    ("one inversion or the map of an MP2RAGE", r"\binv ?[12]\b|mp2rage.*\bt1 images"),
    ("steady-state, neither T1 nor T2", r"\bb (tfe|ffe)\b|\btrufi|true ?fisp|\bciss|fiesta|bssfp"),
)
_VALUES = {  # of ImageType, whole
    "P": "phase, not magnitude",
    "PHASE": "phase, not magnitude",
    "R": "the real part, not magnitude",
    "REAL": "the real part, not magnitude",
    "I": "the imaginary part, not magnitude",
    "IMAGINARY": "the imaginary part, not magnitude",
    "F": "fat of a Dixon series",
    "FAT": "fat of a Dixon series",
    "OP": "opposed phase of a Dixon series",
    "OPP_PHASE": "opposed phase of a Dixon series",
    "OUT_PHASE": "opposed phase of a Dixon series",
}
_HEAD = re.compile(r"head|brain|skull|cranial|schädel", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"spine|lumbar|\bthora|cervical|\bneck\b|\bknee|shoulder|\bhip\b|\bankle|\bfoot|wrist|\bhand\b"
    r"|\belbow|\bchest|\bheart|\bcardi|\bbreast|abdom|\bliver|\bpelvi|prostat|kidney|\buter"
    r"|whole ?body|extremity",
    re.IGNORECASE,
)


def kind_of(facts: Facts) -> str:
    """Of which kind a series is that shows no head in one of the four sequences; "" of others."""
    if facts.modality not in ("", "MR"):
        return f"{facts.modality}, not MR"
    place = re.sub(r"[\W_]+", " ", f"{facts.body} {facts.description}")
    if not _HEAD.search(place) and (elsewhere := _ELSEWHERE.search(place)):
        return f"not a head, but {elsewhere[0].strip().lower()}"
    if (facts.b_value or 0) > 0:
        return "diffusion"
    for value in facts.image_type:
        if value.upper() in _VALUES:
            return _VALUES[value.upper()]
    said = [*facts.image_type, facts.pulse, facts.description]
    text = " ".join(re.sub(r"[\W_]+", " ", part).strip().lower() for part in said)
    return next((kind for kind, words in _KINDS if re.search(words, text)), "")
