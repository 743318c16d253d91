"""What the acting commands share: the operator they act through, and how an answer is told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from msgspec import to_builtins

from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.control.commands import Ack, Outcome
from maestro_core.control.operator import Operator, current_actor
from maestro_core.layout import NAME, Layout
from maestro_core.wiring.operator import operator_of

MOST_LINES = 20


class Desk:
    """The operator and the printer of one command."""

    def __init__(self, context: Context, arguments: argparse.Namespace) -> None:
        self.layout: Layout = context.layout()
        self.printer: Printer = printer_for(self.layout)
        self.operator: Operator = operator_of(
            self.layout,
            actor=current_actor("cli"),
            read_only=context.read_only,
            redact=self.printer.mask,
            on_wait=lambda who: self.printer.note(f"waiting for {who}"),
        )
        self._as_json: bool = arguments.json

    def warn_unknown(self, cadences: Sequence[str]) -> None:
        """A name that nothing here bears may be a slip of the fingers: say so, and do it."""
        for cadence in cadences:
            if NAME.match(cadence) and (why := self.operator.unknown(cadence)) is not None:
                self.printer.note(f"note: {why}")

    def tell(self, ack: Ack, done_word: str = "done") -> int:
        """Print what came of it: done on stdout, refused on stderr; the exit code.

        `done_word` is for outcomes that say nothing of themselves.
        """
        if self.operator.trouble:
            self.printer.note(f"note: {self.operator.trouble}")
        if self._as_json:
            self.printer.document(to_builtins(ack))
        else:
            self._tell_done([one for one in ack.outcomes if one.ok], done_word)
        failed = [one for one in ack.outcomes if not one.ok]
        for one in failed[:MOST_LINES]:
            self.printer.note(f"maestro-tui: {one.target}: {one.detail or 'refused'}")
        if len(failed) > MOST_LINES:
            self.printer.note(f"… and {len(failed) - MOST_LINES:,} more refused")
        return 0 if ack.ok else 1

    def _tell_done(self, done: Sequence[Outcome], done_word: str) -> None:
        for one in done[:MOST_LINES]:
            self.printer.line(f"{one.target}: {one.detail or done_word}")
        if len(done) > MOST_LINES:
            self.printer.line(f"… and {len(done) - MOST_LINES:,} more")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="R", help="why, for whoever looks next")
