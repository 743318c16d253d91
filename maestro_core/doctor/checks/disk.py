"""Room on the disk, and what the logs take of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn

MB, GB = 1 << 20, 1 << 30
LITTLE, SCARCE = 100 * MB, GB
FEW_INODES, SCARCE_INODES = 1_000, 10_000
MUCH_LOG = 5 * GB
_COUNT_SECONDS = 3.0


def room(context: Context) -> Verdict:
    path = _nearest(context.layout.bus)
    free, inodes = context.fs.room(path)
    detail = f"{size(free)} free" + (f", {inodes} inodes" if inodes >= 0 else "")
    remedy = "free disk space; housekeeping drops logs older than log_retention_days"
    if free < LITTLE or 0 <= inodes < FEW_INODES:
        return fail(detail, remedy)
    if free < SCARCE or 0 <= inodes < SCARCE_INODES:
        return warn(detail, remedy)
    return ok(detail)


def logs(context: Context) -> Verdict:
    if not context.layout.logs.is_dir():
        return skip("there are no logs yet")
    total, count, whole = _sum(context.layout.logs)
    detail = f"{'' if whole else 'at least '}{size(total)} in {count} files"
    if total > MUCH_LOG:
        return warn(
            detail, "lower log_retention_days or log_cap_mb: the consumer tidies up once a day"
        )
    return ok(detail)


def _sum(folder: Path) -> tuple[int, int, bool]:
    """Bytes and files below `folder`; the last is False when the time was too short for all."""
    deadline = time.monotonic() + _COUNT_SECONDS
    total = count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            total += _bytes(Path(place, name))
            count += 1
            if time.monotonic() > deadline:
                return total, count, False
    return total, count, True


def _bytes(path: Path) -> int:
    """What the file takes on the disk: files with holes are smaller than they look."""
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0  # removed while we looked


def size(count: float) -> str:
    """1.5 GB"""
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


def _nearest(path: Path) -> Path:
    """`path`, or the closest folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


CHECKS = (
    Check("disk.room", "Free disk space", room),
    Check("disk.logs", "Log size", logs),
)
