"""A request, understood once: what the door judges is all that goes on from there.

Two programs that read the same bytes may understand two things, as where a parameter comes twice.
So whatever could be read in two ways is refused, and the app behind the door gets a request that
was written anew from what was understood.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from mckd.studio.services.visitors import Refused

Scope = dict[str, Any]
Here = tuple[str, int | None]
"""Where a connection came in: address of this computer, and port."""

ODD = "This request makes no sense here."
LONGEST_ADDRESS = 4096  # bytes of path and query

PATH = re.compile(rb"/(?:[\w.~!$&'()*+,;=:@/|^\[\]-]|%[0-9A-Fa-f]{2})*", re.ASCII)
QUERY = re.compile(rb"(?:[\w.~!$'()*+,;:@/?|^\[\]{}-]|%[0-9A-Fa-f]{2})*", re.ASCII)

LISTS = {"accept", "accept-charset", "accept-encoding", "accept-language", "via"}  # may come twice
HANDED_ON = {
    *("accept", "accept-encoding", "accept-language", "content-length", "content-type", "host"),
    *("if-modified-since", "if-none-match", "if-range", "origin", "range", "referer"),
    "user-agent",
}
OF_A_SPACE = {"x-forwarded-for", "x-forwarded-proto", "x-ip-token"}  # its proxy writes them
JUDGED = {*HANDED_ON, *OF_A_SPACE, "cookie", "forwarded", "sec-fetch-site", "transfer-encoding"}


@dataclass(frozen=True)
class Asked:
    """A request as the door understands it.

    path: decoded. query and headers: each name once, names of headers in small letters.
    address: the network address of who asks, a whole /64 of IPv6 being one.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    address: str

    def scope(self, scope: Scope, on_space: bool, **headers: str) -> Scope:
        """The request written anew, without its query.

        on_space: what only the proxy of a Space may say is handed on. headers: more of them, with
        underscores for hyphens.
        """
        known = HANDED_ON | (OF_A_SPACE if on_space else set())
        kept = {name: value for name, value in self.headers.items() if name in known}
        kept |= {name.replace("_", "-"): value for name, value in headers.items()}
        return {
            **scope,
            "path": self.path,
            "raw_path": quote(self.path, safe="/=:@!$&'()*+,;~").encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in kept.items()],
        }


def understood(scope: Scope, on_space: bool) -> Asked:
    """What a request asks for.

    Raises:
        Refused: it could be understood in more than one way.
    """
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    if len(raw) + len(scope["query_string"]) > LONGEST_ADDRESS:
        raise Refused(414, ODD)
    headers = headers_of(scope, on_space)
    return Asked(
        scope["method"],
        path_of(raw),
        query_of(scope["query_string"]),
        headers,
        address_of(scope, headers.get("x-forwarded-for", "") if on_space else ""),
    )


def path_of(raw: bytes) -> str:
    """The decoded path; its slashes are those that it was written with, and none leads back."""
    path = text(raw) if PATH.fullmatch(raw) else ""
    inner = path.removesuffix("/").split("/")[1:]
    if not path or path.count("/") != raw.count(b"/") or "\\" in path:
        raise Refused(400, ODD)
    if any(part in ("", ".", "..") for part in inner):
        raise Refused(404, ODD)
    return path


def query_of(raw: bytes) -> dict[str, str]:
    """The parameters of a query, each of which comes once."""
    found: dict[str, str] = {}
    for part in raw.split(b"&") if raw else []:
        name, _, value = part.partition(b"=")
        if not name or not QUERY.fullmatch(name) or not QUERY.fullmatch(value.replace(b"=", b"")):
            raise Refused(400, ODD)
        if (word := text(name.replace(b"+", b" "))) in found:
            raise Refused(400, ODD)
        found[word] = text(value.replace(b"+", b" "))
    return found


def text(raw: bytes) -> str:
    """Percent-encoded UTF-8 as text without control characters."""
    try:
        decoded = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(400, ODD) from None
    if re.search(r"[\x00-\x1f\x7f]", decoded):
        raise Refused(400, ODD)
    return decoded


def headers_of(scope: Scope, on_space: bool) -> dict[str, str]:
    """The headers by name. Lists may come in pieces; nothing else that is looked at comes twice."""
    lists = LISTS | ({"x-forwarded-for"} if on_space else set())
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, said = raw.decode("latin-1").lower(), value.decode("latin-1")
        if name in found and name in JUDGED and name not in lists:
            raise Refused(400, ODD)
        found[name] = f"{found[name]}, {said}" if name in found else said
    return found


def address_of(scope: Scope, forwarded: str) -> str:
    """Whose request it is, as far as the network knows.

    forwarded: what the proxy of a Space says. Each hop adds to its end the address that it saw, so
    the last public one was written by the platform; what stands before it anyone may claim.
    """
    peer = str((scope.get("client") or ("",))[0])
    for said in [*reversed(forwarded.split(",")), peer] if forwarded else [peer]:
        try:
            address = ipaddress.ip_address(said.strip())
        except ValueError:
            continue
        if forwarded and not address.is_global and said is not peer:
            continue
        if address.version == 6 and not address.ipv4_mapped:
            return str(ipaddress.ip_network((int(address), 64), strict=False))
        return str(getattr(address, "ipv4_mapped", None) or address)
    return peer


class Hosts:
    """The names by which this app may be asked for, so that no other website can pose as it.

    A page of somebody else may let its own name point at this computer (DNS rebinding): a browser
    then takes what is here for that page's own. The name in the request gives it away. A bare
    address points nowhere else, so the one at which the request came in needs no allowance.
    """

    LOCAL = ("localhost", "127.0.0.1", "[::1]")
    ANY = ("0.0.0.0", "::", "")  # where it may listen; no browser asks by these
    HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")

    def __init__(self, names: Sequence[str] = (), on_space: bool = False) -> None:
        """names: more of them, each with a port or for any. on_space: a proxy is in front, whose
        own questions come by a bare address."""
        self._names, self._on_space = {name.lower() for name in names} - {*self.ANY}, on_space

    def knows(self, host: str, here: Here) -> bool:
        """Whether a `Host` header names this app."""
        found = self.HOST.fullmatch(host.lower())
        if not found:
            return False
        name, said, is_address = found[1], int(found[2] or 80), _is_address(found[1])
        if said == here[1] and (name in self.LOCAL or (is_address and name.strip("[]") == here[0])):
            return True
        if self._on_space and is_address:
            return True
        return name in self._names or f"{name}:{said}" in self._names

    def sent(self, origin: str, here: Here) -> bool:
        """Whether an `Origin` header names a page of this app."""
        scheme, _, host = origin.partition("://")
        if scheme == "https" and ":" not in host.rpartition("]")[2]:
            host += ":443"
        return scheme in ("http", "https") and self.knows(host, here)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def fields(headers: Mapping[str, str], name: str) -> list[str]:
    """All values that the `Cookie` header gives for one name."""
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return [value for key, _, value in pairs if key == name]
