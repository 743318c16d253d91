"""Bytes of a tick's file <-> Tick. Everything that a file can be wrong about ends here as a
BadTick whose message a person understands; `peek` reads just what the order needs.

Pure functions, any thread. Reading tolerates what other producers leave out (only id and
cadence are required) and keeps the fields that we do not know.
"""

from __future__ import annotations

import errno
import json
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct

from maestro_core.bus.producer import DEPTH_LIMIT, PRIORITY_LIMIT, SIZE_LIMIT, too_deep
from maestro_core.clock import iso, parse_iso
from maestro_core.errors import BadTick
from maestro_core.layout import NAME
from maestro_core.models import Failure, Tick, tick_document

SUFFIX = ".json"
OWN_LIMIT = SIZE_LIMIT + (1 << 17)
"""Bytes of a tick that we have written: the limit of producers, and what we add to theirs."""
FAILURES_LIMIT = 48 << 10
"""Bytes of failures that a tick keeps, the latest ones; the ledger has every run."""
COUNT_LIMIT = 10**9
CLAIM = "claim"
"""The field of a claimed file that says whose it is; it never leaves claimed/."""

Modified = Callable[[], float]
"""Asks for a file's modification time (epoch seconds), which is seldom needed."""


class Key(NamedTuple):
    """What the order needs to know of a waiting tick. `ready_at` and `at` are epoch seconds."""

    priority: int
    at: float
    id: str
    cadence: str
    ready_at: float


class _Peeked(Struct):
    """The known fields with their types; payload and unknown ones are not looked at."""

    id: str
    cadence: str
    source: str = ""
    enqueued_at: str = ""
    attempts: int = 0
    priority: int = 0
    not_before: str | None = None
    dedupe_key: str | None = None
    last_error: str | None = None
    failures: tuple[Failure, ...] = ()
    recoveries: int = 0


_TOO_LARGE = "it has more than 1 MiB"

_peek = msgspec.json.Decoder(_Peeked)
_KNOWN = frozenset(_Peeked.__struct_fields__) | {"payload", CLAIM}


def tick_name(file_name: str) -> str | None:
    """`<id>.json` -> id; None for every other name."""
    stem = file_name.removesuffix(SUFFIX)
    return stem if stem != file_name and NAME.match(stem) else None


def peek(data: bytes, tick_id: str, modified: Modified) -> Key:
    """What the order needs, some 5 times faster than `decode`. Raises BadTick."""
    try:
        seen = _peek.decode(data)
        if seen.id == tick_id and len(data) <= SIZE_LIMIT and _plain(seen):
            return _key_of(seen, modified)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # decode has the better words for what is wrong
    return key_of(decode(data, tick_id, modified))


def key_of(tick: Tick) -> Key:
    """The place of a tick in the order."""
    return _key_of(tick, float)


def decode(data: bytes, tick_id: str, modified: Modified) -> Tick:
    """The tick of these bytes; the file's time stands in for a missing enqueued_at.

    Raises BadTick, with `young` set where a file that is still being written would look alike.
    """
    return _tick_of(load(data), tick_id, modified)


def decode_claimed(
    data: bytes, tick_id: str, modified: Modified, *, own: bool = True
) -> tuple[Tick, dict[str, Any]]:
    """Like `decode`, with the claim's owner, token and time; {} when the file has none."""
    document = load(data, own=own)
    claim = document.pop(CLAIM, None)
    return _tick_of(document, tick_id, modified), claim if isinstance(claim, dict) else {}


def encode(tick: Tick, claim: dict[str, Any] | None = None) -> bytes:
    """The file of a tick: two-space indent, closing newline. Without the indent where only that
    makes it larger than a tick may be: a producer's list of many numbers grows fourfold by it."""
    document = tick_document(tick)
    if claim is not None:
        document[CLAIM] = claim
    plain = msgspec.json.encode(document)
    indented = msgspec.json.format(plain, indent=2)
    return (indented if len(indented) < SIZE_LIMIT else plain) + b"\n"


def with_failure(tick: Tick, failure: Failure) -> Tick:
    """The tick after a failed attempt."""
    failures = (*tick.failures, failure)
    while len(failures) > 1 and len(msgspec.json.encode(failures)) > FAILURES_LIMIT:
        failures = failures[1:]
    return tick.evolve(failures=failures, last_error=failure.reason)


def load(data: bytes, *, own: bool = False) -> dict[str, Any]:
    """JSON, strictly: one object, UTF-8, every key once, numbers that are numbers.

    `own`: it lies where only we write. Elsewhere the failures in it tell that we have.
    """
    large = len(data) > SIZE_LIMIT and not own
    if len(data) > OWN_LIMIT or (large and b'"failures"' not in data):
        raise BadTick(_TOO_LARGE)
    if not data.strip(b"\0"):
        raise BadTick("it is empty" if not data else "it is filled with NUL bytes", young=True)
    if data.startswith(b"\xef\xbb\xbf"):
        raise BadTick("it begins with a byte order mark; plain UTF-8 is wanted")
    document = _parse(_text(data))
    if not isinstance(document, dict):
        raise BadTick(f"it is {_kind(document)}, not a JSON object")
    if large and not document.get("failures"):
        raise BadTick(_TOO_LARGE)
    if data.count(b"[") + data.count(b"{") > DEPTH_LIMIT and too_deep(document):
        raise BadTick(f"it nests more than {DEPTH_LIMIT} lists and objects")
    return document


def unreadable(error: OSError) -> str | None:
    """Why the file itself cannot be read; None when the trouble is not the file's."""
    return {
        errno.ELOOP: "it is a symbolic link; links are not followed",
        errno.EMLINK: "it is a symbolic link; links are not followed",  # FreeBSD's word for it
        errno.EINVAL: "it is no regular file (a folder, a pipe or a device)",
        errno.EISDIR: "it is no regular file (a folder, a pipe or a device)",
        errno.ENXIO: "it is no regular file (a folder, a pipe or a device)",
        errno.EACCES: "this user may not read it",
        errno.EPERM: "this user may not read it",
    }.get(error.errno or 0)


def _plain(seen: _Peeked) -> bool:
    """Whether the quick look found the fields in order; times show when they are read."""
    counts = 0 <= seen.attempts <= COUNT_LIMIT and 0 <= seen.recoveries <= COUNT_LIMIT
    return counts and abs(seen.priority) <= PRIORITY_LIMIT and bool(NAME.match(seen.cadence))


def _key_of(tick: _Peeked | Tick, modified: Modified) -> Key:
    at = parse_iso(tick.enqueued_at) if tick.enqueued_at else round(modified(), 3)
    ready = parse_iso(tick.not_before) if tick.not_before else 0.0
    # thousands of ticks share the few names of cadences
    return Key(-tick.priority, at, tick.id, sys.intern(tick.cadence), ready)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # cut in the middle of a character = perhaps still being written
        cut = error.end == len(data) and "unexpected end" in error.reason
        raise BadTick(f"byte {error.start} is not UTF-8", young=cut) from error


def _parse(text: str) -> Any:
    try:
        return json.loads(
            text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_unique
        )
    except RecursionError as error:
        raise BadTick(f"it nests more than {DEPTH_LIMIT} lists and objects") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise BadTick(f"it is no JSON: {error.msg} at {where}", young=True) from error
    except ValueError as error:
        raise BadTick("it holds a whole number of more than 4300 digits") from error


def _no_number(word: str) -> Any:
    raise BadTick(f"it holds {word}, which is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise BadTick(f"the number {digits[:40]} is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadTick(f"the key {twice[:80]!a} stands twice in one object")
    return found


def _kind(value: object) -> str:
    words = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(type(value), "a number")


def _tick_of(document: dict[str, Any], tick_id: str, modified: Modified) -> Tick:
    _check_text(document)
    known = {name: value for name, value in document.items() if name in _KNOWN}
    known.pop(CLAIM, None)
    known = {k: v for k, v in known.items() if v is not None or k == "payload"}
    payload = known.pop("payload", UNSET)
    try:
        seen = msgspec.convert(known, _Peeked)
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadTick(_field_fault(error)) from error
    _check_values(seen, tick_id)
    return Tick(
        **known
        | {
            "enqueued_at": seen.enqueued_at or iso(modified()),
            "source": seen.source or "unknown",
            "failures": seen.failures,
            "payload": payload,
            "extra": {k: v for k, v in document.items() if k not in _KNOWN},
        }
    )


def _check_text(document: dict[str, Any]) -> None:
    """Half a surrogate pair loads as JSON and then cannot be written or printed."""
    try:
        msgspec.json.encode(document)
    except UnicodeEncodeError as error:
        raise BadTick("it holds half of a surrogate pair, which is no text") from error


def _field_fault(error: Exception) -> str:
    """`Expected `int`, got `str` - at `$.attempts`` -> words with the field first."""
    text, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$").lstrip(".")
    text = text.replace("`", "")
    if "missing required field" in text:
        inside = f" in {field}" if field else ""
        return f"the field {text.rpartition(' ')[2]} is missing{inside}"
    return f"the field {field}: {text[:1].lower()}{text[1:]}" if field else text


def _check_values(seen: _Peeked, tick_id: str) -> None:
    for field in ("id", "cadence"):
        if not NAME.match(getattr(seen, field)):
            raise BadTick(f"the field {field} {getattr(seen, field)[:150]!a} is no name")
    if seen.id != tick_id:
        raise BadTick(f"its id is {seen.id!r}, but its file is named {tick_id}.json")
    for field in ("enqueued_at", "not_before"):
        _check_time(field, getattr(seen, field))
    if abs(seen.priority) > PRIORITY_LIMIT:
        raise BadTick(f"the field priority is beyond +-{PRIORITY_LIMIT}")
    for field in ("attempts", "recoveries"):
        if not 0 <= getattr(seen, field) <= COUNT_LIMIT:
            raise BadTick(f"the field {field} is no count from 0 to {COUNT_LIMIT}")


def _check_time(field: str, text: str | None) -> None:
    try:
        if text:
            parse_iso(text)
    except (ValueError, OverflowError) as error:
        raise BadTick(f"the field {field} {text!a} is no ISO 8601 time") from error
