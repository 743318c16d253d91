"""THE map of an agent root: every path, and who writes it.

    DIR/
    ├── .env                                 people
    ├── config/cadences.toml                 people
    ├── schedules/triggers/<cadence>.md      people, the agent
    ├── state/emergency-stop                 operators (exists = engaged)
    ├── state/cadence-bus/
    │   ├── inbox/<id>.json                  any producer drops, the consumer takes
    │   ├── claimed/<id>.json                the consumer
    │   ├── dlq/<id>.json                    the consumer
    │   ├── quarantine/<name>                the consumer (+ <name>.reason.json)
    │   ├── trash/<id>.json                  the lock's holder, for discarded dead letters
    │   ├── paused/<cadence>.json            operators
    │   ├── control/<id>.json                operators; control/acks/<id>.json the consumer
    │   ├── tmp/                             every writer, names never reused
    │   ├── dedupe/                          producers, under dedupe.lock
    │   ├── schedule/<cadence>.json          whoever enqueues the cadence when it is due
    │   ├── moving/                          `bus migrate`: ticks between here and a server
    │   ├── circuit-open.json                the lock's holder
    │   ├── gates.json                       the lock's holder: failures, back-off, holds
    │   ├── consumer.json, consumer.lock     the consumer
    │   ├── host-id                          the consumer of a fleet: tells this root from others
    │   └── ledger.db                        the consumer
    └── logs/cadence-bus/
        ├── YYYY-MM-DD.jsonl                 whoever acts (one line a write)
        ├── operators.jsonl                  operators
        ├── subsessions/*.stdout.log, *.stderr.log
        └── prompts/*.prompt.md, *.tick.json what each run was given

Imported by every command, so it stays free of slow imports.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from maestro_core.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
"""What a tick id and a cadence name look like."""

BUS = Path("state", "cadence-bus")


class Layout:
    """The paths of one agent root, each made once. Cheap to make; touches no disk."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(os.path.abspath(root))
        self.bus = self.root / BUS
        self.logs = self.root / "logs" / "cadence-bus"

    def __repr__(self) -> str:
        return f"Layout({str(self.root)!r})"

    @cached_property
    def env_file(self) -> Path:
        return self.root / ".env"

    @cached_property
    def cadences_toml(self) -> Path:
        return self.root / "config" / "cadences.toml"

    @cached_property
    def triggers(self) -> Path:
        return self.root / "schedules" / "triggers"

    @cached_property
    def emergency_stop(self) -> Path:
        return self.root / "state" / "emergency-stop"

    @cached_property
    def inbox(self) -> Path:
        return self.bus / "inbox"

    @cached_property
    def claimed(self) -> Path:
        return self.bus / "claimed"

    @cached_property
    def dlq(self) -> Path:
        return self.bus / "dlq"

    @cached_property
    def quarantine(self) -> Path:
        return self.bus / "quarantine"

    @cached_property
    def trash(self) -> Path:
        return self.bus / "trash"

    @cached_property
    def paused(self) -> Path:
        return self.bus / "paused"

    @cached_property
    def control(self) -> Path:
        return self.bus / "control"

    @cached_property
    def acks(self) -> Path:
        return self.control / "acks"

    @cached_property
    def tmp(self) -> Path:
        return self.bus / "tmp"

    @cached_property
    def dedupe(self) -> Path:
        return self.bus / "dedupe"

    @cached_property
    def dedupe_lock(self) -> Path:
        return self.bus / "dedupe.lock"

    @cached_property
    def schedule(self) -> Path:
        return self.bus / "schedule"

    @cached_property
    def schedule_lock(self) -> Path:
        return self.bus / "schedule.lock"

    @cached_property
    def moving(self) -> Path:
        """There only while a move between these folders and a server is unfinished."""
        return self.bus / "moving"

    @cached_property
    def circuit_open(self) -> Path:
        return self.bus / "circuit-open.json"

    @cached_property
    def gates(self) -> Path:
        return self.bus / "gates.json"

    @cached_property
    def consumer_json(self) -> Path:
        return self.bus / "consumer.json"

    @cached_property
    def consumer_lock(self) -> Path:
        return self.bus / "consumer.lock"

    @cached_property
    def host_id(self) -> Path:
        return self.bus / "host-id"

    @cached_property
    def ledger(self) -> Path:
        return self.bus / "ledger.db"

    @cached_property
    def operators_log(self) -> Path:
        return self.logs / "operators.jsonl"

    @cached_property
    def subsessions(self) -> Path:
        return self.logs / "subsessions"

    @cached_property
    def prompts(self) -> Path:
        """What each run was given on its standard input."""
        return self.logs / "prompts"

    def journal(self, iso_time: str) -> Path:
        """The journal of the day of that ISO time."""
        return self.logs / f"{iso_time[:10]}.jsonl"

    def prompt(self, cadence: str) -> Path:
        return self.triggers / f"{cadence}.md"

    def folders(self) -> tuple[Path, ...]:
        """Every folder that a working bus needs, parents first."""
        return (
            self.bus, self.inbox, self.claimed, self.dlq, self.quarantine, self.trash,
            self.paused, self.control, self.acks, self.tmp, self.dedupe, self.schedule,
            self.logs, self.subsessions,
        )  # fmt: skip


def find_root(given: str | None, environ: Mapping[str, str], cwd: str) -> Layout:
    """`--root`, else $AGENT_ROOT, else $AGENT_DIR, else the nearest folder upward with a bus.

    Raises:
        UsageError: nothing was found, or what was named is no folder.
    """
    for source, value in (
        ("--root", given),
        ("AGENT_ROOT", environ.get("AGENT_ROOT")),
        ("AGENT_DIR", environ.get("AGENT_DIR")),
    ):
        if value:
            if not os.path.isdir(value):
                raise UsageError(f"{source} names {value!r}, which is no folder")
            return _written(Layout(value))
    here = Path(os.path.abspath(cwd))
    for folder in (here, *here.parents):
        if (folder / BUS).is_dir():
            return _written(Layout(folder))
    raise UsageError(
        f"no agent root: neither --root nor AGENT_ROOT nor AGENT_DIR is given, and no folder"
        f" from {here} upward has {BUS}",
        "name one with --root DIR",
    )


def _written(layout: Layout) -> Layout:
    """The same. UsageError when its path cannot stand in a file: every state file names paths."""
    try:
        str(layout.root).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the agent root {str(layout.root)!a} has bytes in its path that are no UTF-8",
            "give its folders names of plain text",
        ) from error
    return layout
