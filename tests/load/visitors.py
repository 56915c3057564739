"""Many visitors at once: start the app, let them toggle, print latency, errors and memory.

    python tests/load/visitors.py                             # 8 visitors, every 3 s, 5 minutes
    python tests/load/visitors.py --visitors 2 --seconds 30   # a short look

Each visitor uploads a head of its own (a bundled synthetic case with one voxel changed, so that
nothing is shared), opens it, and flips a switch every few seconds as a browser does: one call,
the new label map, the scores. Everything stays on this machine. The last line is JSON; the exit
code is 0 if the target was met: p95 below 4 s, no error, and memory back within 300 MB.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

ROOT = Path(__file__).parents[2]
SEQUENCES = ("flair", "t1", "t1c", "t2")
P95_S, BACK_MB = 4.0, 300.0
PATIENCE_S = 120
LEAVE_S = 60  # until the app has let go of those who left


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two toggles")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long they toggle")
    parser.add_argument("--cores", type=int, default=2, help="that the app may use")
    parser.add_argument("--root", type=Path, default=ROOT, help="project folder with app.py")
    chosen = parser.parse_args()
    if not (1 <= chosen.visitors <= 24 and 0.2 <= chosen.every <= 60 and chosen.seconds <= 3600):
        parser.error("at most 24 visitors (from one address), 0.2 to 60 s between toggles, an hour")
    return chosen


class Server:
    """The app in a process of its own, on the loopback interface."""

    def __init__(self, root: Path, cores: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        allowed = sorted(os.sched_getaffinity(0))[:cores]
        command = [sys.executable, "app.py", "--port", str(self.port), "--public"]
        self.process = subprocess.Popen(
            command, cwd=root, preexec_fn=lambda: os.sched_setaffinity(0, allowed)
        )

    def wait(self) -> dict[str, Any]:
        """Until everything is loaded; what `/health` says then."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                status, body = Browser(self.port).request("GET", "/health")
            except OSError:
                status = 0
            if status == 200:
                health: dict[str, Any] = json.loads(body)
                return health
            time.sleep(0.5)
        raise SystemExit("The app did not start.")

    def memory_mb(self) -> float:
        """Resident memory, from /proc (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Browser:
    """What a browser does on the wire: a cookie, calls in JSON, streams of events."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""

    def request(
        self, method: str, path: str, body: Any = None, kind: str = ""
    ) -> tuple[int, bytes]:
        connection, reply = self._ask(method, path, body, kind)
        try:
            return reply.status, reply.read()
        finally:
            connection.close()

    def call(self, path: str, body: dict[str, Any]) -> Any:
        status, said = self.request("POST", f"/gradio_api/{path}", body)
        if status != 200:
            raise RuntimeError(f"{path} answered {status}: {said[:200]!r}")
        return json.loads(said)

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        connection, reply = self._ask("GET", f"/gradio_api/{path}")
        try:
            while line := reply.readline():
                if line.startswith(b"data: {"):
                    yield json.loads(line[6:])
        finally:
            connection.close()

    def hold(self, path: str) -> http.client.HTTPConnection:
        """Open a stream that says that this visitor is here; close it to leave."""
        return self._ask("GET", f"/gradio_api/{path}")[0]

    def _ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = kind or "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        if given := reply.getheader("set-cookie"):
            self.cookie = given.split(";")[0]
        return connection, reply


class Visitor(threading.Thread):
    """One visitor with a head of their own, toggling until `until`."""

    def __init__(self, number: int, port: int, files: dict[str, Path], every: float) -> None:
        super().__init__(daemon=True)
        self.opened = threading.Event()
        self.go = threading.Event()
        self.until = 0.0
        self.open_s = 0.0
        self.toggles_s: list[float] = []
        self.errors: list[str] = []
        self._number, self._files, self._every = number, files, every
        self._browser, self._session = Browser(port), f"load{secrets.token_hex(8)}"

    def run(self) -> None:
        try:
            self._visit()
        except Exception as error:  # a visitor who falls over is what this looks for
            self.errors.append(f"visitor {self._number}: {error!r}"[:300])
        self.opened.set()

    def _visit(self) -> None:
        self._browser.request("GET", "/")
        config = json.loads(self._browser.request("GET", "/config")[1])
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}

        def function(widget: str, event: str) -> int:
            where = [ids[widget], event]
            return next(d["id"] for d in config["dependencies"] if where in d["targets"])

        switch = function("tumour-sequences", "input")
        score = next(d["id"] for d in config["dependencies"] if d.get("trigger_after") == switch)
        here = self._browser.hold(f"heartbeat/{self._session}")
        try:
            self._open(function("tumour-intake", "open"))
            self.opened.set()
            self.go.wait()
            dice = random.Random(self._number)
            time.sleep(dice.uniform(0, self._every))  # not all at the same moment
            on = set(SEQUENCES)
            while (now := time.monotonic()) < self.until:
                flipped = on ^ {dice.choice(SEQUENCES)}
                on = flipped or set(SEQUENCES)
                self._toggle(switch, score, [s for s in SEQUENCES if s in on])
                time.sleep(max(0.0, self._every - (time.monotonic() - now)))
        finally:
            here.close()

    def _open(self, function: int) -> None:
        """Send the files and follow the case until all is known; `open_s`: until the overlay."""
        started = time.perf_counter()
        files = [{"slot": slot, "ticket": self._upload(p)} for slot, p in self._files.items()]
        body = {"fn_index": function, "data": [None, {"files": files}]}
        job = self._browser.call("queue/join", body | {"session_hash": self._session})
        for event in self._browser.events(f"queue/data?session_hash={self._session}"):
            if not self.open_s and "labels.gz" in json.dumps(event.get("output")):
                self.open_s = time.perf_counter() - started
            if event["msg"] == "process_completed" and event["event_id"] == job["event_id"]:
                shown = event["output"].get("data", [{}])[0]
                if not event["success"] or not shown.get("labels"):
                    raise RuntimeError(f"opening ended with {shown.get('problem')!r}")
                return

    def _toggle(self, switch: int, score: int, on: list[str]) -> None:
        started = time.perf_counter()
        scene = self._predict(switch, [None, {"on": on}])[0]
        labels = scene["labels"]["file"]["url"]
        status, data = self._browser.request("GET", labels[labels.index("/gradio_api") :])
        self.toggles_s.append(time.perf_counter() - started)
        if status != 200 or not data or scene["used"] != on:
            self.errors.append(f"asked for {on}, got {scene['used']}, status {status}")
        self._predict(score, [None])

    def _predict(self, function: int, data: list[Any]) -> Any:
        body = {"fn_index": function, "data": data, "session_hash": self._session}
        return self._browser.call("run/predict", body)["data"]

    def _upload(self, path: Path) -> str:
        fence = secrets.token_hex(16)
        head = f'Content-Disposition: form-data; name="files"; filename="{path.name}"'
        body = f"--{fence}\r\n{head}\r\n\r\n".encode() + path.read_bytes() + b"\r\n"
        body += f"--{fence}--\r\n".encode()
        status, said = self._browser.request(
            "POST", "/gradio_api/upload", body, f"multipart/form-data; boundary={fence}"
        )
        if status != 200:
            raise RuntimeError(f"upload answered {status}")
        return str(json.loads(said)[0])


def heads(root: Path, count: int, folder: Path) -> Iterator[dict[str, Path]]:
    """`count` heads that differ: the bundled cases with one bright voxel changed."""
    cases = sorted(p for p in (root / "assets" / "tumour").iterdir() if p.is_dir())
    for number in range(count):
        case, files = cases[number % len(cases)], {}
        for slot, word in (*((s, s) for s in ("flair", "t1", "t2", "seg")), ("t1c", "t1ce")):
            source = next(case.glob(f"*_{word}.nii.gz"))
            image = nibabel.load(source)
            voxels = np.asarray(image.dataobj)
            if slot != "seg":
                voxels.flat[int(voxels.argmax())] += 1 + number
            files[slot] = folder / str(number) / source.name
            files[slot].parent.mkdir(exist_ok=True)
            nibabel.Nifti1Image(voxels, image.affine, image.header).to_filename(files[slot])
        yield files


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, 100 * share)) if values else float("nan")


def main() -> int:
    chosen = options()
    server = Server(chosen.root, chosen.cores)
    try:
        return measure(server, chosen)
    finally:
        server.stop()


def measure(server: Server, chosen: argparse.Namespace) -> int:
    print("health", json.dumps(server.wait()))
    with tempfile.TemporaryDirectory() as folder:
        everybody = [
            Visitor(number, server.port, files, chosen.every)
            for number, files in enumerate(heads(chosen.root, chosen.visitors, Path(folder)))
        ]
        Browser(server.port).request("GET", "/")
        time.sleep(3)
        start_mb = peak_mb = server.memory_mb()
        print(f"start {start_mb:.0f} MB")
        for visitor in everybody:
            visitor.start()
        for visitor in everybody:
            visitor.opened.wait(PATIENCE_S)
    print("opened after", *(f"{visitor.open_s:.1f}" for visitor in everybody), "s")
    ends = time.monotonic() + chosen.seconds
    for visitor in everybody:
        visitor.until = ends
        visitor.go.set()
    while time.monotonic() < ends:
        time.sleep(min(10.0, max(0.1, ends - time.monotonic())))
        peak_mb = max(peak_mb, server.memory_mb())
        report(everybody, server)
    for visitor in everybody:
        visitor.join(PATIENCE_S)
    after_mb = settle(server, start_mb)
    return judge(everybody, chosen, start_mb, peak_mb, after_mb)


def report(everybody: list[Visitor], server: Server) -> None:
    toggles = [s for visitor in everybody for s in visitor.toggles_s]
    errors = sum(len(visitor.errors) for visitor in everybody)
    print(
        f"{len(toggles):5d} toggles, p50 {percentile(toggles, 0.5):.2f} s, "
        f"p95 {percentile(toggles, 0.95):.2f} s, {errors} errors, {server.memory_mb():.0f} MB",
        flush=True,
    )


def settle(server: Server, start_mb: float) -> float:
    """Memory once the app has let go of those who left, MB."""
    deadline = time.monotonic() + LEAVE_S
    while time.monotonic() < deadline:
        time.sleep(5)
        print(f"after everybody left {server.memory_mb():.0f} MB", flush=True)
        if server.memory_mb() < start_mb + BACK_MB:
            break
    return server.memory_mb()


def judge(
    everybody: list[Visitor],
    chosen: argparse.Namespace,
    start_mb: float,
    peak_mb: float,
    after_mb: float,
) -> int:
    toggles = [s for visitor in everybody for s in visitor.toggles_s]
    errors = [error for visitor in everybody for error in visitor.errors]
    p95 = percentile(toggles, 0.95)
    passed = bool(toggles) and p95 < P95_S and not errors and after_mb - start_mb < BACK_MB
    figures = {
        "visitors": chosen.visitors,
        "every_s": chosen.every,
        "seconds": chosen.seconds,
        "cores": chosen.cores,
        "toggles": len(toggles),
        "open_median_s": round(statistics.median(v.open_s for v in everybody), 2),
        "open_last_s": round(max(v.open_s for v in everybody), 2),
        "p50_s": round(percentile(toggles, 0.5), 3),
        "p95_s": round(p95, 3),
        "worst_s": round(max(toggles, default=float("nan")), 3),
        "errors": len(errors),
        "start_mb": round(start_mb),
        "peak_mb": round(peak_mb),
        "after_mb": round(after_mb),
        "passed": passed,
    }
    for error in errors[:10]:
        print(error)
    print(json.dumps(figures))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
