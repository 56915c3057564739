"""Models by the name of a repository: a folder, or what the Hub's client fetches from a server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mckd.digits import DigitClassifier
from mckd.files.checkpoint import CheckpointError
from mckd.tasks import ROOT, about
from mckd.tumour import TumourSegmenter
from tests.patience import PATIENCE_S
from train.hub import write_repositories

COMMIT = "a" * 40


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (folder,) = write_repositories(ROOT / "checkpoints", tmp_path_factory.mktemp("h"), ["digits"])
    return folder


class Hub(ThreadingHTTPServer):
    """Answers the Hub's client for one repository, someone/mckd-digits."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        what, _, name = self.path.partition("?")[0].rpartition("/")
        if "/tree/" in self.path:
            listed = self.server.files.items()
            tree = [
                {"type": "file", "path": path, "size": len(data), "oid": "b" * 40}
                for path, data in listed
            ]
            body = json.dumps(tree).encode()
        elif self.path.startswith("/api/models/someone/mckd-digits/"):
            body = json.dumps({"id": "someone/mckd-digits", "sha": COMMIT}).encode()
        elif what == f"/someone/mckd-digits/resolve/{COMMIT}":
            body = self.server.files[name]
        else:
            body = b""
        self.send_response(200 if body else 404)
        self.send_header("X-Error-Code", "" if body else "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(repository: Path) -> Iterator[Hub]:
    with Hub(repository) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


FETCH = """
from mckd.digits import DigitClassifier
from mckd.files.checkpoint import CheckpointError

name = "someone/mckd-digits"
try:
    DigitClassifier.from_pretrained(name)
except CheckpointError as error:
    print(error)
fetched = DigitClassifier.from_pretrained(name, download=True)
again = DigitClassifier.from_pretrained(name)
print(fetched.about["sha256"] == again.about["sha256"])
try:
    DigitClassifier.from_pretrained("someone/other", download=True)
except CheckpointError as error:
    print(error)
"""


def test_nothing_is_fetched_unless_asked_and_then_kept(hub: Hub, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FETCH],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"} | place,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "someone/mckd-digits is not on this computer. Fetch it with download=True, or give a "
        "folder.",
        "True",
        "someone/other could not be fetched (RepositoryNotFoundError). Look at the name, the "
        "revision and the network.",
    ]


def test_a_folder_answers_as_the_checkpoint_does(repository: Path) -> None:
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 13:15] = 255
    loaded = DigitClassifier.load(about("digits").checkpoint())
    given = DigitClassifier.from_pretrained(repository)
    assert np.array_equal(
        given.predict(picture).probabilities, loaded.predict(picture).probabilities
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "There is no folder nowhere; a repository is written OWNER/NAME"),
        ("../someone/model", "There is no folder ../someone/model"),
    ],
)
def test_a_name_of_nothing_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        DigitClassifier.from_pretrained(name)


def test_a_model_of_another_task_is_one_sentence(repository: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not hold"):
        TumourSegmenter.from_pretrained(repository)


def test_a_damaged_model_is_one_sentence(repository: Path, tmp_path: Path) -> None:
    for path in repository.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[:-1] if path.suffix == ".safetensors" else data)
    with pytest.raises(CheckpointError, match="damaged or altered"):
        DigitClassifier.from_pretrained(tmp_path)
