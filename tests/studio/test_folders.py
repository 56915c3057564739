"""Files of visitors on disk: apart, at addresses nobody guesses, and gone when they are."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mckd.files.names import plain_name
from mckd.files.unpacking import UnpackError
from mckd.studio.services import folders as module
from mckd.studio.services.folders import DiskFull, Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "root")


def upload(folders: Folders, name: str = "x.nii.gz", data: bytes = b"head") -> str:
    return folders.receive("a browser", name, io.BytesIO(data))


def every(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_same_content_of_two_visitors_has_two_secret_addresses(folders: Folders) -> None:
    one = folders.send("ann", "flair.gz", b"the same")
    two = folders.send("bob", "flair.gz", b"the same")
    assert one != two
    assert one.read_bytes() == two.read_bytes() == b"the same"
    assert folders.send("ann", "flair.gz", b"the same") == one
    assert folders.send("ann", "flair.gz", b"another") != one
    secrets = {path.relative_to(folders.root).parts[1] for path in (one, two)}
    assert len(secrets) == 2
    for secret in secrets:
        assert re.fullmatch(r"[0-9a-f]{32}", secret)  # 128 bits
        assert secret not in ("ann", "bob")


def test_a_file_that_vanished_is_written_again(folders: Folders) -> None:
    path = folders.send("ann", "t1.gz", b"1")
    path.unlink()
    assert folders.send("ann", "t1.gz", b"1").read_bytes() == b"1"


def test_an_upload_is_found_again_by_who_opened_it_only(folders: Folders) -> None:
    sent = upload(folders)
    assert re.fullmatch(r"[0-9a-f]{32}", sent)  # 128 bits
    taken = folders.take("ann", sent)
    assert taken.path.is_relative_to(folders.given)
    assert every(folders.root) == [taken.path]
    assert folders.take("ann", sent) == taken
    with pytest.raises(FileNotFoundError):
        folders.take("bob", sent)


def test_its_browser_opens_an_upload_again_and_nobody_else(folders: Folders) -> None:
    """A page that was loaded anew is another owner: what the old one deletes stays the new's."""
    sent = upload(folders)
    before = folders.take("page", sent, "a browser")
    with pytest.raises(FileNotFoundError):
        folders.take("bob", sent, "another browser")
    with pytest.raises(FileNotFoundError):
        folders.take("bob", sent)
    after = folders.take("page anew", sent, "a browser")
    folders.forget("page")
    assert every(folders.root) == [after.path]
    assert before.path != after.path
    assert after.path.read_bytes() == b"head"
    assert folders.take("a third", sent, "a browser").path.read_bytes() == b"head"
    for owner in ("page anew", "a third"):
        folders.forget(owner)
    assert every(folders.root) == []
    with pytest.raises(FileNotFoundError):
        folders.take("too late", sent, "a browser")


def test_a_browser_that_is_forgotten_leaves_nothing_in_any_of_its_pages(folders: Folders) -> None:
    sent = upload(folders)
    folders.take("page", sent, "a browser")
    folders.take("page anew", sent, "a browser")
    folders.send("page", "t1.gz", b"1")
    kept = folders.send("bob", "t1.gz", b"1")
    folders.forget_sender("a browser")
    assert every(folders.root) == [kept]


@pytest.mark.parametrize("name", ["Mueller_Hans_flair.nii.gz", "..", "", "a/b\\c", "\x1b[31m"])
def test_what_a_visitor_calls_a_file_is_not_on_the_disk(folders: Folders, name: str) -> None:
    sent = upload(folders, name)
    for taken in (every(folders.root)[0], folders.take("ann", sent).path):
        assert re.fullmatch(r"[0-9a-f]{32}", taken.name)
        assert sent not in str(taken)
    assert folders.take("ann", sent).name == plain_name(name)


def test_the_same_bytes_of_two_visitors_are_two_files(folders: Folders) -> None:
    one, two = upload(folders), upload(folders)
    ann, bob = folders.take("ann", one), folders.take("bob", two)
    assert ann != bob
    folders.forget("ann")
    assert bob.path.read_bytes() == b"head"


def test_what_was_sent_and_never_opened_goes_with_its_browser(folders: Folders) -> None:
    sent, opened = upload(folders), folders.take("ann", upload(folders))
    folders.forget("a browser")
    assert every(folders.root) == [opened.path]
    with pytest.raises(FileNotFoundError):
        folders.take("ann", sent)


def test_forgetting_one_leaves_the_other(folders: Folders, tmp_path: Path) -> None:
    folders.send("ann", "t1.gz", b"1")
    folders.take("ann", upload(folders))
    kept = folders.send("bob", "t1.gz", b"1")
    folders.forget("ann")
    assert every(tmp_path) == [kept]
    folders.forget("ann")
    folders.forget("nobody")


def test_what_nobody_asks_for_is_deleted(folders: Folders, tmp_path: Path) -> None:
    folders.send("ann", "t1.gz", b"1")
    folders.take("bob", upload(folders))
    folders.expire(1000)
    assert len(every(tmp_path)) == 2
    folders.expire(-1)
    assert every(tmp_path) == []


def test_a_visitor_s_first_files_go_when_more_comes_than_fits(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_BYTES", 100)
    first, second = (
        folders.take("ann", upload(folders, name, bytes(60))) for name in ("a.nii", "b.nii")
    )
    assert not first.path.exists()
    assert second.path.exists()
    assert folders.take("ann", upload(folders, "c.nii", bytes(200))).path.exists()
    assert not second.path.exists()


def test_without_a_root_it_brings_its_own(tmp_path: Path) -> None:
    path = Folders().send("ann", "t1.gz", b"1")
    assert not path.is_relative_to(tmp_path)


def test_a_full_disk_leaves_no_half_file(folders: Folders, full_disk: Any) -> None:
    kept = folders.send("ann", "t1.gz", b"1")
    with full_disk():
        for attempt in (
            lambda: folders.send("ann", "t2.gz", bytes(9000)),
            lambda: upload(folders, "x.nii", bytes(9000)),
        ):
            with pytest.raises(DiskFull, match="disk of this computer is full"):
                attempt()
        assert every(folders.root) == [kept]
    assert folders.send("ann", "t2.gz", bytes(9000)).read_bytes() == bytes(9000)
    assert folders.take("ann", upload(folders, "x.nii", bytes(9000))).path.stat().st_size == 9000


def packed(*contents: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number, content in enumerate(contents):
            archive.writestr(str(number), content)
    return data.getvalue()


def test_who_unpacks_again_has_the_last_only_and_others_keep_theirs(folders: Folders) -> None:
    tickets = [upload(folders, data=packed(content)) for content in (b"1", b"2", b"3")]
    first = folders.unpack("ann", tickets[:1])
    other = folders.unpack("bob", tickets[2:])
    second = folders.unpack("ann", tickets[:2])
    assert [file.read_bytes() for file in sorted(every(second))] == [b"1", b"2"]
    assert not first.exists()
    assert (other / "0").read_bytes() == b"3"
    with pytest.raises(FileNotFoundError):
        folders.unpack("ann", tickets[2:])
    folders.forget("ann")
    assert not second.exists()
    assert other.exists()


@pytest.mark.parametrize("late", [False, True])
def test_deleting_while_something_is_unpacked_leaves_nothing(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    ticket = upload(folders, data=packed(b"1", b"2"))
    unpack = module.numbered

    def interrupted(archives: list[Path], folder: Path, *bounds: int) -> int:
        folders.forget("ann")
        if late:  # as if files came while the folder was being deleted
            folder.mkdir(parents=True)
        return unpack(archives, folder, *bounds)

    monkeypatch.setattr(module, "numbered", interrupted)
    folders.take("ann", ticket)
    with pytest.raises((FileNotFoundError, UnpackError)):
        folders.unpack("ann", [ticket])
    assert every(folders.root) == []


def test_deleting_while_a_file_arrives_leaves_nothing_for_good(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            folders.forget("a browser")
            return super().read(size)

    upload(folders)
    with pytest.raises(FileNotFoundError):
        folders.receive("a browser", "x", Slow(b"head"))
    assert every(folders.root) == []

    write = module._write

    def later(path: Path, fill: Any) -> None:
        folders.forget("a browser")
        write(path, fill)

    monkeypatch.setattr(module, "_write", later)
    upload(folders)
    assert len(every(folders.root)) == 1  # it is new
    folders.forget("a browser")
    assert every(folders.root) == []
