"""What a run's stream-json tells, taken in piece by piece: facts, and steps for a screen.

Pure: bytes in, attributes out; no file, no clock (`now` is only for events without a time).
Memory is bounded by `keep` steps and one line. Used by the runner while a run goes on, and
by the console on a log file; each makes its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from msgspec import Struct

from maestro_core.clock import parse_iso
from maestro_core.models import Usage
from maestro_core.session.spending import Spending
from maestro_core.session.steps import Step, StepKind, Steps, content_text, cut, one_line, target_of
from maestro_core.session.stream import (
    LONGEST_LINE,
    Event,
    Lines,
    decode,
    dict_of,
    list_of,
    number_of,
    text_of,
    whole_of,
)

Phase = Literal["starting", "waiting", "writing", "tools", "retrying", "result"]


MOST_PENDING = 1000
"""Tool calls without a result that are remembered."""


class Retry(Struct, frozen=True):
    """The CLI asks the API once more by itself."""

    attempt: int
    limit: int
    status: int | None
    """HTTP status; None = no answer at all."""
    error: str
    delay: float
    """Seconds until it tries."""

    def words(self) -> str:
        return f"{self.count()}, {self.status or self._named()}"

    def count(self) -> str:
        return f"retry {self.attempt} of {self.limit}"

    def cause(self) -> str:
        return f"{self.status} {self.error}".strip() if self.status else self._named()

    def _named(self) -> str:
        return self.error if self.error not in ("", "unknown") else "no answer"


class Result(Struct, frozen=True):
    """A result event."""

    subtype: str
    is_error: bool
    answer: str | None
    """What the CLI gives as its answer; None = nothing, not even an empty one."""
    text: str
    """What it says, be it the answer or the errors."""
    status: int | None
    error: str
    """Machine word of an API error: usage_limit_reached, connection_failed, …"""
    terminal_reason: str
    turns: int
    denials: tuple[str, ...]
    """Names of the tools that were denied."""


class Transcript:
    """See the module docstring."""

    def __init__(self, keep: int = 2000, longest_line: int = LONGEST_LINE) -> None:
        self.steps = Steps(keep)
        self.lines = Lines(longest_line)
        self.events = 0
        self.noise = 0
        """Lines that are no event."""
        self.initialised = False
        self.session_id: str | None = None
        self.model: str | None = None
        self.version: str | None = None
        self.key_source: str | None = None
        self.result: Result | None = None
        """The last result event."""
        self.turns = 0
        self.retry: Retry | None = None
        """The retry that is going on; None = the API answers."""
        self.retries = 0
        self.resets_at = 0.0
        """When a usage limit that was hit ends (wall epoch seconds); 0 = none was told."""
        self.assistant_error = ""
        self.answered = False
        """The model itself said something."""
        self.tool_calls = 0
        self.tools_ok = 0
        self.background: frozenset[str] = frozenset()
        """Tasks that the CLI waits for although its result is out."""
        self.spending = Spending()
        self._pending: dict[str, str] = {}
        self._phase: Phase = "starting"

    @property
    def asked(self) -> bool:
        """Whether the model had anything to do with it."""
        return self.answered or self.usage().tokens_out > 0

    @property
    def finished(self) -> bool:
        """A result is out, and nothing has begun after it."""
        return self._phase == "result"

    @property
    def at_rest(self) -> bool:
        """Finished, and no task in the background that would wake it again."""
        return self.finished and not self.background

    def usage(self) -> Usage:
        """Tokens, cost, turns, model and session so far."""
        return self.spending.usage(self.model, self.turns or None, self.session_id)

    def activity(self) -> str | None:
        """What it is doing now, in a few words; None = its output does not say."""
        if not self.events:
            return None
        if self._phase == "retrying" and self.retry:
            return self.retry.words()
        if self._phase == "tools" and self._pending:
            names = list(dict.fromkeys(self._pending.values()))
            return f"tool {one_line(', '.join(names), 60)}"
        if self._phase == "result" and self.background:
            return f"waiting for {len(self.background)} background tasks"
        words: dict[Phase, str] = {
            "starting": "starting", "writing": "writing", "result": "ending",
        }  # fmt: skip
        return words.get(self._phase, "waiting for the API")

    # ---- taking in ----------------------------------------------------------------------

    def feed(self, data: bytes, now: float | None = None) -> None:
        """The next bytes of stdout."""
        for offset, line, count in self.lines.feed(data):
            self._line(offset, line, count, now)

    def close(self, now: float | None = None) -> None:
        """There will be no more: take in a last line without an end."""
        for offset, line, count in self.lines.close():
            self._line(offset, line, count, now)

    def _line(self, offset: int, line: bytes, count: int, now: float | None) -> None:
        event = decode(line) if count == 1 else None
        if event is not None:
            self.events += 1
            self._take(event, offset, now)
        elif count > 1 or line.strip(b"\0 \t\r"):
            self._noise(offset, line, count)

    def _noise(self, offset: int, line: bytes, count: int) -> None:
        self.noise += count
        if not self.steps.extend_last("noise", self.noise):
            text = one_line(line[:1000].decode("utf-8", "replace"))
            self.steps.add(Step(kind="noise", title="other output", target=text, offset=offset))

    def _take(self, event: Event, offset: int, now: float | None) -> None:
        self.session_id = text_of(event, "session_id") or self.session_id
        handler = self._HANDLERS.get(event["type"])
        at = _time_of(event, now)
        if handler is None:
            self._note(event, offset, at)
        else:
            handler(self, event, offset, at)

    # ---- events by type -----------------------------------------------------------------

    def _system(self, event: Event, offset: int, at: float | None) -> None:
        subtype = text_of(event, "subtype") or ""
        if subtype == "init":
            self._init(event, offset, at)
        elif subtype == "api_retry":
            self._api_retry(event, offset, at)
        elif subtype == "background_tasks_changed":
            tasks = (text_of(one, "task_id") for one in list_of(event, "tasks"))
            self.background = frozenset(one for one in tasks if one)
        elif subtype == "status":
            self._phase = "waiting"
        elif subtype == "permission_denied":
            target = one_line(text_of(event, "message") or "")
            self._step("denied", text_of(event, "tool_name") or "?", offset, at, target, ok=False)
        elif subtype.startswith("task_"):
            self._task(event, subtype)
            title = f"{subtype.removeprefix('task_')} {text_of(event, 'status') or ''}".strip()
            target = text_of(event, "summary") or text_of(event, "description") or ""
            self._step("task", f"background task {title}", offset, at, one_line(target))
        else:
            self._note(event, offset, at)

    def _task(self, event: Event, subtype: str) -> None:
        """Older CLIs tell of background tasks by these events alone."""
        task = text_of(event, "task_id") or ""
        status = text_of(event, "status") or text_of(dict_of(event, "patch"), "status")
        if subtype == "task_started" and event.get("is_backgrounded") is not False:
            self.background |= {task}
        elif status in ("completed", "stopped", "killed", "failed"):
            self.background -= {task}

    def _init(self, event: Event, offset: int, at: float | None) -> None:
        if not self.initialised:
            self._step("start", "session", offset, at, text_of(event, "model") or "")
        self.initialised = True
        self.model = text_of(event, "model") or self.model
        self.version = text_of(event, "claude_code_version") or self.version
        self.key_source = text_of(event, "apiKeySource") or self.key_source
        self._phase = "waiting"

    def _api_retry(self, event: Event, offset: int, at: float | None) -> None:
        self.retries += 1
        self.retry = Retry(
            whole_of(event, "attempt") or self.retries, whole_of(event, "max_retries") or 0,
            whole_of(event, "error_status"), text_of(event, "error") or "",
            number_of(event, "retry_delay_ms") / 1000,
        )  # fmt: skip
        self._phase = "retrying"
        retry = self.retry
        self._step("retry", retry.count(), offset, at, retry.cause(), ok=False)

    def _assistant(self, event: Event, offset: int, at: float | None) -> None:
        message = dict_of(event, "message")
        self.assistant_error = text_of(event, "error") or self.assistant_error
        self._limit_info(dict_of(dict_of(event, "api_error_params"), "rate_limit_info"))
        failed = event.get("is_api_error_message") is True or text_of(event, "error") is not None
        if not failed and text_of(message, "model") != "<synthetic>":
            self.retry, self.answered = None, True
            self.spending.message(message)
        self._phase = "writing"
        for block in list_of(message, "content"):
            self._block(block, event, offset, at, ok=False if failed else None)

    def _block(
        self, block: Any, event: Event, offset: int, at: float | None, *, ok: bool | None
    ) -> None:
        kind, nested = text_of(block, "type"), event.get("parent_tool_use_id") is not None
        if kind == "tool_use":
            self.tool_calls += 1
            name, call = text_of(block, "name") or "?", text_of(block, "id") or ""
            self._pending[call] = name
            if len(self._pending) > MOST_PENDING:
                del self._pending[next(iter(self._pending))]
            self._phase = "tools"
            target = target_of(block.get("input"))
            self.steps.add(
                Step(kind="tool", title=name, target=target, at=at, offset=offset, nested=nested),
                call,
            )
        elif kind in ("text", "thinking"):
            said = text_of(block, kind) or ""
            self.steps.add(
                Step(
                    kind="text" if kind == "text" else "thinking", title=one_line(said),
                    detail=cut(said), at=at, offset=offset, nested=nested, ok=ok,
                )
            )  # fmt: skip

    def _user(self, event: Event, offset: int, at: float | None) -> None:
        content = dict_of(event, "message").get("content")
        results = [
            one
            for one in (content if isinstance(content, list) else [])
            if text_of(one, "type") == "tool_result"
        ]
        for one in results:
            self._tool_result(one, at)
        if not results:
            self._step("prompt", one_line(content_text(content)), offset, at)
        if not self._pending:
            self._phase = "waiting"

    def _tool_result(self, block: Any, at: float | None) -> None:
        call, ok = text_of(block, "tool_use_id") or "", block.get("is_error") is not True
        self._pending.pop(call, None)
        self.tools_ok += ok
        self.steps.complete(call, at=at, ok=ok, detail=cut(content_text(block.get("content"))))

    def _stream_event(self, event: Event, _offset: int, _at: float | None) -> None:
        kind = text_of(dict_of(event, "event"), "type")
        if kind in ("content_block_start", "content_block_delta"):
            self.retry, self._phase = None, "writing"

    def _rate_limit(self, event: Event, offset: int, at: float | None) -> None:
        info = dict_of(event, "rate_limit_info")
        if self._limit_info(info):
            what = (text_of(info, "rateLimitType") or "usage").replace("_", " ")
            self._step("limit", f"{what} limit reached", offset, at, ok=False)

    def _limit_info(self, info: dict[str, Any]) -> bool:
        rejected = text_of(info, "status") == "rejected"
        if rejected:
            self.resets_at = max(self.resets_at, number_of(info, "resetsAt"))
        return rejected

    def _result(self, event: Event, offset: int, at: float | None) -> None:
        self.result = result = _result_of(event)
        self.turns += result.turns
        self.spending.result(event)
        self._pending.clear()
        self._phase, self.retry = "result", None
        self.steps.add(
            Step(
                kind="result", title=result.terminal_reason or result.subtype, at=at,
                target=one_line(result.text), detail=cut(result.text), offset=offset,
                seconds=number_of(event, "duration_ms") / 1000, ok=not result.is_error,
            )
        )  # fmt: skip

    def _note(self, event: Event, offset: int, at: float | None) -> None:
        words = " ".join(filter(None, (event["type"], text_of(event, "subtype"))))
        self._step("note", one_line(words), offset, at)

    def _step(
        self, kind: StepKind, title: str, offset: int, at: float | None,
        target: str = "", ok: bool | None = None,
    ) -> None:  # fmt: skip
        self.steps.add(Step(kind=kind, title=title, target=target, at=at, ok=ok, offset=offset))

    _HANDLERS: ClassVar[dict[str, Any]] = {
        "system": _system, "assistant": _assistant, "user": _user, "result": _result,
        "stream_event": _stream_event, "rate_limit_event": _rate_limit,
    }  # fmt: skip


def _time_of(event: Event, now: float | None) -> float | None:
    stamp = text_of(event, "timestamp")
    if stamp is None:
        return now
    try:
        return parse_iso(stamp)
    except ValueError:
        return now


def _result_of(event: Event) -> Result:
    errors = [one for one in list_of(event, "errors") if isinstance(one, str)]
    answer = text_of(event, "result")
    denials = (text_of(one, "tool_name") for one in list_of(event, "permission_denials"))
    return Result(
        subtype=text_of(event, "subtype") or "",
        is_error=event.get("is_error") is True,
        answer=answer,
        text=answer or "; ".join(errors),
        status=whole_of(event, "api_error_status"),
        error=text_of(event, "api_error") or text_of(event, "api_error_type") or "",
        terminal_reason=text_of(event, "terminal_reason") or "",
        turns=whole_of(event, "num_turns") or 0,
        denials=tuple(dict.fromkeys(one for one in denials if one)),
    )
