"""The two ways out: a command with the notices on its standard input, and a webhook.

`deliver` says what went wrong in words without secrets; the address of a webhook is one.
Called from the sender's threads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMAND_TIMEOUT = 30.0
LOOK_SECONDS = 0.2
WEBHOOK_TIMEOUT = 10.0
_TRY_AGAIN = frozenset({408, 425, 429})

Payload = dict[str, Any]


class NotDelivered(Exception):
    """`again`: it may work later."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


def run_command(argv: tuple[str, ...], payload: Payload, cwd: Path) -> None:
    """Run it; `{text}` and `{title}` in a word are filled in, the JSON comes on stdin.

    Raises:
        NotDelivered: it is not here, failed, or took longer than COMMAND_TIMEOUT.
    """
    words = [_filled(word, payload) for word in argv]
    try:
        child = subprocess.Popen(
            words, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise NotDelivered(f"{argv[0]}: {error}", again=False) from error
    complaint = _complaint(child, json.dumps(payload).encode())
    if complaint is None:
        _end(child)
        raise NotDelivered(f"{argv[0]}: no end in {COMMAND_TIMEOUT:.0f} s", again=True)
    if child.returncode != 0:
        said = " ".join(complaint.decode(errors="replace").split())[-200:]
        raise NotDelivered(f"{argv[0]}: exit {child.returncode} {said}".rstrip(), again=True)


def _complaint(child: subprocess.Popen[bytes], given: bytes) -> bytes | None:
    """What it said on stderr by its own end; None = it has not ended in time. What it leaves in
    the background may hold stderr open for long: that is not waited for."""
    deadline = time.monotonic() + COMMAND_TIMEOUT
    data: bytes | None = given
    while True:
        ended = child.poll() is not None
        try:
            return child.communicate(data, LOOK_SECONDS)[1]
        except subprocess.TimeoutExpired as error:
            data = None  # it is sent once
            if ended:
                _let_go(child)
                return error.stderr or b""
        if time.monotonic() >= deadline:
            return None


def _let_go(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stderr):
        if stream is not None:
            with suppress(OSError):  # what could not be handed over
                stream.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """With everything that it started and that stayed in its group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself meanwhile
    child.communicate()


def _filled(word: str, payload: Mapping[str, Any]) -> str:
    return word.replace("{title}", str(payload["title"])).replace("{text}", str(payload["text"]))


def post(url: str, payload: Payload) -> None:
    """POST the JSON. Redirects are not followed: an address is meant as it stands.

    Raises:
        NotDelivered: with the host alone, never the address.
    """
    import httpx  # here: most consumers have no webhook

    host = urlsplit(url).hostname or "the webhook"
    try:
        answer = httpx.post(url, json=payload, timeout=WEBHOOK_TIMEOUT, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise NotDelivered(f"{host}: {type(error).__name__}", again=True) from None
    if not answer.is_success:
        again = answer.status_code >= 500 or answer.status_code in _TRY_AGAIN
        raise NotDelivered(f"{host}: HTTP {answer.status_code}", again=again)
