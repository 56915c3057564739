"""What the model was made for, and cases that seem to be something else: by name or labels."""

from __future__ import annotations

import re
from collections.abc import Iterable

FOR = "adult glioma before surgery"
OUTSIDE = "Outside training conditions"
"""How a sentence on images unlike those of the training begins."""
SCOPE = f"Made for {FOR}; not for metastases, children, or scans after an operation."

CHILD, AFTER = "a child", "a scan after an operation or treatment"

_AFTER = r"post[^a-z]*(?:op|operative|surg|surgery|surgical|resection|treatment|rt|radiation|chemo)"
_KINDS = {
    "metastases": r"mets?|metastas[ei]s|metastatic|metastasen",
    CHILD: r"peds?|paed|pa?ediatrics?|child|children|kind|infant|neonat[a-z]*|dipg",
    AFTER: rf"{_AFTER}|resect[a-z]*|cavity",
    "a meningioma": r"brats[^a-z]*men|meningioma[a-z]*|meningeom[a-z]*",
}
_WORDS = {kind: re.compile(rf"(?<![a-z])({words})(?![a-z])") for kind, words in _KINDS.items()}


def out_of_scope(names: Iterable[str]) -> list[str]:
    """A sentence for each kind that a case's or a file's name speaks of; none for adult glioma.

    No more of a name is repeated than the word that says so.
    """
    said: dict[str, str] = {}
    for name in names:
        for kind, word in _WORDS.items():
            if found := word.search(name.lower()):
                said.setdefault(kind, found[1])
    return [beyond_scope(f"The name says '{word}'", kind) for kind, word in said.items()]


def beyond_scope(sign: str, kind: str) -> str:
    """The sentence about a case that is of another kind; sign: what tells."""
    return (
        f"{sign}, so this may be {kind}: outside what the model was made for, {FOR}. What it finds "
        "here was never checked."
    )
