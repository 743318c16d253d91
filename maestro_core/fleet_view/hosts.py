"""Rows of maestro_hosts -> hosts as a console shows them. Pure but for what it remembers of the
hosts' clocks. Heartbeats were written by other machines: each field is judged alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from maestro_core.fleet_view.times import Ahead, shifted
from maestro_core.layout import NAME
from maestro_core.models import HoldBeat, Running, RunRow
from maestro_core.observe.beat import STALE_AFTER, Beating, CadenceNote, read_beat
from maestro_core.observe.documents import Document
from maestro_core.observe.snapshot import HostView, HostWord

_LOOSE = 2.0
"""Seconds by which a host's clock may differ before its times are corrected."""

_DECODE = msgspec.json.Decoder(dict[str, Any])


class Seen(Struct, frozen=True):
    """A host's row, its times on this machine's clock; what its age makes of it comes later."""

    view: HostView
    beating: Beating

    def at(self, now: float, lease: float, *, away: bool, hold: HoldBeat | None) -> HostView:
        """As it stands at `now`. `away`: the server cannot be asked, so nothing new is known."""
        word = self._word(now, lease)
        if away and word in ("live", "gone"):
            word = "stale"
        running = self.view.running if word in ("live", "stale") else ()
        if word == "stale":
            running = tuple(replace(run, activity="its host is silent") for run in running)
        return replace(self.view, word=word, running=running, hold=hold)

    def _word(self, now: float, lease: float) -> HostWord:
        if not self.beating.exists or self.view.beat_at is None:
            return "silent"
        if self.beating.stopped:
            return "stopped"
        age = now - self.view.beat_at
        if age < STALE_AFTER:
            return "live"
        return "stale" if age < lease else "gone"


class HostBook:
    """Remembers how far each host's clock is ahead of the server's."""

    def __init__(self, here: str) -> None:
        self._here = here
        self._ahead: dict[str, Ahead] = {}

    def read(self, rows: Iterable[Mapping[str, Any]], server_ahead: float) -> tuple[Seen, ...]:
        """`server_ahead`: seconds that the server's clock is ahead of this machine's."""
        return tuple(self._seen(row, server_ahead) for row in rows)

    def shift_of(self, host: str, server_ahead: float) -> float:
        """What to add to a time of that host to have it on this machine's clock."""
        known = self._ahead.get(host)
        return -server_ahead - (known.seconds if known is not None else 0.0)

    def moved(self, row: RunRow, server_ahead: float) -> RunRow:
        """A run that its host told of, its times on this machine's clock."""
        shift = self.shift_of(row.host or "", server_ahead)
        if not shift:
            return row
        return replace(
            row, started_at=shifted(row.started_at, shift), ended_at=shifted(row.ended_at, shift)
        )

    def _seen(self, row: Mapping[str, Any], server_ahead: float) -> Seen:
        host = str(row["host"])[:255]
        beating = read_beat(_document(row["beat"]))
        told = beating.view.beat_at
        skew = self._ahead.setdefault(host, Ahead(_LOOSE))
        if told is not None:
            skew.take(told - row["at"])
        shift = self.shift_of(host, server_ahead)
        view = beating.view
        return Seen(
            HostView(
                host=host,
                here=host == self._here,
                beat_at=row["at"] - server_ahead if beating.exists else None,
                cadences=tuple(name for name in row["cadences"] if NAME.match(name)),
                running=tuple(_moved(run, host, shift) for run in beating.running),
                pid=view.pid,
                mode=view.mode,
                version=view.version,
                started_at=None if view.started_at is None else view.started_at + shift,
                settings_error=view.settings_error,
                trouble=view.trouble,
                stats=view.stats,
                skew=skew.seconds,
                address=str(row["address"])[:255],
                root=str(row["root"])[:4096],
            ),
            beating,
        )


def _document(beat: bytes | None) -> Document:
    """A heartbeat that cannot be read says nothing, but that it was there."""
    if beat is None:
        return Document({}, exists=False)
    try:
        return Document(_DECODE.decode(bytes(beat)), exists=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Document({}, exists=True)


def _moved(run: Running, host: str, shift: float) -> Running:
    return replace(
        run,
        host=host,
        started_at=shifted(run.started_at, shift),
        timeout_at=shifted(run.timeout_at, shift),
    )


def announced(hosts: Iterable[HostView]) -> dict[str, tuple[str, ...]]:
    """Cadences -> the hosts that can run them; hosts that are gone for good are left out."""
    found: dict[str, list[str]] = {}
    for one in hosts:
        if one.word not in ("gone", "stopped"):
            for cadence in one.cadences:
                found.setdefault(cadence, []).append(one.host)
    return {cadence: tuple(names) for cadence, names in found.items()}


def budgets(seen: Iterable[tuple[HostView, Beating]]) -> dict[str, CadenceNote]:
    """Cadences whose budget is spent on every live host that can run them: hosts count it."""
    notes: dict[str, list[CadenceNote]] = {}
    for view, beating in seen:
        if view.word == "live":
            for cadence in view.cadences:
                note = beating.cadences.get(cadence, CadenceNote())
                notes.setdefault(cadence, []).append(note)
    return {
        cadence: told[0]
        for cadence, told in notes.items()
        if all(note.state == "quota" for note in told)
    }
