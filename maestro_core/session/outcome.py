"""What a run came to: its end, its output and its exit code made one. Pure.

The CLI's exit code and its result event can disagree either way, and each can be missing;
docs/sub-sessions.md has the whole table, tests/core/test_session_outcome.py every row of it.
"""

from __future__ import annotations

import signal
from typing import Literal

from msgspec import Struct

from maestro_core.session.api import StopKind
from maestro_core.session.failures import policy_for
from maestro_core.session.recognise import (
    class_of_result,
    class_of_retry,
    class_of_text,
    reset_time,
    says_error,
)
from maestro_core.session.steps import one_line
from maestro_core.session.stream import decode
from maestro_core.session.transcript import Result, Transcript

Cause = Literal["timeout", "auth", "retries", "result"] | StopKind
"""Why we ended it: its time, a refused key, too many retries of the CLI's own, a result that
is out although the CLI stays, or a person."""

NOT_STARTED, SIGNALLED, UNKNOWN_CODE, PROCESS_ERROR = -4, -1, -5, -6

REASON_LINES = 3
LONGEST_LINE = 500
"""Characters of a result's line: it has no end of its own, as the logs' last 4 KB have."""
LONGEST_REASON = 8192


class Ending(Struct, frozen=True, kw_only=True):
    """How the processes ended."""

    exit_code: int | None = None
    signal: int | None = None
    cause: Cause | None = None
    interrupted: bool = False
    """It was still at work when we began to end it."""
    not_started: str | None = None
    """Why there never was a process; `failure_class` then says what kind of reason."""
    failure_class: str | None = None
    trouble: str | None = None
    """What went wrong with the machinery around it."""
    out_of_memory: bool = False
    """The system ended processes for want of memory while it ran."""
    timeout: float = 0.0
    foreign: bool = False
    """A handler's command: its words are its own, whatever they would mean from the CLI."""

    @property
    def code(self) -> int:
        """The reference's table: its own, else -1, -4, -5, -6."""
        if self.not_started is not None:
            return NOT_STARTED
        if self.exit_code is not None:
            return self.exit_code
        if self.signal is not None:
            return SIGNALLED
        return PROCESS_ERROR if self.trouble else UNKNOWN_CODE

    @property
    def by_signal(self) -> int | None:
        """The signal that ended it; a shell reports one as 128 + its number."""
        if self.signal is not None:
            return self.signal
        code = self.exit_code or 0
        return code - 128 if code - 128 in (1, 2, 6, 9, 13, 15) else None


class Verdict(Struct, frozen=True):
    """`outcome` and `failure_class` as in RunResult; `reason` None for a success."""

    outcome: str
    failure_class: str | None
    reason: str | None
    hold_until: float = 0.0


class Tails(Struct, frozen=True):
    """The last 4 KB of both logs."""

    stdout: str
    stderr: str


def conclude(ending: Ending, transcript: Transcript, tails: Tails, now: float) -> Verdict:
    """The verdict on a run that is gone. `now`: wall epoch seconds."""
    cause = ending.cause
    if cause == "cancelled" or (
        cause in ("shutdown", "emergency_stop", "lease") and _final(ending, transcript) is None
    ):
        return Verdict(cause, None, _reason(ending, transcript, tails, cause))
    found = _failure_class(ending, transcript, tails)
    if found is None:
        return Verdict("ok", None, None)
    reason = _reason(ending, transcript, tails, _note(ending, transcript, found))
    hold_until = 0.0
    if found == "quota":
        result = transcript.result
        said = result.text if result else f"{tails.stderr}\n{tails.stdout}"
        hold_until = transcript.resets_at or reset_time(said, now)
    return Verdict(policy_for(found).outcome, found, reason, hold_until)


def _final(ending: Ending, transcript: Transcript) -> Result | None:
    """The result that the run is judged by.

    None when it was still at work as we ended it: after a result the CLI goes on when a
    task that it had started in the background comes back.
    """
    return None if ending.interrupted else transcript.result


# ---- which failure, if any ---------------------------------------------------------------


def _failure_class(ending: Ending, transcript: Transcript, tails: Tails) -> str | None:
    if ending.not_started is not None:
        return ending.failure_class or "not_started"
    result = _final(ending, transcript)
    if result is not None:
        return _class_with_result(result, ending, transcript, tails)
    if ending.cause == "timeout":
        return "timeout"
    if ending.cause == "auth":
        return "auth"
    if ending.cause == "retries":
        return class_of_retry(transcript)
    if ending.exit_code == 0:
        return _class_of_silent_success(ending, transcript, tails)
    return _class_without_result(ending, transcript, tails)


def _class_with_result(
    result: Result, ending: Ending, transcript: Transcript, tails: Tails
) -> str | None:
    if result.is_error:
        return class_of_result(result, transcript)
    if result.denials:
        return "permission_denied"
    if not transcript.asked and class_of_text(result.text) == "prompt":
        return "prompt"
    if result.answer is not None and not result.answer.strip() and not transcript.tools_ok:
        return "empty_answer"
    # A code of its own contradicts the result. A signal does not: the result was out, and
    # whoever sent it (we, after the grace) ended a CLI that had nothing left to say.
    if ending.exit_code and ending.by_signal is None and ending.cause is None:
        return class_of_text(tails.stderr) or "unknown"
    return None


def _class_of_silent_success(ending: Ending, transcript: Transcript, tails: Tails) -> str | None:
    if ending.foreign:
        return None
    if transcript.events:
        return "no_result"
    if says_error(tails.stdout):
        return class_of_text(tails.stdout) or "no_result"
    return None


def _class_without_result(ending: Ending, transcript: Transcript, tails: Tails) -> str:
    if ending.by_signal is not None:
        crashed = class_of_text(tails.stderr) == "out_of_memory"
        oom = crashed or (ending.out_of_memory and ending.by_signal == signal.SIGKILL)
        return "out_of_memory" if oom else "killed"
    if ending.foreign:
        return "unknown"
    if transcript.retry is not None:
        return class_of_retry(transcript)
    stdout = "" if transcript.events else tails.stdout
    return class_of_text(tails.stderr, stdout) or "unknown"


# ---- the reason ----------------------------------------------------------------------------


def _note(ending: Ending, transcript: Transcript, found: str) -> str:
    """What the logs do not say themselves."""
    if ending.not_started is not None:
        return ending.not_started
    if ending.trouble is not None:
        return ending.trouble
    if found == "timeout":
        return f"timed out after {ending.timeout:g} s"
    if ending.cause == "auth":
        return "the API refused the credentials (401); ended without the CLI's retries"
    if ending.cause == "retries":
        retry = transcript.retry
        return f"ended without more retries: {retry.words() if retry else 'no answer'}"
    if found == "permission_denied" and transcript.result:
        return f"denied: {', '.join(transcript.result.denials)}"
    if found == "prompt" and transcript.result and not transcript.result.is_error:
        return f"the model was never asked: {one_line(transcript.result.text) or 'no answer'}"
    if found in ("empty_answer", "no_result") and ending.exit_code == 0:
        return policy_for(found).title
    if transcript.result is None and ending.by_signal is not None:
        return f"ended by {_signal_name(ending.by_signal)}"
    if transcript.result is None and transcript.retry is not None:
        return f"it gave up at {transcript.retry.words()}"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _reason(ending: Ending, transcript: Transcript, tails: Tails, note: str) -> str:
    """`exit N: note | a | b | c`, the letters being the last lines that say something."""
    lines = _last_lines(transcript, tails)
    parts = [note, *lines] if note and note not in lines else lines
    said = " | ".join(parts)[:LONGEST_REASON]
    return f"exit {ending.code}: {said}" if said else f"exit {ending.code}"


def _last_lines(transcript: Transcript, tails: Tails) -> list[str]:
    result = transcript.result
    said = _first_lines(result.text) if result and result.is_error else []
    if tails.stderr.strip():
        lines = _lines(tails.stderr)
        return [one for one in said if one not in lines] + lines
    return said or _lines(tails.stdout if not transcript.events else _plain(tails.stdout))


def _lines(text: str) -> list[str]:
    """The last lines that say something, as they are: a tool that fails ends with its reason."""
    return [line for raw in text.strip().splitlines() if (line := raw.rstrip())][-REASON_LINES:]


def _first_lines(text: str) -> list[str]:
    """A result begins with what went wrong."""
    lines = (one_line(raw, LONGEST_LINE) for raw in text.splitlines())
    return [line for line in lines if line][:REASON_LINES]


def _plain(tail: str) -> str:
    """The lines between the events. The first one may be the end of an event."""
    lines = tail.splitlines()[1:]
    return "\n".join(one for one in lines if decode(one.encode()) is None and one[:1] != "{")
