"""Starts runs: what to run, its files, its environment, its processes, its ledger row.

Owner: the consumer's thread. What goes wrong with a run itself is its result, never an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from maestro_core.clock import Clock, iso
from maestro_core.errors import MaestroError
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from maestro_core.models import Running, RunResult, RunRow, Usage, tick_document
from maestro_core.session import orphans
from maestro_core.session.api import RunSpec, StopKind, Work
from maestro_core.session.child import Child, abandoned_on_error
from maestro_core.session.command import (
    CliMissing,
    Options,
    claude_arguments,
    find_claude,
    find_program,
)
from maestro_core.session.environment import session_environment
from maestro_core.session.ledger import Ledger, LedgerTrouble
from maestro_core.session.logs import RunLogs
from maestro_core.session.outcome import NOT_STARTED, Ending, Tails, conclude
from maestro_core.session.prompt import PromptError, read_prompt
from maestro_core.session.rebuild import rows_from_journal
from maestro_core.session.recognise import class_of_errno
from maestro_core.session.spare import Stock
from maestro_core.session.surroundings import Surroundings, Writes, limits_of, masked
from maestro_core.session.transcript import Transcript
from maestro_core.session.work import SubSession
from maestro_core.settings import Settings

JOURNAL_ENTRIES = 20_000
"""How far back a damaged ledger is made up from the journal."""


class Plan(Struct, frozen=True):
    """What to start, and what it reads from its standard input."""

    argv: list[str]
    stdin: bytes
    suffix: str
    notes: tuple[str, ...] = ()


class SubSessionLauncher:
    """The real `Launcher`."""

    def __init__(
        self,
        layout: Layout,
        settings: Callable[[], Settings],
        clock: Clock,
        journal: Writes,
        ledger: Ledger,
        *,
        environ: Mapping[str, str] | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._layout = layout
        self._redact = redact
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._ledger = ledger
        self._environ = os.environ if environ is None else environ
        self._set_aside: Path | None = None
        self._stock = Stock()
        self._tell_damage()

    def start(self, spec: RunSpec, wake: Callable[[], None]) -> Work:
        """See `Launcher`. The ledger row is written before there is a process."""
        settings = self._settings()
        limits = limits_of(settings)
        env = session_environment(
            self._environ, settings.env, root=self._layout.root, cadence=spec.tick.cadence,
            tick_id=spec.tick.id, run_id=spec.run_id, api_retries=limits.api_retry_cap,
        )  # fmt: skip
        around = Surroundings(
            self._layout, self._clock, self._journal, self._ledger, limits, self._redact
        )
        started_at = iso(self._clock.wall())
        try:
            plan = self._plan(spec, env)
            return self._spawn(spec, plan, env, around, wake)
        except (MaestroError, OSError) as error:
            return self._refused(spec, error, started_at, wake)
        finally:
            self._stock.fill()

    def prune(self, before: float) -> int:
        """See `Launcher`."""
        try:
            return self._ledger.prune(iso(before))
        except LedgerTrouble as error:
            self._journal.write("error", "ledger_trouble", error=str(error))
            return 0

    def prepare(self) -> None:
        """Have a keeper in waiting for the first run."""
        self._stock.fill()

    def close(self) -> None:
        """Nothing is to be started any more."""
        self._stock.close()

    def _tell_damage(self) -> None:
        """After damage: fill the new ledger from the journal, and say so once."""
        ledger = self._ledger
        if ledger.set_aside == self._set_aside:
            return
        self._set_aside = ledger.set_aside
        try:
            entries = read_journal(self._layout, limit=JOURNAL_ENTRIES, contains="run_id")
            from_journal = ledger.add_missing(rows_from_journal(entries))
        except LedgerTrouble:
            from_journal = 0
        self._journal.write(
            "error", "ledger_set_aside", path=str(self._set_aside), salvaged=ledger.salvaged,
            from_journal=from_journal,
        )  # fmt: skip

    def end_orphans(self, tick_ids: frozenset[str]) -> list[str]:
        """See `Launcher`."""
        return orphans.end_orphans(self._layout, self._ledger, tick_ids, self._clock)

    # ---- what to run --------------------------------------------------------------------

    def _plan(self, spec: RunSpec, env: Mapping[str, str]) -> Plan:
        root, tick = self._layout.root, spec.tick
        if spec.command is not None:
            program = find_program(spec.command[0], env, root)
            text = json.dumps(tick_document(tick), ensure_ascii=False, indent=2) + "\n"
            stdin = text.encode("utf-8", "replace")
            return Plan([str(program), *spec.command[1:]], stdin, ".tick.json")
        program = find_claude(env, root)
        prompt = read_prompt(self._layout.prompt(tick.cadence), tick)
        arguments = claude_arguments(_merged(spec, prompt.options))
        stdin = prompt.text.encode("utf-8", "replace")
        return Plan([str(program), *arguments], stdin, ".prompt.md", prompt.notes)

    # ---- starting it --------------------------------------------------------------------

    def _spawn(
        self, spec: RunSpec, plan: Plan, env: Mapping[str, str], around: Surroundings,
        wake: Callable[[], None],
    ) -> SubSession:  # fmt: skip
        now = self._clock.wall()
        logs = RunLogs.create(
            self._layout.subsessions, spec.tick.cadence, now,
            given=self._layout.prompts, suffix=plan.suffix,
        )  # fmt: skip
        try:
            stdin = logs.supply(plan.stdin)
            self._note_begin(spec, iso(now), logs)
            child = Child(self._stock.take())
            with abandoned_on_error(child):
                child.start(
                    plan.argv, cwd=self._layout.root, env=env,
                    files=(stdin, *logs.outputs()), grace=spec.kill_grace_seconds,
                    lease=spec.lease_seconds,
                )  # fmt: skip
                self._note_spawn(spec, plan, child, logs)
                work = SubSession(spec, around, logs, child, wake, iso(now), plan.argv[0])
                work.listen()
        except BaseException:
            logs.kept()
            raise
        finally:
            logs.release()
        return work

    def _note_begin(self, spec: RunSpec, started_at: str, logs: RunLogs | None) -> None:
        paths = (str(logs.stdout), str(logs.stderr)) if logs else (None, None)
        try:
            self._ledger.begin(_row(spec, started_at, paths))
        except LedgerTrouble as error:
            self._trouble(spec, error)
        self._tell_damage()

    def _note_spawn(self, spec: RunSpec, plan: Plan, child: Child, logs: RunLogs) -> None:
        try:
            self._ledger.spawned(spec.run_id, child.pid, child.token, child.keeper)
        except LedgerTrouble as error:
            self._trouble(spec, error)
        self._journal.write(
            "info", "inline_spawn" if spec.command else "subsession_spawn",
            id=spec.tick.id, cadence=spec.tick.cadence,
            run_id=spec.run_id, attempt=spec.tick.attempts, bin=plan.argv[0], pid=child.pid,
            stdout=str(logs.stdout), stderr=str(logs.stderr),
        )  # fmt: skip
        for note in plan.notes:
            self._journal.write(
                "warn", "prompt_note", id=spec.tick.id, cadence=spec.tick.cadence, note=note
            )

    def _refused(
        self, spec: RunSpec, error: Exception, started_at: str, wake: Callable[[], None]
    ) -> Refused:
        found = _not_started(error, self._clock.wall(), foreign=spec.command is not None)
        result = masked(found, self._redact)
        if self._ledger_get(spec.run_id) is None:
            self._note_begin(spec, started_at, None)
        try:
            self._ledger.finish(spec.run_id, result, iso(self._clock.wall()))
        except LedgerTrouble as trouble:
            self._trouble(spec, trouble)
        wake()
        return Refused(spec, result, started_at)

    def _ledger_get(self, run_id: str) -> RunRow | None:
        try:
            return self._ledger.get(run_id)
        except LedgerTrouble:
            return None

    def _trouble(self, spec: RunSpec, error: LedgerTrouble) -> None:
        self._journal.write(
            "error", "ledger_trouble", run_id=spec.run_id, id=spec.tick.id, error=str(error)
        )


class Refused:
    """A run that could not be started: a `Work` that has ended."""

    def __init__(self, spec: RunSpec, result: RunResult, started_at: str) -> None:
        self.spec = spec
        self._result = result
        self._started_at = started_at

    def running(self) -> Running:
        return Running(
            run_id=self.spec.run_id, tick_id=self.spec.tick.id, cadence=self.spec.tick.cadence,
            pid=None, started_at=self._started_at, timeout_at=None, stdout_path=None,
            stderr_path=None, attempt=self.spec.tick.attempts,
        )  # fmt: skip

    def poll(self) -> RunResult | None:
        return self._result

    def renew(self) -> None:
        """It has ended already."""

    def stop(self, kind: StopKind, *, at_once: bool = False) -> None:
        """It has ended already."""


def _merged(spec: RunSpec, front: Options) -> Options:
    """The cadence's settings are the operator's word; the front matter fills what they leave."""
    said: dict[str, Any] = {
        "model": spec.model, "max_turns": spec.max_turns,
        "permission_mode": spec.permission_mode, "args": spec.args,
    }  # fmt: skip
    return Options(**(asdict(front) | {name: one for name, one in said.items() if one}))


def _row(spec: RunSpec, started_at: str, paths: tuple[str | None, str | None]) -> RunRow:
    return RunRow(
        run_id=spec.run_id, tick_id=spec.tick.id, cadence=spec.tick.cadence,
        attempt=spec.tick.attempts, started_at=started_at, ended_at=None, outcome=None,
        failure_class=None, exit_code=None, signal=None, usage=Usage(model=spec.model),
        stdout_path=paths[0], stderr_path=paths[1], reason=None, pid=None, duration=None,
    )  # fmt: skip


def _not_started(error: Exception, now: float, *, foreign: bool) -> RunResult:
    known: dict[type[Exception], str] = {
        CliMissing: "not_started" if foreign else "cli_missing", PromptError: "prompt",
    }  # fmt: skip
    number = error.errno if isinstance(error, OSError) else None
    said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    ending = Ending(
        not_started=f"could not start: {said}",
        failure_class=known.get(type(error)) or class_of_errno(number),
    )
    verdict = conclude(ending, Transcript(keep=0), Tails("", ""), now)
    return RunResult(
        outcome=verdict.outcome, exit_code=NOT_STARTED, failure_class=verdict.failure_class,
        reason=verdict.reason,
    )  # fmt: skip
