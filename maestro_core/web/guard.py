"""Who may see the console in a browser. Pure but for its random numbers; times are steady seconds.

A link is good once and not for long; whoever opens it gets a cookie, which is good as long as
this process lives. Host is checked because a foreign name may point at the loopback address (DNS
rebinding), Origin because any page may open a WebSocket to it.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from secrets import token_hex, token_urlsafe

LINK_SECONDS = 600.0
_BYTES = 32
_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)


class Guard:
    """The secrets of one server."""

    def __init__(self) -> None:
        self.cookie_name = f"maestro-{token_hex(4)}"
        """Of its own: browsers hand cookies to every port of a host."""
        self._token: str | None = None
        self._ends = 0.0
        self._cookies: list[str] = []

    def new_token(self, now: float) -> str:
        """For a new link; an older one is good no more."""
        self._token, self._ends = token_urlsafe(_BYTES), now + LINK_SECONDS
        return self._token

    def redeem(self, token: str, now: float) -> str | None:
        """The cookie's value for who has the link; None = it is not, or no more, the right one."""
        known = self._token
        if known is None or now > self._ends or not _same(known, token):
            return None
        self._token = None
        self._cookies.append(token_urlsafe(_BYTES))
        return self._cookies[-1]

    def knows(self, cookie: str) -> bool:
        return any(_same(known, cookie) for known in self._cookies)


def _same(known: str, given: str) -> bool:
    """In the same time for every wrong one."""
    return compare_digest(known.encode(), given.encode("utf-8", "replace"))


def is_loopback(hosts: list[str]) -> bool:
    """Is this the Host of a request meant for this machine, by a name that only it has?

    Any port: in front of `ssh -L` it is another one than ours.
    """
    return len(hosts) == 1 and _LOOPBACK.fullmatch(hosts[0]) is not None


def is_own_origin(origins: list[str], host: str) -> bool:
    """Does the request come from a page of this very server?"""
    return [origin.lower() for origin in origins] == [f"http://{host.lower()}"]
