"""Few visitors who never stop: toggle at a steady pace, whether or not an answer came.

    python tests/load/toggles.py                          # 4 clients, 20 a second each, a minute
    python tests/load/toggles.py --seconds 10             # a short look

A page of ours waits for each answer before it asks again; a program need not. Every call has to be
answered within 30 seconds, and the last toggle of each client with the answer for its sequences.
Everything stays on this machine. The last line is JSON; the exit code is 0 if nothing timed out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.load.visitors import ROOT, SEQUENCES, Server, percentile

TIMEOUT_S = 30.0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--per-second", type=float, default=20.0, help="toggles of each client")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cores", type=int, default=2, help="that the app may use")
    parser.add_argument("--root", type=Path, default=ROOT, help="project folder with app.py")
    return parser.parse_args()


class Client:
    """One program with a bundled case open; notes how each of its calls ended."""

    def __init__(self, number: int, port: int) -> None:
        self.ends: Counter[str] = Counter()
        self.waited_s: list[float] = []
        self.last_right = False
        self._session, self._dice = f"toggles-{number}", random.Random(number)
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=None),
        )

    async def arrive(self) -> None:
        """Open the page and a case, as far as its first answer."""
        await self._http.get("/")
        config = (await self._http.get("/config")).json()
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        targets = {tuple(t): d["id"] for d in config["dependencies"] for t in d["targets"]}
        self._switch = targets[ids["tumour-sequences"], "input"]
        case = sorted(p.name for p in (ROOT / "assets" / "tumour").iterdir() if p.is_dir())[0]
        number = targets[ids["tumour-intake"], "open"]
        await self._call("queue/join", number, [None, {"case": case}])
        events = f"/gradio_api/queue/data?session_hash={self._session}"
        async with self._http.stream("GET", events, timeout=120) as stream:
            async for line in stream.aiter_lines():
                if "process_completed" in line:
                    break
        await self._call("run/predict", self._switch, [None, {"on": ["t1"]}])

    async def storm(self, every_s: float, until: float) -> None:
        """Toggle every so many seconds, whatever became of the earlier ones."""
        under_way = set()
        here = asyncio.create_task(self._beat())
        while (now := time.monotonic()) < until:
            on = self._dice.sample(SEQUENCES, self._dice.randint(1, 4))
            under_way.add(asyncio.create_task(self._toggle(on)))
            await asyncio.sleep(max(0.0, every_s - (time.monotonic() - now)))
        await asyncio.gather(*under_way)
        here.cancel()
        await asyncio.sleep(1)
        self.last_right = await self._toggle(["flair", "t2"])
        await self._http.aclose()

    async def _beat(self) -> None:
        async with self._http.stream("GET", f"/gradio_api/heartbeat/{self._session}") as stream:
            async for _ in stream.aiter_raw():
                pass

    async def _toggle(self, on: list[str]) -> bool:
        started = time.monotonic()
        try:
            reply = await self._call("run/predict", self._switch, [None, {"on": on}])
        except httpx.TimeoutException:
            self.ends["timed out"] += 1
            return False
        except httpx.HTTPError as error:
            self.ends[type(error).__name__] += 1
            return False
        self.waited_s.append(time.monotonic() - started)
        self.ends[str(reply.status_code)] += 1
        scene: Any = reply.json()["data"][0] if reply.status_code == 200 else {}
        return sorted(scene.get("used", [])) == sorted(on)

    async def _call(self, path: str, number: int, data: list[Any]) -> httpx.Response:
        body = {"session_hash": self._session, "fn_index": number, "data": data}
        return await self._http.post(f"/gradio_api/{path}", json=body)


async def storm(chosen: argparse.Namespace, port: int) -> dict[str, Any]:
    """Everybody toggles; how their calls ended."""
    clients = [Client(number, port) for number in range(chosen.clients)]
    for client in clients:
        await client.arrive()
    until = time.monotonic() + chosen.seconds
    every_s = 1 / chosen.per_second
    await asyncio.gather(*(client.storm(every_s, until) for client in clients))
    ends = sum((client.ends for client in clients), Counter())
    waited = [s for client in clients for s in client.waited_s]
    return {
        "clients": chosen.clients,
        "per_second": chosen.per_second,
        "seconds": chosen.seconds,
        "calls": sum(ends.values()),
        "ends": dict(ends),
        "timed_out": ends["timed out"],
        "p50_s": round(percentile(waited, 0.5), 3),
        "p95_s": round(percentile(waited, 0.95), 3),
        "worst_s": round(max(waited, default=float("nan")), 3),
        "last_right": [client.last_right for client in clients],
    }


def main() -> int:
    chosen = options()
    server = Server(chosen.root, chosen.cores)
    try:
        print("health", json.dumps(server.wait()))
        figures = asyncio.run(storm(chosen, server.port))
    finally:
        server.stop()
    print(json.dumps(figures))
    return 0 if not figures["timed_out"] and all(figures["last_right"]) else 1


if __name__ == "__main__":
    sys.exit(main())
