"""What a header says of a contrast agent."""

from __future__ import annotations

import pytest

from mckd.tumour.contrast import agent_given

GIVEN = """
Gadovist|GADAVIST|Gadovist 7.5 ml|10 CC DOTAREM|20ML MAGNEVIST|Gd-DTPA|0.1 mmol/kg Gd|i.v. KM
CONTRAST|YES|Y|ja|given|10 ml|7,5 ml|15cc
"""
NOT_GIVEN = """
NONE|no contrast|NO_CONTRAST|N/A|n|Not given|NON|kein|keine|kein KM|nein|nicht gegeben|aucun|nativ
unenhanced|w/o|ohne KM|without contrast agent|/|.|-|--|0|0.0|0 ml|No IV contrast|pre|none given
"""
UNCLEAR = "X17|Gadovist not given|no reaction to Gadovist|unknown|Non-ionic|pre and post Gadovist|1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (word, told)
        for words, told in ((GIVEN, True), (NOT_GIVEN, False), (UNCLEAR, None))
        for word in words.strip().replace("\n", "|").split("|")
    ],
)
def test_what_a_header_says_of_an_agent(words, told):
    assert agent_given(words) is told


def test_a_header_that_says_nothing():
    assert agent_given("") is False
