"""Whether two headers name one person, without keeping whom.

What a header says is turned into digests under a key of this process: they can be compared with
each other, and mean nothing once it has ended.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

_KEY = secrets.token_bytes(32)


@dataclass(frozen=True)
class Person:
    """number: digest of the patient's ID; born: of name and date of birth. b"" where a header does
    not say it."""

    number: bytes = b""
    born: bytes = b""

    @classmethod
    def of(cls, number: str, issuer: str, name: str, birth: str) -> Person:
        """Whom a header names; a name without a date of birth, or that without a name, is nobody's.

        Args:
            number, issuer: of the patient's ID, and who gave it. name, birth: as DICOM writes them.
        """
        return cls(_digest(number, issuer), _digest(name, birth) if name and birth else b"")

    @property
    def says(self) -> int:
        """How much of who it is a header says: 0 of nobody, at most 2."""
        return bool(self.number) + bool(self.born)

    def shares(self, other: Person) -> bool:
        """Whether both say the same ID, or the same name and birth."""
        told = [(self.number, other.number), (self.born, other.born)]
        return any(a == b != b"" for a, b in told)

    def differs(self, other: Person) -> bool:
        """Whether both say who they are, and neither by ID nor by name and birth the same.

        Another hospital gives another ID to the same person; two people have both in common only
        where both were anonymised alike.
        """
        both_say = (self.number and other.number) or (self.born and other.born)
        return bool(both_say) and not self.shares(other)


NOBODY = Person()
"""Whom no header names."""


class _Naming(Protocol):
    @property
    def person(self) -> Person: ...


Named = TypeVar("Named", bound=_Naming)


def apart(persons: Iterable[Person]) -> list[set[Person]]:
    """Whom headers name, each person with all that they say of them; who may be either of two is
    alone."""
    groups: list[set[Person]] = []
    for person in sorted(dict.fromkeys(persons), key=lambda person: -person.says):
        fitting = [group for group in groups if any(map(person.shares, group))]
        fitting = fitting or [group for group in groups if not any(map(person.differs, group))]
        if len(fitting) == 1:
            fitting[0].add(person)
        else:
            groups.append({person})
    return groups


def by_person(named: Collection[Named]) -> list[list[Named]]:
    """What names persons, in its order, for each that `apart` tells."""
    groups = apart(one.person for one in named)
    place = {person: number for number, group in enumerate(groups) for person in group}
    parts: list[list[Named]] = [[] for _ in groups]
    for one in named:
        parts[place[one.person]].append(one)
    return parts


def _digest(*words: str) -> bytes:
    spoken = "\0".join(" ".join(word.replace("^", " ").split()).casefold() for word in words)
    return hmac.digest(_KEY, spoken.encode(), "sha256") if spoken.strip("\0") else b""
