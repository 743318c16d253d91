"""The cadences: cards in a grid where there is room, a table where there is not.

One painted widget for any number of cadences; only what is in view is rendered. Cursor and
marks are a `Selection`, as in every list.
"""

from __future__ import annotations

from rich.text import Text
from textual import events

from maestro_tui.presentation.board import COLUMNS, Cadence
from maestro_tui.presentation.cadence import CARD_LINES, CARD_WIDTH, card
from maestro_tui.presentation.cells import fit, line
from maestro_tui.presentation.words import cadence_look
from maestro_tui.widgets.table import Table

CARDS_FROM = 100
"""Narrower than this is a table."""
CARD_HEIGHT = CARD_LINES + 1
WIDEST_CARD = 64


class Board(Table[Cadence]):
    """See the module docstring."""

    DEFAULT_CSS = "Board { height: auto; }"

    def __init__(self) -> None:
        super().__init__(COLUMNS, lambda row: row.view.name, id="cadences")
        self.room = 0
        """Lines it may take at most; set by the screen."""

    # ---- shape ----------------------------------------------------------------------------

    @property
    def across(self) -> int:
        """Cards side by side; 0 = it is a table."""
        return self._across(len(self.rows))

    def would_be_cards(self, count: int) -> bool:
        """So many cadences would stand as cards side by side."""
        return self._across(count) > 0

    def _across(self, count: int) -> int:
        width = self.size.width or self.app.size.width
        if width < CARDS_FROM or not count:
            return 0
        return cards_across(width - 1, count, self.room)

    def wanted_height(self) -> int:
        """Lines that show everything."""
        if self.across:
            return -(-len(self.rows) // self.across) * CARD_HEIGHT
        return len(self.rows) + 1 if self.rows else 7

    @property
    def page(self) -> int:
        return len(self.rows) or 1 if self.across else super().page

    def step_down(self) -> int:
        """How far the key for down goes."""
        return self.across or 1

    # ---- mouse ----------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        if not self.across:
            super().on_click(event)
            return
        column = (event.x - 1) * self.across // max(1, self.size.width - 1)
        index = event.y // CARD_HEIGHT * self.across + column
        if index < len(self.rows):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened(self.row_key(self.rows[index])))

    # ---- painting -------------------------------------------------------------------------

    def paint(self) -> list[Text]:
        width = self.size.width
        across = self.across
        if not across:
            return super().paint()
        each = (width - 1) // across
        out: list[Text] = []
        for start in range(0, len(self.rows), across):
            cards = [self._card(row, each - 1) for row in self.rows[start : start + across]]
            for parts in zip(*cards, strict=True):
                out.append(line(" ", *(line(part, " ") for part in parts)))
            out.append(line(""))
        return out

    def _card(self, row: Cadence, width: int) -> list[Text]:
        """The card with its edge; the edge is heavy and the ground raised under the cursor."""
        name, selection = row.view.name, self.state.selection
        on = name == selection.cursor
        look = cadence_look(row.view, row.consumer)
        lines = card(
            row.view, row.consumer, self.now, width - 3, badge=self._badge(name), waits=row.waits
        )
        ground = ("row.cursor" if self.has_focus else "row.blur") if on else "surface"
        edge = ("█" if on else "▌", "stale" if self.dimmed else look.style)
        if self.dimmed:
            for text in lines:
                text.stylize("stale")
        return [_grounded(line(edge, " ", fit(text, width - 3), " "), ground) for text in lines]

    def _badge(self, name: str) -> Text:
        asked = self.state.pending.get(name)
        if asked:
            return line((f" … {asked} ", "badge.run"))
        marked = name in self.state.selection.marks or name in self.state.selection.range_ids()
        return line(("● marked", "mark")) if marked else Text("")


def cards_across(width: int, count: int, room: int) -> int:
    """The fewest, widest cards side by side that fit into `room` lines; 0 = none do."""
    most = max(1, width // (CARD_WIDTH + 1))
    least = min(most, -(-width // (WIDEST_CARD + 1)))
    for across in range(least, most + 1):
        if -(-count // across) * CARD_HEIGHT <= max(room, CARD_HEIGHT):
            return across
    return 0


def _grounded(text: Text, ground: str) -> Text:
    text.style = ground
    return text
