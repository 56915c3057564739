"""The commands for tumour data: check a folder, fetch MSD Task01."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from train.__main__ import main
from train.download import DownloadError, Source
from train.tumour import download
from train.tumour.check import check
from train.tumour.download import fetch_msd, unpack_cases

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def write(path, volume):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, AFFINE), path)


@pytest.fixture
def folder(tmp_path):
    """Two cases: one whole with labels, one with T2 only."""
    volume = np.random.default_rng(0).integers(0, 500, (6, 7, 8)).astype(np.int16)
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[1, :5, 0], labels[2, :5, :5], labels[3, :5, :2] = 1, 2, 4
    for seed, word in enumerate(("t2f", "t1n", "t1c", "t2w")):
        write(tmp_path / "cases" / "one" / f"one-{word}.nii.gz", volume + np.int16(seed))
    write(tmp_path / "cases" / "one" / "one-seg.nii.gz", labels)
    write(tmp_path / "cases" / "two" / "two_T2w.nii", volume)
    return tmp_path / "cases"


class TestCheck:
    def test_a_line_for_each_case(self, folder):
        told = []
        assert check(folder, told.append) == 0
        text = "\n".join(told)
        one = next(line for line in told if line.startswith("one")).split()
        # 10, 15 and 40 voxels of 2 mm3.
        assert one[1:] == ["FLAIR", "T1", "T1c", "T2", "6x7x8", "LPS", "1x1x2", "0.0", "0.0", "0.1"]
        two = next(line for line in told if line.startswith("two")).split()
        assert two[1:5] == ["-", "-", "-", "T2"]
        assert two[-3:] == ["-", "-", "-"]
        assert "2 cases, 0 with problems. Sequences: FLAIR 1, T1 1, T1c 1, T2 2." in text
        assert "Notes:" in text  # a toy is no brain

    def test_problems_fail_and_the_rest_is_still_reported(self, folder, tmp_path):
        (folder / "three").mkdir()
        (folder / "three" / "x_t1.nii.gz").write_bytes(gzip.compress(b"nothing"))
        told = []
        assert check(folder, told.append) == 1
        text = "\n".join(told)
        assert "three: x_t1.nii.gz is not a NIfTI file" in text
        assert "3 cases, 1 with problems" in text
        assert any(line.startswith("two") for line in told)
        assert str(tmp_path) not in text

    def test_one_case_itself(self, folder):
        told = []
        assert check(folder / "one", told.append) == 0
        assert told[1].startswith("one ")
        assert "1 case, 0 with problems" in told[-1]

    def test_an_empty_folder_is_a_problem(self, tmp_path):
        assert check(tmp_path, lambda line: None) == 1

    def test_as_a_command(self, folder, tmp_path, capsys):
        assert main(["data", "check", str(folder)]) == 0
        assert "2 cases" in capsys.readouterr().out
        assert main(["data", "check", str(tmp_path / "absent")]) == 2
        assert "absent is no folder" in capsys.readouterr().err

    def test_a_real_case(self, brats):
        told = []
        assert check(brats / "BraTS2021_00002", told.append) == 0
        assert told[1].split()[-3:] == ["23.7", "34.9", "190.6"]
        assert not any("Notes" in line for line in told)


def archive_with(path, names):
    with tarfile.open(path, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 5
            tar.addfile(info, io.BytesIO(b"image"))
    return path


class TestMsd:
    names = tuple(
        f"Task01_BrainTumour/{part}/BRATS_00{i}.nii.gz"
        for part in ("imagesTr", "labelsTr")
        for i in (1, 2)
    )

    def source(self, path):
        return Source(path.as_uri(), None, hashlib.md5(path.read_bytes()).hexdigest())

    def fetch(self, tmp_path, source, needed_bytes=0, cases=2):
        told = []
        fetch_msd(tmp_path / "out", source, cases, needed_bytes, told.append)
        return told

    @pytest.fixture
    def local(self, monkeypatch):
        """Files instead of the network; `fetch` itself has its own tests."""

        def copy(source, path, say):
            path.write_bytes(Path(source.url.removeprefix("file://")).read_bytes())
            assert source.is_right(path)

        monkeypatch.setattr(download, "fetch", copy)

    def test_only_training_cases_leave_the_archive(self, tmp_path, local):
        odd = ["Task01_BrainTumour/imagesTs/BRATS_485.nii.gz", "../imagesTr/BRATS_003.nii.gz",
               "Task01_BrainTumour/imagesTr/._BRATS_001.nii.gz", "/etc/imagesTr/BRATS_004.nii.gz",
               "Task01_BrainTumour/dataset.json"]  # fmt: skip
        archive = archive_with(tmp_path / "Task01_BrainTumour.tar", [*self.names, *odd])
        told = self.fetch(tmp_path, self.source(archive))
        written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
        assert written == {*self.names, "Task01_BrainTumour/dataset.json"}
        assert "CC BY-SA 4.0" in told[-1]

    def test_it_is_not_fetched_twice(self, tmp_path, local):
        archive = archive_with(tmp_path / "Task01_BrainTumour.tar", self.names)
        source = self.source(archive)
        self.fetch(tmp_path, source)
        archive.unlink()
        assert self.fetch(tmp_path, source) == ["Task01_BrainTumour: already there"]

    def test_an_archive_that_lacks_cases(self, tmp_path, local):
        archive = archive_with(tmp_path / "Task01_BrainTumour.tar", self.names[:3])
        with pytest.raises(DownloadError, match="does not hold 2 cases"):
            self.fetch(tmp_path, self.source(archive))

    def test_a_full_disk_is_told_before(self, tmp_path):
        with pytest.raises(DownloadError, match="GB free"):
            self.fetch(tmp_path, download.MSD, needed_bytes=10**18)

    def test_a_damaged_archive(self, tmp_path):
        archive = tmp_path / "x.tar"
        archive.write_bytes(b"rubbish" * 1000)
        with pytest.raises(DownloadError, match="arrived damaged"):
            unpack_cases(archive, tmp_path / "out", lambda line: None)
        assert not archive.exists()

    def test_the_checksum_is_that_of_the_file(self, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(b"abc")
        right = "900150983cd24fb0d6963f7d28e17f72"
        assert Source("http://x/a", None, right).is_right(path)
        assert not Source("http://x/a", None, "0" * 32).is_right(path)
        assert not Source("http://x/a", "0" * 64, right).is_right(path)
