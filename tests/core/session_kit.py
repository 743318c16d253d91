"""Real runs of small stand-in CLIs: a launcher on a throw-away agent root, driven to the end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import Clock, SystemClock
from maestro_core.layout import Layout
from maestro_core.models import RunResult, Tick
from maestro_core.session import processes
from maestro_core.session.api import RunSpec, Work
from maestro_core.session.ledger import Ledger
from maestro_core.session.runner import SubSessionLauncher
from maestro_core.settings import ConsumerSettings, Settings

CADENCE = "inbox-processor"


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def write(self, level: str, stage: str, **fields: Any) -> None:
        self.entries.append({"level": level, "stage": stage, **fields})

    def of(self, stage: str) -> list[dict[str, Any]]:
        return [one for one in self.entries if one["stage"] == stage]


@dataclass
class Bench:
    """An agent root with a `claude` that is a script."""

    layout: Layout
    clock: Clock = field(default_factory=SystemClock)
    settings: Settings = field(default_factory=Settings)
    environ: dict[str, str] = field(default_factory=dict)
    journal: Notes = field(default_factory=Notes)
    wakes: threading.Event = field(default_factory=threading.Event)
    count: int = 0

    def __post_init__(self) -> None:
        self.layout.triggers.mkdir(parents=True, exist_ok=True)
        self.prompt("Do your work.\n")
        self.ledger = Ledger.open(self.layout.ledger)
        self.environ = {
            "PATH": os.environ["PATH"], "HOME": str(self.layout.root), "LANG": "C.UTF-8",
            "MAESTRO_CLAUDE_BIN": str(self.layout.root / "claude"), **self.environ,
        }  # fmt: skip
        self.launcher = SubSessionLauncher(
            self.layout, lambda: self.settings, self.clock, self.journal, self.ledger,
            environ=self.environ,
        )  # fmt: skip

    def close(self) -> None:
        """Send the keeper in waiting home."""
        self.launcher.close()
        self.ledger.close()

    def prompt(self, text: str, cadence: str = CADENCE) -> None:
        self.layout.prompt(cadence).write_text(text, encoding="utf-8")

    def script(self, body: str, name: str = "claude", shell: str = "/bin/sh") -> Path:
        path = self.layout.root / name
        path.write_text(f"#!{shell}\n{body}\n")
        path.chmod(0o755)
        return path

    def consumer(self, **changes: Any) -> None:
        self.settings = Settings(consumer=ConsumerSettings(**changes), env=self.settings.env)

    def start(self, *, timeout: float = 60.0, grace: float = 5.0, **spec: Any) -> Work:
        self.count += 1
        tick = spec.pop("tick", None) or Tick(id=f"tick-{self.count}", cadence=CADENCE, attempts=1)
        given = RunSpec(
            run_id=f"run-{self.count}", tick=tick, timeout_seconds=timeout,
            kill_grace_seconds=grace, **spec,
        )  # fmt: skip
        return self.launcher.start(given, self.wakes.set)

    def finish(self, work: Work, seconds: float = 30.0) -> RunResult:
        return self.until(work, work.poll, seconds)

    def until(self, work: Work, done: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Poll as the consumer does, woken by the run, until `done` says something."""
        deadline = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < deadline, f"still waiting: {work.running()}"
            self.wakes.wait(0.25)
            self.wakes.clear()
            if done != work.poll:
                work.poll()
        return found

    def run(self, body: str, **spec: Any) -> RunResult:
        """Run that script as the CLI, to its end."""
        self.script(body)
        return self.finish(self.start(**spec))

    def pid_file(self, name: str = "pid") -> int | None:
        """The pid that a script has written there; None = not yet."""
        path = self.layout.root / name
        text = path.read_text().strip() if path.exists() else ""
        return int(text) if text else None

    def alive(self) -> list[processes.Process]:
        """Processes that carry this agent root in their environment."""
        root = str(self.layout.root)
        return processes.marked(lambda env: env.get(processes.ROOT) == root)


@pytest.fixture
def new_bench(agent_root: Layout) -> Iterator[Callable[..., Bench]]:
    """Makes benches on this test's agent root, and clears them away."""
    made: list[Bench] = []

    def make(**fields: Any) -> Bench:
        made.append(Bench(agent_root, **fields))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(new_bench: Callable[..., Bench]) -> Bench:
    """A bench with the real clock."""
    return new_bench()


def environment_of(lines: str) -> Mapping[str, str]:
    """What `env` has printed."""
    return dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
