"""A cadence as a card of the board and as a row of its table. Pure.

A card has four lines: name and mode; state; countdown; last outcome and history.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from maestro_core.models import Running, RunRow
from maestro_core.observe.snapshot import CadenceView, ConsumerView
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import (
    bar,
    choose,
    data,
    facts,
    fit,
    line,
    money,
    sparkline,
    spread,
)
from maestro_tui.presentation.waits import AT_ONCE, Waits
from maestro_tui.presentation.words import cadence_look, outcome_look

CARD_LINES = 4
CARD_WIDTH = 38
"""The narrowest card."""


class Countdown(NamedTuple):
    """Where a cadence stands in time. `share` is how much of the bar is left or done."""

    share: float | None
    style: str
    text: str
    face: str = ""
    """The same moment as a wall-clock time."""
    word: str = ""
    """What happens then: until, times out."""


def countdown(
    view: CadenceView, consumer: ConsumerView, now: float, waits: Waits = AT_ONCE
) -> Countdown:
    """What the third line of a card says: run time, time left of a hold, or what is next.

    `waits`: what a cadence waits for that is not held, by `presentation.waits`.
    """
    if view.running is not None:
        return _run_time(view, view.running, now)
    if view.state == "unknown":
        return Countdown(None, "muted", data(view.schedule, 40) if view.schedule else "")
    if view.state == "paused":
        return Countdown(None, "hold", _paused(view, now))
    if view.state == "half_open":
        return Countdown(None, "probe", "next tick is the probe")
    until = _held_until(view, consumer)
    if view.state != "closed":
        if until is None:
            return Countdown(None, cadence_look(view, consumer).style, "until it is lifted")
        return _hold_time(view, consumer, until, now)
    return _what_is_next(view, now, waits)


def _run_time(view: CadenceView, running: Running, now: float) -> Countdown:
    started = times.moment(running.started_at) or now
    elapsed, ends = now - started, times.moment(running.timeout_at)
    face = times.face(ends, now) if ends else ""
    if view.usual_seconds:
        late = elapsed > 2 * view.usual_seconds
        text = f"{times.timer(elapsed)} of ~{times.timer(view.usual_seconds)}"
        return Countdown(
            elapsed / view.usual_seconds, "warn" if late else "run", text, face, "times out"
        )
    share = elapsed / (ends - started) if ends and ends > started else None
    return Countdown(share, "run", times.timer(elapsed), face, "times out")


def _held_until(view: CadenceView, consumer: ConsumerView) -> float | None:
    if view.state == "quota":
        hold = times.moment(consumer.hold.until) if consumer.hold else None
        return hold or view.next_allowed_at
    return view.open_until if view.state == "open" else view.next_allowed_at


def _hold_time(view: CadenceView, consumer: ConsumerView, until: float, now: float) -> Countdown:
    style = cadence_look(view, consumer).style
    if until <= now:
        return Countdown(0.0, style, "due now", times.face(until, now))
    length = view.hold_length
    if length is None and view.state == "quota" and consumer.hold:
        since = times.moment(consumer.hold.since)
        length = until - since if since else None
    share = (until - now) / length if length else None
    return Countdown(share, style, times.left(until, now), times.face(until, now), "until")


def _paused(view: CadenceView, now: float) -> str:
    marker = view.paused
    if marker is None:
        return "by an operator"
    who = f"by {data(marker.by, 40)}" if marker.by else "by an operator"
    age = f" {times.ago(marker.at, now)}" if marker.at else ""
    why = f": {data(marker.reason, 120)}" if marker.reason else ""
    return who + age + why


def _what_is_next(view: CadenceView, now: float, waits: Waits) -> Countdown:
    if view.mode == "unregistered" and not view.prompt_exists:
        return Countdown(None, "warn", "its ticks go to the dead letters")
    if view.mode == "elsewhere" and not view.prompt_exists:
        return Countdown(None, "warn", "no host can run it")
    if view.waiting:
        return Countdown(None, waits.style, waits.text)
    if view.next_due is None:
        return Countdown(
            None, "muted", "on demand" if not view.schedule else data(view.schedule, 40)
        )
    if view.next_due <= now:
        return Countdown(None, "muted", "due now", times.face(view.next_due, now))
    text = f"next in {times.left(view.next_due, now)}"
    return Countdown(None, "muted", text, times.face(view.next_due, now))


# ---- history ------------------------------------------------------------------------------


def last_run(view: CadenceView) -> RunRow | None:
    """Its newest ended run."""
    return view.recent[-1] if view.recent else None


def last_outcome(view: CadenceView, now: float) -> Text:
    """`✓ ok 4m ago`; a cadence without runs says so."""
    row = last_run(view)
    if row is None:
        return line(("runs not known" if view.state == "unknown" else "no runs yet", "faint"))
    look = outcome_look(row.outcome)
    age = times.ago(times.moment(row.ended_at), now)
    return line((f"{look.glyph} {data(look.word, 14)}", look.style), (f" {age}", "muted"))


def history(view: CadenceView, width: int) -> Text:
    """Sparkline of its last 20 runs."""
    points = [
        (row.duration or 0.0, "bad" if outcome_look(row.outcome).style == "bad" else "spark")
        for row in view.recent[-20:]
    ]
    return sparkline(points, width)


def counters(view: CadenceView, width: int) -> Text:
    """Failures of threshold, attempt of max, waiting, dead: what is worth saying and fits."""
    chunks: list[tuple[int, Text]] = []
    if view.running is not None:
        attempt = f"attempt {view.running.attempt}/{view.max_attempts}"
        chunks.append((3, line((attempt, "text"))))
    if view.failures:
        style = "bad" if view.failures >= view.threshold else "warn"
        chunks.append((0, line((f"failures {view.failures}/{view.threshold}", style))))
    if view.waiting:
        chunks.append((1, line((f"{view.waiting:,} waiting", "text"))))
    if view.dead:
        chunks.append((2, line((f"{view.dead:,} dead", "bad"))))
    return choose(chunks, width, gap=" · ")


# ---- card ---------------------------------------------------------------------------------


def card(
    view: CadenceView, consumer: ConsumerView, now: float, width: int, *,
    badge: Text | None = None, waits: Waits = AT_ONCE,
) -> list[Text]:  # fmt: skip
    """The four lines of a card, each exactly `width` cells."""
    look = cadence_look(view, consumer)
    right = badge if badge is not None and badge.plain else _place(view)
    head = spread(line((data(view.name, 128), "title")), right, width)
    word = line((f"{look.glyph} {look.word}", f"{look.style}.strong"))
    state = spread(word, counters(view, width - word.cell_len - 1), width)
    time = _card_time(countdown(view, consumer, now, waits), width)
    return [head, state, time, _card_history(view, now, width)]


def _place(view: CadenceView) -> Text:
    """On which host it runs; else how it runs."""
    if view.running is not None and view.running.host:
        return line((f"on {data(view.running.host, 24)}", "accent"))
    return line((view.mode, "faint"))


def _card_time(when: Countdown, width: int) -> Text:
    words = line((when.text, "text" if when.share is not None else when.style))
    face = f"  {when.word} {when.face}" if when.word else f"  {when.face}"
    if when.face and words.cell_len + len(face) <= width:  # half a time is none
        words.append(face, "muted")
    room = width - words.cell_len - 2
    if when.share is None or room < 6:
        return fit(words, width)
    return line(bar(when.share, room, when.style), "  ", words)


def usually(view: CadenceView) -> str:
    """`~41s`; `<1s` needs no sign for about."""
    seconds = view.usual_seconds or 0.0
    return times.short(seconds) if seconds < 1 else f"~{times.short(seconds)}"


def _card_history(view: CadenceView, now: float, width: int) -> Text:
    left = last_outcome(view, now)
    usual = f"{usually(view)} " if view.usual_seconds else ""
    room = min(20, width - left.cell_len - len(usual) - 2)
    right = line((usual, "muted"), history(view, room)) if room >= 4 else line((usual, "muted"))
    return spread(left, right, width)


# ---- details ------------------------------------------------------------------------------


def details(
    view: CadenceView, consumer: ConsumerView, now: float, waits: Waits = AT_ONCE
) -> list[Text]:
    """Everything known of a cadence, its last runs included."""
    look, when = cadence_look(view, consumer), countdown(view, consumer, now, waits)
    known = view.state != "unknown"
    out = [
        line(
            (data(view.name, 128), "title"),
            (f"  {look.glyph} {look.word}", f"{look.style}.strong"),
        ),
        line(""),
        *facts(
            ("time", f"{when.text} {when.word} {when.face}".strip()),
            ("why", view.reason),
            ("mode", view.mode),
            ("runs on", view.running.host if view.running else None),
            ("hosts", ", ".join(view.hosts) or None),
            ("schedule", view.schedule),
            ("failures", f"{view.failures if known else '?'} in a row;"
                         f" {view.threshold} open the circuit"),
            ("attempts", f"at most {view.max_attempts} a tick"),
            ("waiting", f"{view.waiting:,}" if known else "not known"),
            ("dead letters", f"{view.dead:,}" if known else "not known"),
            ("prompt", "there" if view.prompt_exists else "missing"),
            ("usual", times.short(view.usual_seconds) if view.usual_seconds else None),
        ),
    ]  # fmt: skip
    if view.recent:
        out += [line(""), line((f"last {len(view.recent)} runs", "head"))]
        out += [_run_line(row, now) for row in reversed(view.recent)]
    return out


def _run_line(row: RunRow, now: float) -> Text:
    look = outcome_look(row.outcome)
    ended = times.moment(row.ended_at)
    text = line(
        (f"{look.glyph} {data(look.word, 14):<14}", look.style),
        (f"{times.face(ended, now) if ended else '':<10}", "muted"),
        (f"{times.short(row.duration) if row.duration is not None else '':>6}  ", "text"),
        (f"{money(row.usage.cost_usd) if row.usage.cost_usd else '':>7}  ", "muted"),
    )
    return text.append(data(row.reason or "", 300), "muted")
