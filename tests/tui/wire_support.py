"""Two terminal emulators: one is sent what stock Textual would send, the other what the wire does.

`Twins` is a mixin for any app under `run_test`: each update goes to both. Cells are compared
as an eye would: of a blank only what is seen of it.
"""

from __future__ import annotations

from typing import Any

import pyte
from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import CompositorUpdate

from maestro_tui.wire.link import Wire


class Paper:
    """Takes what a wire writes; a terminal that answers at once, or when it is told to."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.taken = 0
        self.backlog = 0

    def write(self, data: str) -> None:
        self.written.append(data)

    def flush(self) -> None: ...

    def take(self) -> str:
        """What was written since the last look."""
        new, self.taken = self.written[self.taken :], len(self.written)
        return "".join(new)


class Emulator:
    """A terminal of pyte, behind a line discipline that makes \\n a new line."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        self._stream.feed(text.replace("\n", "\r\n").replace("\x0f", ""))

    def resize(self, width: int, height: int) -> None:
        self.screen.resize(height, width)
        self.screen.reset()  # what a window shows after a resize is anybody's guess

    def cells(self) -> list[list[tuple[Any, ...]]]:
        lines = (self.screen.buffer[y] for y in range(self.screen.lines))
        return [[_seen(line[x]) for x in range(self.screen.columns)] for line in lines]

    def text(self) -> str:
        return "\n".join(self.screen.display)


def _seen(cell: Any) -> tuple[Any, ...]:
    marks = (cell.underscore, cell.reverse, cell.strikethrough)
    if cell.data == " ":
        return (" ", cell.fg if any(marks) else None, cell.bg, marks)
    return (cell.data, cell.fg, cell.bg, marks, cell.bold, cell.italics, cell.blink)


class Pair:
    """The two terminals."""

    def __init__(
        self, width: int, height: int, *, system: ColorSystem = ColorSystem.TRUECOLOR
    ) -> None:
        self.stock, self.ours = Emulator(width, height), Emulator(width, height)
        self.paper = Paper()
        self.now = 1000.0
        self.wire = Wire(self.paper, system=system, clock=lambda: self.now)
        self.wire.open()
        self.stock_bytes = self.frames = 0

    def show(self, update: CompositorUpdate, console: Console) -> None:
        """One update to both."""
        text = update.render_segments(console)
        self.stock_bytes += len(text.encode())
        self.frames += 1
        self.stock.feed(text)
        self.wire.show(update, (0, 0))
        self.settle()

    def settle(self) -> None:
        """Let time pass and answer until the wire has nothing left to say."""
        while True:
            text = self.paper.take()
            self.ours.feed(text)
            for _ in range(text.count("\x1b[6n")):
                self.wire._reported(self.now)
            self.now += 1.0
            self.wire.send()
            if not (text or self.wire.pending):
                return

    def assert_equal(self) -> None:
        for y, (theirs, ours) in enumerate(zip(self.stock.cells(), self.ours.cells(), strict=True)):
            differ = [x for x, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b]
            assert not differ, (
                f"row {y}, columns {differ[:9]}: stock {[theirs[x] for x in differ[:3]]},"
                f" ours {[ours[x] for x in differ[:3]]}\n{self.stock.text()}\n{self.ours.text()}"
            )


class Twins:
    """Mixin for an app: what it displays goes to a pair, and both must show the same."""

    pair: Pair | None = None

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:  # type: ignore[attr-defined]
            width, height = screen._compositor.size
            if self.pair is None:
                system = self.console._color_system or ColorSystem.TRUECOLOR  # type: ignore[attr-defined]
                self.pair = Pair(width, height, system=system)
            elif (width, height) != (self.pair.stock.screen.columns, self.pair.stock.screen.lines):
                self.pair.stock.resize(width, height)
                self.pair.ours.resize(width, height)
                self.pair.wire.forget()
            self.pair.show(renderable, self.console)  # type: ignore[attr-defined]
            self.pair.assert_equal()
        super()._display(screen, renderable)  # type: ignore[misc]
