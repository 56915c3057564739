"""A folder of tables that came as a ZIP archive."""

import zipfile

import pytest

from mckd.tables import archive
from mckd.tables.archive import unpacked
from mckd.tables.files import TableError


@pytest.fixture
def packed(tmp_path):
    def pack(**files):
        path = tmp_path / "mine.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, text in files.items():
                opened.writestr(name, text)
        return path

    return pack


def names(path):
    with unpacked(path, "mine.zip") as folder:
        return sorted(p.name for p in folder.iterdir())


def test_tables_are_found_wherever_they_lie(packed):
    files = {
        "deep/er/blood.csv": "id,x\n1,2\n",
        "labels.csv": "id,y\n1,2\n",
        "back\\scan.parquet": "x",
        "README.md": "x",
        "__MACOSX/blood.csv": "x",
        "deep/.hidden.csv": "x",
    }
    assert names(packed(**files)) == ["blood.csv", "labels.csv", "scan.parquet"]


def test_nothing_is_written_elsewhere(packed, tmp_path):
    path = packed(**{"../../evil.csv": "id,x\n1,2\n", "/etc/also.csv": "id,x\n1,2\n"})
    assert names(path) == ["also.csv", "evil.csv"]
    assert [p.name for p in tmp_path.iterdir()] == ["mine.zip"]


def test_the_folder_goes(packed):
    with unpacked(packed(**{"blood.csv": "id,x\n1,2\n"}), "mine.zip") as folder:
        pass
    assert not folder.exists()


class TestComplaints:
    def complaint(self, path):
        with pytest.raises(TableError) as caught, unpacked(path, "mine.zip"):
            pass
        return str(caught.value)

    def test_no_archive(self, tmp_path):
        (tmp_path / "mine.zip").write_bytes(b"no archive")
        assert "mine.zip is no ZIP archive" in self.complaint(tmp_path / "mine.zip")

    def test_a_damaged_one(self, packed):
        path = packed(**{"blood.csv": "id,x\n" + "1,2\n" * 1000})
        data = bytearray(path.read_bytes())
        data[45:60] = b"\0" * 15
        path.write_bytes(data)
        assert "mine.zip is no ZIP archive" in self.complaint(path)

    @pytest.mark.parametrize("way", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    def test_ways_of_packing_that_take_memory_as_they_like(self, tmp_path, way):
        path = tmp_path / "mine.zip"
        with zipfile.ZipFile(path, "w", way) as opened:
            opened.writestr("blood.csv", "id,x\n1,2\n")
        assert "mine.zip is packed in a way that is not read" in self.complaint(path)

    def test_one_with_a_password(self, packed):
        path = packed(**{"blood.csv": "id,x\n1,2\n"})
        data = bytearray(path.read_bytes())
        data[6] |= 1  # the flag of the entry, and of the directory at the end
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
        assert "locked with a password" in self.complaint(path)

    def test_no_table(self, packed):
        assert "mine.zip holds no table" in self.complaint(packed(**{"a.txt": "x"}))

    def test_two_of_one_name(self, packed):
        path = packed(**{"a/blood.csv": "id,x\n1,2\n", "b/blood.csv": "id,x\n1,2\n"})
        assert "two files called blood.csv" in self.complaint(path)

    def test_a_bomb(self, packed, monkeypatch):
        monkeypatch.setattr(archive, "LARGEST_BYTES", 1000)
        assert "too large" in self.complaint(packed(**{"blood.csv": "id,x\n" + "1,2\n" * 10**5}))

    def test_too_many_files(self, packed, monkeypatch):
        monkeypatch.setattr(archive, "MOST_ENTRIES", 2)
        files = {f"{k}.txt": "x" for k in range(3)}
        assert "mine.zip holds 3 files; at most 2" in self.complaint(packed(**files))
