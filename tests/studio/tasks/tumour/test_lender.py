"""The package that lends GPUs on a ZeroGPU Space, against a lender on this machine: how the app
asks, what goes to the borrowing process and back. Only the GPU itself is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import small_heads, untrained
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[4]


class Lender(ThreadingHTTPServer):
    """Lends one GPU, always the same, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counter)
        self.asked: list[str] = []


class Counter(BaseHTTPRequestHandler):
    server: Lender

    def do_POST(self) -> None:
        what = urlsplit(self.path)
        first = "/schedule" not in self.server.asked
        self.server.asked.append(what.path)
        lent = {"idle": not first, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "x"}
        body = json.dumps(lent if what.path == "/schedule" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def lender() -> Iterator[Lender]:
    with Lender() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def borrow(lender: Lender, folder: Path, granted: str) -> tuple[list[dict[str, Any]], str]:
    """What a borrowing process says, and what it logs."""
    checkpoint = folder / "x.safetensors"
    untrained.save_tumour(checkpoint)
    small_heads.save_case(folder / "cases" / "head")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.studio.tasks.tumour.borrower",
            str(checkpoint),
            str(folder / "cases"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE_S,
        env=os.environ
        | {
            "SPACES_ZERO_GPU": "true",
            "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{lender.server_port}",
            "GRANTED": granted,
        },
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_borrowed_process_answers_every_subset_and_is_used_again(
    lender: Lender, tmp_path: Path
) -> None:
    said, _ = borrow(lender, tmp_path, granted="yes")
    alike = {"like the CPU's": 15, "like pretended": 15}
    assert said == [{"borrowed": True, "answers": 15, **alike}] * 2
    assert lender.asked == ["/schedule", "/allow", "/release", "/schedule", "/release"]


def test_where_the_gpu_fails_the_cpu_answers(lender: Lender, tmp_path: Path) -> None:
    said, log = borrow(lender, tmp_path, granted="")
    alike = {"like the CPU's": 1, "like pretended": 1}
    assert said == [{"borrowed": False, "answers": 1, **alike}] * 2
    assert "No GPU was lent." in log
