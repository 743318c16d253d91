"""A log of any size on the screen: read where one looks, followed, searched, never held.

A plain widget on the line API with a scroll state of its own. It paints only cells that
changed, at the pace of the shared `LogClock`; keys are answered at once. Everything is on
the app's thread but slices of indexing and search, which run in a thread one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.segment import Segment
from rich.text import Text
from textual.geometry import Region, Size
from textual.strip import Strip

from maestro_core.observe.logfile import Line, LogFile
from maestro_core.observe.logfile_bytes import NoBytes
from maestro_tui.presentation.cells import fit, line, masked
from maestro_tui.presentation.log_status import LogFacts, paused_corner, status
from maestro_tui.presentation.log_text import Redact
from maestro_tui.themes import painter
from maestro_tui.widgets.log_view_clock import clock_of, resting
from maestro_tui.widgets.log_view_find import Finder
from maestro_tui.widgets.log_view_keys import LogKeys
from maestro_tui.widgets.log_view_rows import Look, Note, Rows, differing
from maestro_tui.widgets.log_view_watch import Watch
from maestro_tui.widgets.log_view_window import Place, Window
from maestro_tui.widgets.table import centred

RUN_COST = 46
"""About so many bytes of colours and moves go with each piece of painted text."""


class LogView(LogKeys):
    """See the module docstring. `compact` has no gutter and no status line (for a pane)."""

    can_focus = True
    ALLOW_SELECT = False
    DEFAULT_CSS = "LogView { width: 1fr; height: 1fr; }"

    def __init__(
        self,
        path: Path | None = None,
        *,
        follow: bool = True,
        compact: bool = False,
        redact: Redact = masked,
        wall: Callable[[], float] = time.time,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 -- Textual's name
    ) -> None:
        super().__init__(name=name, id=id)
        self.follow = follow
        self.compact = compact
        self.redact = redact
        self.empty_text = "no log"
        self._wall = wall
        self._shown: list[Strip] = []
        self._missed = False
        self._painted: tuple[Size, str] | None = None
        self.show(path)

    # ---- which log --------------------------------------------------------------------------

    def show(self, path: Path | None) -> None:
        """Show that file from now on; None = nothing."""
        self.open(LogFile(path or NoBytes()), path.name if path else "")

    def open(self, file: LogFile, title: str) -> None:
        """Show that log from now on, followed or from its first line as the last one was."""
        self.file, self.title = file, title
        self.place = Place()
        self.marks: set[int] = set()
        self.news = Watch(file, self, self._wall)
        self.news.pause(not self.follow)
        self.finder = Finder(self)
        self.lines = Rows(file, self.redact, self._note)
        self.window = Window(file, self.lines.height)
        self._origin: Callable[[int], str] | None = getattr(file.source, "origin", None)
        file.refresh()
        if self.is_mounted:
            self.news.index()
            self.repaint()

    def on_mount(self) -> None:
        clock_of(self.app).add(self)
        self.news.index()

    def on_unmount(self) -> None:
        clock_of(self.app).remove(self)

    def look(self) -> bool:
        """Look at the file, from the clock; True when something is to be drawn."""
        rests = resting(self)
        if rests and self._origin is None:
            return False  # a merged log is looked at all the same: its order is what was seen
        dirty, void = self.news.look()
        if void:
            self.place, self.marks = Place(), set()
            self.lines.forget()
            self.finder.forget()
        self._missed = self._missed or dirty or self.finder.searching
        if rests:
            return False
        missed, self._missed = self._missed, False
        return missed

    def draw(self) -> int:
        """For the clock."""
        return self.repaint()

    # ---- painting ---------------------------------------------------------------------------

    def repaint(self) -> int:
        """Mark the cells that changed as dirty; about how many bytes that will send."""
        if not self.is_mounted or not self.size:
            return 0
        if self._painted != (self.size, self.app.theme):
            self.refresh()
            return self.size.width * self.size.height
        dirty: list[Region] = []
        cost = 0
        strips = self._strips()
        for y, (old, new) in enumerate(zip(self._shown, strips, strict=True)):
            start, end = differing(old, new) if new is not old else (0, 0)
            if start < end:
                dirty.append(Region(start, y, end - start, 1))
                cost += end - start + RUN_COST * len(list(new))
        self._shown = strips
        if dirty:
            self.refresh(*dirty)
        return cost

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._painted != (self.size, self.app.theme):
            self._painted = (self.size, self.app.theme)
            self._shown = self._strips()
        blank = Strip.blank(crop.width)  # a size that changes is asked for before it is told
        return [
            self._shown[y].crop(crop.x, crop.right) if y < len(self._shown) else blank
            for y in crop.line_range
        ]

    def _strips(self) -> list[Strip]:
        """Every row of the widget as it should be now."""
        width, height = self.size
        rows = self._log_strips()
        if not rows:
            rows = [self._strip(text) for text in centred([self._empty()], width, self.body_height)]
        blank = self._strip(Text("", end=""))
        rows += [blank] * (self.body_height - len(rows))
        if self.compact:
            return [*rows[:-1], self._with_corner(rows[-1])]
        return [*rows, self._strip(status(self.facts(), width), "surface")][-height:]

    def _log_strips(self) -> list[Strip]:
        self.lines.dress(self._look())
        if self.follow:
            self.place = self.window.bottom(self.body_height)
        shown = self.window.rows(self.place, self.body_height)
        return [self.lines.strips(one)[number] for one, number in shown]

    def _look(self) -> Look:
        return Look(
            self.size.width,
            self.app.theme,
            self._ground,
            self.wrap,
            0 if self.wrap else self.left,
            self.finder.query,
            not self.compact,
            9 if self.times else 0,
        )

    @property
    def _ground(self) -> str:
        return "surface" if self.compact else "base"

    def _note(self, one: Line) -> Note:
        """What is special about a line of the view."""
        at = self.news.arrivals.at(one.start) if self.times else None
        return Note(
            one.start in self.marks,
            self.finder.hit - one.start if self.finder.hits(one) else None,
            self._origin(one.start) if self._origin else "",
            time.strftime("%H:%M:%S", time.localtime(at)) if at is not None else "",
        )

    def _empty(self) -> Text:
        if isinstance(self.file.source, NoBytes):
            return line((self.empty_text, "muted"))
        words = {"live": "nothing written yet", "unreadable": "cannot be read"}
        return line((words.get(self.file.state, "waiting for the file"), "muted"))

    def _strip(self, text: Text, ground: str | None = None) -> Strip:
        console, width = painter(self.app.theme), self.size.width
        segments = fit(text, width).render(console)
        base = console.get_style(ground or self._ground)
        return Strip(Segment.apply_style(segments, base), width).simplify()

    def _with_corner(self, row: Strip) -> Strip:
        """The last row of a pane with the pause badge at its end."""
        corner = paused_corner(self.facts(), self.size.width)
        width = corner.cell_len
        if not width:
            return row
        return Strip.join(
            [row.crop(0, self.size.width - width), self._strip(corner).crop(0, width)]
        )

    def facts(self) -> LogFacts:
        """What the status line says."""
        file, news = self.file, self.news
        number = file.line_number(self.place.start) if file.size else None
        end = self.window.down(self.place, self.body_height).start
        busy, style = self.finder.words()
        return LogFacts(
            self.title,
            self.follow,
            file.state,
            file.size,
            news.new,
            news.counting,
            None if number is None else number + 1,
            file.count(),
            min(1.0, end / file.size) if file.size else 1.0,
            file.indexed_share,
            busy or ("the file was written anew" if news.anew else ""),
            style if busy else "warn",
            tuple(word for word, on in (("wrap", self.wrap), ("times", self.times)) if on),
            len(self.marks),
            file.trouble,
        )
