"""Large JSON on the wire: how long is the app silent while it says no?

    python tests/load/heavy.py

Three calls at once, each one object of 300,000 keys in 3.8 MB; `/health` is asked all the while.
Everything stays on this machine. The last line is JSON; the exit code is 0 if no answer of
`/health` took a second.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.load.visitors import ROOT, Browser, Server

CALLS, KEYS = 3, 300_000
LONGEST_S = 1.0


def measure(port: int) -> dict[str, Any]:
    """Status of each call, seconds of it all, and the longest silence."""
    browser = Browser(port)
    browser.request("GET", "/")
    inner = ",".join(f'"{number:06}":1' for number in range(KEYS))
    body = f'{{"session_hash": "heavy-session", "fn_index": 1, "data": [{{{inner}}}]}}'
    statuses: list[int] = []

    def send() -> None:
        statuses.append(browser.request("POST", "/gradio_api/run/predict", body.encode())[0])

    calls = [threading.Thread(target=send) for _ in range(CALLS)]
    started = time.perf_counter()
    for call in calls:
        call.start()
    silent: list[float] = []
    while any(call.is_alive() for call in calls) or len(silent) < 20:
        asked = time.perf_counter()
        browser.request("GET", "/health")
        silent.append(time.perf_counter() - asked)
    return {
        "statuses": statuses,
        "body_mb": round(len(body) / 1e6, 1),
        "seconds": round(time.perf_counter() - started, 2),
        "longest_silence_s": round(max(silent), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--cores", type=int, default=2, help="that the app may use")
    parser.add_argument("--root", type=Path, default=ROOT, help="project folder with app.py")
    chosen = parser.parse_args()
    server = Server(chosen.root, chosen.cores)
    try:
        server.wait()
        figures = measure(server.port)
    finally:
        server.stop()
    print(json.dumps(figures))
    return 0 if figures["longest_silence_s"] < LONGEST_S else 1


if __name__ == "__main__":
    sys.exit(main())
