"""The engine over PostgreSQL: PgQueuer's table and claim, with tokens, leases and dead letters.

A claim is one statement of PgQueuer (its slot index keeps a cadence to one run over the whole
fleet); a settle is one statement that needs the claim's token. Times are the server's.
One thread, except `enqueue`.
"""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import psycopg
from msgspec.structs import replace
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId

from maestro_core import __version__
from maestro_core.bus import codec
from maestro_core.bus.index import Rank, unranked
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.errors import BadTick, BusError, ClaimLost
from maestro_core.fleet import arrivals, letters, rows, statements
from maestro_core.fleet.connect import Link, Row
from maestro_core.fleet.waiting import WaitingCount
from maestro_core.models import ActResult, Claim, Failure, Receipt, Tick, TickView, Where

LEASE = 120.0
"""Seconds without a heartbeat after which another consumer may take a claim over."""

SWEEP_SECONDS = 1.0

_NEVER = timedelta(days=36500)
"""PgQueuer's own re-pick counts no attempt, so it is never to happen: `abandoned` does it."""


class PostgresEngine:
    """See bus/engine.py for what it promises.

    Args:
        host: the name of this machine's consumer. A new engine of the same host takes the
            claims of the one before it over at once: consumer.lock keeps them apart.
        runs_here: whether this host can run a cadence; ticks of others are left alone.
        per_cadence: how many ticks of a cadence may run at once over the fleet; 0 = any number.
        lease: seconds without a heartbeat after which others may take a claim over.
    """

    def __init__(
        self, link: Link, *, clock: Clock | None = None, host: str | None = None,
        runs_here: Callable[[str], bool] = lambda _cadence: True,
        per_cadence: int = 1, lease: float = LEASE,
    ) -> None:  # fmt: skip
        self.link = link
        self.clock = clock or SystemClock()
        self.host = host or socket.gethostname()
        self.lease: float | None = lease
        self._runs_here = runs_here
        self._per_cadence = per_cadence
        self._number: int | None = None
        self._builder = QueryQueueBuilder()
        self._count = WaitingCount(link, self.clock)
        self._waiting: dict[str, int] | None = None
        self._ready_at: float | None = None
        self._looked = False
        self._adopted: dict[str, Claim] = {}
        self._rejected: list[tuple[str, str]] = []
        self._doubtful: set[str] = set()
        self._unanswered: dict[uuid.UUID, float] = {}
        """Tokens of claims whose answer was lost, and until when they are looked for (steady)."""

    # ---- producers -----------------------------------------------------------------------

    def enqueue(self, tick: Tick) -> Receipt:
        [receipt] = self.enqueue_many([tick])
        if receipt == Receipt(tick.id, False):
            raise FileExistsError(tick.id)
        return receipt

    def enqueue_many(self, ticks: Sequence[Tick]) -> list[Receipt]:
        """Adds waiting ticks in one transaction. A receipt that is not fresh has the id of the
        live tick with the same dedupe key, or the tick's own, which is on the bus already."""
        new = [rows.new_row(self._dated(tick)) for tick in ticks]
        receipts = self.link.run(lambda connection: arrivals.enqueue(connection, new))
        self._changed()
        return receipts

    def _dated(self, tick: Tick) -> Tick:
        return tick if tick.enqueued_at else tick.evolve(enqueued_at=iso(self.link.now()))

    def refresh(self) -> bool:
        self.link.sync()
        before = self._waiting
        self._changed()
        return before != self.waiting()

    def _changed(self) -> None:
        """What is remembered of the queue is out of date."""
        self._waiting = None
        self._looked = False

    # ---- the consumer's verbs ------------------------------------------------------------

    def claim(self, *, held: Callable[[str], bool], rank: Rank = unranked) -> Claim | None:
        def may_run(cadence: str) -> bool:
            return self._runs_here(cadence) and not held(cadence)

        self._give_back_unanswered()
        if self._waiting is not None and not any(map(may_run, self._waiting)):
            return None  # as of the last look: most passes find nothing, and then ask nothing
        while True:
            names = self.link.rows("SELECT name FROM maestro_cadences")
            free = sorted(one["name"] for one in names if may_run(one["name"]))
            self._rank({one: own for one in free if (own := rank(one))})
            row = self._dequeue(free) if free else None
            if row is None:
                return None
            self._changed()
            try:
                return rows.claim_of(row)
            except BadTick as fault:
                self._set_aside(row, fault.message)

    def _rank(self, ranks: dict[str, int]) -> None:
        """Waiting ticks that name no priority get their cadence's: the claim reads the column."""
        if ranks:
            self.link.rows(statements.RANK, list(ranks), list(ranks.values()))

    def _dequeue(self, cadences: list[str]) -> Row | None:
        """PgQueuer's own claim of one job of these cadences."""
        token = self._new_token()
        query = self._builder.build_dequeue_query(
            batch_size=1,
            entrypoints=[QueueEntrypoint(one) for one in cadences],
            concurrency_limits=[self._per_cadence] * len(cadences),
            queue_manager_id=QueueManagerId(token),
            global_concurrency_limit=None,
            heartbeat_timeout=_NEVER,
        )
        for _ in range(3):  # another consumer took the slot: perhaps another cadence has one
            try:
                found = self.link.rows(query.sql, *query.args)
            except BusError as error:
                if not isinstance(
                    error.__cause__,
                    psycopg.errors.UniqueViolation | psycopg.errors.DeadlockDetected,
                ):
                    self._unanswered[token] = self.clock.steady() + (self.lease or LEASE)
                    raise
                continue
            if not found:
                return None
            return found[0] | {"since": found[0]["updated"].timestamp()}
        return None

    def _give_back_unanswered(self) -> None:
        """Claims whose answer was lost on the way may have been made, and even be made later:
        nobody works on them, and their attempts are not spent. After a lease others see to them."""
        now = self.clock.steady()
        self._unanswered = {one: end for one, end in self._unanswered.items() if end > now}
        if self._unanswered and self.link.rows(statements.UNCLAIM, list(self._unanswered)):
            self._changed()

    def complete(self, claim: Claim) -> None:
        self._settle(claim, "successful", None)

    def retry(self, claim: Claim, failure: Failure) -> None:
        self._settle(claim, "queued", self._failed(claim, failure), failure)

    def dead_letter(self, claim: Claim, failure: Failure) -> None:
        self._settle(claim, "failed", self._failed(claim, failure), failure)

    def _failed(self, claim: Claim, failure: Failure) -> Tick:
        return codec.with_failure(claim.tick, replace(failure, host=self.host))

    def put_back(self, claim: Claim) -> None:
        self._settle(claim, "queued", claim.tick.evolve(attempts=max(0, claim.tick.attempts - 1)))

    def recovered(self, claim: Claim) -> None:
        self._settle(claim, "queued", claim.tick.evolve(recoveries=claim.tick.recoveries + 1))

    def heartbeat(self, claims: Sequence[Claim]) -> list[Claim]:
        """Keep these claims alive; those that are no longer ours come back."""
        if not claims:
            return []
        kept = {
            row["queue_manager_id"]
            for row in self.link.rows(statements.HEARTBEAT, [_token(one)[1] for one in claims])
        }
        return [one for one in claims if _token(one)[1] not in kept]

    def abandoned(self) -> list[Claim]:
        for row in self.link.rows(statements.ABANDONED, self.number, self.host, self.lease):
            try:
                claim = rows.claim_of(row)
            except BadTick as fault:
                self._set_aside(row, fault.message)
                continue
            self._adopted[claim.tick.id] = claim
        if lost := self.heartbeat(list(self._adopted.values())):
            for one in lost:
                self._adopted.pop(one.tick.id, None)
        return [self._adopted[tick_id] for tick_id in sorted(self._adopted)]

    @property
    def number(self) -> int:
        """Of this consumer, among all that there ever were."""
        if self._number is None:
            [row] = self.link.rows(
                "INSERT INTO maestro_consumers (host, version) VALUES ($1, $2) RETURNING number",
                self.host, __version__,
            )  # fmt: skip
            self._number = row["number"]
        return self._number

    def _new_token(self) -> uuid.UUID:
        return uuid.UUID(bytes=self.number.to_bytes(4, "big") + uuid.uuid4().bytes[4:])

    def _settle(
        self, claim: Claim, status: str, tick: Tick | None, failure: Failure | None = None
    ) -> None:
        job, token = _token(claim)
        note = {"token": token.hex} | ({"reason": failure.reason} if failure else {})
        args: tuple[object, ...] = (job, token, json.dumps(note))
        if tick is not None:
            ready_at = codec.key_of(tick).ready_at
            args += (status, tick.attempts, codec.encode(tick), tick.priority, ready_at)
        sql = statements.COMPLETE if tick is None else statements.SETTLE
        try:
            found = self.link.rows(sql, *args)
        except BusError:
            self._doubtful.add(claim.token)  # it may have been done all the same
            raise
        self._changed()
        self._adopted.pop(claim.tick.id, None)
        if not found and not self._was_done(claim, job, token):
            raise ClaimLost(
                f"the claim on {claim.tick.id} is no longer ours", "another consumer has it"
            )
        self._doubtful.discard(claim.token)

    def _was_done(self, claim: Claim, job: int, token: uuid.UUID) -> bool:
        """Whether an earlier try, whose answer was lost on the way, settled it."""
        if claim.token not in self._doubtful:
            return False
        return bool(
            self.link.rows(
                "SELECT FROM pgqueuer_log WHERE job_id = $1 AND traceback ->> 'token' = $2",
                job,
                token.hex,
            )
        )

    def _set_aside(self, row: Row, reason: str) -> None:
        name = self.link.run(lambda connection: letters.set_aside(connection, row, reason))
        self._rejected.append((name, reason))

    # ---- what is where -------------------------------------------------------------------

    def rejected(self) -> list[tuple[str, str]]:
        found, self._rejected = self._rejected, []
        return found

    def counts(self) -> dict[Where | str, int]:
        return self.link.run(letters.counts)

    def waiting(self) -> dict[str, int]:
        if self._waiting is None:
            self._waiting = self._count.read()
        return dict(self._waiting)

    def ready_cadences(self) -> set[str]:
        """Those that this host can run, and of which not enough run already."""
        found = self.link.run(lambda one: letters.ready_cadences(one, self._per_cadence))
        return {cadence for cadence in found if self._runs_here(cadence)}

    def next_ready_at(self) -> float | None:
        if not self._looked:
            at = self.link.run(letters.next_ready_at)
            self._ready_at = None if at is None else self.link.wall_of(at)
            self._looked = True
        return self._ready_at

    def page(
        self, where: Where, *, cadence: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[TickView]:
        found = self.link.run(lambda one: letters.page(one, where, cadence, limit, offset))
        return [self._local(view) for view in found]

    def find(self, tick_id: str) -> TickView | None:
        view = self.link.run(lambda one: letters.find(one, tick_id))
        return None if view is None else self._local(view)

    def _local(self, view: TickView) -> TickView:
        return TickView(view.tick, view.where, self.link.wall_of(view.since))

    def owner(self, claim_token: str) -> str | None:
        """The host that made a claim."""
        number = int(claim_token.partition(":")[2][:8], 16)
        found = self.link.rows("SELECT host FROM maestro_consumers WHERE number = $1", number)
        return found[0]["host"] if found else None

    # ---- the operator's verbs ------------------------------------------------------------

    def retry_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return self._act(letters.retry, ids)

    def discard_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return self._act(letters.discard, ids)

    def restore_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return self._act(letters.restore, ids)

    def unretry(self, ids: Sequence[str]) -> list[ActResult]:
        return self._act(letters.unretry, ids)

    def withdraw(self, ids: Sequence[str]) -> list[ActResult]:
        return self._act(letters.withdraw, ids)

    def _act(self, verb: letters.Act, ids: Sequence[str]) -> list[ActResult]:
        self._changed()
        return self.link.run(lambda connection: letters.in_batches(connection, verb, ids))

    def housekeep(self, older_than: float) -> dict[str, int]:
        """In pieces, for a second or so: the rest waits for the next time, the leases of what
        runs do not."""
        limit, end = self.link.server_of(older_than), self.clock.awake() + SWEEP_SECONDS
        done = {"tmp": 0, "dedupe": 0} | dict.fromkeys(letters.OLD, 0)
        for kind in letters.OLD:
            count = letters.SWEEP
            while count == letters.SWEEP and self.clock.awake() < end:
                count = self.link.run(partial(letters.sweep, kind=kind, older_than=limit))
                done[kind] += count
        return done

    def close(self) -> None:
        self.link.close()


def _token(claim: Claim) -> tuple[int, uuid.UUID]:
    """The job and the claim that a token names. ClaimLost for one of another engine."""
    job, _, token = claim.token.partition(":")
    try:
        return int(job), uuid.UUID(token)
    except ValueError:
        raise ClaimLost(f"{claim.token[:40]!r} is no claim of this bus") from None
