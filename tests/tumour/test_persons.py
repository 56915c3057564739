"""Whether headers name one person, and that nobody can read whom."""

from __future__ import annotations

import pytest

from mckd.tumour.persons import NOBODY, Person, apart

JANE = Person.of("P7", "North", "Doe^Jane", "19700101")


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (("P7", "North", "Doe^Jane", "19700101"), False),
        (("p7 ", "north", "DOE^JANE^", "19700101"), False),  # written otherwise
        (("P8", "South", "Doe^Jane", "19700101"), False),  # in another hospital
        (("P7", "North", "Roe^Jane", "19700101"), False),  # under another name since
        (("P8", "North", "Roe^Jane", "19700101"), True),
        (("P8", "North", "", ""), True),
        (("P7", "North", "", ""), False),
        (("", "", "Roe^Jane", "19700101"), True),
        (("", "", "Roe^Jane", ""), False),  # a name alone says little
        (("", "", "", ""), False),
    ],
)
def test_two_people_differ_in_all_that_both_say(words, differs):
    other = Person.of(*words)
    assert JANE.differs(other) is differs
    assert other.differs(JANE) is differs


def test_a_person_is_digests_of_what_was_said():
    assert not any(word in str(JANE).casefold() for word in ("p7", "north", "doe", "jane", "1970"))
    assert Person.of("", "", "", "") == Person()


def test_each_group_is_one_person():
    """The same woman after a transfer, with her ID alone, and somebody else."""
    moved = Person.of("P8", "South", "Doe^Jane", "19700101")
    bare = Person.of("P7", "North", "", "")
    other = Person.of("P9", "North", "Roe^John", "19600101")
    assert apart([bare, other, JANE, moved]) == [{other}, {JANE, moved, bare}]


def test_who_may_be_either_of_two_is_neither():
    other = Person.of("P9", "North", "Roe^John", "19600101")
    assert apart([NOBODY, JANE]) == [{JANE, NOBODY}]
    assert apart([NOBODY, JANE, other]) == [{JANE}, {other}, {NOBODY}]
