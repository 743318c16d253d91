"""Fixed data for every picture and key test of the console: one agent at one moment.

`FixedBackend` is a backend without files, consumer or threads of its own: it gives what it
was made with and remembers what was asked of its operator.
"""

# ruff: noqa: E501  (tables of data read best with one row a line)

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec.structs import replace

from maestro_core import __version__
from maestro_core.bus.feed import Topic
from maestro_core.clock import FakeClock, iso, parse_iso
from maestro_core.control.commands import Ack, Outcome, Verb
from maestro_core.doctor.finding import Finding
from maestro_core.errors import ReadOnly
from maestro_core.layout import Layout
from maestro_core.models import (
    Failure,
    HoldBeat,
    LogEnd,
    Receipt,
    Running,
    RunRow,
    Tick,
    TickView,
    Usage,
)
from maestro_core.observe.find_run import row_of
from maestro_core.observe.reads import PublishedTail
from maestro_core.observe.snapshot import (
    CadenceView,
    ConsumerView,
    CountsView,
    FleetView,
    HostView,
    MarkerView,
    Snapshot,
)
from maestro_core.session.ledger import CostRow
from maestro_tui.mirror import Mirrors
from maestro_tui.splash.ahead import Early
from tests.tui.support import QuietFeed

NOW = parse_iso("2026-11-24T02:14:30.000Z")
ROOT = "/srv/agents/atlas"


def at(seconds: float) -> str:
    """ISO time so many seconds from now."""
    return iso(NOW + seconds)


def run(
    cadence: str, ago: float, duration: float, outcome: str = "ok", *, reason: str | None = None,
    cost: float = 0.03, number: int = 0,
) -> RunRow:  # fmt: skip
    """One ended run."""
    return RunRow(
        run_id=f"run-{cadence}-{number:03d}", tick_id=f"20261124t020000000z-{cadence}-{number:08x}",
        cadence=cadence, attempt=1, started_at=at(-ago - duration), ended_at=at(-ago),
        outcome=outcome, failure_class=None, exit_code=0 if outcome == "ok" else 1, signal=None,
        usage=Usage(tokens_in=1200 + number, tokens_out=340, cost_usd=cost, model="sonnet", turns=4),
        stdout_path=f"logs/cadence-bus/subsessions/{cadence}-{number}.stdout.log",
        stderr_path=None, reason=reason, pid=4000 + number, duration=duration,
    )  # fmt: skip


def past(cadence: str, every: float, durations: Sequence[float], bad: Sequence[int] = (),
         reason: str = "exit 1: no invoices here", age: float = 60) -> tuple[RunRow, ...]:  # fmt: skip
    """Its last runs, oldest first; those numbered in `bad` failed."""
    count = len(durations)
    return tuple(
        run(cadence, age + every * (count - 1 - n), seconds, "failed" if n in bad else "ok",
            reason=reason if n in bad else None, number=n)
        for n, seconds in enumerate(durations)
    )  # fmt: skip


RUNNING = Running(
    run_id="run-inbox-processor-0042", tick_id="20261124t021348000z-inbox-processor-1a2b3c4d",
    cadence="inbox-processor", pid=71342, started_at=at(-42), timeout_at=at(858),
    stdout_path=None, stderr_path=None, attempt=1, activity="tool Bash",
)  # fmt: skip

WAVE = [38, 41, 44, 39, 52, 61, 48, 40, 37, 36, 45, 90, 43, 41, 40, 38, 44, 47, 42, 41]

CADENCES = (
    CadenceView(
        name="inbox-processor", mode="guarded", waiting=3, running=RUNNING, schedule="*/5 * * * *",
        next_due=NOW + 330, recent=past("inbox-processor", 300, WAVE, [5], age=258), usual_seconds=41.0,
    ),
    CadenceView(
        name="invoice-chaser", mode="escalate", state="open", failures=3, waiting=2, dead=4,
        open_until=NOW + 1045, hold_length=1800.0, reason="exit 1: no invoices here",
        schedule="0 * * * *", next_due=NOW + 2730, usual_seconds=65.0,
        recent=past("invoice-chaser", 900, [61, 70, 66, 5, 4, 5], [3, 4, 5], age=755),
    ),
    CadenceView(
        name="weekly-strategic-memo", mode="escalate", schedule="0 6 * * 1", next_due=NOW + 531930,
        recent=past("weekly-strategic-memo", 604800, [410, 388, 512, 467]), usual_seconds=438.0,
    ),
    CadenceView(
        name="news-digest", mode="escalate", state="backoff", failures=1, waiting=1, dead=1,
        next_allowed_at=NOW + 74, hold_length=120.0, reason="exit 1: HTTP 529 overloaded",
        recent=past("news-digest", 3600, [33, 29, 31, 30, 8], [4], "exit 1: HTTP 529 overloaded", age=46),
        usual_seconds=31.0, next_due=NOW + 1900, schedule="45 * * * *",
    ),
    CadenceView(
        name="calendar-sync", mode="guarded", state="half_open", failures=3, waiting=1,
        recent=past("calendar-sync", 1800, [12, 11, 13, 2, 2, 3], [3, 4, 5]), usual_seconds=12.0,
    ),
    CadenceView(
        name="expense-report", mode="escalate", state="paused", waiting=6,
        paused=MarkerView(NOW - 5400, "ops from 10.0.0.7", "waits for the new card"),
        recent=past("expense-report", 86400, [120, 131, 118]), usual_seconds=120.0,
    ),
    CadenceView(
        name="heartbeat", mode="inline", schedule="* * * * *", next_due=NOW + 30,
        recent=past("heartbeat", 60, [0.02] * 20, age=30), usual_seconds=0.02,
    ),
    CadenceView(name="quarterly-review", mode="unregistered", waiting=1, prompt_exists=False),
)  # fmt: skip

LIVE = ConsumerView(
    word="live", pid=7001, host="mini", version=__version__, mode="daemon",
    started_at=NOW - 86400, beat_at=NOW - 1,
)  # fmt: skip

SNAPSHOT = Snapshot(
    root=ROOT, agent="atlas", at=NOW, consumer=LIVE, cost_today=1.934,
    counts=CountsView(inbox=14, claimed=1, dlq=5, quarantine=0, open_circuits=1),
    cadences=CADENCES, running=(RUNNING,),
)  # fmt: skip

EMPTY = Snapshot(root=ROOT, agent="atlas", at=NOW, consumer=ConsumerView(word="none"))


def dead(number: int, cadence: str, error: str, ago: float, **fields: Any) -> TickView:
    """A dead letter with two failures."""
    failures = tuple(
        Failure(
            at=at(-ago - 40 * (2 - attempt)), attempt=attempt, exit_code=1, reason=error,
            stdout_path=f"logs/cadence-bus/subsessions/{cadence}-{number}.stdout.log",
            stderr_path=f"logs/cadence-bus/subsessions/{cadence}-{number}.stderr.log",
            failure_class="network" if "HTTP" in error else None,
        )
        for attempt in (1, 2)
    )  # fmt: skip
    tick = Tick(
        id=f"20261124t01{number:02d}00000z-{cadence}-{number:08x}", cadence=cadence, source="schedule",
        enqueued_at=at(-ago - 300), attempts=2, last_error=error, failures=failures, **fields,
    )  # fmt: skip
    return TickView(tick, "dlq", NOW - ago)


DEAD = (
    dead(1, "invoice-chaser", "exit 1: no invoices here | gave up after 3 tries", 755, payload={"month": "2026-10", "n": 7}),
    dead(2, "invoice-chaser", "exit 1: no invoices here | gave up after 3 tries", 1655),
    dead(3, "news-digest", "exit 1: HTTP 529 overloaded for req_01931a7b9c | retry in 41s", 2400),
    dead(4, "invoice-chaser", "exit 1: no invoices here | gave up after 2 tries", 5255),
    dead(5, "calendar-sync", "exit -1: ended by signal 9", 9100),
)  # fmt: skip

TAIL = ["Traceback (most recent call last):", '  File "chase.py", line 7, in <module>',
        "FileNotFoundError: no invoices here", "gave up after 3 tries"]  # fmt: skip

JOURNAL: tuple[dict[str, Any], ...] = (
    {"ts": at(-1900), "level": "info", "stage": "consumer_started", "mode": "daemon", "pid": 7001},
    {"ts": at(-1655), "level": "error", "stage": "subsession_failed", "cadence": "invoice-chaser", "id": "20261124t010200000z-invoice-chaser-00000002", "attempt": 2, "exit_code": 1, "duration_ms": 5200, "error": "exit 1: no invoices here", "destination": "dlq"},
    {"ts": at(-1600), "level": "info", "stage": "circuit_half_open", "cadence": "calendar-sync", "reason": "open time over"},
    {"ts": at(-1200), "level": "info", "stage": "operator", "verb": "pause", "targets": ["expense-report"], "ok": True, "actor": {"user": "ops", "via": "console", "address": "10.0.0.7"}, "reason": "waits for the new card"},
    {"ts": at(-760), "level": "info", "stage": "subsession_spawn", "cadence": "invoice-chaser", "attempt": 1, "run_id": "run-invoice-chaser-0005"},
    {"ts": at(-755), "level": "error", "stage": "circuit_opened", "cadence": "invoice-chaser", "failures": 3, "open_until": at(1045)},
    {"ts": at(-300), "level": "info", "stage": "subsession_spawn", "cadence": "inbox-processor", "attempt": 1, "run_id": "run-inbox-processor-0041"},
    {"ts": at(-258), "level": "info", "stage": "subsession_completed", "cadence": "inbox-processor", "id": "20261124t020900000z-inbox-processor-00000019", "attempt": 1, "exit_code": 0, "duration_ms": 42100},
    {"ts": at(-46), "level": "error", "stage": "subsession_failed", "cadence": "news-digest", "attempt": 1, "exit_code": 1, "duration_ms": 8000, "error": "exit 1: HTTP 529 overloaded", "destination": "retry"},
    {"ts": at(-42), "level": "info", "stage": "subsession_spawn", "cadence": "inbox-processor", "attempt": 1, "run_id": "run-inbox-processor-0042"},
)  # fmt: skip


COSTS = tuple(
    CostRow(
        (iso(NOW - day * 86400)[:10], cadence, "sonnet"), runs=runs, ok=runs - day % 3,
        tokens_in=4200 * runs, tokens_out=1300 * runs, tokens_cache_read=61000 * runs,
        tokens_cache_write=2500 * runs, cost_usd=each * runs * (1 + 0.4 * ((day * 7) % 5)),
        seconds=seconds * runs,
    )
    for day in range(12) if day != 4
    for cadence, runs, each, seconds in (
        ("inbox-processor", 40, 0.031, 41.0), ("invoice-chaser", 9, 0.05, 65.0),
        ("news-digest", 20, 0.012, 31.0), ("heartbeat", 600, 0.0, 0.02),
    )
)  # fmt: skip

FINDINGS = (
    Finding(id="env.file", title=".env is there and private", status="ok", detail="0600, 12 entries", seconds=0.01),
    Finding(id="env.api_key", title="ANTHROPIC_API_KEY works", status="fail", detail="401: the API refused the key sk-ant-…", remedy="make a new key in the console of your provider and put it into .env:\nANTHROPIC_API_KEY=…", seconds=0.41),
    Finding(id="claude.version", title="claude found and current", status="ok", detail="2.1.0 at ~/.local/bin/claude", seconds=0.33),
    Finding(id="bus.writable", title="the bus can be written", status="ok", detail="rename, lock and flush work", seconds=0.05),
    Finding(id="bus.circuits", title="open circuits", status="warn", detail="invoice-chaser is open until 02:31", remedy="maestro-tui circuit close invoice-chaser", seconds=0.01),
    Finding(id="bus.dead", title="dead letters", status="warn", detail="5 dead letters, 3 of one cause", remedy="maestro-tui dlq list", seconds=0.02),
    Finding(id="net.api", title="round trip to the API", status="skip", detail="no answer within 5 s", seconds=5.0, slow=True, unchecked=True),
    Finding(id="prompts", title="every cadence has its prompt", status="ok", detail="7 of 7", seconds=0.01),
)  # fmt: skip


class FixedMemory:
    """Notes and the time of leaving, in memory alone."""

    def __init__(self) -> None:
        self.left_at: float | None = None
        self.notes: dict[str, str] = {}

    def leave(self, now: float) -> None:
        self.left_at = now

    def note(self, signature: str, text: str) -> None:
        self.notes[signature] = text


class FixedOperator:
    """Remembers what it was asked; answers yes."""

    trouble: str | None = None

    def __init__(self, read_only: bool = False) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._read_only = read_only

    def _ask(self, *what: Any, targets: Sequence[str] = ()) -> Ack:
        if self._read_only:
            raise ReadOnly("read-only: this session may not change anything")
        self.asked.append(what)
        outcomes = tuple(Outcome(target, True) for target in targets)
        return Ack(id="a", ok=True, at=at(0), by_pid=1, outcomes=outcomes)

    def enqueue(self, cadence: str) -> Receipt:
        self._ask("enqueue", cadence)
        return Receipt(f"new-{cadence}", True)

    def pause(self, cadence: str, reason: str | None = None) -> Ack:
        return self._ask("pause", cadence)

    def resume(self, cadence: str) -> Ack:
        return self._ask("resume", cadence)

    def emergency_stop(self, *, kill: bool = False, reason: str | None = None) -> Ack:
        return self._ask("estop", kill)

    def clear_emergency_stop(self) -> Ack:
        return self._ask("estop_clear")

    def submit(
        self, verb: Verb, targets: Sequence[str], *, reason: str | None = None,
        seconds: float | None = None,
    ) -> Ack:  # fmt: skip
        return self._ask(verb, tuple(targets), targets=targets)


class FixedBackend:
    """See the module docstring. Attributes may be set before and during a test."""

    def __init__(self, snapshot: Snapshot = SNAPSHOT, *, read_only: bool = False) -> None:
        self.layout = Layout(ROOT)
        self.clock = FakeClock(NOW)
        self.read_only = read_only
        self.shown = snapshot
        self.dead: Sequence[TickView] = DEAD
        self.entries: Sequence[dict[str, Any]] = JOURNAL
        self.rows: Sequence[RunRow] = [row for view in CADENCES for row in view.recent]
        self.operator = FixedOperator(read_only)
        self.memory = FixedMemory()
        self.written: list[tuple[str, str, dict[str, Any]]] = []
        self.tails: dict[str, PublishedTail] = {}
        """What hosts tell of their runs, by run id."""
        self.mirrors = Mirrors(lambda row: self.tails.get(row.run_id))

    def early(self, seconds: float) -> Early | None:
        return None

    def snapshot(self, topics: frozenset[Topic]) -> Snapshot:
        return self.shown

    def dead_letters(self, limit: int | None = None) -> Sequence[TickView]:
        return self.dead[:limit]

    def dead_of(self, ids: Collection[str]) -> Sequence[TickView]:
        return [view for view in self.dead if view.tick.id in ids]

    def log_of(self, run: Running | RunRow) -> str | None:
        if run.host is None:
            return run.stdout_path
        return str(self.mirrors.of(row_of(run) if isinstance(run, Running) else run).path)

    def find_log(self, path: str | None, run_id: str | None) -> str | None:
        return path

    def runs(self, limit: int) -> Sequence[RunRow]:
        return sorted(self.rows, key=lambda row: row.ended_at or "", reverse=True)[:limit]

    def journal(self, limit: int) -> Sequence[dict[str, Any]]:
        return self.entries[-limit:]

    def costs(self, since: str) -> Sequence[CostRow]:
        return [row for row in COSTS if row.key[0] >= since[:10]]

    def check_titles(self) -> Sequence[tuple[str, str]]:
        return [(finding.id, finding.title) for finding in FINDINGS]

    def checks(self, on_result: Callable[[Finding], None], only: str | None) -> None:
        for finding in FINDINGS:
            if only in (None, finding.id):
                on_result(finding)

    def log_end(self, path: str, lines: int, run_id: str | None = None) -> LogEnd:
        return LogEnd(tuple(TAIL[-lines:]))

    def write_journal(self, level: str, stage: str, **fields: Any) -> None:
        self.written.append((level, stage, fields))

    def redactor(self) -> Callable[[str], str]:
        return str

    def make_feed(self) -> QuietFeed:
        return QuietFeed()

    def make_consumer(self) -> Any:
        raise AssertionError("a fixed backend runs no consumer")


HOLD = HoldBeat("quota", at(3900), at(-600), "usage limit reached; resets at 03:19")

ELSEWHERE = Running(
    run_id="run-invoice-chaser-0006", tick_id="20261124t021200000z-invoice-chaser-5e6f7a8b",
    cadence="weekly-strategic-memo", pid=901, started_at=at(-130), timeout_at=at(1670),
    stdout_path="logs/cadence-bus/subsessions/memo-6.stdout.log", stderr_path=None, attempt=1,
    activity="tool Write", host="mini-2",
)  # fmt: skip
HERE_RUNS = replace(RUNNING, host="mini-1")
_ABLE = {
    "mini-1": ("calendar-sync", "heartbeat", "inbox-processor", "news-digest"),
    "mini-2": ("expense-report", "inbox-processor", "invoice-chaser", "weekly-strategic-memo"),
    "mini-3": ("invoice-chaser", "news-digest"),
    "studio": ("quarterly-review",),
}
HOSTS = (
    HostView(
        host="mini-1",
        word="live",
        here=True,
        beat_at=NOW - 1,
        cadences=_ABLE["mini-1"],
        running=(HERE_RUNS,),
        pid=7001,
        mode="daemon",
        version=__version__,
        address="mini-1.local",
        root=ROOT,
    ),
    HostView(
        host="mini-2",
        word="live",
        beat_at=NOW - 2,
        cadences=_ABLE["mini-2"],
        running=(ELSEWHERE,),
        pid=412,
        mode="daemon",
        version=__version__,
        skew=3600.0,
        address="mini-2.local",
        root="/srv/agents/atlas",
    ),
    HostView(
        host="mini-3",
        word="stale",
        beat_at=NOW - 31,
        cadences=_ABLE["mini-3"],
        pid=88,
        mode="daemon",
        version="1.8.2",
        address="mini-3.local",
        root="/srv/agents/atlas",
        hold=HoldBeat("auth", None, at(-500), "the key was refused"),
    ),
    HostView(
        host="studio",
        word="gone",
        beat_at=NOW - 4000,
        cadences=_ABLE["studio"],
        pid=1201,
        mode="console",
        version=__version__,
        address="studio.local",
        root="/Users/ops/atlas",
    ),
)
FLEET = FleetView(server="postgresql://ops@db.local:5432/atlas", here="mini-1", hosts=HOSTS)
_RUNS = {one.cadence: one for one in (HERE_RUNS, ELSEWHERE)}
FLEET_SNAPSHOT = replace(
    SNAPSHOT, fleet=FLEET, running=(HERE_RUNS, ELSEWHERE),
    counts=replace(SNAPSHOT.counts, claimed=2), consumer=replace(LIVE, host="mini-1"),
    cadences=tuple(
        replace(
            view, running=_RUNS.get(view.name), prompt_exists=True,
            mode="elsewhere" if view.mode == "unregistered" else view.mode,
            hosts=tuple(name for name, able in _ABLE.items() if view.name in able and name != "studio"),
        )
        for view in CADENCES
    ),
)  # fmt: skip
"""The same agent on four hosts that share a server."""

AWAY = replace(
    FLEET_SNAPSHOT, consumer=replace(LIVE, word="stale"),
    fleet=replace(
        FLEET, away="the bus at postgresql://ops@db.local:5432/atlas cannot be reached: connection refused",
        seen_at=NOW - 45, hosts=tuple(replace(one, word="stale" if one.word == "live" else one.word) for one in HOSTS),
    ),
)  # fmt: skip
