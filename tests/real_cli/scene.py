"""One run of the real CLI against the stand-in of the API, watched from both sides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maestro_core.models import RunResult, Tick
from maestro_core.session.api import Work
from tests.core.session_kit import CADENCE, Bench
from tests.standin.api import MessagesApi
from tests.standin.replies import Mode

ALLOW_BASH = ("--allowedTools", "Bash")


@dataclass
class Scene:
    """`run` starts the CLI in a mode of the API and drives it to its end."""

    bench: Bench
    stop: threading.Event
    apis: list[MessagesApi] = field(default_factory=list)
    seen: list[str | None] = field(default_factory=list)
    """Its activities, in order."""

    def serve(self, mode: Mode | str) -> MessagesApi:
        api = MessagesApi(mode).__enter__()
        self.apis.append(api)
        self.bench.environ["ANTHROPIC_BASE_URL"] = api.url
        return api

    def start(self, mode: Mode | str, prompt: str = "Say hello.\n", **spec: Any) -> Work:
        self.serve(mode)
        self.bench.prompt(prompt)
        payload = spec.pop("payload", {})
        tick = Tick(id="t1", cadence=CADENCE, attempts=1, payload=payload)
        return self.bench.start(tick=tick, grace=spec.pop("grace", 5.0), **spec)

    def finish(self, work: Work, meanwhile: Callable[[Work], None] | None = None) -> RunResult:
        def look() -> RunResult | None:
            activity = work.running().activity
            if not self.seen or self.seen[-1] != activity:
                self.seen.append(activity)
            if meanwhile is not None:
                meanwhile(work)
            return work.poll()

        result: RunResult = self.bench.until(work, look, seconds=90)
        return result

    def run(self, mode: Mode | str, prompt: str = "Say hello.\n", **spec: Any) -> RunResult:
        return self.finish(self.start(mode, prompt, **spec))

    @property
    def requests(self) -> int:
        return len(self.apis[-1].asked())

    def sent(self) -> str:
        """Everything that the API was sent, as text."""
        bodies = [one["body"] for one in self.apis[-1].asked()]
        return json.dumps(bodies, ensure_ascii=False)

    def log(self, result: RunResult) -> list[dict[str, Any]]:
        text = Path(result.stdout_path or "").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def close(self) -> None:
        for api in self.apis:
            api.close()
