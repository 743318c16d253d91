"""Ticks on their way between folders and the server, as rows: which have arrived here, and
which have left the queue and are in no folder yet.

Each call is one transaction, so that whoever is stopped anywhere and begins again finds what
was done. A record outlives the tick that it is about: one that arrived, ran and is gone does
not arrive a second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

import psycopg
from msgspec import Struct

from maestro_core.bus import codec, twins
from maestro_core.errors import BadTick, Refused, UsageError
from maestro_core.fleet import arrivals, letters, rows
from maestro_core.fleet.connect import Connection, Link
from maestro_core.models import Tick

Shelf = Literal["inbox", "dlq", "trash"]
SHELVES: tuple[Shelf, ...] = ("inbox", "dlq", "trash")

Refusals = dict[str, str]
"""Tick id -> why it was not taken, in words."""


class Parcel(Struct, frozen=True):
    """A tick on its way. `since` is when it came to its shelf, server epoch seconds."""

    tick: Tick
    since: float


class Depot:
    """The server's side of one move. Raises BusError."""

    def __init__(self, link: Link, move: str) -> None:
        self._link = link
        self.move = move

    # ---- the move itself ---------------------------------------------------------------------

    def note(self) -> dict[str, Any] | None:
        """What is known of this move; None for one that never began here, or is over."""
        return dict(unfinished(self._link)).get(self.move)

    def remember(self, note: dict[str, Any]) -> None:
        self._link.execute(
            "INSERT INTO maestro_moves (move, shelf, tick_id, document) VALUES ($1, '', '', $2)"
            " ON CONFLICT (move, shelf, tick_id) DO UPDATE SET document = $2",
            self.move,
            json.dumps(note).encode(),
        )

    def forget(self) -> None:
        """The move is over."""
        self._link.execute("DELETE FROM maestro_moves WHERE move = $1", self.move)

    # ---- from folders ------------------------------------------------------------------------

    def arrive(self, shelf: Shelf, parcels: Sequence[Parcel]) -> Refusals:
        """Take them in. Those that arrived before stay arrived, whatever became of them."""
        return self._link.run(lambda one: _arrive(one, self.move, shelf, parcels))

    def rehearse(self, shelf: Shelf, parcels: Sequence[Parcel]) -> Refusals:
        """What `arrive` would refuse; nothing is changed."""
        return self._link.run(lambda one: _rehearse(one, shelf, parcels))

    def forget_arrived(self, shelf: Shelf, ids: Sequence[str]) -> None:
        """Their files are gone, durably: the records are not needed any more."""
        self._link.run(lambda one: _forget(one, self.move, shelf, ids))

    # ---- to folders --------------------------------------------------------------------------

    def take(self, shelf: Shelf, limit: int, but: Sequence[str]) -> None:
        """Up to `limit` ticks leave the queue; nobody can claim them any more."""
        self._link.run(lambda one: _take(one, self.move, shelf, limit, list(but)))

    def under_way(self, shelf: Shelf, limit: int) -> list[Parcel]:
        """Ticks that have left the queue, and are in the folders only when `landed` says so."""
        found = self._link.rows(
            "SELECT tick_id, document, extract(epoch FROM since)::float8 AS since"
            " FROM maestro_moves WHERE move = $1 AND shelf = $2 ORDER BY tick_id LIMIT $3",
            self.move,
            shelf,
            limit,
        )
        return [
            Parcel(codec.decode(bytes(row["document"]), row["tick_id"], float), row["since"])
            for row in found
        ]

    def landed(self, shelf: Shelf, ids: Sequence[str]) -> None:
        """The folders have them, durably."""
        self._link.run(lambda one: _forget(one, self.move, shelf, ids))

    def give_back(self, shelf: Shelf, parcels: Sequence[Parcel]) -> None:
        """The folders will not have them: they are in the queue again."""
        self._link.run(lambda one: _give_back(one, self.move, shelf, parcels))


def unfinished(link: Link) -> list[tuple[str, dict[str, Any]]]:
    """Moves that are not over, and what they said of themselves."""
    found = link.rows(
        "SELECT move, document FROM maestro_moves WHERE shelf = '' AND tick_id = '' ORDER BY move"
    )
    return [(row["move"], json.loads(bytes(row["document"]))) for row in found]


def _forget(connection: Connection, move: str, shelf: Shelf, ids: Sequence[str]) -> None:
    connection.execute(
        "DELETE FROM maestro_moves WHERE move = $1 AND shelf = $2 AND tick_id = ANY($3)",
        (move, shelf, list(ids)),
    )


def _arrive(connection: Connection, move: str, shelf: Shelf, parcels: Sequence[Parcel]) -> Refusals:
    with connection.transaction():
        known = {
            row["tick_id"]
            for row in connection.execute(
                "SELECT tick_id FROM maestro_moves"
                " WHERE move = $1 AND shelf = $2 AND tick_id = ANY($3)",
                (move, shelf, [one.tick.id for one in parcels]),
            )
        }
        new = [one for one in parcels if one.tick.id not in known]
        refused = _PUT[shelf](connection, new)
        connection.execute(
            "INSERT INTO maestro_moves (move, shelf, tick_id) SELECT $1, $2, unnest($3::text[])",
            (move, shelf, [one.tick.id for one in new if one.tick.id not in refused]),
        )
    return refused


def _rehearse(connection: Connection, shelf: Shelf, parcels: Sequence[Parcel]) -> Refusals:
    refused: Refusals = {}
    with connection.transaction():
        refused = _PUT[shelf](connection, parcels)
        raise psycopg.Rollback
    return refused


def _give_back(connection: Connection, move: str, shelf: Shelf, parcels: Sequence[Parcel]) -> None:
    with connection.transaction():
        _forget(connection, move, shelf, [one.tick.id for one in parcels])
        if refused := _PUT[shelf](connection, parcels):
            tick_id, reason = next(iter(refused.items()))
            raise Refused(f"{tick_id} can go neither to the folders nor back: {reason}")


# ---- into the queue -------------------------------------------------------------------------


def _to_wait(connection: Connection, parcels: Sequence[Parcel]) -> Refusals:
    new, refused = _rows(parcels)
    for row, receipt in zip(new, arrivals.enqueue(connection, new), strict=True):
        if not receipt.fresh:
            same_id = receipt.id == row.tick_id
            refused[row.tick_id] = (
                "another tick with this id is on the server" if same_id
                else f"{receipt.id} is waiting or running there with the same dedupe key"
            )  # fmt: skip
    return refused


def _to_dead(connection: Connection, parcels: Sequence[Parcel]) -> Refusals:
    """A letter whose id is taken there gets another one, as everywhere."""
    new, refused = _rows(parcels)
    ids = {row.tick_id: row.tick_id for row in new}
    receipts = arrivals.enqueue(connection, new, "failed")
    taken = {one.id for one in receipts if not one.fresh}
    for parcel in parcels:
        if parcel.tick.id in taken:
            other = twins.namesake(parcel.tick, codec.encode(parcel.tick).decode())
            ids[parcel.tick.id] = other.id
            [receipt] = arrivals.enqueue(connection, [rows.new_row(other)], "failed")
            if not receipt.fresh:
                refused[parcel.tick.id] = f"{other.id} is on the server already"
    came = [one for one in parcels if one.tick.id not in refused]
    connection.execute(
        "UPDATE pgqueuer q SET updated = to_timestamp(t.since)"
        " FROM unnest($1::text[], $2::float8[]) AS t(id, since)"
        " WHERE q.headers ->> 'id' = t.id AND q.headers ? 'id'",
        ([ids[one.tick.id] for one in came], [one.since for one in came]),
    )
    return refused


def _to_trash(connection: Connection, parcels: Sequence[Parcel]) -> Refusals:
    letters.make_room(connection, [one.tick.id for one in parcels])
    connection.execute(
        "INSERT INTO maestro_trash (tick_id, cadence, document, at)"
        " SELECT id, cadence, document, to_timestamp(since)"
        " FROM unnest($1::text[], $2::text[], $3::bytea[], $4::float8[])"
        " AS t(id, cadence, document, since)",
        (
            [one.tick.id for one in parcels],
            [one.tick.cadence for one in parcels],
            [codec.encode(one.tick) for one in parcels],
            [one.since for one in parcels],
        ),
    )
    return {}


_PUT: dict[Shelf, Callable[[Connection, Sequence[Parcel]], Refusals]] = {
    "inbox": _to_wait, "dlq": _to_dead, "trash": _to_trash,
}  # fmt: skip


def _rows(parcels: Sequence[Parcel]) -> tuple[list[rows.NewRow], Refusals]:
    new, refused = [], {}
    for parcel in parcels:
        try:
            new.append(rows.new_row(parcel.tick))
        except (Refused, UsageError) as fault:
            refused[parcel.tick.id] = fault.message
    return new, refused


# ---- out of the queue -----------------------------------------------------------------------


def _take(connection: Connection, move: str, shelf: Shelf, limit: int, but: list[str]) -> None:
    with connection.transaction():
        if shelf == "trash":
            _take_trash(connection, move, limit, but)
        else:
            _take_rows(connection, move, shelf, limit, but)


def _take_trash(connection: Connection, move: str, limit: int, but: list[str]) -> None:
    connection.execute(
        "WITH gone AS (DELETE FROM maestro_trash WHERE tick_id IN (SELECT tick_id"
        " FROM maestro_trash WHERE tick_id <> ALL($3) ORDER BY tick_id LIMIT $2"
        " FOR UPDATE SKIP LOCKED) RETURNING tick_id, document, at)"
        " INSERT INTO maestro_moves (move, shelf, tick_id, document, since)"
        " SELECT $1, 'trash', tick_id, document, at FROM gone",
        (move, limit, but),
    )


def _take_rows(connection: Connection, move: str, shelf: Shelf, limit: int, but: list[str]) -> None:
    found = connection.execute(
        f"SELECT {rows.COLUMNS} FROM pgqueuer WHERE status = $1::text::pgqueuer_status"
        " AND headers ? 'id' AND headers ->> 'id' <> ALL($2) ORDER BY id LIMIT $3"
        " FOR UPDATE SKIP LOCKED",
        (rows.STATUS[shelf], but, limit),
    ).fetchall()
    ticks = [(row, tick) for row in found if (tick := _readable(connection, row)) is not None]
    connection.execute(
        "INSERT INTO maestro_moves (move, shelf, tick_id, document, since)"
        " SELECT $1, $2, id, document, to_timestamp(since)"
        " FROM unnest($3::text[], $4::bytea[], $5::float8[]) AS t(id, document, since)",
        (
            move,
            shelf,
            [tick.id for _, tick in ticks],
            [codec.encode(tick) for _, tick in ticks],
            [row["since"] for row, _ in ticks],
        ),
    )
    letters.delete(connection, [row["id"] for row, _ in ticks])


def _readable(connection: Connection, row: dict[str, Any]) -> Tick | None:
    """A row that is no tick is set aside, with the reason."""
    try:
        return rows.tick_of(row)
    except BadTick as fault:
        letters.set_aside(connection, row, fault.message)
        return None
