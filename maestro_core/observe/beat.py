"""consumer.json as a screen needs it: is the consumer alive, what runs, how cadences stand.

Each field is judged alone, so that one wrong value costs that value and not the picture. A
beat older than ten seconds is never "live": the lock then tells a silent consumer from a
dead one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, get_args

import msgspec
from msgspec import Struct

from maestro_core.layout import NAME
from maestro_core.models import CadenceWord, HoldBeat, HoldKind, Running, Stats
from maestro_core.observe.documents import Document, moment, named, objects, text, whole
from maestro_core.observe.snapshot import ConsumerView, ConsumerWord

STALE_AFTER = 10.0
_WORDS: tuple[str, ...] = get_args(CadenceWord)
_KINDS: tuple[str, ...] = get_args(HoldKind)


class CadenceNote(Struct, frozen=True):
    """How one cadence stands, by consumer.json or by the files. Times are wall epoch seconds."""

    state: CadenceWord = "closed"
    failures: int = 0
    next_allowed_at: float | None = None
    open_until: float | None = None
    reason: str | None = None
    forced: bool = False


class Beating(Struct, frozen=True):
    """What consumer.json says, without judging its age."""

    view: ConsumerView = ConsumerView()
    stopped: bool = False
    running: tuple[Running, ...] = ()
    cadences: dict[str, CadenceNote] = {}
    exists: bool = False


def read_beat(document: Document) -> Beating:
    """consumer.json's parts; whatever is of the wrong type is left out."""
    content = document.content
    if not content:
        return Beating(exists=document.exists)
    view = ConsumerView(
        pid=whole(content.get("pid")) or None,
        host=text(content.get("host"), 255),
        version=text(content.get("version"), 64),
        mode=text(content.get("mode"), 32),
        started_at=moment(content.get("started_at")),
        beat_at=moment(content.get("beat_at")),
        settings_error=text(content.get("settings_error")),
        trouble=text(content.get("trouble")),
        stats=_stats(content.get("stats")),
        hold=read_hold(content.get("hold")),
    )
    runs = (_running(entry) for entry in objects(content.get("running")))
    return Beating(
        view=view,
        stopped=moment(content.get("stopped_at")) is not None,
        running=tuple(run for run in runs if run is not None),
        cadences={n: _note(e) for n, e in named(content.get("cadences")).items() if NAME.match(n)},
        exists=True,
    )


def consumer_word(beating: Beating, now: float, is_locked: Callable[[], bool]) -> ConsumerWord:
    """Alive or not at `now` (wall epoch seconds); the lock is asked only when in doubt."""
    view = beating.view
    if not beating.exists:
        return "none"
    if beating.stopped:
        return "stopped"
    if view.beat_at is None:
        return "stale" if is_locked() else "none"
    if -STALE_AFTER < now - view.beat_at < STALE_AFTER:
        return "crashed" if _is_gone(view) and not is_locked() else "live"
    return "stale" if is_locked() else "crashed"


def read_hold(entry: Any) -> HoldBeat | None:
    """A hold over all cadences as consumer.json and gates.json store it."""
    if not isinstance(entry, dict) or entry.get("kind") not in _KINDS:
        return None
    until = text(entry.get("until"), 64)
    return HoldBeat(
        kind=entry["kind"],
        until=until if moment(until) is not None else None,
        since=text(entry.get("since"), 64) or "",
        reason=text(entry.get("reason")) or "",
    )


def _is_gone(view: ConsumerView) -> bool:
    """Whether the process is known to be dead: only this machine's can be asked."""
    if view.pid is None or view.host != socket.gethostname():
        return False
    try:
        os.kill(view.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _stats(entry: Any) -> Stats | None:
    if not isinstance(entry, dict):
        return None
    names = {name for name in Stats.__struct_fields__ if name in entry}
    words = {name: text(entry[name], 200) for name in names & {"started_at", "last_decision"}}
    counts = {name: whole(entry[name]) for name in names - set(words)}
    known = {name: value for name, value in words.items() if value is not None}
    return msgspec.convert(known | counts, Stats)


def _running(entry: dict[str, Any]) -> Running | None:
    """None for a run without an id or a cadence."""
    run_id, cadence = text(entry.get("run_id"), 300), text(entry.get("cadence"), 128)
    if not run_id or not cadence:
        return None
    return Running(
        run_id=run_id,
        tick_id=text(entry.get("tick_id"), 128) or "",
        cadence=cadence,
        pid=whole(entry.get("pid")) or None,
        started_at=text(entry.get("started_at"), 64) or "",
        timeout_at=text(entry.get("timeout_at"), 64),
        stdout_path=text(entry.get("stdout_path")),
        stderr_path=text(entry.get("stderr_path")),
        attempt=whole(entry.get("attempt")) or 1,
        activity=text(entry.get("activity"), 400),
    )


def _note(entry: dict[str, Any]) -> CadenceNote:
    state = entry.get("state")
    return CadenceNote(
        state=state if state in _WORDS else "closed",
        failures=whole(entry.get("failures")),
        next_allowed_at=moment(entry.get("next_allowed_at")),
        open_until=moment(entry.get("open_until")),
        reason=text(entry.get("reason")),
    )
