"""operators.jsonl: who did what, when, from where, why, with the facts before and after.

Written by whoever asked, after the act. A full disk never stops an act (an emergency stop
least of all): what could not be recorded comes back as a sentence.

Imported by `enqueue`, so it stays free of slow imports. Stateless; safe from any thread.
"""

from __future__ import annotations

import os
import pwd
import re

from maestro_core.jsonl import append_line, encode_line, map_strings
from maestro_core.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

_ADDRESS = re.compile(r"[0-9A-Za-z.:%_-]{1,64}\Z")


def who(via: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The acting person: user, via, and where known the SSH address and the terminal; pid."""
    environ = os.environ if environ is None else environ
    facts: dict[str, Any] = {"user": _user(environ), "via": via}
    address = (environ.get("SSH_CONNECTION") or environ.get("SSH_CLIENT") or "").split(" ")[0]
    if _ADDRESS.match(address):
        facts["address"] = address
    if tty := _terminal():
        facts["tty"] = tty
    return facts | {"pid": os.getpid()}


def record(layout: Layout, **facts: Any) -> str | None:
    """Append one act (see `entry`); the sentence that says why it could not be recorded, or
    None."""
    return append(layout, entry(**facts))


def entry(
    *,
    at: str,
    actor: Mapping[str, Any],
    verb: str,
    targets: Sequence[str],
    ok: bool,
    reason: str | None = None,
    detail: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    redact: Callable[[str], str] = str,
) -> dict[str, Any]:
    """One act as it is recorded, without secrets."""
    optional = {"reason": reason, "detail": detail, "before": before, "after": after}
    found: dict[str, Any] = {
        "ts": at,
        "verb": verb,
        "targets": list(targets),
        "ok": ok,
        "actor": dict(actor),
    } | {name: value for name, value in optional.items() if value is not None}
    masked: dict[str, Any] = map_strings(found, redact)
    return masked


def append(layout: Layout, document: dict[str, Any]) -> str | None:
    """One line of operators.jsonl; the sentence that says why not, or None."""
    try:
        append_line(layout.operators_log, encode_line(document))
    except OSError as error:
        return f"{layout.operators_log} could not be written: {error.strerror or error}"
    return None


def _user(environ: Mapping[str, str]) -> str:
    """The account by its number, which nobody can set; with the caller's when it is sudo."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    behind = environ.get("SUDO_USER")
    return f"{name} (sudo by {behind[:64]})" if behind and uid == 0 else name


def _terminal() -> str | None:
    for fd in (0, 1, 2):
        try:
            return os.ttyname(fd)
        except OSError:
            continue
    return None
