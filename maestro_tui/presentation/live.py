"""The line over the live log, and what stands there while nothing runs. Pure."""

from __future__ import annotations

from rich.text import Text

from maestro_core.models import Running
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import bar, choose, data, line, plural
from maestro_tui.presentation.words import RUNNING, cadence_look


def chosen_run(snapshot: Snapshot, cadence: str | None) -> Running | None:
    """The run to show: that of the cadence under the cursor, else the first that goes on."""
    for running in snapshot.running:
        if running.cadence == cadence:
            return running
    return snapshot.running[0] if snapshot.running else None


def run_line(
    running: Running, view: CadenceView | None, now: float, width: int, live: bool
) -> Text:
    """`▸ inbox-processor  42s of ~1m 30s  tool Bash  attempt 1 of 2  ━━━━───  pid 71`."""
    style = "run" if live else "warn"
    started = times.moment(running.started_at)
    elapsed = now - started if started else 0.0
    usual = view.usual_seconds if view else None
    when = times.timer(elapsed) + (f" of ~{times.timer(usual)}" if usual else "")
    most = f" of {view.max_attempts}" if view else ""
    place = line((f"on {data(running.host, 40)}", "accent")) if running.host else Text("", end="")
    chunks = [
        (0, line((f" {RUNNING.glyph} ", f"{style}.strong"), (data(running.cadence, 60), "title"))),
        (1, line((when, "text"))),
        (2, place),
        (2, line((data(running.activity, 60), "accent")) if running.activity else Text("", end="")),
        (3, line((f"attempt {running.attempt}{most}", "muted"))),
        (4, bar(elapsed / usual, 16, style) if usual else Text("", end="")),
        (5, _ends(running, now)),
        (6, line((f"pid {running.pid}", "faint")) if running.pid else Text("", end="")),
    ]  # fmt: skip
    return choose([chunk for chunk in chunks if chunk[1].plain], width)


def _ends(running: Running, now: float) -> Text:
    ends = times.moment(running.timeout_at)
    return line((f"times out {times.face(ends, now)}", "muted")) if ends else Text("", end="")


def nothing_runs(snapshot: Snapshot, now: float) -> list[Text]:
    """What is next, and what waits for a person."""
    silent = snapshot.consumer.word == "stale"
    says = "Nothing was running at the last beat." if silent else "Nothing is running."
    says = says if snapshot.unknown is None else "What runs is not known."
    lines = [line((says, "title")), line("")]
    if snapshot.emergency_stop is not None:
        lines.append(_hint("The emergency stop is engaged.", "bad", "ctrl+x ctrl+x", "lifts it"))
    elif snapshot.consumer.settings_error and not silent:
        lines.append(_hint("No consumer can start on these settings:", "bad", "5", "says why"))
    elif snapshot.fleet is not None and snapshot.fleet.away is not None:
        lines.append(_hint("The server of the fleet is away:", "warn", "5", "doctor asks it"))
    elif silent:
        lines.append(_hint("The consumer is silent:", "warn", "5", "doctor looks for it"))
    elif snapshot.consumer.word != "live":
        lines.append(line(("No consumer runs ticks now: ", "warn"), ("maestro-tui run", "code")))
    due = sorted((view.next_due, view.name) for view in snapshot.cadences if view.next_due)
    lines += [_due(at, name, now) for at, name in due[:4]]
    circuits = [view for view in snapshot.cadences if view.state == "open"]
    looks = [cadence_look(view, snapshot.consumer) for view in circuits]
    held = sum(look.style in ("bad", "probe") for look in looks)
    if held or snapshot.counts.dlq:
        lines.append(line(""))
    if held:
        words = plural(held, "cadence is", "cadences are")
        lines.append(_hint(f"{words} held by a circuit:", "text", "e", "says why"))
    if snapshot.counts.dlq:
        words = plural(snapshot.counts.dlq, "dead letter")
        lines.append(_hint(f"{words} to look at:", "text", "2", ""))
    return lines


def _due(at: float, name: str, now: float) -> Text:
    when = f"in {times.left(at, now)}" if at > now else "due now"
    return line(
        (f"{times.face(at, now):>9}  ", "muted"), (data(name, 50), "text"), (f"  {when}", "muted")
    )


def _hint(text: str, style: str, key: str, does: str) -> Text:
    return line((f"{text} ", style), (key, "key"), (f" {does}", "muted"))
