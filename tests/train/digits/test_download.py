"""The downloader against a real server on this machine."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from mckd.digits.data import DataError
from train import download as fetching
from train.digits import download
from train.digits.download import fetch_avmnist, speaker_digest, unpack_recordings
from train.download import DownloadError, Source, fetch

CONTENT = bytes(range(256)) * 2000
SHA = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with ranges; counts the bytes sent; can break off once."""

    def do_GET(self):
        server = self.server
        data = (server.folder / self.path.lstrip("/")).read_bytes()
        start = 0
        if server.ranges and (given := self.headers.get("Range")):
            start = int(given.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data)
        if server.break_at:
            end, server.break_at = server.break_at, None
        server.sent += end - start
        self.wfile.write(data[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.gz").write_bytes(CONTENT)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler))
    httpd.folder, httpd.ranges, httpd.break_at, httpd.sent = folder, True, None, 0
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    httpd.home = f"http://127.0.0.1:{httpd.server_port}/"
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)


def test_a_file_arrives_whole_and_once(server, tmp_path):
    told = []
    for _ in range(2):
        fetch(Source(server.home + "a.gz", SHA), tmp_path / "a.gz", told.append)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert server.sent == len(CONTENT)
    assert told[-1] == "a.gz: already there"
    assert any("MB" in line for line in told)


def test_a_broken_connection_is_resumed(server, tmp_path):
    server.break_at = 100_000
    fetch(Source(server.home + "a.gz", SHA), tmp_path / "a.gz", lambda line: None)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert server.sent == len(CONTENT)  # nothing twice


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "a.gz.part").write_bytes(b"old")
    fetch(Source(server.home + "a.gz", SHA), tmp_path / "a.gz", lambda line: None)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_a_wrong_checksum_is_never_kept(server, tmp_path):
    with pytest.raises(DownloadError, match="wrong checksum"):
        fetch(Source(server.home + "a.gz", "0" * 64), tmp_path / "a.gz", lambda line: None)
    assert list(tmp_path.glob("a.gz*")) == []


def test_no_connection_says_what_to_do(tmp_path):
    with pytest.raises(DownloadError, match="run the command again"):
        fetch(Source("http://127.0.0.1:1/a.gz", SHA), tmp_path / "a.gz", lambda line: None)


def archive_with(path, names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"wave"))


def test_only_known_recordings_leave_the_archive(tmp_path):
    archive = tmp_path / "x.tar.gz"
    good = "fsdd-1/recordings/0_theo_1.wav"
    archive_with(
        archive,
        [good, "fsdd-1/recordings/0_lucas_1.wav", "fsdd-1/evil.py", "../../recordings/0_theo_2.wav",
         "/etc/recordings/0_theo_3.wav", "a/recordings/../0_theo_4.wav"],
    )  # fmt: skip
    (tmp_path / "out").mkdir()
    unpack_recordings(archive, tmp_path / "out")
    written = [p.relative_to(tmp_path) for p in tmp_path.rglob("*.wav")]
    assert [str(p) for p in written] == ["out/recordings/0_theo_1.wav"]


def test_a_damaged_archive_is_refused(tmp_path):
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(b"\x1f\x8b\x08" + b"rubbish" * 10)
    with pytest.raises(DataError, match="arrived damaged"):
        unpack_recordings(archive, tmp_path)


def test_the_whole_command_and_its_warning(server, tmp_path):
    names = [f"f/recordings/{d}_{s}_0.wav" for d in range(10) for s in download.SPEAKERS]
    archive_with(server.folder / "r.tar.gz", names)
    told = []
    fetch_avmnist(
        tmp_path / "out",
        (Source(server.home + "a.gz", SHA),),
        Source(server.home + "r.tar.gz", None),
        told.append,
    )
    assert len(list((tmp_path / "out" / "recordings").iterdir())) == 40
    assert sum("differ from those" in line for line in told) == 4
    assert "CC BY-SA" in told[-1]


def test_the_known_sums_are_those_of_the_real_recordings(avmnist):
    for speaker, digest in download.SPEAKERS.items():
        assert speaker_digest(avmnist, speaker) == digest
