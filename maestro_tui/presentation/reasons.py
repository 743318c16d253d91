"""A failure's reason where there is room for a few words: what went wrong first. Pure.

A reason holds the last lines of a program's stderr. Where a traceback ends there, most of it is
the same for every failure, and a cell that is cut at its end would show that part alone.
"""

from __future__ import annotations

import re

SEPARATOR = " | "
_EXIT = re.compile(r"exit -?\d+: ")
_FRAME = re.compile(r'File ".*", line \S+')
"""A place in Python; the line of its source follows."""
_NOISE = re.compile(
    r"Traceback \(most recent call last\):?"
    r"|at .+:\d+(?::\d+)?\)?"
    r"|at .+ \((?:<anonymous>|native)\)"
    r"|Node\.js v[\d.N]+"
    r"|[\^~ ]+"
)
"""What stands around an error in Python and JavaScript and says nothing of it."""


def gist(reason: str) -> str:
    """The reason without the lines of a traceback that lead to the error; all of it where
    nothing else would be left."""
    head = found.group() if (found := _EXIT.match(reason)) else ""
    parts = [part.strip() for part in reason.removeprefix(head).split(SEPARATOR)]
    kept = [part for at, part in enumerate(parts) if part and not _leads(parts, at)]
    return head + SEPARATOR.join(kept) if kept else reason


def _leads(parts: list[str], at: int) -> bool:
    """Does this line lead to the error? The last line after a place is the error itself."""
    if _NOISE.fullmatch(parts[at]) or _FRAME.match(parts[at]):
        return True
    return 0 < at < len(parts) - 1 and _FRAME.match(parts[at - 1]) is not None
