"""The hosts of a fleet: in a few words for the strip, and one after the other in full. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from maestro_core.models import Running
from maestro_core.observe.snapshot import FleetView, HostView, HostWord
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, facts, line, plural
from maestro_tui.presentation.words import HOLDS, Look

HOSTS: dict[HostWord, Look] = {
    "live": Look("●", "live", "ok"),
    "stale": Look("◌", "STALE", "warn"),
    "gone": Look("×", "gone", "bad"),
    "stopped": Look("○", "stopped", "muted"),
    "silent": Look("○", "no beat yet", "muted"),
}
IN_FULL = 8
"""With more hosts than that only those that need a look are told of in full."""
_TOLD: tuple[HostWord, ...] = ("stale", "gone")
"""What the strip counts beside the number of hosts."""


def fleet_words(fleet: FleetView, own: bool, now: float) -> Text:
    """`● fleet 5 hosts 2 stale`, `◌ STALE 25s fleet 5 hosts`; `own`: one of them is here."""
    counted = Counter(one.word for one in fleet.hosts)
    hosts = plural(len(fleet.hosts), "host") if fleet.unknown is None else "not heard yet"
    if fleet.away is not None:
        age = f" {times.short(now - fleet.seen_at)}" if fleet.seen_at else ""
        return line((f"◌ STALE{age}", "warn.strong"), (f" fleet {hosts}", "muted"))
    look = HOSTS["live"] if counted["live"] else HOSTS["stale"]
    text = line((f"{look.glyph} fleet {hosts}", f"{look.style}.strong"))
    if own:
        text.append(" here too", "muted")
    for word in _TOLD:
        if counted[word]:
            text.append(f" {counted[word]} {word}", HOSTS[word].style)
    return text


def away_banner(fleet: FleetView, now: float) -> Text | None:
    """What is shown is old, since when, and why; short, so that the reason is not what is cut."""
    if fleet.away is None:
        return None
    seen = f"as of {times.face(fleet.seen_at, now)}" if fleet.seen_at else "nothing is known"
    why = fleet.away.replace(f"the bus at {fleet.server}", "the server")
    return line((f" ◌ STALE: {seen} · {data(why, 300)} ", "banner.warn"))


def fleet_banners(fleet: FleetView, now: float) -> list[Text | None]:
    """What an operator of this fleet must know first."""
    found = [away_banner(fleet, now)]
    if fleet.stopped_here is not None:
        who = f" by {data(fleet.stopped_here.by, 40)}" if fleet.stopped_here.by else ""
        text = (
            f" ■ {data(fleet.here, 60)} alone is stopped{who} · maestro-tui estop --clear lifts it "
        )
        found.append(line((text, "banner.bad")))
    if fleet.away is None and not any(one.word == "live" for one in fleet.hosts):
        says = "no host of the fleet is at work" if fleet.hosts else "the fleet has no host yet"
        found.append(
            line((f" ○ {says}: ticks wait until one is · maestro-tui run ", "banner.warn"))
        )
    return found


def host_lines(fleet: FleetView, now: float) -> list[Text]:
    """Every host, those that need a look first."""
    out = [line((data(fleet.server, 200), "title"))]
    if (banner := away_banner(fleet, now)) is not None:
        out.append(banner)
    if not fleet.hosts:
        out += [line(""), line(("No host has been heard of. ", "muted"))]
        out.append(line(("maestro-tui run", "code"), (" makes this one.", "muted")))
    order = ("gone", "stale", "silent", "live", "stopped")
    hosts = sorted(fleet.hosts, key=lambda host: (order.index(host.word), host.host))
    short = [one for one in hosts if len(hosts) > IN_FULL and _is_well(one)]
    for one in hosts:
        if one not in short:
            out += [line(""), *_host(one, now)]
    return [*out, *([line("")] if short else []), *(_host_line(one, now) for one in short)]


def _is_well(host: HostView) -> bool:
    return host.word in ("live", "stopped") and not (
        host.hold or host.trouble or host.settings_error or host.skew
    )


def _host_line(host: HostView, now: float) -> Text:
    """One of many that needs no look."""
    return line(_head(host, now), (f"  {data(_running(host.running, now), 200)}", "text"))


def _head(host: HostView, now: float) -> Text:
    look = HOSTS[host.word]
    beat = f"beat {times.ago(host.beat_at, now)}" if host.beat_at is not None else ""
    return line(
        (data(host.host, 80), "title"), (" here" if host.here else "", "accent"), "  ",
        (f"{look.glyph} {look.word}", f"{look.style}.strong"), (f"  {beat}", "muted"),
    )  # fmt: skip


def _host(host: HostView, now: float) -> list[Text]:
    return [
        _head(host, now),
        *facts(
            ("runs", _running(host.running, now) or None),
            ("held", _held(host)),
            ("trouble", host.trouble or host.settings_error),
            ("can run", ", ".join(host.cadences) or "nothing"),
            ("clock", _clock(host)),
            ("is", _who(host)),
            ("root", f"{host.address}:{host.root}" if host.root else None),
        ),
    ]


def _running(running: Sequence[Running], now: float) -> str:
    words = []
    for run in running:
        started = times.moment(run.started_at)
        age = f" {times.timer(now - started)}" if started else ""
        words.append(f"{run.cadence}{age}")
    return ", ".join(words)


def _held(host: HostView) -> str | None:
    if host.hold is None:
        return None
    word = HOLDS[host.hold.kind].word
    return f"{word}: {host.hold.reason}" if host.hold.reason else word


def _clock(host: HostView) -> str | None:
    if not host.skew:
        return None
    side = "ahead of" if host.skew > 0 else "behind"
    return f"{times.short(abs(host.skew))} {side} the server's; its times are corrected"


def _who(host: HostView) -> str | None:
    words = [
        f"{host.mode or 'consumer'} {host.pid}" if host.pid else "",
        f"version {host.version}" if host.version else "",
    ]
    return ", ".join(word for word in words if word) or None
