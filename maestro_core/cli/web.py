"""The console in a browser on this machine, for as long as this command runs.

It listens on the loopback address alone and shows a link that is good once; what is opened with
it only watches, unless --steer is given. From another machine, go through
`ssh -t -L 9465:127.0.0.1:9465 HOST maestro-tui web`. It needs the extra `web`.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import sys
import time

from maestro_core.cli.main import Context
from maestro_core.errors import ReadOnly, Refused
from maestro_core.layout import Layout
from maestro_core.service.identity import program_words

PORT = 9465
HINT = "install it with the extra: pipx install 'maestro-tui[web]'"


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"default {PORT}; 0 takes a free one"
    )
    parser.add_argument(
        "--steer", action="store_true", help="let it act too; without, it only watches"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.console_layout()
    if arguments.steer and context.read_only:
        raise ReadOnly("read-only: what it shows may not act", "leave out --steer or --read-only")
    if not 0 <= arguments.port <= 65535:
        raise Refused(f"there is no port {arguments.port}", "0 to 65535")
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise Refused(
            "the link is a key: it is shown on a terminal only",
            "run it in a terminal; over ssh with `ssh -t`",
        )
    roots = context.roots() if context.several else (str(layout.root),)
    try:
        asyncio.run(_serve(layout, console_words(roots, steer=arguments.steer), arguments.port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = os.strerror(error.errno)
        raise Refused(f"port {arguments.port}: {why}", "--port 0 takes a free one") from error
    return 0


def console_words(roots: tuple[str, ...], *, steer: bool) -> tuple[str, ...]:
    """What starts a console that never runs the consumer: it would end with a closed page."""
    named = [word for root in roots for word in ("--root", root)]
    return (*program_words(), *named, "--attach", *(() if steer else ("--read-only",)))


async def _serve(layout: Layout, argv: tuple[str, ...], port: int) -> None:
    try:
        from maestro_core.web.guard import Guard
        from maestro_core.web.serve import WebConsole, serving
    except ImportError as error:
        raise Refused(f"the web server is not installed ({error})", HINT) from error
    guard, ended = Guard(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    opened = WebConsole(guard, argv, os.environ, f"maestro: {layout.root.name}", _opened)
    async with serving(opened, port) as bound:

        def show_link() -> None:
            link = f"http://127.0.0.1:{bound}/?token={guard.new_token(time.monotonic())}"
            print(f"\n{link}\n(good once, for 10 minutes)", flush=True)

        def typed() -> None:
            try:
                here = bool(os.read(0, 1024))
            except OSError:
                here = False  # the terminal is gone
            if here:
                show_link()
            else:
                ended.set()

        print("The console, in a browser on this machine. Enter shows a new link, ctrl+c ends it.")
        show_link()
        loop.add_reader(0, typed)
        await ended.wait()
        loop.remove_reader(0)


def _opened() -> None:
    print("The link was used.", flush=True)
