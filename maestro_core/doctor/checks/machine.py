"""The machine below: its clock, its sleep, the file system, folders that another program syncs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from maestro_core.clock import iso, parse_iso
from maestro_core.doctor.child import run_program
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn

EARLIEST = "2026-01-01T00:00:00Z"
_AHEAD = 120.0
_LOCAL = "move the agent root to a folder on a local disk that nothing synchronises"

SYNCED = {
    "Mobile Documents": "iCloud Drive", "CloudStorage": "a cloud folder of macOS",
    "Dropbox": "Dropbox", "OneDrive": "OneDrive", "Google Drive": "Google Drive",
    "GoogleDrive": "Google Drive", "Nextcloud": "Nextcloud", "pCloud Drive": "pCloud",
    "Syncthing": "Syncthing", "Box Sync": "Box",
}  # fmt: skip
_MARKS = {".stfolder": "Syncthing", ".dropbox": "Dropbox", ".dropbox.cache": "Dropbox"}

UNFIT = {
    "nfs": "a network share: locks and renames over it are unsure",
    "smb": "a network share: locks and renames over it are unsure",
    "cifs": "a network share: locks and renames over it are unsure",
    "afpfs": "a network share: locks and renames over it are unsure",
    "webdav": "a network share: locks and renames over it are unsure",
    "fuse": "a file system in user space: its locks and flushes are unsure",
    "9p": "a share of the host: its locks and changes may go unnoticed",
    "virtiofs": "a share of the host: its changes may go unnoticed",
    "vfat": "without links, owners and safe renames",
    "exfat": "without links, owners and safe renames",
    "msdos": "without links, owners and safe renames",
    "tmpfs": "in memory: a restart of the machine loses every tick",
    "ramfs": "in memory: a restart of the machine loses every tick",
}
_MOUNT_LINE = re.compile(r".* on (?P<at>/.*) \((?P<kind>\w+)[,)]")


def clock(context: Context) -> Verdict:
    now = context.clock.wall()
    if now < parse_iso(EARLIEST):
        return fail(f"it says {iso(now)}", "set the clock; switch on time synchronisation")
    for path in (context.layout.consumer_json, context.layout.gates, context.layout.inbox):
        try:
            ahead = context.fs.modified(path) - now
        except OSError:
            continue
        if ahead > _AHEAD:
            return warn(
                f"it says {iso(now)}, but {path.name} was changed {ahead:.0f} s later than that",
                "the clock was set back: switch on time synchronisation",
            )
    return ok(iso(now))


def sleeps(context: Context) -> Verdict:
    if sys.platform != "darwin":
        return skip("asked on macOS only")
    ran = run_program(
        ["/usr/bin/pmset", "-g"], env=context.child_env(), cwd=context.layout.root, timeout=5.0
    )
    return judge_sleep(ran.out)


def judge_sleep(settings: str) -> Verdict:
    """By the lines of `pmset -g`; schedules do not run while the machine sleeps."""
    found = re.search(r"^\s*sleep\s+(\d+)", settings, re.MULTILINE)
    if found is None:
        return skip("pmset does not say")
    if minutes := int(found.group(1)):
        return warn(f"this machine goes to sleep after {minutes} minutes", "sudo pmset -a sleep 0")
    return ok("this machine stays awake")


def synced(context: Context) -> Verdict:
    root = context.layout.root.resolve()
    by = next((name for part in root.parts if (name := _sync_name(part))), None)
    by = by or next((n for one in (root, *root.parents) for n in _marked(one)), None)
    if by is None:
        return ok("no")
    return warn(f"the agent root lies in {by}, which moves files under the bus", _LOCAL)


def _sync_name(part: str) -> str | None:
    return next((name for mark, name in SYNCED.items() if part.startswith(mark)), None)


def _marked(folder: Path) -> list[str]:
    return [name for mark, name in _MARKS.items() if (folder / mark).exists()]


def file_system(context: Context) -> Verdict:
    kind = kind_of(context.layout.root.resolve(), _mounts(context))
    if kind is None:
        return skip("its kind is not known")
    why = next((why for name, why in UNFIT.items() if kind.startswith(name)), None)
    return ok(kind) if why is None else warn(f"{kind}: {why}", _LOCAL)


def kind_of(path: Path, mounts: list[tuple[str, str]]) -> str | None:
    """The kind of the file system that `path` is on, by (mount point, kind) in mount order."""
    best: tuple[int, str] | None = None
    for at, kind in mounts:
        if path.is_relative_to(at) and (best is None or len(at) >= best[0]):
            best = (len(at), kind)
    return best[1] if best else None


def _mounts(context: Context) -> list[tuple[str, str]]:
    if sys.platform.startswith("linux"):
        return linux_mounts(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    ran = run_program(["/sbin/mount"], env=context.child_env(), cwd=Path("/"), timeout=5.0)
    return [(one["at"], one["kind"]) for one in map(_MOUNT_LINE.match, ran.out.splitlines()) if one]


def linux_mounts(text: str) -> list[tuple[str, str]]:
    """Mount points (octal escapes undone) and kinds of /proc/self/mountinfo."""
    found = []
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), head.split(" ")[4])
        found.append((point, tail.split(" ")[0]))
    return found


CHECKS = (
    Check("machine.clock", "Clock", clock),
    Check("machine.sleep", "Sleep", sleeps),
    Check("machine.synced", "Synced folder", synced),
    Check("machine.file_system", "File system", file_system),
)
