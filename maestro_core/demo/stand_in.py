"""A stand-in for the `claude` program: it acts out the prompt that it reads on stdin.

Run as a script by a shim, in a Python of its own; standard library only, no network, no key.
The prompt may hold a block that says what to act out; without one it just succeeds:

    ---
    stand-in: fail            ok | fail | flaky | refused | quota | overload | plain | stubborn
    seconds: 6                how long it takes, spread over the steps
    unless: state/fixed       with this file there, it succeeds after all
    stderr: no route to host  printed before it fails; may stand several times
    repeat: 20                plays the steps that often ({n} in them is the round)
    removes: state/inbox/*.md files it takes away when it succeeds
    code: 1                   exit code of a failure
    ---
    - say: One new message.
    - Read: state/inbox/a.md => 12 lines
    - Bash: make report =! no such target

It prints events as the real program does with --output-format stream-json, ends as soon as
its parent is gone, and ends with 143 on SIGTERM (`stubborn` does not).
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

VERSION = "2.1.330 (stand-in of the demo)"
MODEL = "claude-stand-in"
BLOCK = re.compile(r"^---\n(stand-in:.*?)^---$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^- (\w+): (.*?)(?: (=>|=!) (.*))?$", re.MULTILINE)
TARGETS = {
    "Bash": "command", "Glob": "pattern", "Grep": "pattern", "Task": "description",
    "WebFetch": "url", "WebSearch": "query",
}  # fmt: skip
USD_PER_TOKEN = {"input": 3e-6, "output": 15e-6, "cache": 3e-7}
API_FAILURES = {
    "refused": (401, "Invalid API key · Fix external API key"),
    "quota": (429, "You've hit your 5-hour limit · resets soon"),
    "overload": (529, "API Error: Repeated 529 Overloaded errors."),
}


class Play:
    """What to act out, as the prompt's block says."""

    def __init__(self, prompt: str) -> None:
        found = BLOCK.search(prompt)
        pairs = [line.partition(":") for line in found[1].splitlines()] if found else []
        self.notes = {key.strip(): value.strip() for key, _, value in pairs}
        self.stderr = [value.strip() for key, _, value in pairs if key.strip() == "stderr"]
        self.steps = STEP.findall(prompt) or [("say", "Done, nothing else was asked.", "", "")]

    def number(self, name: str, default: float) -> float:
        return float(self.notes.get(name, default))

    def ending(self) -> str:
        """ok, fail or the like, once `unless` and the turn of a flaky one are known."""
        word = self.notes.get("stand-in", "ok")
        unless = self.notes.get("unless")
        if unless and Path(unless).exists():
            return "ok"
        if word == "flaky":
            return "fail" if _turn() % 2 else "ok"
        return word

    def lines(self) -> Iterator[tuple[str, str, str, str]]:
        for n in range(1, int(self.number("repeat", 1)) + 1):
            for tool, target, arrow, answer in self.steps:
                yield tool, target.replace("{n}", str(n)), arrow, answer.replace("{n}", str(n))


class Stream:
    """Prints stream-json events, and adds up what they would have cost."""

    def __init__(self, seed: str, out: TextIO) -> None:
        self.out = out
        self.session = str(uuid.uuid4())
        self.chance = random.Random(seed)  # noqa: S311 - made-up token counts, no secret
        self.tokens = {"input": 0, "output": 0, "cache": 0}
        self.turns = 0

    def emit(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, **fields, "session_id": self.session, "uuid": str(uuid.uuid4())}
        self.out.write(json.dumps(event, ensure_ascii=False) + "\n")
        self.out.flush()

    def begin(self) -> None:
        self.emit(
            "system", subtype="init", cwd=str(Path.cwd()), model=MODEL, permissionMode="default",
            apiKeySource="none", claude_code_version=VERSION, tools=["Read", *TARGETS],
        )  # fmt: skip

    def say(self, text: str) -> None:
        self._assistant({"type": "text", "text": text})

    def use(self, tool: str, target: str) -> str:
        name = f"toolu_{self.chance.getrandbits(64):016x}"
        given = {TARGETS.get(tool, "file_path"): target}
        self._assistant({"type": "tool_use", "id": name, "name": tool, "input": given})
        return name

    def answer(self, name: str, text: str, *, wrong: bool) -> None:
        content = {
            "type": "tool_result", "tool_use_id": name, "content": text, "is_error": wrong,
        }  # fmt: skip
        self.emit("user", message={"role": "user", "content": [content]})

    def end(self, text: str, status: int | None = None) -> None:
        """The last line; `status` is the HTTP status of an API failure."""
        cost = sum(USD_PER_TOKEN[kind] * count for kind, count in self.tokens.items())
        used = {
            "inputTokens": self.tokens["input"], "outputTokens": self.tokens["output"],
            "cacheReadInputTokens": self.tokens["cache"], "cacheCreationInputTokens": 0,
            "costUSD": cost,
        }  # fmt: skip
        self.emit(
            "result", subtype="success", is_error=status is not None, api_error_status=status,
            terminal_reason="completed" if status is None else "api_error", result=text,
            num_turns=self.turns, total_cost_usd=cost, modelUsage={MODEL: used},
            usage={"input_tokens": self.tokens["input"], "output_tokens": self.tokens["output"]},
            permission_denials=[],
        )  # fmt: skip

    def _assistant(self, content: dict[str, Any]) -> None:
        self.turns += 1
        spent = {"input": 40, "output": len(str(content)) // 4, "cache": 9000}
        for kind, count in spent.items():
            self.tokens[kind] += int(count * self.chance.uniform(0.7, 1.6))
        message = {"role": "assistant", "model": MODEL, "content": [content]}
        self.emit("assistant", message=message)


def main(argv: list[str]) -> int:
    """Act out the prompt on stdin; the exit code is the real program's for that ending."""
    if "--version" in argv:
        print(VERSION)
        return 0
    if argv[:2] == ["auth", "status"]:
        print(json.dumps({"loggedIn": True, "authMethod": "stand-in"}))
        return 0
    play = Play(sys.stdin.read())
    ending = play.ending()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ending == "stubborn" else _leave)
    if ending == "plain" or "stream-json" not in argv:
        return _act_plainly(play, ending)
    return _act(play, ending)


def _act(play: Play, ending: str) -> int:
    stream = Stream(os.environ.get("MAESTRO_RUN_ID", ""), sys.stdout)
    stream.begin()
    if ending in API_FAILURES:
        return _fail_at_the_api(stream, ending)
    beat = _beat(play)
    for tool, target, arrow, answer in play.lines():
        if tool == "say":
            stream.say(target)
        else:
            used = stream.use(tool, target)
            _pause(beat * stream.chance.uniform(0.3, 0.7))
            stream.answer(used, answer or "done", wrong=arrow == "=!")
        _pause(beat * stream.chance.uniform(0.4, 0.9))
    if ending == "fail":
        return _fail(play)
    _remove(play)
    stream.end("Done.")
    return 0


def _act_plainly(play: Play, ending: str) -> int:
    for _tool, target, _arrow, answer in play.lines():
        print(target, answer, flush=True)
        _pause(_beat(play))
    if ending == "fail":
        return _fail(play)
    _remove(play)
    return 0


def _fail(play: Play) -> int:
    for line in play.stderr or ["it did not work out"]:
        print(line, file=sys.stderr, flush=True)
    return int(play.number("code", 1))


def _fail_at_the_api(stream: Stream, ending: str) -> int:
    status, text = API_FAILURES[ending]
    if ending == "quota":
        limit = {"status": "rejected", "resetsAt": int(time.time()) + 60}
        stream.emit("rate_limit_event", rate_limit_info=limit | {"rateLimitType": "five_hour"})
    stream.end(text, status)
    return 1


def _beat(play: Play) -> float:
    """Seconds for one step."""
    return play.number("seconds", 1) / max(1, len(play.steps) * play.number("repeat", 1))


def _pause(seconds: float) -> None:
    """Wait, but not longer than the parent lives."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.25))
        if os.getppid() != PARENT:
            os._exit(1)


def _turn() -> int:
    """How often this cadence has been acted out, this time included."""
    counter = Path("state", "stand-in", os.environ.get("MAESTRO_CADENCE", "any"))
    counter.parent.mkdir(parents=True, exist_ok=True)
    with counter.open("a") as file:
        file.write(".")
        file.flush()
        return file.tell()


def _remove(play: Play) -> None:
    pattern = play.notes.get("removes")
    for path in Path().glob(pattern) if pattern else ():
        path.unlink(missing_ok=True)


def _leave(_number: int, _frame: object) -> None:
    os._exit(143)


PARENT = os.getppid()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
