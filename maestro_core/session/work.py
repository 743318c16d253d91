"""One run from its start to its end, as a state machine that `poll` drives.

    running ── time is up, stop, no use waiting ──> ending ── grace is over ──> killing
       └───────── the CLI ends ─────────┴──────────────────────────────────────────┴──> gone
    gone ── nobody of the family is left, its output is read, its row is written ──> a result

Owner: the consumer's thread. A listening thread (see child) only wakes it, and keeps the
logs within their cap. Nothing here waits.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Literal

from maestro_core.clock import iso
from maestro_core.models import Running, RunResult
from maestro_core.session import processes
from maestro_core.session.api import RunSpec, StopKind
from maestro_core.session.child import Child
from maestro_core.session.ledger import LedgerTrouble
from maestro_core.session.liveness import Liveness
from maestro_core.session.logcap import LogCap
from maestro_core.session.logs import RunLogs, tail
from maestro_core.session.outcome import Cause, Ending, Tails, Verdict, conclude
from maestro_core.session.output import Output
from maestro_core.session.recognise import class_of_errno
from maestro_core.session.surroundings import Surroundings, masked, oom_kills, usual_seconds
from maestro_core.session.transcript import Transcript

Phase = Literal["running", "ending", "killing", "gone"]

LOOK_SECONDS = 2.0
"""How often the family is looked at while it runs (the keeper adopts what gets away)."""
KEEPER_SECONDS = 15.0
"""A keeper that has not ended the family by then is killed itself."""
LONGEST_PAUSE = 0.5
SCAN_SECONDS = 0.5
"""How often everybody's environment is looked at for what a run has left."""
STUBBORN_SECONDS = 5.0
"""How long processes that survive SIGKILL are waited for before the run ends without them."""


class SubSession:
    """A started run (`Work`)."""

    def __init__(
        self, spec: RunSpec, around: Surroundings, logs: RunLogs, child: Child,
        wake: Callable[[], None], started_at: str, program: str = "",
    ) -> None:  # fmt: skip
        self.spec, self._program = spec, program
        self._around, self._logs, self._child, self._wake = around, logs, child, wake
        self._started_at, self._begun = started_at, around.clock.awake()
        self._phase: Phase = "running"
        self._cause: Cause | None = None
        self._interrupted = False
        self._result: RunResult | None = None
        self._timeout_at = 0.0
        self._due = self._begun + spec.timeout_seconds
        self._result_since: float | None = None
        self._next_look = 0.0
        self._gone_since: float | None = None
        self._next_scan, self._clean = 0.0, False
        self._family = processes.Family(child.keeper, (child.pid or 0, child.token))
        self._caps = [LogCap(path, around.limits.log_cap) for path in (logs.stdout, logs.stderr)]
        self._output = Output(logs.reader(), self._caps[0])
        self._caps_wanted = self._caps_done = False
        self._liveness = Liveness(self._begun, usual_seconds(around.ledger, spec.tick.cadence))
        self._oom_kills = oom_kills()

    def listen(self) -> None:
        """Hear the keeper from now on. Raises OSError when there is no thread for it."""
        try:
            self._child.listen(self.on_news, self.pause)
        except OSError:
            self._output.close()
            raise

    # ---- the seam -----------------------------------------------------------------------

    def running(self) -> Running:
        clock = self._around.clock
        timeout_at = clock.wall() + self._begun + self.spec.timeout_seconds - clock.awake()
        if abs(timeout_at - self._timeout_at) > 1.0:  # only a jump or a sleep moves it: the two
            self._timeout_at = timeout_at  # clocks differ by a ms at each look
        return Running(
            run_id=self.spec.run_id,
            tick_id=self.spec.tick.id,
            cadence=self.spec.tick.cadence,
            pid=self._child.pid,
            started_at=self._started_at,
            timeout_at=iso(self._timeout_at),
            stdout_path=str(self._logs.stdout),
            stderr_path=str(self._logs.stderr),
            attempt=self.spec.tick.attempts,
            activity=self._activity(),
        )

    def poll(self) -> RunResult | None:
        if self._result is None:
            self._output.read(self._around.clock.wall())
            if self._child.lapsed:
                self._end("lease", self._around.clock.awake())
            self._advance(self._around.clock.awake())
        return self._result

    def renew(self) -> None:
        self._child.order(b"L")

    def stop(self, kind: StopKind, *, at_once: bool = False) -> None:
        if self._result is None:
            self._end(kind, self._around.clock.awake(), at_once=at_once)

    # ---- the states ---------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        if self._child.gone():
            self._leave(now)
            return
        self._look(now)
        if self._phase == "running":
            self._watch(now)
        elif self._phase == "ending" and now >= self._due:
            self._kill(now)
        elif self._phase == "killing" and now >= self._due:
            self._child.kill_keeper()

    def _watch(self, now: float) -> None:
        """Whether there is a reason to end it."""
        if self._child.wait_status is not None:
            # It has ended by itself, and the keeper is ending what it left.
            self._phase, self._due = "killing", now + KEEPER_SECONDS
            return
        cause = None if self._foreign else self._reason_to_end(now)
        if cause is not None:
            self._end(cause, now)
        elif now >= self._due:
            self._end("timeout", now)

    @property
    def _foreign(self) -> bool:
        """A handler's command runs, not the CLI."""
        return self.spec.command is not None

    def _reason_to_end(self, now: float) -> Cause | None:
        cause = self._output.reason_to_end(self._around.limits.api_retry_cap)
        return cause or ("result" if self._result_overdue(now) else None)

    def _result_overdue(self, now: float) -> bool:
        """Whether its result is out, and it has had its time to leave."""
        transcript, limits = self._output.transcript, self._around.limits
        if not transcript.finished:
            self._result_since = None
            return False
        self._result_since = now if self._result_since is None else self._result_since
        grace = limits.background_grace if transcript.background else limits.result_grace
        return now - self._result_since >= grace

    def _end(self, cause: Cause, now: float, *, at_once: bool = False) -> None:
        """TERM, or straight to KILL; a later and harder order is obeyed, the cause stays."""
        if self._cause is None:
            self._cause, self._interrupted = cause, not self._output.transcript.at_rest
            self._around.journal.write(
                "info" if cause == "result" else "warn", "subsession_ending", cause=cause,
                run_id=self.spec.run_id, id=self.spec.tick.id, cadence=self.spec.tick.cadence,
                at_once=at_once,
            )  # fmt: skip
        if at_once:
            self._kill(now)
        elif self._phase == "running":
            self._look(now, force=True)
            self._phase, self._due = "ending", now + self.spec.kill_grace_seconds
            self._child.order(b"T")

    def _kill(self, now: float) -> None:
        if self._phase != "killing":
            self._look(now, force=True)
            self._phase, self._due = "killing", now + KEEPER_SECONDS
            self._child.order(b"K")

    def _look(self, now: float, *, force: bool = False) -> None:
        if force or now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            members = self._family.look()
            cpu = sum(one.cpu for one in members)
            own = {self._child.pid, self._child.keeper[0]}
            tools = sum(one.pid not in own for one in members)
            self._liveness.note(now, self._output.transcript.lines.offset, cpu, tools)

    # ---- the end ------------------------------------------------------------------------

    def _leave(self, now: float) -> None:
        """The keeper is gone: make sure that everybody is, read on, conclude."""
        if self._gone_since is None:
            self._phase, self._gone_since = "gone", now
        survivors = self._survivors()
        if not self._clean and now - self._gone_since < STUBBORN_SECONDS:
            return
        if self._output.behind():
            return
        if not self._logs_fit():
            return
        if survivors:
            self._tell("processes_left", pids=[one.pid for one in survivors])
        self._result = self._conclude(now)
        self._child.close()
        self._output.close()

    def _logs_fit(self) -> bool:
        """Whether the logs are as small as they have to be; else the other thread sees to it."""
        if self._caps_done or all(cap.fits() for cap in self._caps):
            for cap in (one for one in self._caps if one.capped):
                self._tell("log_capped", path=str(cap.path), bytes=cap.total)
            return True
        self._caps_wanted = True
        return False

    def _survivors(self) -> list[processes.Process]:
        """Kill whatever of the run is alive; who that was.

        Once a look at everybody's environment has found nobody, nobody can come any more.
        """
        if self._clean:
            return []
        now = time.monotonic()  # of the machine, which is what this spares
        looked = now >= self._next_scan
        if looked:
            self._next_scan = now + SCAN_SECONDS
            wanted = processes.of_run(self.spec.run_id, self._around.layout.root)
            self._family.add(processes.marked(wanted))
        survivors = self._family.kill()
        self._clean = looked and not survivors
        return survivors

    def _conclude(self, now: float) -> RunResult:
        self._output.finish(self._around.clock.wall())
        if self._output.fault is not None:
            self._tell("output_trouble", error=self._output.fault)
        ending = self._ending()
        # Masked before it is cut: half a secret would not be known as one.
        redact = self._around.redact
        tails = Tails(redact(tail(self._logs.stdout)), redact(tail(self._logs.stderr)))
        verdict = self._verdict(ending, tails)
        stdout, stderr = self._logs.kept()
        result = RunResult(
            outcome=verdict.outcome, exit_code=ending.code, signal=ending.signal,
            failure_class=verdict.failure_class, reason=verdict.reason,
            hold_until=verdict.hold_until, duration=now - self._begun,
            stdout_path=stdout, stderr_path=stderr, usage=self._output.transcript.usage(),
        )  # fmt: skip
        result = masked(result, redact)
        self._write_row(result)
        return result

    def _verdict(self, ending: Ending, tails: Tails) -> Verdict:
        """Output that we have no words for is its run's failure, never the consumer's end."""
        transcript = Transcript(keep=0) if self._foreign else self._output.transcript
        try:
            return conclude(ending, transcript, tails, self._around.clock.wall())
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            self._tell("verdict_trouble", error=fault)
            return Verdict("failed", "unknown", f"exit {ending.code}: not understood ({fault})")

    def _ending(self) -> Ending:
        child = self._child
        refused = child.refused
        code, by_signal = _code_and_signal(child)
        return Ending(
            exit_code=code,
            signal=by_signal,
            cause=self._cause,
            interrupted=self._interrupted and self._cause != "result",
            not_started=None if refused is None else self._refusal(refused),
            failure_class=None if refused is None else class_of_errno(refused),
            trouble=None if child.wait_status is not None else "its keeper was ended",
            out_of_memory=oom_kills() > self._oom_kills,
            timeout=self.spec.timeout_seconds,
            foreign=self._foreign,
        )

    def _refusal(self, number: int) -> str:
        why = os.strerror(number)
        if number in (errno.ENOENT, errno.ENOEXEC):
            why += (
                f" ({self._program}: broken, or its interpreter is missing; is it being updated?)"
            )
        return f"could not start: {why}"

    def _write_row(self, result: RunResult) -> None:
        try:
            ended_at = iso(self._around.clock.wall())
            self._around.ledger.finish(self.spec.run_id, result, ended_at)
        except LedgerTrouble as error:
            self._tell("ledger_trouble", error=str(error))

    # ---- the rest -----------------------------------------------------------------------

    def _activity(self) -> str | None:
        if self._cause is not None:
            return f"being ended ({self._cause})"
        silent = self._liveness.words(self._around.clock.awake())
        doing = self._output.transcript.activity()
        return self._around.redact(", ".join(filter(None, (doing, silent)))) or None

    def _tell(self, stage: str, **fields: object) -> None:
        self._around.journal.write(
            "warn", stage, run_id=self.spec.run_id, id=self.spec.tick.id,
            cadence=self.spec.tick.cadence, **fields,
        )  # fmt: skip

    def pause(self) -> float:
        """Seconds for which the listening thread need not look. From that thread."""
        if self._child.silent:
            return 0.01
        left = self._due - self._around.clock.awake()
        return min(max(left, 0.01), *(cap.pause() for cap in self._caps), LONGEST_PAUSE)

    def on_news(self, spoken: bool) -> None:
        """The keeper has spoken, or some time has gone by. From the listening thread."""
        try:
            self._keep_caps()
            news = spoken or self._output.has_grown()
        except Exception as error:  # this thread is all that wakes the consumer: it goes on
            self._caps, self._caps_done, news = [], True, True
            self._tell("log_cap_trouble", error=f"{type(error).__name__}: {error}")
        if news or self._around.clock.awake() >= self._due:
            self._wake()

    def _keep_caps(self) -> None:
        # Asked once: the wish may come while we look, and is then for the next time.
        wanted = self._caps_wanted
        for cap in self._caps:
            cap.check()
            if wanted and not self._caps_done:
                cap.compact()
        self._caps_done = wanted


def _code_and_signal(child: Child) -> tuple[int | None, int | None]:
    """Exit code or signal of the CLI; of its keeper, if nobody saw the CLI end."""
    status = child.wait_status
    if status is None:
        code = child.keeper_code or 0
        return (None, -code) if code < 0 else (None, None)
    code = os.waitstatus_to_exitcode(status)
    return (None, -code) if code < 0 else (code, None)
