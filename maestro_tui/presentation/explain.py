"""Why is this cadence not running? The core's chain of obstacles with the key that lifts each.

Pure.
"""

from __future__ import annotations

from rich.text import Text

from maestro_core.observe.explain import Explanation, Obstacle
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, line, plural

KEYS: dict[str, tuple[str, str]] = {
    "clear_estop": ("ctrl+x ctrl+x", "lifts it"),
    "start_consumer": ("", "start it"),
    "fix_settings": ("5", "says where"),
    "make_room": ("5", "doctor"),
    "resume": ("P", "resumes it"),
    "close_circuit": ("C", "closes it · T lets one probe through"),
    "lift_hold": ("C", "lifts it"),
    "cancel_run": ("X", "ends that run"),
    "write_prompt": ("", "write its prompt"),
    "enqueue": ("E", "enqueues a tick now"),
    "wait": ("", "goes by itself"),
    "reach_server": ("5", "doctor asks the server"),
    "see_hosts": ("i", "shows the hosts"),
    "clear_here": ("", "lifts it"),
}
"""Act of the core -> key of the board, and what it does."""
_LOOKS = ("", "5", "i")
"""Keys that change nothing."""
_READ_ONLY = ("", "by a console that may change something")


WORDS = {
    "emergency_stop": "the emergency stop is engaged",
    "settings_error": "the settings cannot be used",
    "no_consumer": "no consumer is at work",
    "trouble": "the consumer is in trouble",
    "paused": "it is paused",
    "circuit_open": "its circuit is open",
    "backoff": "it backs off",
    "slot": "it waits for a free slot",
    "unknown": "nobody knows how to run it",
    "no_prompt": "its prompt is missing",
    "not_before": "its ticks are not due yet",
    "nothing_waiting": "nothing waits for it",
    "no_server": "the server of the fleet is away",
    "no_host": "no host can run it",
    "hosts_away": "the hosts that can run it are away",
    "hosts_held": "the hosts that can run it are held",
}
"""Code of an obstacle -> the verdict; other codes are holds over all cadences."""


def explain_lines(found: Explanation, now: float, *, changes: bool = True) -> list[Text]:
    """The verdict, then the whole chain, the first obstacle first. `changes`: this console may."""
    out = [_verdict(found), line("")]
    for number, obstacle in enumerate(found.obstacles, 1):
        out += _obstacle(number, obstacle, now, changes)
    if found.waiting is not None:
        waiting = plural(found.waiting, "tick waits", "ticks wait")
        out.append(line((f"{waiting if found.waiting else 'no tick waits'} for it", "muted")))
    return out


def _verdict(found: Explanation) -> Text:
    if not found.known:
        return line(("It is not on the board.", "warn.strong"))
    if found.running:
        return line(("▸ It is running now.", "run.strong"))
    if not found.obstacles:
        return line(("✓ Nothing is in its way: it starts at the next pass.", "ok.strong"))
    code = found.obstacles[0].code
    verdict = WORDS.get(code, f"every cadence waits ({data(code, 40)})")
    rest = (
        f", and {plural(more, 'thing')} behind that" if (more := len(found.obstacles) - 1) else ""
    )
    return line(("It is not running: ", "title"), (verdict, "bad.strong"), (rest, "muted"))


def _obstacle(number: int, obstacle: Obstacle, now: float, changes: bool) -> list[Text]:
    text = line((f"{number}  ", "bad.strong"), (data(obstacle.says, 400), "text"))
    if obstacle.until is not None:
        text.append(f"  {_until(obstacle.until, now)}", "warn")
    key, does = KEYS.get(obstacle.act, ("", ""))
    if not changes and key not in _LOOKS:
        key, does = _READ_ONLY
    lift = line("   ", (key, "key.danger"), (" " if key else "", ""), (does, "muted"))
    if obstacle.command:
        lift.append("   $ ", "faint").append(data(obstacle.command, 200), "code")
    return [text, lift, line("")]


def _until(until: float, now: float) -> str:
    if until <= now:
        return "due now"
    return f"{times.left(until, now)}, until {times.face(until, now)}"
