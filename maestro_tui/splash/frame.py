"""The lines of the first frame, as text with our own SGR. Pure.

Facts of now stand above; the last board below them says of when it is, and is dimmed: nobody
may take it for what is.
"""

from __future__ import annotations

from collections.abc import Sequence

from maestro_tui.splash.cache import OldBoard
from maestro_tui.splash.facts import Fact, clock

_SGR = {"bad": "1;31", "warn": "33", "plain": "", "muted": "2", "title": "1"}
_MONO = {"bad": "1;7", "warn": "1", "plain": "", "muted": "", "title": "1"}
_GAP = "   "
_FEWEST_COLUMNS = 20


def frame(
    agent: str, lines: Sequence[Sequence[Fact]], board: OldBoard | None, *, width: int,
    height: int, colour: bool,
) -> list[str]:  # fmt: skip
    """At most `height` lines, none wider than `width` cells. `agent` is safe text."""
    if width < _FEWEST_COLUMNS or height < 2:
        return []
    styles = _SGR if colour else _MONO
    title = [Fact(f"◆ {agent[: width // 2]}", "title"), Fact("starting …", "muted")]
    out = [_row(one, width, styles) for one in (title, *lines)]
    if board is not None and board.lines and board.width <= width:
        out += ["", _row([Fact(f"the board as of {clock(board.at)}", "muted")], width, styles)]
        out += [_styled(line[:width], styles["muted"]) for line in board.lines]
    return out[:height]


def _row(facts: Sequence[Fact], width: int, styles: dict[str, str]) -> str:
    """As many facts side by side as there is room for, and how many there was none for."""
    out, used = " ", 1
    for place, fact in enumerate(facts):
        rest = len(facts) - place
        room = width - used - (8 if rest > 1 else 0)
        if len(fact.text) > room:
            more = f"+{rest}"
            return out + (more if used + len(more) <= width else "")
        out += _styled(fact.text, styles[fact.weight])
        used += len(fact.text)
        if rest > 1:
            out, used = out + _GAP, used + len(_GAP)
    return out


def _styled(text: str, sgr: str) -> str:
    return f"\x1b[{sgr}m{text}\x1b[m" if sgr and text else text
