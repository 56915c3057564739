"""Python imports this first when its folder is on PYTHONPATH: no connection leaves this machine.

Every attempt to reach, or to look up, another computer fails and is noted in the file that
MCKD_FENCE names; processes that the app starts inherit both.
"""

import ipaddress
import os
import socket
import traceback
from pathlib import Path


def _is_here(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(what, host):
    caller = "".join(traceback.format_stack(limit=8)[:-2])
    with Path(os.environ["MCKD_FENCE"]).open("a", encoding="utf-8") as notes:
        notes.write(f"{what} {host}\n{caller}\n")
    raise OSError(f"the fence: {what} {host}")


class _Fenced(socket.socket):
    def _check(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            _refuse("connect to", address[0])

    def connect(self, address):
        self._check(address)
        return super().connect(address)

    def connect_ex(self, address):
        self._check(address)
        return super().connect_ex(address)

    def sendto(self, data, *rest):
        self._check(rest[-1])
        return super().sendto(data, *rest)


def _look_up(host, *rest, **named):
    if not _is_here(host):
        _refuse("look up", host)
    return _getaddrinfo(host, *rest, **named)


if "MCKD_FENCE" in os.environ:
    _getaddrinfo, socket.getaddrinfo = socket.getaddrinfo, _look_up
    socket.socket = _Fenced
