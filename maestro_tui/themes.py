"""The three themes: one palette each, for Textual's own widgets and for the painted ones.

Styles are named by meaning; a painted line asks for "bad" or "muted", never for a colour.
`mono` uses weight, reverse and underline alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rich.console import Console
from rich.style import Style
from rich.theme import Theme as StyleSheet
from textual.theme import Theme


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by meaning, as #rrggbb."""

    dark: bool
    ground: str
    surface: str
    raised: str
    cursor: str
    text: str
    muted: str
    faint: str
    accent: str
    ok: str
    run: str
    warn: str
    bad: str
    probe: str
    hold: str
    spark: str
    on_badge: str


DARK = Palette(
    dark=True, ground="#0e1116", surface="#151a21", raised="#1b222b", cursor="#233044",
    text="#d3dae3", muted="#8a95a3", faint="#5a6573", accent="#5ec4c0",
    ok="#6cc070", run="#62a8f5", warn="#e0ad4a", bad="#f2665c", probe="#c08cf0",
    hold="#a3a9f0", spark="#4d74a3",
    on_badge="#0e1116",
)  # fmt: skip
LIGHT = Palette(
    dark=False, ground="#fbfbf9", surface="#f1f2ef", raised="#e8eae6", cursor="#d7e3f4",
    text="#22272e", muted="#5a6370", faint="#8d96a1", accent="#0b7a75",
    ok="#23792c", run="#1257b8", warn="#8f5d00", bad="#bf2318", probe="#7a35b8",
    hold="#4a4fb0", spark="#7fa3d1",
    on_badge="#ffffff",
)  # fmt: skip

MEANINGS = ("ok", "run", "warn", "bad", "probe", "hold")


def _styles(palette: Palette) -> dict[str, Style]:
    """Every style name of presentation/ for a coloured theme."""
    named = {name: Style(color=getattr(palette, name)) for name in MEANINGS}
    named |= {
        name: Style(color=getattr(palette, name)) for name in ("text", "muted", "faint", "accent")
    }
    for name in (*MEANINGS, "text", "muted"):
        colour = getattr(palette, name)
        named[f"{name}.strong"] = Style(color=colour, bold=True)
        named[f"badge.{name}"] = Style(color=palette.on_badge, bgcolor=colour, bold=True)
        named[f"banner.{name}"] = Style(color=palette.on_badge, bgcolor=colour, bold=True)
    return named | {
        "base": Style(color=palette.text, bgcolor=palette.ground),
        "surface": Style(color=palette.text, bgcolor=palette.surface),
        "raised": Style(color=palette.text, bgcolor=palette.raised),
        "row.cursor": Style(bgcolor=palette.cursor),
        "row.blur": Style(bgcolor=palette.raised),
        "title": Style(color=palette.text, bold=True),
        "head": Style(color=palette.muted, bold=True),
        "head.sorted": Style(color=palette.accent, bold=True),
        "spark": Style(color=palette.spark),
        "track": Style(color=palette.faint),
        "rule": Style(color=palette.faint),
        "key": Style(color=palette.accent, bold=True),
        "key.danger": Style(color=palette.bad, bold=True),
        "mark": Style(color=palette.accent, bold=True),
        "match": Style(color=palette.warn, underline=True),
        "tab": Style(color=palette.muted),
        "tab.key": Style(color=palette.faint),
        "tab.on": Style(color=palette.on_badge, bgcolor=palette.accent, bold=True),
        "scroll": Style(color=palette.faint),
        "scroll.thumb": Style(color=palette.muted),
        "stale": Style(color=palette.faint, dim=False),
        "code": Style(color=palette.accent),
    }


def _mono() -> dict[str, Style]:
    """The same names without any colour."""
    plain, strong, dim = Style(), Style(bold=True), Style(dim=True)
    names = _styles(DARK)
    styles = dict.fromkeys(names, plain)
    styles |= {name: strong for name in names if name.endswith(".strong")}
    styles |= {
        name: Style(reverse=True, bold=True)
        for name in names
        if name.startswith(("badge.", "banner."))
    }
    styles |= dict.fromkeys(("title", "head", "key", "mark", "bad", "accent"), strong)
    styles |= dict.fromkeys(
        ("muted", "faint", "track", "rule", "tab", "tab.key", "scroll", "stale"), dim
    )
    styles |= {
        "row.cursor": Style(reverse=True),
        "row.blur": Style(underline=True),
        "tab.on": Style(reverse=True, bold=True),
        "key.danger": Style(bold=True, underline=True),
        "head.sorted": Style(bold=True, underline=True),
        "match": Style(underline=True),
    }
    return styles


def _theme(name: str, palette: Palette) -> Theme:
    return Theme(
        name=name, dark=palette.dark, primary=palette.accent, secondary=palette.run,
        accent=palette.accent, foreground=palette.text, background=palette.ground,
        surface=palette.surface, panel=palette.raised, success=palette.ok,
        warning=palette.warn, error=palette.bad,
        variables={"faint": palette.faint, "muted": palette.muted, "cursor": palette.cursor},
    )  # fmt: skip


_GREY = Palette(
    dark=True, ground="#000000", surface="#000000", raised="#000000", cursor="#303030",
    text="#e0e0e0", muted="#a0a0a0", faint="#808080", accent="#ffffff",
    ok="#e0e0e0", run="#e0e0e0", warn="#ffffff", bad="#ffffff", probe="#e0e0e0",
    hold="#e0e0e0", spark="#a0a0a0",
    on_badge="#000000",
)  # fmt: skip

THEMES = {
    "maestro-dark": _theme("maestro-dark", DARK),
    "maestro-light": _theme("maestro-light", LIGHT),
    "maestro-mono": _theme("maestro-mono", _GREY),
}


@lru_cache(maxsize=8)
def painter(theme: str) -> Console:
    """A console that resolves our style names in that theme; only used to render texts."""
    styles = {"maestro-light": _styles(LIGHT), "maestro-mono": _mono()}.get(theme)
    sheet = StyleSheet(styles or _styles(DARK), inherit=False)
    return Console(
        theme=sheet, color_system="truecolor", width=1000, force_terminal=True,
        markup=False, highlight=False, emoji=False,
    )  # fmt: skip
