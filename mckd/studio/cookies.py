"""The cookie that tells browsers apart. It is signed, so that an invented one is worth nothing."""

from __future__ import annotations

import hmac
import re
import secrets

from mckd.studio.asked import Asked, fields

COOKIE = "mckd-browser"


class Cookies:
    """Issues cookies and knows its own. Those of an earlier process are strangers'."""

    SHAPE = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")

    def __init__(self, framed: bool = False) -> None:
        """framed: the page is shown inside one of another site; the cookie must survive that."""
        self._key = secrets.token_bytes(32)
        self._rules = (
            "Path=/; HttpOnly; SameSite=None; Secure; Partitioned"
            if framed
            else "Path=/; HttpOnly; SameSite=Lax"
        )

    def issue(self, port: int | None) -> str:
        """A fresh one, as `Set-Cookie` says it."""
        browser = secrets.token_hex(16)  # 128 bits
        return f"{self.name(port)}={browser}.{self._seal(browser)}; {self._rules}"

    def browser(self, asked: Asked, port: int | None) -> str:
        """Whose request it is; "" without a cookie that was issued here, or with two."""
        said = fields(asked.headers, self.name(port))
        found = self.SHAPE.fullmatch(said[0]) if len(said) == 1 else None
        if not found or not hmac.compare_digest(found[2], self._seal(found[1])):
            return ""
        return found[1]

    def without(self, address: str) -> str:
        """Whose request it is that comes without a cookie from an address, by a program that keeps
        none; as secret as a cookie's browser."""
        return self._seal(address)[:32]

    @staticmethod
    def name(port: int | None) -> str:
        """A browser sends cookies to every port of a computer; two apps must not share one."""
        return f"{COOKIE}-{port}"

    def _seal(self, browser: str) -> str:
        return hmac.new(self._key, browser.encode(), "sha256").hexdigest()
