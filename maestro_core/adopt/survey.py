"""What an agent root holds, and what starting a consumer on it would do. Changes nothing.

Everything is read by the same parts that would work with it: an answer is not a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from maestro_core.adopt.shelf import Shelf, read_shelf
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.envfile import OPTIONAL_KEYS, OTHER_NAMES, REQUIRED_KEYS
from maestro_core.files import FileSystem, OsFiles
from maestro_core.journal import journal_days
from maestro_core.layout import Layout
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.snapshot import Snapshot
from maestro_core.redact import is_placeholder
from maestro_core.settings import Examined, examine_settings

FRESH_JOURNAL = 300.0
"""Seconds: a journal that somebody wrote to so lately has an owner who may still be at work."""


class Survey(Struct, frozen=True, kw_only=True):
    """Times are wall epoch seconds."""

    root: str
    at: float
    missing_folders: tuple[str, ...]
    inbox: Shelf
    claimed: Shelf
    dlq: Shelf
    prompts: tuple[str, ...]
    unprompted: tuple[str, ...]
    """Cadences in [cadence.*] that need a prompt and have none."""
    unknown: dict[str, int]
    """Cadence -> waiting ticks that would be dead-lettered: not registered, no prompt."""
    names_set: tuple[str, ...]
    """Documented names of .env that have a value; never the values."""
    placeholders: tuple[str, ...]
    problems: tuple[str, ...]
    """Why a consumer would refuse to start."""
    warnings: tuple[str, ...]
    snapshot: Snapshot
    journal_written_at: float | None
    """When somebody last wrote to the newest journal."""

    @property
    def other_owner(self) -> bool:
        """Somebody who takes no lock of ours seems to be at work."""
        written = self.journal_written_at
        quiet = written is None or self.at - written > FRESH_JOURNAL
        return not quiet and self.snapshot.consumer.word == "none"


def survey(
    layout: Layout, *, environ: Mapping[str, str] | None = None, clock: Clock | None = None,
    fs: FileSystem | None = None,
) -> Survey:  # fmt: skip
    """Look at everything. Never raises for what stands in files."""
    disk, now = fs or OsFiles(), (clock or SystemClock()).wall()
    examined = examine_settings(layout, environ)
    reader = SnapshotReader(layout, clock, whole=True)
    snapshot = reader.read()
    reader.close()
    inbox, prompts = read_shelf(disk, layout.inbox), _prompts(layout)
    settings = examined.settings
    return Survey(
        root=str(layout.root),
        at=now,
        missing_folders=tuple(
            str(folder.relative_to(layout.root))
            for folder in layout.folders() if not folder.is_dir()
        ),
        inbox=inbox,
        claimed=read_shelf(disk, layout.claimed, claimed=True),
        dlq=read_shelf(disk, layout.dlq),
        prompts=prompts,
        unprompted=tuple(
            name for name, own in sorted(settings.cadences.items())
            if own.mode != "inline" and name not in prompts
        ),
        unknown={
            name: count for name, count in inbox.by_cadence.items()
            if name not in settings.cadences and name not in prompts
        },
        names_set=_names_set(examined),
        placeholders=_placeholders(examined),
        problems=(*examined.env.problems, *examined.problems),
        warnings=(*examined.env.warnings, *settings.warnings),
        snapshot=snapshot,
        journal_written_at=_journal_written(layout),
    )  # fmt: skip


def _prompts(layout: Layout) -> tuple[str, ...]:
    try:
        return tuple(sorted(path.stem for path in layout.triggers.iterdir() if _is_prompt(path)))
    except OSError:
        return ()


def _is_prompt(path: Path) -> bool:
    return path.suffix == ".md" and not path.name.startswith(".") and path.is_file()


def _names_set(examined: Examined) -> tuple[str, ...]:
    documented = (*REQUIRED_KEYS, *OPTIONAL_KEYS, *OTHER_NAMES)
    return tuple(name for name in documented if examined.env.values.get(name, "").strip())


def _placeholders(examined: Examined) -> tuple[str, ...]:
    given = examined.env.values
    return tuple(
        name for name in (*REQUIRED_KEYS, *OPTIONAL_KEYS)
        if given.get(name, "").strip() and is_placeholder(given[name])
    )  # fmt: skip


def _journal_written(layout: Layout) -> float | None:
    days = journal_days(layout)
    try:
        return days[0].stat().st_mtime if days else None
    except OSError:
        return None


# ---- what a start would do -----------------------------------------------------------------


def plan(found: Survey) -> list[str]:
    """One line for each thing that starting would do, in the order in which it happens."""
    lines = list(_before(found))
    if found.problems:
        return [*lines, "refuse to start: the settings have faults (see above)"]
    if found.missing_folders:
        lines.append(f"make {len(found.missing_folders)} folders")
    lines += _circuits(found)
    if found.claimed.ticks:
        lines.append(
            f"end what is left of {_ticks(found.claimed)} that another consumer had claimed, and"
            " put them back to the inbox; their attempts stay counted"
        )
    lines += _waiting(found)
    if found.dlq.ticks:
        lines.append(f"leave {_ticks(found.dlq)} in the dead letters until somebody decides")
    return lines


def _before(found: Survey) -> list[str]:
    word = found.snapshot.consumer.word
    if word in ("live", "stale"):
        return [f"wait or attach: a consumer of ours is here (pid {found.snapshot.consumer.pid})"]
    if found.other_owner:
        return [
            "CHECK FIRST: somebody wrote to the journal a moment ago and holds no lock of ours; if"
            " another daemon works here, stop it and its jobs, or both work on the same ticks"
        ]
    return []


def _circuits(found: Survey) -> list[str]:
    kept = [view for view in found.snapshot.cadences if view.open_until is not None]
    probing = [view.name for view in found.snapshot.cadences if view.state == "half_open"]
    lines = [f"keep the circuit of {view.name} open until {iso(view.open_until)}" for view in kept
             if view.open_until is not None]  # fmt: skip
    if probing:
        lines.append(f"let one run of {', '.join(probing)} through to probe its circuit")
    return lines


def _waiting(found: Survey) -> list[str]:
    if found.snapshot.emergency_stop is not None:
        return ["claim nothing: the emergency stop is engaged (maestro-tui estop --clear)"]
    lines = []
    bad = len(found.inbox.unusable) + len(found.claimed.unusable)
    if bad:
        lines.append(f"move {bad} files that are no tick to quarantine, with the reason beside")
    for cadence, count in found.unknown.items():
        lines.append(
            f"dead-letter {count} of {cadence}: not in config/cadences.toml, and no prompt"
            f" schedules/triggers/{cadence}.md"
        )
    rest = len(found.inbox.ticks) - sum(found.unknown.values())
    if rest:
        lines.append(f"work on {rest} waiting ticks, the highest priority first, then the oldest")
    return lines


def _ticks(shelf: Shelf) -> str:
    count = len(shelf.ticks)
    return f"{count} tick" if count == 1 else f"{count} ticks"
