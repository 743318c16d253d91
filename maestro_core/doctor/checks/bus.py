"""The bus folders: there, ours, on one file system, and with working rename, lock and flush."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn
from maestro_core.doctor.repair import stray_files
from maestro_core.files import FileSystem, forget, temp_name

SLOW_FLUSH = 0.5
_FIX = "maestro-tui doctor --fix"


def folders(context: Context) -> Verdict:
    layout = context.layout
    faults = {path: _fault(path) for path in layout.folders()}
    wrong = [f"{_short(context, p)} {why}" for p, why in faults.items() if why not in (None, "")]
    missing = [_short(context, path) for path, why in faults.items() if why == ""]
    if wrong:
        return fail(
            "\n".join(wrong),
            "move away what is no folder; the others must be the agent's user's, mode 700",
        )
    if missing:
        return warn(f"missing: {', '.join(missing)}", f"{_FIX}, or start the consumer")
    if loose := [_short(context, path) for path in faults if os.stat(path).st_mode & 0o022]:
        return warn(f"other users may write to {', '.join(loose)}", "chmod go-w these folders")
    return ok(f"{len(faults)} folders")


def _fault(path: Path) -> str | None:
    """None = fine, "" = missing, else what is wrong."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not stat.S_ISDIR(mode):
        return "is no folder" if not stat.S_ISLNK(mode) else "is a link"
    return None if os.access(path, os.R_OK | os.W_OK | os.X_OK) else "may not be written"


def one_device(context: Context) -> Verdict:
    layout = context.layout
    devices = {
        path: context.fs.device(path)
        for path in layout.folders()
        if path.exists() and path not in (layout.logs, layout.subsessions)
    }
    if not devices:
        return skip("there is no bus yet")
    odd = [_short(context, path) for path, one in devices.items() if one != devices.get(layout.bus)]
    if odd:
        return fail(
            f"on another file system than the bus: {', '.join(odd)}",
            "keep the whole bus on one file system; a tick is moved by rename",
        )
    return ok("one file system")


def works(context: Context) -> Verdict:
    if context.read_only:
        return skip("read-only: no trial file is written")
    tmp = context.layout.tmp
    if not tmp.is_dir():
        return skip("there is no tmp folder to try it in")
    with _trial(context.fs, tmp) as (first, second):
        try:
            seconds = _try_files(context.fs, first, second)
        except OSError as error:
            return fail(f"a trial file failed: {error.strerror or error}", _remedy(error))
        if not _lock_excludes(second):
            return fail(
                "locks do not exclude: two consumers could work at the same time",
                "move the agent root to a local file system (APFS, ext4, XFS, btrfs)",
            )
    if seconds > SLOW_FLUSH:
        return warn(
            f"create, flush and rename took {seconds:.1f} s", "look for a busy or failing disk"
        )
    return ok(f"create, flush and rename took {seconds * 1000:.0f} ms; locks hold")


@contextmanager
def _trial(fs: FileSystem, tmp: Path) -> Iterator[tuple[Path, Path]]:
    first, second = (tmp / f"doctor-{temp_name()}" for _ in range(2))
    try:
        yield first, second
    finally:
        forget(fs, first)
        forget(fs, second)


def _try_files(fs: FileSystem, first: Path, second: Path) -> float:
    begun = time.monotonic()
    fs.create(first, b"{}\n")
    fs.flush(first)
    fs.rename(first, second)
    fs.flush_folder(second.parent)
    seconds = time.monotonic() - begun
    if fs.read(second, 16) != b"{}\n" or fs.exists(first):
        raise OSError(errno.EIO, "what was written is not what is read")
    return seconds


def _lock_excludes(path: Path) -> bool:
    """A second descriptor must be refused while the first one holds the lock."""
    with path.open("rb+") as ours, path.open("rb+") as theirs:
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
        return False


def _remedy(error: OSError) -> str:
    known = {
        errno.ENOSPC: "free disk space", errno.EDQUOT: "raise the quota, or free disk space",
        errno.EROFS: "the file system is mounted read-only: look at the disk and its log",
        errno.EACCES: "give state/cadence-bus to the agent's user, mode 700",
        errno.EPERM: "give state/cadence-bus to the agent's user, mode 700",
    }  # fmt: skip
    return known.get(error.errno or 0, "look at the disk; move the agent root to a local one")


def strays(context: Context) -> Verdict:
    found = stray_files(context.layout, context.fs, context.clock)
    if not found:
        return ok("none")
    return warn(
        f"{len(found)} that a killed writer left in tmp", f"{_FIX}, or the next housekeeping"
    )


def _short(context: Context, path: Path) -> str:
    return str(path.relative_to(context.layout.root))


CHECKS = (
    Check("bus.folders", "Bus folders", folders),
    Check("bus.device", "Bus on one volume", one_device),
    Check("bus.works", "Rename, lock, flush", works, 10.0),
    Check("bus.strays", "Stray temp files", strays),
)
