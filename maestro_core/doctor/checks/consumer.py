"""The consumer as its heartbeat and its lock tell, and what operators have stopped."""

from __future__ import annotations

from maestro_core import __version__
from maestro_core.consumer.ownership import holder, is_locked
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn
from maestro_core.layout import NAME
from maestro_core.observe.beat import Beating, consumer_word, read_beat
from maestro_core.observe.documents import read_document, text
from maestro_core.observe.snapshot import ConsumerWord
from maestro_core.service.starts import StartBook, loop_now

_START = "start it: maestro-tui, or maestro-tui run"


def beating_of(context: Context) -> tuple[Beating, ConsumerWord]:
    """consumer.json, and whether the consumer lives."""
    beating = read_beat(read_document(context.fs, context.layout.consumer_json))
    word = consumer_word(beating, context.clock.wall(), lambda: is_locked(context.layout))
    return beating, word


def state(context: Context) -> Verdict:
    beating, word = beating_of(context)
    if word == "live":
        return _live(beating)
    if word == "stale":
        return fail(
            f"{holder(context.layout)} holds the lock, but gives no sign of life",
            "look at that process; end it if it hangs, another one then takes over",
        )
    if is_locked(context.layout):
        return warn(
            f"{holder(context.layout)} holds the lock and has no heartbeat yet", "look again"
        )
    waiting = len(_names(context))
    ended = "ended without a goodbye" if word == "crashed" else "no consumer runs"
    if waiting:
        return warn(f"{ended}, and {waiting} ticks wait", _START)
    return warn(ended, _START) if word == "crashed" else ok(f"{ended}; no tick waits")


def _live(beating: Beating) -> Verdict:
    view = beating.view
    name = f"{view.mode or 'consumer'}, pid {view.pid}, version {view.version}"
    if view.trouble:
        return fail(f"{name}: {view.trouble}", "it goes on by itself once that is mended")
    if view.settings_error:
        return fail(f"{name} keeps its last good settings: {view.settings_error}", "correct them")
    if view.hold is not None:
        until = f" until {view.hold.until}" if view.hold.until else ""
        return warn(
            f"{name}: all cadences are held ({view.hold.kind}{until}): {view.hold.reason}",
            "wait, or mend the reason and lift the hold on the console",
        )
    if view.version != __version__:
        return warn(f"{name}, this program is {__version__}", "restart the older one")
    return ok(f"{name}, {len(beating.running)} running")


def _names(context: Context) -> list[str]:
    try:
        names = context.fs.names(context.layout.inbox)
    except OSError:
        return []
    return [name for name in names if name.endswith(".json")]


def service(context: Context) -> Verdict:
    starts = StartBook(context.layout, context.fs, context.clock).read()
    if not starts:
        return skip("it was never started as a service")
    loop = loop_now(starts, context.clock.wall())
    if loop is None:
        return ok(f"last started {starts[-1].at}; no crash loop")
    return fail(
        f"crash loop: {loop.bad} bad ends in a row, the last one: {loop.reason}",
        "mend that; maestro-tui service status and maestro-tui journal have the rest",
    )


def emergency_stop(context: Context) -> Verdict:
    path = context.layout.emergency_stop
    if not context.fs.exists(path):
        return ok("not engaged")
    note = read_document(context.fs, path).content
    said = [f"{word} {value}" for word in ("by", "at") if (value := text(note.get(word), 200))]
    reason = text(note.get("reason"), 300)
    return warn(
        " ".join(["engaged", *said]) + (f": {reason}" if reason else "") + "; nothing is claimed",
        "maestro-tui estop --clear",
    )


def paused(context: Context) -> Verdict:
    try:
        names = sorted(context.fs.names(context.layout.paused))
    except OSError:
        names = []
    held = [n.removesuffix(".json") for n in names if n.endswith(".json") and NAME.match(n)]
    if not held:
        return ok("none")
    return warn(", ".join(held), "maestro-tui resume CADENCE")


CHECKS = (
    Check("consumer.state", "Consumer", state),
    Check("consumer.service", "Service", service),
    Check("consumer.emergency_stop", "Emergency stop", emergency_stop),
    Check("consumer.paused", "Paused cadences", paused),
)
