"""The tables and the report of visits whose numbers were chosen."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date

import pypdfium2
import pytest

from mckd.report.followup import Followed, changes_csv, followup_json, visits_csv
from mckd.report.followup_document import _drawn, followup_document
from mckd.tumour.diameters import Lesion
from mckd.tumour.followup import FollowUp, Reading, Visit
from mckd.tumour.persons import Person

ABOUT = {
    "sha256": "0123456789abcdef" * 4,
    "data": "7 invented cases",
    "intervals": "Measured on invented cases.",
    "unseen": {"dice": {"t1c": {"et": 0.6, "tc": 0.4, "wt": 0.2}}},
}
REGIONS = ("et", "tc", "wt")


def reading(ml: float, low: float, high: float, *lesions: Lesion) -> Reading:
    ends = float(low), float(high)
    return Reading(dict.fromkeys(REGIONS, float(ml)), dict.fromkeys(REGIONS, ends), lesions)


def visit(name: str, day: date | None, synthetic: bool = True, **readings: Reading) -> Visit:
    known = {frozenset(key.split("_")): found for key, found in readings.items()}
    return Visit(name, max(known, key=len), known, day, synthetic)


FIRST = visit(
    "Anna Example", date(2024, 1, 31),
    t1c_t2=reading(20, 15, 26), t1c=reading(24, 19, 30, Lesion(30.004, 20, 9, 4, True)),
    t2=reading(20, 10, 30),
)  # fmt: skip
SECOND = visit("Anna Example", date(2024, 4, 28), t1c=reading(40.5, 32.5, 52.5))
THIRD = visit("Anna Example", date(2024, 7, 1), t2=reading(30, 20, 50))


@pytest.fixture
def followed() -> Followed:
    return Followed(FollowUp.of([THIRD, FIRST, SECOND]), ABOUT, date(2026, 11, 2))


def rows(data: bytes) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(data.decode()))]


def test_changes_have_a_line_per_step_and_region(followed) -> None:
    """1 to 2, 2 to 3, then 1 to 3. 40.5 - 20 = 20.5, of which 40.5 - 24 = 16.5 from T1c; of both
    the range reaches down by the root of 8^2 + 6^2, up by that of 12^2 + 5^2."""
    lines = rows(changes_csv(followed))
    assert [(line["from"], line["to"]) for line in lines[::3]] == [
        ("1", "2"),
        ("2", "3"),
        ("1", "3"),
    ]
    assert lines[0] == {
        "from": "1", "to": "2", "days": "88", "subset_from": "t1c+t2", "subset_to": "t1c",
        "compared_by": "t1c", "region": "et", "plain_ml": "20.5", "plain_low_ml": "10.5",
        "plain_high_ml": "33.5", "growth_ml": "16.5", "growth_low_ml": "6.5",
        "growth_high_ml": "29.5", "protocol_ml": "4.0", "verdict": "grown", "caution": "",
        "plain_likely_nearer": "False", "rano_sum_mm2": "0.0", "rano_smallest_mm2": "600.1",
        "rano_baseline_mm2": "600.1", "rano_sign": "response",
    }  # fmt: skip
    assert [line["caution"] for line in lines[:3]] == ["", "rough", "unreliable"]
    assert {line["verdict"] for line in lines[3:6]} == {"not comparable"}
    assert {line["growth_ml"] for line in lines[3:6]} == {""}


def test_two_people_are_said_and_no_growth_is_told(followed) -> None:
    ids = [Person.of(number, "", "", "") for number in ("P7", "P8", "P8")]
    given = [replace(v, person=who) for v, who in zip((FIRST, SECOND, THIRD), ids, strict=True)]
    mixed = Followed(FollowUp.of(given), ABOUT, date(2026, 11, 2))
    lines = rows(changes_csv(mixed))
    assert {line["verdict"] for line in (*lines[:3], *lines[6:])} == {"two people?"}
    assert {line["verdict"] for line in lines[3:6]} == {"not comparable"}  # T1c, T2
    assert not any(line.get("growth_ml") or line.get("plain_ml") for line in lines)
    told = json.loads(followup_json(mixed))
    assert [step["may_be_two_people"] for step in told["changes"]] == [True, False, True]
    assert told["changes"][0]["sentence"].startswith("These visits may be of two people")
    text = " ".join(pages(followup_document(mixed)).split())
    assert "Visit 1 to 2, 88 days These visits may be of two people: their DICOM headers" in text
    for make in (changes_csv, visits_csv, followup_json, followup_document):
        assert not any(who.number.hex().encode() in make(mixed) for who in ids)


def test_visits_have_a_line_per_subset_that_was_compared(followed) -> None:
    lines = rows(visits_csv(followed))
    told = [(line["visit"], line["date"], line["subset"]) for line in lines[::3]]
    assert told == [
        ("1", "2024-01-31", "t1c+t2"), ("1", "2024-01-31", "t1c"), ("1", "2024-01-31", "t2"),
        ("2", "2024-04-28", "t1c"), ("3", "2024-07-01", "t2"),
    ]  # fmt: skip
    t1c = lines[3]
    assert (t1c["longest_mm"], t1c["across_mm"], t1c["measurable_lesions"]) == ("30.0", "20", "1")
    assert (t1c["volume_ml"], t1c["volume_low_ml"]) == ("24.0", "19.0")


def test_json_says_what_the_numbers_mean(followed) -> None:
    told = json.loads(followup_json(followed))
    assert [visit["date"] for visit in told["visits"]] == ["2024-01-31", "2024-04-28", "2024-07-01"]
    assert told["common_to_all"] == []
    assert "no growth" in told["meaning"]["growth_ml"]
    assert "10 mm x 10 mm" in told["meaning"]["product_mm2"]
    assert told["meaning"]["volume_low_ml"] == "Measured on invented cases."


def pages(data: bytes) -> str:
    pdf = pypdfium2.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in pdf)


class TestReport:
    def test_says_what_has_grown_and_what_cannot_be_compared(self, followed) -> None:
        text = " ".join(pages(followup_document(followed)).split())
        assert "Visit 1 to 2, 88 days" in text
        assert "Compared from T1c, the sequences that both have: ET grown, TC grown" in text
        assert "+16.5" in text
        assert "+6 to +30" in text
        assert "largest enhancing lesion 30 x 20 mm, then none" in text
        assert "Visit 2 to 3, 64 days The two visits have no sequence in common" in text
        assert "not a medical device" in text
        assert "SYNTHETIC CASES" in text
        assert "Over all visits" not in text  # nothing is common to all

    def test_draws_a_line_over_visits_with_common_sequences(self) -> None:
        for days in ((date(2024, 1, 31), date(2024, 4, 28)), (None, None)):
            pair = [visit("", day, t2=reading(20, 10, 30)) for day in days]
            text = pages(followup_document(Followed(FollowUp.of(pair), ABOUT, date(2026, 11, 2))))
            assert "Over all visits, from T2" in text

    def test_visits_of_one_day_lie_beside_each_other(self) -> None:
        """As those without dates do."""
        drawings = []
        for day in (date(2024, 1, 31), None):
            pair = [visit("", day, t2=reading(ml, ml - 1, ml + 1)) for ml in (20, 30)]
            drawings.append(_drawn(Followed(FollowUp.of(pair), ABOUT, date(2026, 11, 2))))
        assert drawings[0] == drawings[1]

    def test_names_nobody(self, followed) -> None:
        for make in (changes_csv, visits_csv, followup_json, followup_document):
            assert b"Anna" not in make(followed)
        assert "Anna" not in pages(followup_document(followed))

    def test_is_the_same_from_the_same(self, followed) -> None:
        assert followup_document(followed) == followup_document(followed)

    def test_does_not_call_a_patient_synthetic(self) -> None:
        pair = [visit("", None, k == 0, t2=reading(20, 10, 30)) for k in range(2)]
        mixed = Followed(FollowUp.of(pair), ABOUT, date(2026, 11, 2))
        text = pages(followup_document(mixed))
        assert "SYNTHETIC" not in text
        visits = text[text.index("Visits") : text.index("Visit 1 to 2")]
        assert visits.count("synthetic") == 1  # the first, and that is told
        told = {line["visit"]: line["synthetic"] for line in rows(visits_csv(mixed))}
        assert told == {"1": "True", "2": "False"}
