"""The two lines on top of every screen, and the banners under them. Pure.

First line: whose agent, which consumer, counts, cost, time. Second line: the screens.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rich.text import Text

from maestro_core import __version__
from maestro_core.observe.snapshot import Snapshot
from maestro_core.service.starts import Loop
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import choose, data, line, money, spread
from maestro_tui.presentation.hosts import fleet_banners, fleet_words
from maestro_tui.presentation.words import CONSUMERS, HOLDS


class Here(NamedTuple):
    """What this console itself knows: its pid, and how it takes part."""

    pid: int
    read_only: bool = False
    frozen_at: float | None = None
    """The view is frozen since then; None = live."""
    trouble: str | None = None
    """Why what is shown may be wrong (a worker failed, watching is degraded)."""


def consumer_words(snapshot: Snapshot, here: Here, now: float, wide: bool = True) -> Text:
    """`● consumer here`, `● daemon 4121`, `◌ STALE 25s`, `○ no consumer`; `● fleet 5 hosts`."""
    view = snapshot.consumer
    if snapshot.fleet is not None:
        return fleet_words(snapshot.fleet, view.pid == here.pid, now)
    look = CONSUMERS[view.word]
    word = look.word
    if view.word == "live":
        word = "consumer here" if view.pid == here.pid else f"{view.mode or 'consumer'} {view.pid}"
    text = line((f"{look.glyph} {word}", f"{look.style}.strong"))
    if view.beat_at is not None and (view.word == "stale" or (view.word == "live" and wide)):
        text.append(
            f" beat {times.short(now - view.beat_at)}", "muted" if view.word == "live" else "warn"
        )
    if view.word in ("stopped", "crashed") and view.beat_at is not None:
        text.append(f" {times.ago(view.beat_at, now)}", "muted")
    return text


COUNTS = (
    (4, "inbox", "inbox", "text"),
    (7, "claimed", "claimed", "run"),
    (2, "dlq", "dead", "bad"),
    (6, "quarantine", "quarantine", "warn"),
    (3, "open_circuits", "open", "bad"),
)
"""Drop order, field of CountsView, word, style when it is not zero."""


def count_chunks(snapshot: Snapshot) -> list[tuple[int, Text]]:
    """The counts with their drop order; zeros go first when room is short."""
    chunks = []
    for order, field, word, style in COUNTS:
        if snapshot.unknown is not None:
            chunks.append((order, line(("?", "warn"), (f" {word}", "muted"))))
            continue
        count: int = getattr(snapshot.counts, field)
        shown = line(
            (f"{count:,}", style if count else "faint"), (f" {word}", "muted" if count else "faint")
        )
        chunks.append((order if count else order + 20, shown))
    return chunks


def _cost(snapshot: Snapshot) -> str:
    return money(snapshot.cost_today) if snapshot.unknown is None else "?"


def first_line(snapshot: Snapshot, here: Here, now: float, width: int) -> Text:
    """Agent, consumer, counts, cost of the day, time of day."""
    agent = (0, line((" ◆ ", "accent"), (data(snapshot.agent, 40), "title")))
    consumer = (1, consumer_words(snapshot, here, now, width >= 100))
    right = [
        *count_chunks(snapshot),
        (5, line((_cost(snapshot), "text"), (" today", "muted"))),
        (9, line((times.face(now, now), "muted"))),
    ]
    left = choose([agent, consumer], width)
    counts = choose(right, max(0, width - left.cell_len - 3))
    return spread(left, line(counts, " "), width)


JUMPS = {"inbox": "board", "claimed": "board", "dead": "dead", "quarantine": "journal",
         "open": "board", "today": "costs"}  # fmt: skip


def jumps(first: str, x: int) -> str | None:
    """The screen that a click on the first line goes to: that of the count under it."""
    for word, screen in JUMPS.items():
        found = re.search(rf"\S+ {word}\b", first)
        if found and found.start() <= x < found.end():
            return screen
    return None


class Tab(NamedTuple):
    """A screen on the second line."""

    name: str
    key: str
    title: str
    short: str


def tab_chunks(
    tabs: tuple[Tab, ...], active: str, snapshot: Snapshot | None, width: int
) -> list[tuple[str, Text]]:
    """(screen name, chunk) for each tab; from the left, titles are short until all fit."""
    for short in range(len(tabs) + 1):
        chunks = [
            (tab.name, _tab(tab, active, snapshot, place < short)) for place, tab in enumerate(tabs)
        ]
        if sum(chunk.cell_len for _, chunk in chunks) <= width:
            break
    return chunks


def _tab(tab: Tab, active: str, snapshot: Snapshot | None, short: bool) -> Text:
    count = snapshot.counts.dlq if snapshot and tab.name == "dead" else 0
    title = tab.short if short else tab.title
    on = tab.name == active
    text = line(
        (f" {tab.key} ", "tab.on" if on else "tab.key"), (title + " ", "tab.on" if on else "tab")
    )
    if count:
        text.append(f"{count:,} ", "tab.on" if on else "bad")
    return text


def second_line(
    tabs: tuple[Tab, ...],
    active: str,
    snapshot: Snapshot | None,
    here: Here,
    now: float,
    width: int,
) -> Text:
    """The screens, and at the right how this console takes part."""
    room = tabs_room(here, now, width)
    left = line(*(chunk for _, chunk in tab_chunks(tabs, active, snapshot, room)))
    return spread(left, _part(here, now), width)


def tabs_room(here: Here, now: float, width: int) -> int:
    """Cells of the second line that are there for the screens."""
    taken = _part(here, now).cell_len
    return width - taken - (1 if taken else 0)


def _part(here: Here, now: float) -> Text:
    if here.frozen_at is not None:
        return line((f" FROZEN {times.short(now - here.frozen_at)} · p goes on ", "badge.warn"))
    return line((" read-only ", "badge.hold")) if here.read_only else Text(end="")


def other_version(snapshot: Snapshot) -> str | None:
    """The version of a live consumer, where it is not that of this console."""
    view = snapshot.consumer
    return view.version if view.word == "live" and view.version not in (None, __version__) else None


def banners(snapshot: Snapshot, here: Here, now: float) -> list[Text]:
    """What holds everything, the worst first; empty when nothing does. The key that lifts a hold
    stands before its reason, which may be long: the end is cut on a narrow screen."""
    fleet = snapshot.fleet
    found = [
        _stop_banner(snapshot, now),
        _hold_banner(snapshot, now),
        *(fleet_banners(fleet, now) if fleet else [_consumer_banner(snapshot, now)]),
    ]
    view = snapshot.consumer
    if view.loop is not None:
        found.append(_loop_banner(view.loop))
    if view.word == "live" and view.trouble:
        found.append(line((f" × consumer: {data(view.trouble, 300)} ", "banner.bad")))
    if (version := other_version(snapshot)) is not None:
        text = f" △ {data(view.mode or 'consumer', 20)} {view.pid} is version {data(version, 40)},"
        how = " · B restarts the service" if view.mode == "daemon" else ""
        found.append(line((f"{text} this console is {__version__}{how} ", "banner.warn")))
    error = view.settings_error
    if error:
        found.append(_settings_banner(view.word, error))
    if here.trouble and not (error and error in here.trouble):
        found.append(line((f" △ {data(here.trouble, 300)} ", "banner.warn")))
    problems = [one for one in snapshot.problems if fleet is None or one != fleet.away]
    if problems:
        more = f" · and {len(problems) - 1} more, 5 names them" if len(problems) > 1 else ""
        found.append(line((f" △ {data(problems[0], 300)}{more} ", "banner.warn")))
    return [banner for banner in found if banner is not None]


def _loop_banner(loop: Loop) -> Text:
    text = f" × CRASH LOOP: the service ended badly {loop.bad} times in a row:"
    return line((f"{text} {data(loop.reason, 160)} · maestro-tui service status ", "banner.bad"))


def _settings_banner(word: str, error: str) -> Text:
    """A running consumer keeps its last good settings; without one, none can start."""
    if word in ("live", "stale"):
        return line((f" △ settings not taken: {data(error, 300)} ", "banner.warn"))
    return line((f" × no consumer can start: {data(error, 300)} ", "banner.bad"))


def _stop_banner(snapshot: Snapshot, now: float) -> Text | None:
    marker = snapshot.emergency_stop
    if marker is None:
        return None
    who = f" by {data(marker.by, 40)}" if marker.by else ""
    age = f" {times.ago(marker.at, now)}" if marker.at else ""
    why = f" · {data(marker.reason, 120)}" if marker.reason else ""
    text = f" ■ EMERGENCY STOP{who}{age} · ctrl+x ctrl+x lifts it{why} · nothing is claimed "
    return line((text, "banner.bad"))


def _hold_banner(snapshot: Snapshot, now: float) -> Text | None:
    hold = snapshot.consumer.hold
    if hold is None:
        return None
    look = HOLDS[hold.kind]
    until = times.moment(hold.until)
    wait = (
        f" {times.left(until, now)} until {times.face(until, now)}"
        if until
        else " until it is lifted"
    )
    why = f" · {data(hold.reason, 200)}" if hold.reason else ""
    text = f" {look.glyph} {look.word.upper()}{wait} · C lifts it{why} "
    return line((text, f"banner.{'bad' if hold.kind == 'auth' else 'hold'}"))


def _consumer_banner(snapshot: Snapshot, now: float) -> Text | None:
    view = snapshot.consumer
    if view.settings_error and view.word != "stale":
        return None  # said with the settings: nothing can be started before they are mended
    if view.word == "stale":
        age = times.short(now - view.beat_at) if view.beat_at else "?"
        return line(
            (
                f" ◌ STALE: no beat of consumer {view.pid} for {age} · what is shown may be old ",
                "banner.warn",
            )
        )
    if view.word == "crashed":
        return line(
            (
                " × the consumer is gone without a clean stop · maestro-tui run starts one ",
                "banner.bad",
            )
        )
    if view.word in ("none", "stopped"):
        return line((" ○ no consumer: ticks wait until one runs · maestro-tui run ", "banner.warn"))
    return None
