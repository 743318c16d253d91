"""Files that are no tick, with words that their reason must hold: what a person reads later.

`make(folder)` puts one into a folder and returns its path. All are older than any patience.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Make = Callable[[Path], Path]


class Beast(NamedTuple):
    """A file that is no tick. `row` is its number in the catalogue."""

    row: int
    name: str
    reason: str
    make: Make


def _bytes(data: bytes, name: str = "x.json") -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def _tick(name: str = "x.json", **fields: Any) -> Make:
    document = {"id": "x", "cadence": "memo"} | fields
    return _bytes(json.dumps({k: v for k, v in document.items() if v is not ...}).encode(), name)


def _sparse(size: int) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "x.json"
        path.touch()
        os.truncate(path, size)
        return path

    return make


def _linked(folder: Path) -> Path:
    path = folder / "x.json"
    path.symlink_to(target_of(folder))
    return path


def _dangling(folder: Path) -> Path:
    path = folder / "x.json"
    path.symlink_to("nowhere")
    return path


def _fifo(folder: Path) -> Path:
    path = folder / "x.json"
    os.mkfifo(path)
    return path


def _folder(folder: Path) -> Path:
    path = folder / "x.json"
    path.mkdir()
    (path / "inside").write_text("kept")
    return path


def _socket(folder: Path) -> Path:
    path = folder / "x.json"
    before = Path.cwd()
    os.chdir(folder)  # a socket's path may have 107 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("x.json")
    finally:
        os.chdir(before)
    return path


def target_of(folder: Path) -> Path:
    """What the link points to: a tick that would do, outside of the bus."""
    target = folder.parent.parent.parent / "outside.json"
    target.write_text('{"id": "x", "cadence": "memo"}')
    return target


ZOO = (
    Beast(8, "empty", "empty", _bytes(b"")),
    Beast(8, "torn", "no JSON", _bytes(b'{"id": "x", "cad')),
    Beast(8, "an opening brace", "no JSON", _bytes(b"{")),
    Beast(8, "filled with NUL", "NUL", _bytes(b"\0" * 400)),
    Beast(8, "two objects", "no JSON: Extra data", _bytes(b"{}{}")),
    Beast(8, "a list", "a list", _bytes(b"[]")),
    Beast(8, "null", "null", _bytes(b"null")),
    Beast(8, "a bare text", "a text", _bytes(b'"x"')),
    Beast(9, "Latin-1", "not UTF-8", _bytes(b'{"id": "x", "cadence": "memo", "n": "caf\xe9"}')),
    Beast(9, "UTF-16", "not UTF-8", _bytes('{"id": "x"}'.encode("utf-16"))),
    Beast(9, "byte order mark", "byte order mark", _bytes(b'\xef\xbb\xbf{"id": "x"}')),
    Beast(
        9,
        "half a surrogate pair",
        "surrogate",
        _bytes(b'{"id": "x", "cadence": "memo", "n": "\\ud800"}'),
    ),
    Beast(10, "a gigabyte of holes", "more than 1 MiB", _sparse(1 << 30)),
    Beast(10, "a byte over the limit", "more than 1 MiB", _tick(payload="x" * (1 << 20))),
    Beast(10, "100,000 lists", "nests more than", _bytes(b"[" * 100_000)),
    Beast(
        10,
        "nested objects",
        "nests more than",
        _bytes(b'{"id":"x","cadence":"memo","p":' + b'{"a":' * 500 + b"1" + b"}" * 501),
    ),
    Beast(
        10,
        "a number of 5000 digits",
        "4300 digits",
        _bytes(b'{"id": "x", "cadence": "memo", "n": ' + b"9" * 5000 + b"}"),
    ),
    Beast(10, "NaN", "NaN", _bytes(b'{"id": "x", "cadence": "memo", "n": NaN}')),
    Beast(10, "infinity", "Infinity", _bytes(b'{"id": "x", "cadence": "memo", "n": -Infinity}')),
    Beast(10, "1e999", "too large", _bytes(b'{"id": "x", "cadence": "memo", "n": 1e999}')),
    Beast(10, "a key twice", "twice", _bytes(b'{"id": "x", "cadence": "a", "cadence": "b"}')),
    Beast(12, "no cadence", "cadence is missing", _tick(cadence=...)),
    Beast(12, "no id", "id is missing", _tick(id=...)),
    Beast(12, "attempts as text", "attempts", _tick(attempts="2")),
    Beast(12, "attempts below zero", "attempts", _tick(attempts=-1)),
    Beast(12, "failures as text", "failures", _tick(failures="many")),
    Beast(12, "a failure without its time", "failures", _tick(failures=[{"attempt": 1}])),
    Beast(12, "a time that is none", "enqueued_at", _tick(enqueued_at="yesterday")),
    Beast(12, "a day that is none", "not_before", _tick(not_before="2026-02-30")),
    Beast(12, "a priority beyond reason", "priority", _tick(priority=10**30)),
    Beast(12, "a cadence that is no name", "cadence", _tick(cadence="a b")),
    Beast(13, "an id that climbs", "id", _tick(id="../../outside")),
    Beast(13, "an id with a slash", "id", _tick(id="a/b")),
    Beast(13, "an id with NUL", "id", _tick(id="a\0b")),
    Beast(13, "an id of 260 bytes", "id", _tick(id="a" * 260)),
    Beast(13, "an id with a dash first", "id", _tick(id="-rf")),
    Beast(13, "an id with a dot first", "id", _tick(id=".x")),
    Beast(13, "a cadence that climbs", "cadence", _tick(cadence="../../etc/passwd")),
    Beast(13, "another id than its file", "file is named", _tick(id="y")),
    Beast(13, "an id that steers terminals", "id", _tick(id="\x1b]52;c;eA==\x07")),
    Beast(14, "a symbolic link", "symbolic link", _linked),
    Beast(14, "a link to nowhere", "symbolic link", _dangling),
    Beast(16, "a pipe", "no regular file", _fifo),
    Beast(16, "a folder", "no regular file", _folder),
    Beast(16, "a socket", "no regular file", _socket),
    Beast(18, "an editor's copy", "<id>.json", _tick("x.json~")),
    Beast(18, "an upload", "<id>.json", _tick("x.json.tmp")),
    Beast(18, "a conflicted copy", "<id>.json", _tick("x (conflicted copy).json")),
    Beast(18, "a second copy", "<id>.json", _tick("x 2.json")),
    Beast(18, "a dash first", "<id>.json", _tick("-x.json")),
    Beast(18, "a line break", "<id>.json", _tick("x\n.json")),
    Beast(18, "an escape sequence", "<id>.json", _tick("\x1b[2Jx.json")),
    Beast(18, "a name of 250 bytes", "<id>.json", _tick("x" * 245 + ".json")),
)

UNSEEN = (".x.json", ".x.json.icloud", ".DS_Store", ".nfs00000001", ".~lock.x.json#")
"""Names that producers, editors and sync programs use on the way: left alone, and counted by
nobody."""
