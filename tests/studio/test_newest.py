"""Of several calls for the same, only the newest waits."""

from __future__ import annotations

import asyncio

from mckd.studio.newest import AT_ONCE, Newest
from tests import loops


def test_the_newest_waits_and_the_older_are_told_at_once() -> None:
    newest, log = Newest(), []

    async def run() -> None:
        gates = [asyncio.Event() for _ in range(6)]

        async def call(number: int, key: str = "page") -> None:
            async with newest.turn(key) as mine:
                log.append((number, mine))
                if mine:
                    await gates[number].wait()

        calls = []
        for number in range(5):
            calls.append(asyncio.create_task(call(number)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        begun = [(number, True) for number in range(AT_ONCE)]
        assert log == [*begun, (2, False), (3, False)]  # and the fifth waits
        other = asyncio.create_task(call(5, "another page"))
        await asyncio.sleep(0.01)
        assert log[-1] == (5, True)
        gates[0].set()
        await calls[0]
        await asyncio.sleep(0.01)
        assert log[-1] == (4, True)
        for gate in gates:
            gate.set()
        await asyncio.gather(*calls, other)
        assert not newest._under_way
        assert not newest._waiting

    loops.run(run)
