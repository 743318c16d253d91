"""A headless Chromium, driven by its DevTools protocol over the aiohttp that the server needs too.

What the page is sent over its WebSocket is painted on a screen, so that a test can read it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pyte

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
PATIENCE = 60.0
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1200,700", "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """One tab. `sockets`: every WebSocket that it opened, by its address, with how that ended."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.screen = pyte.Screen(250, 80)
        self._stream = pyte.ByteStream(self.screen)
        self.refused: list[str] = []
        """What became of WebSockets that could not be opened."""
        self.console: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            document = json.loads(message.data)
            if "id" in document:
                self._answers.pop(document["id"]).set_result(document)
            else:
                self._event(document["method"], document["params"])

    def _event(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.webSocketFrameReceived" and params["response"]["opcode"] == 2:
            self._stream.feed(base64.b64decode(params["response"]["payloadData"]))
        elif method == "Network.webSocketFrameError":
            self.refused.append(params["errorMessage"])
        elif method == "Log.entryAdded":
            self.console.append(params["entry"]["text"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        document = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in document, (method, document)
        return dict(document["result"])

    async def open(self, address: str) -> None:
        await self.call("Page.navigate", url=address)

    async def value(self, expression: str) -> Any:
        """Of JavaScript in the page; a promise is waited for."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return found["result"].get("value")

    async def type(self, text: str) -> None:
        for letter in text:
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    async def see(self, text: str) -> None:
        """Until it is on the screen of the console."""
        await self.until(lambda: text in self.text(), text)

    async def until(self, condition: Any, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"not in time: {what}\n{self.text()}"
            await asyncio.sleep(0.05)

    async def until_value(self, expression: str) -> None:
        """Until that JavaScript is true in the page."""
        end = time.monotonic() + PATIENCE
        while not await self.value(expression):
            assert time.monotonic() < end, f"not in time: {expression}"
            await asyncio.sleep(0.05)

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    async def picture(self) -> bytes:
        """A PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


@asynccontextmanager
async def browsing() -> AsyncIterator[Page]:
    """A browser with an empty profile, gone at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as session, _tab(session, Path(profile)) as page:
                yield page
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@asynccontextmanager
async def _tab(session: aiohttp.ClientSession, profile: Path) -> AsyncIterator[Page]:
    port = await _port(profile / "DevToolsActivePort")
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        tabs = await answer.json(content_type=None)
    address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    async with session.ws_connect(address, max_msg_size=0) as socket:
        page = Page(socket)
        listening = asyncio.ensure_future(page.listen())
        for domain in ("Page", "Network", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        yield page
        listening.cancel()


async def _port(file: Path) -> int:
    end = time.monotonic() + PATIENCE
    while True:
        lines = file.read_text().splitlines() if file.exists() else []
        if lines:
            return int(lines[0])
        assert time.monotonic() < end, "Chromium did not start"
        await asyncio.sleep(0.05)
