"""The durable memory of schedules: state/cadence-bus/schedule/<cadence>.json, replaced whole.

A file for each cadence, so that a timer's process and the consumer never write over each
other's memory. A damaged one counts as none: the schedule then begins anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from maestro_core import files
from maestro_core.bus.codec import unreadable
from maestro_core.clock import iso, parse_iso
from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.schedule.decide import Record

_LIMIT = 1 << 16


class ScheduleBook:
    """Reads and writes records; keeps nothing."""

    def __init__(self, layout: Layout, fs: FileSystem) -> None:
        self._layout = layout
        self._fs = fs

    def path(self, cadence: str) -> Path:
        return self._layout.schedule / f"{cadence}.json"

    def read(self, cadence: str) -> Record | None:
        """What is remembered; None for nothing, or nothing usable. Raises OSError otherwise."""
        try:
            document = msgspec.json.decode(self._fs.read(self.path(cadence), _LIMIT))
            return _record(document)
        except FileNotFoundError:
            return None
        except OSError as error:
            if unreadable(error) is None:
                raise
            self._set_aside(cadence)
            return None
        except (msgspec.MsgspecError, RecursionError, KeyError, TypeError, ValueError):
            return None

    def _set_aside(self, cadence: str) -> None:
        """A folder, a pipe or a link in a record's place would stand in the way of every write."""
        aside = f"schedule-{cadence}.json.{files.temp_name()}"
        self._fs.make_folder(self._layout.quarantine)
        self._fs.rename(self.path(cadence), self._layout.quarantine / aside)

    def write(self, cadence: str, record: Record) -> None:
        """Durable when it returns. Raises OSError."""
        document = {
            "schedule": record.schedule,
            "zone": record.zone,
            "until": iso(record.until),
            "due": iso(record.due) if record.due is not None else None,
            "tick_id": record.tick_id,
            "source": record.source,
            "covered": record.covered,
        }
        data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        folders = (self._layout.bus, self._layout.tmp, self._layout.schedule)
        files.ensure_folders(self._fs, folders)
        files.replace(self._fs, self._layout.tmp, self.path(cadence), data)

    def forget(self, cadence: str) -> None:
        files.remove(self._fs, self.path(cadence))


def _record(document: Any) -> Record:
    if not isinstance(document, dict):
        raise TypeError("no JSON object")
    due = document.get("due")
    plain = {
        "schedule": document["schedule"],
        "zone": document.get("zone"),
        "until": parse_iso(document["until"]),
        "due": None if due is None else parse_iso(due),
        "tick_id": document.get("tick_id"),
        "source": document.get("source"),
        "covered": document.get("covered", 0),
    }
    return msgspec.convert(plain, Record, strict=True)
