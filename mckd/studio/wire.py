"""HTTP on the wire as uvicorn speaks it, without waiting for ever.

uvicorn ends a connection that says nothing between two requests, but not one that sends half of
the headers, or goes on with a body after the answer. Hundreds of those would leave no room for
anybody else.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0  # for the whole head of a request
LEFTOVERS_S = 2.0  # for what still comes after an answer
MOST = 256  # connections from one address; of more, the one that waited longest for a head ends


class Wire(H11Protocol):
    """One connection."""

    headers_s, leftovers_s, most = HEADERS_S, LEFTOVERS_S, MOST
    _ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()
        here = [c for c in self.connections if isinstance(c, Wire) and c.address == self.address]
        here = [c for c in here if not c.transport.is_closing()]
        if self.most and len(here) > self.most:
            idle = [(c._ending.when(), id(c), c) for c in here if c._ending is not None]
            min(idle)[-1].transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stay()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._stay()
        self._look()

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    def _look(self) -> None:
        """End the connection in a while unless a request on it is being served."""
        state = self.conn.their_state
        answered = self.conn.our_state in (h11.DONE, h11.MUST_CLOSE)
        if state is not h11.IDLE and not answered:
            self._stay()
        elif self._ending is None and not self.transport.is_closing():
            patience = self.headers_s if state is h11.IDLE else self.leftovers_s
            self._ending = self.loop.call_later(patience, self.transport.abort)

    def _stay(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None


def install(server: Any, on_space: bool = False) -> None:
    """Let a running uvicorn server speak like this from the next connection on.

    on_space: all connections come from one proxy, so no address has a limit.
    """
    kind = type("SpaceWire", (Wire,), {"most": 0}) if on_space else Wire
    server.config.http_protocol_class = kind
