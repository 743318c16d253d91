"""Building blocks of a line: styled runs, fitted columns, bars, sparklines. Pure.

Every text that comes from a file or a name goes through `data`, so that nothing in it
reaches the terminal as a command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from rich.cells import cell_len
from rich.text import Text

from maestro_core.text import one_line

Run = tuple[str, str]
"""A piece of text and the name of its style."""


def line(*runs: Run | Text | str) -> Text:
    """One line of styled runs."""
    text = Text(no_wrap=True, end="")
    for run in runs:
        if isinstance(run, tuple):
            text.append(run[0], run[1])
        elif isinstance(run, Text):
            text.append_text(run)
        else:
            text.append(run)
    return text


_masks: list[Callable[[str], str]] = [str]


def mask_with(redact: Callable[[str], str]) -> None:
    """From now on `data` also masks secrets, so that no screen can forget to. Set at start."""
    _masks[0] = redact


def masked(text: str) -> str:
    """Text with secrets masked."""
    return _masks[0](text)


def data(value: object, limit: int = 400) -> str:
    """Foreign text on one line: secrets masked, control characters made visible."""
    return one_line(_masks[0](str(value)), limit)


def fit(text: Text, width: int, align: Literal["left", "right"] = "left") -> Text:
    """Exactly `width` cells: cut with an ellipsis or padded. Not to be changed: it is the text
    itself where that fits."""
    if width <= 0:
        return Text("", end="")
    missing = width - text.cell_len
    if not missing:
        return text
    text = text.copy()
    if missing < 0:
        text.truncate(width, overflow="ellipsis")
        missing = width - text.cell_len
    if missing > 0:
        text.pad_left(missing) if align == "right" else text.pad_right(missing)
    return text


def spread(left: Text, right: Text, width: int) -> Text:
    """`left` … `right` on one line; the left part gives way."""
    room = width - right.cell_len
    if room <= 0:
        return fit(right, width)
    return line(fit(left, room - 1 if right.cell_len and room > 1 else room),
                " " if right.cell_len and room > 1 else "", right)  # fmt: skip


def bar(share: float, width: int, style: str) -> Text:
    """A heavy line over a light one; its length says `share` (0..1), with or without colour."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    full, half = divmod(halves, 2)
    rest = width - full - half
    return line(("━" * full + "╸" * half, style), ("─" * rest, "track"))


BLOCKS = "▁▂▃▄▅▆▇█"
FAILED = "×"


def sparkline(points: Iterable[tuple[float, str]], width: int) -> Text:
    """Durations with their style; failures (style `bad`) are crosses, so colour is not needed.

    Equal durations stand at two thirds. The newest is at the right; what does not fit falls
    off at the left.
    """
    shown = list(points)[-width:] if width > 0 else []
    values = sorted(value for value, _ in shown)
    top = max(values[-1], 1.6 * values[len(values) // 2]) if values else 0.0
    text = Text(" " * (width - len(shown)), end="")
    for value, style in shown:
        step = int(value / top * (len(BLOCKS) - 1) + 0.5) if top > 0 else 0
        text.append(FAILED if style == "bad" else BLOCKS[step], style)
    return text


def choose(chunks: Sequence[tuple[int, Text]], width: int, gap: str = "  ") -> Text:
    """As many chunks as fit, in their order; those of the highest number are dropped first."""
    kept = list(enumerate(chunks))
    while kept:
        total = sum(chunk.cell_len for _, (_, chunk) in kept) + cell_len(gap) * (len(kept) - 1)
        if total <= width:
            break
        kept.remove(max(kept, key=lambda item: (item[1][0], item[0])))
    text = Text(no_wrap=True, end="")
    for index, (_, (_, chunk)) in enumerate(kept):
        if index:
            text.append(gap)
        text.append_text(chunk)
    return text


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 tick`, `3 ticks`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def narrow(count: int) -> str:
    """A count in at most four cells: `9999`, `12k`, `100k`, `3M`. Never cut: half a number lies."""
    if count < 10_000:
        return str(count)
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}M"


def money(usd: float) -> str:
    """`$0.42`, `$12.30`, `$1,204`; under a cent `<$0.01`; nothing is `$0`."""
    if usd <= 0:
        return "$0"
    if usd < 0.01:
        return "<$0.01"
    return f"${usd:,.2f}" if usd < 1000 else f"${usd:,.0f}"


def facts(*pairs: tuple[str, Any]) -> list[Text]:
    """Aligned name and value; None is left out."""
    shown = [(name, data(value, 2000)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    return [line((f"{name:<{width}}  ", "muted"), (value, "text")) for name, value in shown]
