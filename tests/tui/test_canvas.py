"""Painted text: what is rendered quickly is what Rich renders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from rich.text import Span, Text
from textual.strip import Strip

from maestro_tui.themes import THEMES, painter
from maestro_tui.widgets.canvas import rendered

NAMES = ["", "ok", "bad.strong", "muted", "row.cursor", "badge.run", "no such style"]
styles = st.sampled_from(NAMES)
plains = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cc", "Cs"]), max_size=20)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    """Runs side by side, with gaps, over one another."""
    plain = draw(plains)
    place = st.integers(0, len(plain))
    spans = draw(st.lists(st.tuples(place, place, styles), max_size=6))
    if draw(st.booleans()):
        spans.sort()
    text = Text(plain, style=draw(styles), end="")
    text.spans = [Span(min(a, b), max(a, b), style) for a, b, style in spans if a != b]
    return text


@pytest.mark.parametrize("theme", list(THEMES))
@given(text=texts(), ground=styles)
def test_it_is_what_rich_renders(theme: str, text: Text, ground: str) -> None:
    console = painter(theme)
    base = console.get_style(ground or "none", default=Style.null())
    base += console.get_style(text.style or "none", default=Style.null())
    theirs = Strip(Segment.apply_style(text.render(console), base)).simplify()
    ours = Strip(rendered(text, theme, ground)).simplify()
    assert _cells(ours) == _cells(theirs)


def _cells(strip: Strip) -> list[tuple[str, Style]]:
    return [(one, segment.style or Style.null()) for segment in strip for one in segment.text]
