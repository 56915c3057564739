"""What somebody gives: folders, archives, files; hostile archives too."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from mckd.clinic import sources
from mckd.clinic.series import StudyError
from mckd.clinic.sources import files_of

IMAGE = b"\0" * 128 + b"DICM" + b"x" * 100


def pack(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_folder_archive_and_file_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "IM1").write_bytes(IMAGE)
    (tmp_path / "in" / ".hidden").write_bytes(IMAGE)
    archive = pack(tmp_path / "x.zip", {"a/IM1": IMAGE, "__MACOSX/a/IM1": IMAGE, "a/notes": b"hi"})
    folder, packed = files_of(tmp_path / "in"), files_of(str(archive))
    assert [given.shown for given in folder.given] == ["a/IM1"]
    assert [given.shown for given in packed.given] == ["a/IM1"]
    assert packed.given[0].path.read_bytes() == IMAGE
    both = files_of([archive, tmp_path / "in" / "a" / "IM1"])
    assert [given.shown for given in both.given] == ["a/IM1", "IM1"]


def test_what_was_unpacked_goes_with_the_study(tmp_path: Path) -> None:
    files = files_of(pack(tmp_path / "x.zip", {"IM1": IMAGE}))
    path = files.given[0].path
    assert path.is_file()
    del files
    assert not path.exists()


@pytest.mark.parametrize("name", ["../../evil", "a/../../evil", "..\\evil"])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudyError, match="places outside itself"):
        files_of(pack(tmp_path / "x.zip", {name: IMAGE}))


@pytest.mark.parametrize("name", ["/etc/evil", "C:\\evil", "CON"])
def test_no_name_is_a_place_on_this_disk(tmp_path: Path, name: str) -> None:
    files = files_of(pack(tmp_path / "x.zip", {name: IMAGE}))
    assert files.kept is not None
    [given] = files.given
    assert given.path == Path(files.kept.name) / "00000" / "00000"


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one large file nor many; what is no image is not unpacked at all."""
    monkeypatch.setattr(sources, "LARGEST_ARCHIVE", 2**22)
    large = pack(tmp_path / "large.zip", {"a": IMAGE + bytes(2**23)})
    many = pack(tmp_path / "many.zip", {f"{n}": IMAGE + bytes(2**20) for n in range(8)})
    for archive in (large, many):
        with pytest.raises(StudyError, match="holds more than"):
            files_of(archive)
    assert files_of(pack(tmp_path / "other.zip", {"a.bin": bytes(2**23)})).given == ()


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_FILES", 3)
    entries = {f"{n}": IMAGE for n in range(4)}
    with pytest.raises(StudyError, match="more than 3 files"):
        files_of(pack(tmp_path / "x.zip", entries))
    for name in entries:
        (tmp_path / name).write_bytes(IMAGE)
    with pytest.raises(StudyError, match="more than 3 files"):
        files_of(tmp_path)


def test_a_list_of_files_too_long_is_not_read(tmp_path: Path) -> None:
    """The end of an archive says how long its list is; zipfile would read all of it."""
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**31, 0, 0)
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\3\4" + end)
    with pytest.raises(StudyError, match="more than 20,000 files"):
        files_of(path)


def test_ways_of_packing_that_take_memory_as_they_like(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("IM1", IMAGE)
    with pytest.raises(StudyError, match=r"x.zip is packed in a way that is not read"):
        files_of(path)


def test_a_disk_that_takes_nothing_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", {"IM1": IMAGE})
    with pytest.raises(StudyError, match=r"x.zip cannot be unpacked \(No such file"):
        sources._unpacked(archive, tmp_path / "gone", 0)


def test_locked_damaged_missing(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", {"IM1": IMAGE})
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the flags of the entry, and those in the list
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(StudyError, match=r"locked.zip is locked with a password"):
        files_of(tmp_path / "locked.zip")
    (tmp_path / "bad.zip").write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(StudyError, match=r"bad.zip is no ZIP archive"):
        files_of(tmp_path / "bad.zip")
    with pytest.raises(StudyError, match=r"gone.zip is missing"):
        files_of(tmp_path / "gone.zip")
