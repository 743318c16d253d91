"""What `--version` says beside the program's own version: what it runs on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from maestro_core.session.ledger import sqlite_version


def underneath() -> str:
    """Versions on one line, read without importing what they are of."""
    parts = [f"Python {platform.python_version()}"]
    for name in ("Textual", "msgspec"):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"{name} is missing")
    where = f"{platform.system()} {platform.release()} {platform.machine()}"
    return ", ".join([*parts, f"SQLite {sqlite_version()}", where])
