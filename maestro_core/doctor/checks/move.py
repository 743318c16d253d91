"""A move of the bus between the folders and a server: none is unfinished, and nothing was left."""

from __future__ import annotations

from maestro_core.bus_setting import bus_of
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn
from maestro_core.errors import SettingsError
from maestro_core.observe.documents import read_document


def move(context: Context) -> Verdict:
    layout = context.layout
    note = read_document(context.fs, layout.moving / "move.json")
    if note.exists:
        to = "folders" if note.content.get("to") == "folders" else note.content.get("server")
        return fail(
            f"a move to {to or 'somewhere'} is unfinished: nobody works on what is under way",
            f"maestro-tui bus migrate --to {to}" if to else f"see {layout.moving}",
        )
    try:
        server = bus_of(layout, context.environ).server
    except SettingsError as error:
        return skip(error.message)
    if server is None:
        return skip("the bus is the folders of this agent root")
    waiting, dead = (
        sum(_count(context, folder) for folder in folders)
        for folders in ((layout.inbox, layout.claimed), (layout.dlq,))
    )
    if dead:
        return warn(
            f"{dead} dead letters in the folders, where nobody looks: the bus is a server",
            "stop the consumer here, then maestro-tui bus migrate --to server",
        )
    if waiting:
        return warn(
            f"{waiting} ticks in the folders: the consumer here sends them on to the server",
            "start it, or stop it and maestro-tui bus migrate --to server",
        )
    return ok("nothing was left in the folders")


def _count(context: Context, folder: object) -> int:
    try:
        names = context.fs.names(str(folder))
    except OSError:
        return 0  # a missing one is the business of the check of the folders
    return sum(name.endswith(".json") for name in names)


CHECKS = (Check("bus.move", "Move of the bus", move),)
