"""How a tick gets into the inbox: checked, named, deduplicated, durable, never over another.

Used by `maestro-tui enqueue`, by the console and by the engine; any process, any thread.
Starting the command is most of what an enqueue costs, so this module imports neither
msgspec nor datetime.
"""

from __future__ import annotations

import errno
import json
import os
import time

from maestro_core import files
from maestro_core.errors import BusError, Refused, UsageError
from maestro_core.layout import NAME, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIZE_LIMIT = 1 << 20
"""A tick file is at most this many bytes."""
DEPTH_LIMIT = 100
"""Lists and objects inside each other, so that no reader runs out of stack."""
PRIORITY_LIMIT = 10**9
ROOM_BYTES = 4 << 20
ROOM_INODES = 64
"""Below these a new tick is refused: what is left lets running work end in order."""

_PASSING = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
_RECORD_LIMIT = 2 * SIZE_LIMIT

ABSENT: Any = object()
"""A payload that is not there (None is JSON's null)."""

_DISK = files.OsFiles()


def make_document(
    cadence: str,
    *,
    source: str,
    now_wall: float,
    payload: Any = ABSENT,
    priority: int = 0,
    not_before: str | None = None,
    dedupe_key: str | None = None,
    tick_id: str | None = None,
) -> dict[str, Any]:
    """A new tick as it will stand in its file. UsageError for a name or time that is none."""
    check_name("cadence", cadence)
    document: dict[str, Any] = {
        "id": tick_id or make_id(cadence, now_wall),
        "cadence": cadence,
        "source": source,
        "enqueued_at": _iso(now_wall),
        "attempts": 0,
    }
    if payload is not ABSENT:
        document["payload"] = payload
    if priority:
        document["priority"] = priority
    if not_before is not None:
        document["not_before"] = _checked_time(not_before)
    if dedupe_key is not None:
        document["dedupe_key"] = dedupe_key
    return document


def make_id(cadence: str, now_wall: float) -> str:
    """Sorts by time; lower case, since some file systems do not tell `A` from `a`."""
    stamp = _iso(now_wall).translate({ord(mark): None for mark in "-:."}).lower()
    return f"{stamp}-{cadence.lower()[:99]}-{os.urandom(4).hex()}"


def publish_tick(
    layout: Layout, document: dict[str, Any], fs: files.FileSystem = _DISK
) -> tuple[str, bool]:
    """Put the tick into the inbox, durably; its id, and whether it is new.

    With a dedupe_key whose earlier tick is still waiting or claimed, nothing is written and
    that tick's id comes back with False.

    Raises:
        UsageError: the id or the cadence is no name.
        Refused: too big, or no JSON.
        FileExistsError: a tick with this id is on the bus.
        BusError: the disk would not have it.
    """
    return publish_encoded(layout, document, encode_document(document), fs)


def publish_encoded(
    layout: Layout, document: dict[str, Any], data: bytes, fs: files.FileSystem = _DISK
) -> tuple[str, bool]:
    """`publish_tick` for who has encoded the document already: that is most of its work."""
    try:
        check_room(layout, fs)
        try:
            return _publish(layout, document, data, fs)
        except FileNotFoundError:
            _make_folders(layout, fs)
            return _publish(layout, document, data, fs)
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_error("cannot enqueue", error) from error


def encode_document(document: dict[str, Any]) -> bytes:
    """The bytes of a tick's file, checked against every rule that a reader has."""
    check_name("id", document.get("id"))
    check_name("cadence", document.get("cadence"))
    _check_types(document)
    try:
        data = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(f"this tick cannot be written as JSON: {reason}") from error
    if len(data) >= SIZE_LIMIT:
        raise Refused(
            f"this tick has {len(data) / SIZE_LIMIT:.1f} MiB, at most 1 MiB is allowed",
            "put the data into a file and its path into the payload",
        )
    if too_deep(document):
        raise Refused(f"this tick nests more than {DEPTH_LIMIT} lists and objects")
    return data + b"\n"


def check_name(what: str, value: object) -> None:
    """UsageError unless `value` may be an id or a cadence."""
    if not isinstance(value, str) or not NAME.match(value):
        raise UsageError(
            f"{what} {value!r} is no name",
            "1 to 128 of A-Z a-z 0-9 . _ - and the first one a letter or a digit",
        )


def _check_types(document: dict[str, Any]) -> None:
    priority = document.get("priority", 0)
    if type(priority) is not int or abs(priority) > PRIORITY_LIMIT:
        raise UsageError(f"priority {priority!r} is no whole number within +-{PRIORITY_LIMIT}")
    for field in ("source", "dedupe_key"):
        value = document.get(field, "")
        if not isinstance(value, str) and value is not None:
            raise UsageError(f"{field} {value!r} is no text")


def too_deep(value: object, left: int = DEPTH_LIMIT) -> bool:
    """Whether lists and objects nest deeper than `left`."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return left <= 0 or any(too_deep(one, left - 1) for one in inner)


def check_room(layout: Layout, fs: files.FileSystem) -> None:
    """BusError when the disk is so full that new work would endanger the work in hand."""
    try:
        room, inodes = fs.room(layout.bus)
    except FileNotFoundError:
        return  # no bus yet: it is made, or the attempt says why not
    if room < ROOM_BYTES or 0 <= inodes < ROOM_INODES:
        left = f"{room / (1 << 20):.1f} MiB and {inodes if inodes >= 0 else 'enough'} inodes"
        raise BusError(f"the disk is nearly full ({left} left): {layout.bus}", "make room on it")


def _lasting(path: str) -> str:
    """The path, or for a temp file, whose name is another one each time, its folder."""
    folder = path.rpartition("/")[0]
    return folder if folder.rpartition("/")[2] == "tmp" else path


def disk_error(doing: str, error: OSError) -> BusError:
    """What the system said, as one line with a remedy."""
    path = error.filename2 or error.filename
    where = f": {_lasting(str(path))}" if path else ""
    return BusError(f"{doing}: {error.strerror or error}{where}", _REMEDY.get(error.errno or 0, ""))


_REMEDY = {
    errno.ENOSPC: "make room on the disk (bytes or inodes)",
    errno.EDQUOT: "the quota of this user is used up",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: "check the owner and the mode of the folder",
    errno.EPERM: "check the owner and the mode of the folder",
    errno.ENOTDIR: "move away what stands where a folder belongs",
    errno.ETIMEDOUT: "find the program that holds it (lsof or fuser on that file) and end it",
    errno.EIO: "the disk reports an error; see the system log",
    errno.EMFILE: "too many open files in this process",
    errno.ENFILE: "too many open files on this machine",
}


def _publish(
    layout: Layout, document: dict[str, Any], data: bytes, fs: files.FileSystem
) -> tuple[str, bool]:
    tick_id, key = document["id"], document.get("dedupe_key")
    if key is None:
        _put_in(layout, tick_id, data, fs)
        return tick_id, True
    with fs.lock(layout.dedupe_lock):
        holder = live_holder(layout, key, fs)
        if holder is not None:
            fs.flush_folder(layout.inbox)  # this answer vouches for the other tick
            return holder, False
        # The record first: one that names a tick that never came counts for nothing.
        remember_key(layout, key, tick_id, fs)
        _put_in(layout, tick_id, data, fs)
    return tick_id, True


def _put_in(layout: Layout, tick_id: str, data: bytes, fs: files.FileSystem) -> None:
    name = f"{tick_id}.json"
    for folder in (layout.claimed, layout.dlq):
        if fs.exists(f"{folder}/{name}"):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{folder}/{name}")
    files.publish(fs, layout.tmp, f"{layout.inbox}/{name}", data)


def _make_folders(layout: Layout, fs: files.FileSystem) -> None:
    files.ensure_folders(fs, (layout.bus.parent, layout.bus, layout.inbox, layout.dedupe))
    # Last, and only now: while it is missing nothing is published into what may vanish.
    fs.make_folder(layout.tmp)


def live_holder(layout: Layout, key: str, fs: files.FileSystem = _DISK) -> str | None:
    """Id of the waiting or claimed tick with this dedupe key. Call it under dedupe.lock."""
    return record_holder(layout, _record(layout, key), fs)


def record_holder(layout: Layout, path: str, fs: files.FileSystem = _DISK) -> str | None:
    """Like `live_holder`, by the path of the key's record."""
    try:
        record = json.loads(fs.read(path, _RECORD_LIMIT))
        tick_id = record["id"]
    except OSError as error:
        if error.errno in _PASSING:
            raise  # there may well be a record
        return None
    except (ValueError, TypeError, KeyError):
        return None  # a damaged one: at worst one tick too many
    if not isinstance(tick_id, str) or not NAME.match(tick_id):
        return None
    # inbox twice: it may go back there between the two looks
    for folder in (layout.inbox, layout.claimed, layout.inbox):
        if fs.exists(folder / f"{tick_id}.json"):
            return tick_id
    return None


def remember_key(layout: Layout, key: str, tick_id: str, fs: files.FileSystem) -> None:
    """Make `tick_id` the holder of the key. Call it under dedupe.lock."""
    data = json.dumps({"id": tick_id, "key": key}, indent=2).encode() + b"\n"
    files.replace(fs, layout.tmp, _record(layout, key), data)


def _record(layout: Layout, key: str) -> str:
    import hashlib  # here: 5 ms that only keyed ticks need

    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{layout.dedupe}/{digest}.json"


def _iso(epoch: float) -> str:
    whole, millis = divmod(round(epoch * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{millis:03d}Z"


def _checked_time(text: str) -> str:
    from maestro_core.clock import parse_iso  # here: only a delayed tick needs datetime

    try:
        return _iso(parse_iso(text))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time", "ISO 8601, for example 2026-11-24T02:03:04Z"
        ) from error
