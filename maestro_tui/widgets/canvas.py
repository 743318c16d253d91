"""A widget that paints itself from lines of styled text and redraws only cells that changed.

Subclasses give `paint()`; whoever changes their state calls `repaint()`. The
new lines are compared with the shown ones, and only the runs of cells that differ are marked
dirty, so that a ticking countdown costs its digits and not its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from maestro_tui.presentation.cells import fit
from maestro_tui.themes import painter

JOIN = 6
"""Changed runs closer than this are sent as one: a cursor move costs about as much."""


class Canvas(Widget):
    """See the module docstring. `ground` names the style of the background."""

    DEFAULT_CSS = "Canvas { width: 1fr; height: 1fr; }"
    ground = "base"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._texts: list[Text] = []
        self._strips: list[Strip] = []
        self._painted: tuple[Size, str] | None = None

    def paint(self) -> list[Text]:
        """The lines of the whole widget, from the top; missing ones are blank."""
        raise NotImplementedError

    def plain(self) -> list[str]:
        """The lines as they were painted last, without their styles."""
        return [text.plain for text in self._texts]

    def repaint(self) -> None:
        """Compare what should be shown with what is, and mark the difference as dirty."""
        if not self.is_mounted or not self.size:
            return
        if self._painted != (self.size, self.app.theme):
            self.refresh()
            return
        dirty: list[Region] = []
        for y, text in enumerate(self._lines()):
            if text != self._texts[y] or text.style != self._texts[y].style:
                strip = self._strip(text)
                dirty += [Region(x, y, end - x, 1) for x, end in changed(self._strips[y], strip)]
                self._texts[y], self._strips[y] = text, strip
        if dirty:
            self.refresh(*dirty)

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._painted != (self.size, self.app.theme):
            self._texts = self._lines()
            self._strips = [self._strip(text) for text in self._texts]
            self._painted = (self.size, self.app.theme)
        blank = Strip.blank(crop.width)
        return [
            self._strips[y].crop(crop.x, crop.right) if y < len(self._strips) else blank
            for y in crop.line_range
        ]

    def _lines(self) -> list[Text]:
        width, height = self.size
        lines = [fit(text, width) for text in self.paint()[:height]]
        return lines + [Text(" " * width, end="")] * (height - len(lines))

    def _strip(self, text: Text) -> Strip:
        segments = rendered(text, self.app.theme, self.ground)
        return Strip(segments, self.size.width).simplify()


def rendered(text: Text, theme: str, ground: str) -> list[Segment]:
    """The text on that ground, as Rich renders it. Runs that stand side by side, as nearly all
    do, need none of what Rich does for those that overlap, and that is most of a repaint."""
    plain, at, out = text.plain, 0, []
    for start, end, style in text.spans:
        if start < at:
            console, base = painter(theme), pen(theme, ground, text.style)
            return list(Segment.apply_style(text.render(console), base))
        if start > at:
            out.append(Segment(plain[at:start], pen(theme, ground, text.style)))
        if end > start:
            out.append(Segment(plain[start:end], pen(theme, ground, text.style, style)))
            at = end
    if at < len(plain):
        out.append(Segment(plain[at:], pen(theme, ground, text.style)))
    return out


@lru_cache(4096)
def pen(theme: str, *names: str | Style) -> Style:
    """The styles of those names one over the other; a name that is none adds nothing."""
    console = painter(theme)
    found = [console.get_style(name, default=Style.null()) for name in names if name]
    return sum(found, Style.null())


def changed(old: Strip, new: Strip) -> list[tuple[int, int]]:
    """Runs of cells `(start, end)` in which two strips of one width differ."""
    before, after = list(old), list(new)
    start = 0
    while before and after and before[0] == after[0]:
        start += before.pop(0).cell_length
        after.pop(0)
    while before and after and before[-1] == after[-1]:
        before.pop()
        after.pop()
    return [(start + x, start + end) for x, end in _runs(_cells(before), _cells(after))]


def _runs(old: Iterator[Cell], new: Iterator[Cell]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for x, (before, after) in enumerate(zip(old, new, strict=False)):
        if before == after:
            continue
        if runs and x - runs[-1][1] < JOIN:
            runs[-1] = (runs[-1][0], x + 1)
        else:
            runs.append((x, x + 1))
    return runs


Cell = tuple[str, Style | None]
"""A character and its style; a wide character fills its second cell with nothing."""


def _cells(segments: list[Segment]) -> Iterator[Cell]:
    return chain.from_iterable(_segment_cells(segment) for segment in segments)


def _segment_cells(segment: Segment) -> Iterator[Cell]:
    if segment.cell_length == len(segment.text):
        return ((character, segment.style) for character in segment.text)
    return _wide_cells(segment)


def _wide_cells(segment: Segment) -> Iterator[Cell]:
    from rich.cells import get_character_cell_size

    for character in segment.text:
        size = get_character_cell_size(character)
        yield from ((character if i == 0 else "", segment.style) for i in range(size))
