"""Between a browser's WebSocket and the console process that draws for it.

The process speaks Textual's web protocol: after a first line, packets of a letter, four bytes of
length and the payload; `D` is what a terminal would be sent, `M` a JSON object. What comes from
the browser is data: sizes are bounded, unknown words are left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from maestro_core.web import VARIABLE

READY = b"__GANGLION__\n"
LARGEST_PACKET = 16 << 20
LARGEST_SIZE = 500
QUIT_SECONDS = 5.0
"""For the console to leave by itself, and again for the rest of it after TERM."""
_NOT_OURS = ("TMUX", "TMUX_PANE", "STY")

SendBytes = Callable[[bytes], Awaitable[None]]
Texts = AsyncIterator[str]


async def serve_console(
    argv: Sequence[str], environ: Mapping[str, str], size: tuple[int, int], texts: Texts,
    send: SendBytes, answer: Callable[[str], Awaitable[None]],
) -> None:  # fmt: skip
    """Run a console until it or the browser has enough; nothing of it is left afterwards.

    Args:
        size: columns and rows.
        texts: what the browser says; its end is the browser's.
        send: what the console draws goes there.
        answer: and words to the page itself there.
    """
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment(environ, size), stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    tasks = [
        asyncio.ensure_future(_from_console(cast(StreamReader, process.stdout), send)),
        asyncio.ensure_future(_from_browser(cast(StreamWriter, process.stdin), texts, answer)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.shield(_end(process))


def environment(environ: Mapping[str, str], size: tuple[int, int]) -> dict[str, str]:
    """What the console is started with: as here, but in no terminal."""
    columns, rows = (bounded(side) for side in size)
    return {name: value for name, value in environ.items() if name not in _NOT_OURS} | {
        VARIABLE: "1", "TERM": "xterm-256color", "TERM_PROGRAM": "textual",
        "TEXTUAL_COLOR_SYSTEM": "truecolor", "COLUMNS": str(columns), "ROWS": str(rows),
    }  # fmt: skip


def bounded(value: Any, otherwise: int = 80) -> int:
    """A width or height that a screen can have."""
    try:
        return min(max(int(value), 1), LARGEST_SIZE)
    except (TypeError, ValueError, OverflowError):
        return otherwise


async def _from_console(stream: StreamReader, send: SendBytes) -> None:
    """Until it says `exit` or ends."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        if await stream.read(len(READY)) != READY:  # it writes that with one call
            await send(b"The console could not be started; maestro-tui doctor says why.\r\n")
            return
        while True:
            head = await stream.readexactly(5)
            size = int.from_bytes(head[1:], "big")
            if size > LARGEST_PACKET:
                return
            payload = await stream.readexactly(size)
            if head[:1] == b"D":
                await send(payload)
            elif head[:1] == b"M" and json.loads(payload).get("type") == "exit":
                return


async def _from_browser(
    stream: StreamWriter, texts: Texts, answer: Callable[[str], Awaitable[None]]
) -> None:
    with suppress(ConnectionError):
        async for text in texts:
            if (reply := _pong(text)) is not None:
                await answer(reply)
            elif (packet := packet_for(text)) is not None:
                stream.write(packet)
                await stream.drain()


def packet_for(text: str) -> bytes | None:
    """What the console is told of a browser's message; None = nothing."""
    match _message(text):
        case ["stdin", str(typed)]:
            return _packet(b"D", typed.encode("utf-8", "replace"))
        case ["resize", {"width": width, "height": height}]:
            size = {"width": bounded(width), "height": bounded(height, 24)}
            return _meta({"type": "resize", **size})
        case ["focus" | "blur" as word, *_]:
            return _meta({"type": word})
    return None


def _message(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pong(text: str) -> str | None:
    match _message(text):
        case ["ping", str(number)]:
            return json.dumps(["pong", number[:40]])
    return None


def _packet(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "big") + payload


def _meta(document: dict[str, Any]) -> bytes:
    return _packet(b"M", json.dumps(document).encode())


async def _end(process: Process) -> None:
    """Ask it to quit; what does not, is ended with all that is in its session."""
    if process.stdin is not None and process.returncode is None:
        with suppress(ConnectionError, RuntimeError):
            process.stdin.write(_meta({"type": "quit"}))
            process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), QUIT_SECONDS)
            return
