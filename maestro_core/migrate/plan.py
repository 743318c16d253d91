"""Whether a move may begin, and what it would do: the dry run. Changes nothing."""

from __future__ import annotations

from functools import partial

from maestro_core.errors import BadTick, Refused
from maestro_core.fleet import letters
from maestro_core.fleet.connect import Connection, Link
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet.moves import SHELVES, Depot, Shelf, unfinished
from maestro_core.migrate.level import Side
from maestro_core.migrate.move import BATCH, Direction, Kept, Report
from maestro_core.migrate.yard import Yard
from maestro_core.models import TickView

FRESH = 30.0
"""A host whose heartbeat is younger than these seconds is at work."""


def refuse(yard: Yard, link: Link, to: Direction) -> None:
    """Raises Refused for what has to be done by somebody first."""
    note = yard.note()
    if note is not None and note["to"] != to:
        raise Refused(
            f"a move to {_words(note)} is unfinished here",
            f"finish it first: maestro-tui bus migrate --to {_words(note)}",
        )
    own = note["move"] if note else None
    for move, said in unfinished(link):
        if move != own and "folders" in (to, said.get("to")):
            raise Refused(
                f"another move of this server is unfinished: to {said.get('to')},"
                f" {said.get('host')}:{said.get('root')}, since {said.get('since')}",
                "finish it there first",
            )
    if to == "server":
        _refuse_claimed(len(yard.on_shelf("claimed")))
    else:
        _refuse_consumers(link)


def _words(note: dict[str, str]) -> str:
    return note["server"] if note["to"] == "server" else note["to"]


def _refuse_claimed(count: int) -> None:
    if count:
        raise Refused(
            f"{count} in claimed/: a consumer was stopped in the middle of its work",
            "one that starts puts them back: maestro-tui estop, then maestro-tui run --until-idle",
        )


def _refuse_consumers(link: Link) -> None:
    live = [
        view.host for view in Hosts(link).all()
        if view.beat is not None and view.beat.stopped_at is None and view.age < FRESH
    ]  # fmt: skip
    if live:
        raise Refused(f"consumers work on the server: {', '.join(live)}", "stop them first")
    if running := link.run(letters.counts)["claimed"]:
        raise Refused(
            f"{running} ticks are claimed on the server, by consumers that are silent",
            "one that starts puts them back, its host's at once, others' after the lease",
        )


# ---- the dry run ---------------------------------------------------------------------------


def rehearse(yard: Yard, link: Link, to: Direction, folders: Side, server: Side) -> Report:
    """What a move would do now. Raises Refused as the move would."""
    refuse(yard, link, to)
    report = Report(to=to, server=link.target.shown, resumed=yard.note() is not None)
    if to == "server":
        report.level = folders.read()
        for shelf in SHELVES:
            _rehearse_arrival(yard, link, shelf, report)
    else:
        report.level = server.read()
        left = link.run(letters.counts)
        report.quarantined = left["quarantine"]
        for shelf in SHELVES:
            report.moved[shelf] = left[shelf] + len(yard.staged(shelf))
        _rehearse_landing(yard, link, report)
    return report


def _rehearse_arrival(yard: Yard, link: Link, shelf: Shelf, report: Report) -> None:
    depot = Depot(link, "")
    ids = yard.on_shelf(shelf)
    report.moved[shelf] = len(yard.staged(shelf)) + len(ids)
    for start in range(0, len(ids), BATCH):
        parcels = []
        for tick_id in ids[start : start + BATCH]:
            try:
                parcels.append(yard.read_shelf(shelf, tick_id))
            except BadTick as fault:
                report.kept.append(Kept(shelf, tick_id, f"it is no tick: {fault.message}"))
        for tick_id, reason in depot.rehearse(shelf, parcels).items():
            report.kept.append(Kept(shelf, tick_id, reason))
    report.moved[shelf] -= sum(one.shelf == shelf for one in report.kept)


def _rehearse_landing(yard: Yard, link: Link, report: Report) -> None:
    offset = 0
    while found := link.run(partial(_page, offset=offset)):
        offset += len(found)
        for view in found:
            if reason := yard.objection("inbox", view.tick):
                report.kept.append(Kept("inbox", view.tick.id, reason))
                report.moved["inbox"] -= 1


def _page(connection: Connection, offset: int) -> list[TickView]:
    return letters.page(connection, "inbox", None, BATCH, offset)
