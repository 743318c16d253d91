"""The web server on the loopback address: the page, its files, and a console for each WebSocket.

Every request is checked for its Host before anything else, and for the cookie before anything but
the link; a WebSocket for its Origin too. Nothing about requests is logged: a link is a secret.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from maestro_core.web.bridge import bounded, serve_console
from maestro_core.web.guard import Guard, is_loopback, is_own_origin
from maestro_core.web.page import headers, page, static_file

LOOPBACK = "127.0.0.1"
MOST_CONSOLES = 4
LARGEST_MESSAGE = 256 << 10
HEARTBEAT = 15.0
"""Seconds between two signs of life of a browser that is asked for them."""
CLOSING = 20.0
"""Seconds that open consoles have to end with the server."""
_LOST = "open the link that `maestro-tui web` shows; Enter there shows a new one\n"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebConsole:
    """What is served: `argv` starts a console, `title` is the page's."""

    def __init__(
        self, guard: Guard, argv: Sequence[str], environ: Mapping[str, str], title: str,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._guard, self._argv, self._environ, self._title = guard, argv, environ, title
        self._on_open = on_open
        self._open: set[web.WebSocketResponse] = set()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._checked])
        app.router.add_get("/", self._index, allow_head=False)
        app.router.add_get("/ws", self._websocket, allow_head=False)
        app.router.add_get("/static/{name}", self._static, allow_head=False)
        app.on_response_prepare.append(self._harden)
        app.on_shutdown.append(self._close)
        return app

    # ---- before any of it -----------------------------------------------------------------

    @web.middleware
    async def _checked(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not is_loopback(request.headers.getall("Host", [])):
            return web.Response(status=403, text="only by a name of the loopback address\n")
        origins = request.headers.getall("Origin", [])
        if (origins or request.path == "/ws") and not self._own_origin(request):
            return web.Response(status=403, text="not from another page\n")
        if request.path == "/" and "token" in request.query:
            return self._redeem(request)
        if not self._guard.knows(request.cookies.get(self._guard.cookie_name, "")):
            return web.Response(status=401, text=_LOST)
        return await handler(request)

    @staticmethod
    def _own_origin(request: web.Request) -> bool:
        return is_own_origin(request.headers.getall("Origin", []), request.headers["Host"])

    def _redeem(self, request: web.Request) -> web.StreamResponse:
        """The link: a cookie, and on to an address that holds no secret."""
        secret = None
        if request.method == "GET":
            secret = self._guard.redeem(request.query["token"], time.monotonic())
        if secret is None:
            return web.Response(status=401, text=_LOST)
        self._on_open()
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._guard.cookie_name, secret, httponly=True, samesite="Strict")
        return response

    async def _harden(self, request: web.Request, response: web.StreamResponse) -> None:
        hosts = request.headers.getall("Host", [])
        response.headers.update(headers(hosts[0] if is_loopback(hosts) else LOOPBACK))

    # ---- what is there --------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.StreamResponse:
        document = page(self._title, request.headers["Host"])
        return web.Response(text=document, content_type="text/html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        file = static_file(request.match_info["name"])
        if file is None:
            return web.Response(status=404, text="there is no such file\n")
        return web.Response(body=file[0], content_type=file[1])

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._open) >= MOST_CONSOLES:
            return web.Response(status=503, text=f"{MOST_CONSOLES} consoles are open already\n")
        websocket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LARGEST_MESSAGE)
        self._open.add(websocket)
        try:
            await websocket.prepare(request)
            size = bounded(request.query.get("width")), bounded(request.query.get("height"), 24)
            await serve_console(
                self._argv, self._environ, size, _texts(websocket),
                websocket.send_bytes, websocket.send_str,
            )  # fmt: skip
        finally:
            self._open.discard(websocket)
            await websocket.close()
        return websocket

    async def _close(self, _app: web.Application) -> None:
        await asyncio.gather(*(one.close() for one in self._open), return_exceptions=True)


async def _texts(websocket: web.WebSocketResponse) -> AsyncIterator[str]:
    async for message in websocket:
        if message.type is WSMsgType.TEXT:
            yield message.data


@asynccontextmanager
async def serving(console: WebConsole, port: int) -> AsyncIterator[int]:
    """Serve while the context lasts; gives the port. Raises OSError when it is taken."""
    quiet = logging.getLogger("maestro_core.web")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    runner = web.AppRunner(
        console.app(), access_log=None, logger=quiet, shutdown_timeout=CLOSING
    )  # fmt: skip
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
