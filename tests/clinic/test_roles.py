import csv
from dataclasses import replace
from pathlib import Path

import pytest

from mckd.clinic.roles import in_time
from mckd.clinic.series import Facts, Role

TABLE = Path(__file__).with_name("protocols.csv")

MPRAGE = Facts(
    description="t1_mprage_sag",
    sequence=("GR", "IR"),
    three_d=True,
    tr_ms=2300,
    te_ms=2.98,
    ti_ms=900,
    flip_deg=9,
)


def facts_of(row: dict[str, str]) -> Facts:
    times = {
        field: float(row[column]) if row[column] else None
        for field, column in (
            ("tr_ms", "tr"),
            ("te_ms", "te"),
            ("ti_ms", "ti"),
            ("flip_deg", "flip"),
            ("b_value", "b"),
        )
    }
    return Facts(
        description=row["description"],
        sequence=tuple(row["sequence"].split()),
        variant=tuple(row["variant"].split()),
        image_type=tuple(row["image_type"].split()),
        three_d=row["three_d"] == "3D",
        contrast=row["agent"],
        pulse=row["pulse"],
        **times,
    )


def spoken(role: Role) -> str:
    return (role.slot or "aside") if role.sure else "ask"


def test_protocols_of_three_vendors() -> None:
    """At least 98 in 100 are right, and none is wrong without asking."""
    rows = list(csv.DictReader(TABLE.open(encoding="utf-8")))
    assert len(rows) >= 300
    assert len({row["vendor"] for row in rows}) == 3
    answers = [(row, spoken(in_time([facts_of(row)])[0].role)) for row in rows]
    assert [
        (r["description"], said) for r, said in answers if said not in (r["expected"], "ask")
    ] == []
    right = sum(answer == row["expected"] for row, answer in answers)
    assert right >= 0.98 * len(rows)


def said(*study: Facts) -> list[str]:
    """Of series that were taken one after the other, if they do not say otherwise."""
    timed = [
        replace(facts, order=place) if facts.order is None else facts
        for place, facts in enumerate(study)
    ]
    return [spoken(guess.role) for guess in in_time(timed)]


def of(description: str, agent: str = "") -> Facts:
    return replace(MPRAGE, description=description, contrast=agent)


@pytest.mark.parametrize(
    ("study", "answers"),
    [
        # Before the first that is after contrast, it is before; later, a person has to say.
        ([of("t1_mprage"), of("t1_mprage_KM", "Gadovist")], ["t1", "t1c"]),
        ([of("t1_mprage_KM", "Gadovist"), of("t1_mprage_cor")], ["t1c", "ask"]),
        # Twice the same name: the second may be after contrast.
        ([of("t1_mprage"), of("t1_mprage")], ["t1", "ask"]),
        # What was computed from one acquisition was not taken twice.
        ([replace(of("t1_mprage"), order=0), replace(of("t1_mprage"), order=0)], ["t1", "t1"]),
        ([replace(of("t1 KM"), order=1), replace(of("t1 MPR tra"), order=1)], ["t1c", "ask"]),
        # An agent that was filled in for every series tells none apart; a name does.
        ([of("t1_mprage", "Gadovist"), of("t1_mprage_tra", "Gadovist")], ["ask", "ask"]),
        ([of("t1_mprage", "Gadovist"), of("t1_mprage_KM", "Gadovist")], ["t1", "t1c"]),
        ([of("t1 nativ", "Gadovist"), of("t1 KM", "Gadovist")], ["t1", "t1c"]),
        # A header that says none, and one that says what nobody knows: later ones may be after it.
        ([of("t1_mprage", "kein"), of("t1_mprage_cor", "Dotarem")], ["t1", "t1c"]),
        ([of("t1_mprage", "X17"), of("t1_mprage_cor")], ["ask", "ask"]),
        ([of("t1_mprage_KM", "X17"), of("t1_mprage_pre", "X17")], ["t1c", "t1"]),
        # A name that says no contrast beside a header that names an agent.
        ([of("t1_mprage_pre", "Gadovist")], ["ask"]),
    ],
)
def test_t1_before_and_after_contrast(study: list[Facts], answers: list[str]) -> None:
    assert said(*study) == answers


DERIVED = replace(MPRAGE, image_type=("DERIVED", "SECONDARY", "MPR"))


@pytest.mark.parametrize(
    ("study", "answers"),
    [
        ([MPRAGE, MPRAGE], ["ask", "ask"]),
        ([MPRAGE, DERIVED], ["t1", "t1"]),
        # What was computed may be of either.
        ([MPRAGE, MPRAGE, DERIVED], ["ask", "ask", "ask"]),
        # An agent: by their numbers the first was taken before it was given.
        ([MPRAGE, replace(MPRAGE, contrast="Gadovist")], ["t1", "t1c"]),
        ([replace(MPRAGE, contrast="Gadovist"), of("t1_mprage_cor")], ["t1c", "ask"]),
    ],
)
def test_t1_whose_order_no_time_tells(study: list[Facts], answers: list[str]) -> None:
    assert [spoken(guess.role) for guess in in_time(study)] == answers


def test_name_against_header_is_a_doubt_that_says_both() -> None:
    role = in_time([of("t2_tse_tra")])[0].role
    assert (role.slot, role.sure) == ("t2", False)
    assert "T2" in role.doubt
    assert "T1" in role.doubt
    assert "TI 900 ms" in role.doubt
