"""Where a saved log goes, and the command that fetches it from there."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
from pathlib import Path


def save_folder() -> Path:
    """Where copies go: a folder of the operator's own, never the agent root."""
    return Path.home() / "maestro-logs"


def scp_line(path: Path) -> str:
    """The command that fetches the copy, by the address over which one is connected."""
    parts = os.environ.get("SSH_CONNECTION", "").split()
    host, port = (parts[2], parts[3]) if len(parts) == 4 else (socket.gethostname(), "22")
    host = f"[{host}]" if ":" in host else host
    option = "" if port == "22" else f"-P {port} "
    return f"scp {option}{getpass.getuser()}@{host}:{shlex.quote(str(path))} ."
