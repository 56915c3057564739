from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mckd.files.unpacking import UnpackError, numbered


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
