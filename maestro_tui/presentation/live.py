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
    chunks = [
        (0, line((f" {RUNNING.glyph} ", f"{style}.strong"), (data(running.cadence, 60), "title"))),
        (1, line((when, "text"))),
        (2, line((data(running.activity, 60), "accent")) if running.activity else Text("", end="")),
        (3, line((f"attempt {running.attempt}" + (f" of {view.max_attempts}" if view else ""), "muted"))),
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
    lines = [line(("Nothing is running.", "title")), line("")]
    if snapshot.emergency_stop is not None:
        lines.append(line(("The emergency stop is engaged. ", "bad"), ("ctrl+x ctrl+x", "key"), (" lifts it.", "text")))  # fmt: skip
    elif snapshot.consumer.word != "live":
        lines.append(line(("No consumer runs ticks now: ", "warn"), ("maestro-tui run", "code")))
    due = sorted((view.next_due, view.name) for view in snapshot.cadences if view.next_due)[:4]
    for at, name in due:
        when = f"in {times.left(at, now)}" if at > now else "due now"
        lines.append(line((f"{times.face(at, now):>9}  ", "muted"), (data(name, 50), "text"), (f"  {when}", "muted")))  # fmt: skip
    held = [
        view
        for view in snapshot.cadences
        if cadence_look(view, snapshot.consumer).style in ("bad", "probe")
    ]
    if held:
        lines.append(line(""))
        lines.append(line((plural(len(held), "cadence is", "cadences are") + " held by a circuit: ", "text"), ("e", "key"), (" says why", "muted")))  # fmt: skip
    if snapshot.counts.dlq:
        lines.append(line((plural(snapshot.counts.dlq, "dead letter") + " to look at: ", "text"), ("2", "key")))  # fmt: skip
    return lines
