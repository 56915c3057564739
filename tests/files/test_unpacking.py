from __future__ import annotations

import random
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from mckd.files.unpacking import UnpackError, listed_bytes, numbered


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return path


def test_names_become_numbers_and_lead_nowhere(tmp_path: Path) -> None:
    one = archive(tmp_path / "a.zip", {"../../escape": b"1", "Doe^Jane/IM1": b"2", "folder/": b""})
    two = archive(tmp_path / "b.zip", {"Doe^Jane/IM1": b"3"})
    target = tmp_path / "out"
    target.mkdir()
    assert numbered([one, two], target, 10, 100) == 3
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {"0": b"1", "1": b"2", "2": b"3"}
    assert not (tmp_path.parent / "escape").exists()


def test_what_is_more_than_the_bounds_or_damaged_is_refused(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.zip", {"0": bytes(10_000)})
    many = archive(tmp_path / "many.zip", {str(n): b"x" for n in range(4)})
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bomb.read_bytes()[:-30])
    liar = bytearray(archive(tmp_path / "liar.zip", {"0": bytes(range(256))}).read_bytes())
    liar[35] ^= 0xFF  # within the packed bytes
    (tmp_path / "liar.zip").write_bytes(liar)
    for name, sentence in [
        ("bomb.zip", "GB at once"),
        ("many.zip", "More than 3 files"),
        ("cut.zip", "damaged"),
        ("liar.zip", "damaged"),
    ]:
        target = tmp_path / name.removesuffix(".zip")
        target.mkdir()
        with pytest.raises(UnpackError, match=sentence):
            numbered([tmp_path / name], target, 3, 9_999)
    assert many.exists()


def ends(plain: bytes, zip64: bytes = b"") -> bytes:
    return b"PK\3\4" + bytes(60) + zip64 + plain


@pytest.mark.parametrize(
    "data",
    [
        ends(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 2**25, 0, 0)),
        # another that is cut short, in the field that says where the list begins
        ends(struct.pack("<4s4HL4sH", b"PK\5\6", 0, 0, 1, 1, 2**25, b"PK\5\6", 0)),
        # ZIP64's, which counts whatever the other says
        ends(
            struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 46, 0, 0),
            struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**25, 0)
            + struct.pack("<4sLQL", b"PK\6\7", 0, 64, 1),
        ),
    ],
    ids=["plain", "hidden", "zip64"],
)
def test_a_list_of_files_too_long_is_not_read(tmp_path: Path, data: bytes) -> None:
    """zipfile would read all of it, with half a kilobyte for each entry."""
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert listed_bytes(path) == 2**25
    with pytest.raises(UnpackError, match="More than 3,000 files"):
        numbered([path], tmp_path, 3000, 2**30)


def test_how_long_a_list_is(tmp_path: Path) -> None:
    """46 bytes and the name for each file."""
    path = archive(tmp_path / "x.zip", {"ab": b"1", "abcd": b"2"})
    assert listed_bytes(path) == 46 + 2 + 46 + 4
    (tmp_path / "none").write_bytes(b"PK")
    assert listed_bytes(tmp_path / "none") == 0


def test_only_ways_of_packing_that_ask_for_little_memory_are_unpacked(tmp_path: Path) -> None:
    for name, way in [("lzma", zipfile.ZIP_LZMA), ("bz2", zipfile.ZIP_BZIP2)]:
        with zipfile.ZipFile(tmp_path / name, "w", way) as packed:
            packed.writestr("0", b"x")
        with pytest.raises(UnpackError, match="damaged"):
            numbered([tmp_path / name], tmp_path, 5, 100)


def test_whatever_was_exchanged_in_an_archive_is_a_sentence_of_ours(tmp_path: Path) -> None:
    honest = archive(tmp_path / "a.zip", {"é": b"1" * 50, "b": bytes(range(99))}).read_bytes()
    chance = random.Random(5)
    for number in range(400):
        changed = bytearray(honest)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.choice([0, 1, 8, 127, 128, 255])
        (tmp_path / "x.zip").write_bytes(changed[: chance.choice([len(changed), -1, -9, -40])])
        target = tmp_path / str(number)
        target.mkdir()
        with suppress(UnpackError):  # whatever else is raised fails the test
            numbered([tmp_path / "x.zip"], target, 5, 1_000)
