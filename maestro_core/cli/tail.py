"""Follow the output of a run, like `tail -f`, until the run ends or ctrl+c.

RUN is a run id, a tick id or a cadence; without it the running one, else the last one.
stream-json is told as steps, --raw prints it as it is. The run's stderr goes to stderr. Of a run
on another host of a fleet the end of its output is shown, as its consumer tells it.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from maestro_core.cli import documents
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.parse import count
from maestro_core.cli.words import money, span
from maestro_core.errors import Refused
from maestro_core.layout import Layout
from maestro_core.models import RunRow
from maestro_core.observe.find_run import FoundRun, find_run, log_path
from maestro_core.observe.logfile import Line, LogFile
from maestro_core.observe.logfile_tail import TailBytes
from maestro_core.observe.reads import PublishedTail, Reads
from maestro_core.session.steps import Step
from maestro_core.session.stream import decode
from maestro_core.session.transcript import Transcript
from maestro_core.wiring.view import reads_of

LOOK_SECONDS = 0.2
AT_ONCE = 1000


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN")
    parser.add_argument(
        "-n", "--lines", type=count, default=20, metavar="N", help="lines before those that come"
    )
    parser.add_argument("--raw", action="store_true", help="lines as they are in the log")
    parser.add_argument("--no-follow", action="store_true", help="print what is there and end")
    parser.add_argument("--json", action="store_true", help="print a JSON document and end")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    reads = reads_of(layout)
    found = find_run(reads, arguments.run)
    if found is None:
        what = f"no run {arguments.run!r} is known" if arguments.run else "no run is known here"
        raise Refused(what, "see: maestro-tui runs")
    if arguments.json:
        printer.document(_document(layout, reads, found, arguments.lines))
        return 0
    row = found.row
    place = f"  on {row.host}" if row.host else ""
    printer.note(f"==> {row.cadence}  {row.run_id}  attempt {row.attempt}  {row.started_at}{place}")
    out = _Out(_logs(layout, reads, row, printer), printer, raw=arguments.raw)
    out.begin(arguments.lines)
    while found.going_on and not arguments.no_follow:
        going_on = _goes_on(reads, row)
        out.pump()
        if not going_on:
            break
        time.sleep(LOOK_SECONDS)
    out.end()
    printer.note(_last_word(reads.run(row.run_id) or row))
    return 0


class _Out:
    """Prints the two logs of a run as they grow."""

    def __init__(
        self, logs: tuple[LogFile | None, LogFile | None], printer: Printer, *, raw: bool
    ) -> None:
        self._printer = printer
        self._raw = raw
        self._transcript = Transcript(keep=AT_ONCE)
        self._told = 0
        tells = (self._stdout, printer.note)
        self._logs = [
            _Follower(log, tell) for log, tell in zip(logs, tells, strict=True) if log is not None
        ]

    def begin(self, lines: int) -> None:
        for log in self._logs:
            log.begin(lines)

    def pump(self) -> None:
        for log in self._logs:
            log.pump(whole=True)

    def end(self) -> None:
        for log in self._logs:
            log.pump(whole=False)

    def _stdout(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        if self._raw or decode(data) is None:
            self._printer.line(text)
            return
        self._transcript.feed(data + b"\n")
        steps, dropped = self._transcript.steps.all(), self._transcript.steps.dropped
        for step in steps[max(0, self._told - dropped) :]:
            self._printer.line(_step_line(step))
        self._told = dropped + len(steps)


class _Follower:
    """One log: its last lines, then those that come. A log written anew is read anew."""

    def __init__(self, log: LogFile, tell: Any) -> None:
        self._log = log
        self._tell = tell
        self._next = 0

    def begin(self, lines: int) -> None:
        self._log.refresh()
        last = self._log.backward(self._log.size, lines)
        self._next = last[0].start if last else 0
        self.pump(whole=True)

    def pump(self, *, whole: bool) -> None:
        """Tell what is new; with `whole` a last line without its end waits."""
        if self._log.refresh() == "restarted":
            self._next = 0
        while lines := self._log.forward(self._next, AT_ONCE):
            for line in lines:
                if whole and line.partial and line.next >= self._log.size:
                    return
                self._next = line.next
                self._tell(self._text(line))

    def _text(self, line: Line) -> str:
        data = self._log.read(line.start, line.end - line.start)
        return data.decode("utf-8", "surrogateescape").removesuffix("\r")


def _logs(
    layout: Layout, reads: Reads, row: RunRow, printer: Printer
) -> tuple[LogFile | None, LogFile | None]:
    """Its stdout and stderr: files here, or the end of its output as another host tells it."""
    tail = reads.tail(row)
    if tail is not None:
        printer.note(f"    the end of its output, told {span(tail.age)} ago; all of it:")
        printer.note(f"    {tail.command}")
        return LogFile(TailBytes(lambda: _published(reads, row))), None
    out, err = (_log(layout, stored, printer) for stored in (row.stdout_path, row.stderr_path))
    return out, err


def _log(layout: Layout, stored: str | None, printer: Printer) -> LogFile | None:
    path = log_path(layout, stored)
    if stored and path is None:
        printer.note(f"    {stored} is no log of this agent")
    elif path is not None and not path.exists():
        printer.note(f"    {stored} is gone")
    return LogFile(path) if path is not None else None


def _published(reads: Reads, row: RunRow) -> bytes | None:
    tail = reads.tail(row)
    return None if tail is None else tail.text


def _goes_on(reads: Reads, row: RunRow) -> bool:
    """Whether it may still write: its row is open, and a consumer says that it runs."""
    now = reads.run(row.run_id)
    if now is not None and now.ended_at is not None:
        return False
    return any(run.run_id == row.run_id for run in reads.running())


def _step_line(step: Step) -> str:
    """`Bash  git status`, with what became of it where that is known."""
    mark = {True: "ok ", False: "!! ", None: ""}[step.ok]
    words = (step.kind if step.kind not in ("text", "tool") else "", step.title, step.target)
    indent = "  " if step.nested else ""
    return indent + mark + "  ".join(word for word in words if word)


def _last_word(row: RunRow) -> str:
    if row.ended_at is None:
        return "==> its end is not recorded"
    cost = f", {money(row.usage.cost_usd)}" if row.usage.cost_usd else ""
    reason = f": {row.reason}" if row.reason else ""
    return f"==> {row.outcome} after {span(row.duration)}{cost}{reason}"


def _document(layout: Layout, reads: Reads, found: FoundRun, lines: int) -> dict[str, Any]:
    row, tail = found.row, reads.tail(found.row)
    document = {"run": documents.run(row), "going_on": found.going_on, "elsewhere": None}
    if tail is not None:
        log = LogFile(TailBytes(lambda: tail.text))
        return document | {
            "elsewhere": _elsewhere(tail), "stdout": _last_lines(log, lines), "stderr": []
        }  # fmt: skip
    for name, stored in (("stdout", row.stdout_path), ("stderr", row.stderr_path)):
        path = log_path(layout, stored)
        document[name] = _last_lines(LogFile(path), lines) if path is not None else []
    return document


def _elsewhere(tail: PublishedTail) -> dict[str, Any]:
    """That these lines are but the end, and how all of them are had."""
    return {"host": tail.host, "age_seconds": round(tail.age, 3), "command": tail.command}


def _last_lines(log: LogFile, lines: int) -> list[str]:
    log.refresh()
    last = log.backward(log.size, lines)
    return [log.read(one.start, one.end - one.start).decode("utf-8", "replace") for one in last]
