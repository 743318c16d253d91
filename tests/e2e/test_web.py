"""`maestro-tui web`: what is refused, by plain requests; what is seen, in a headless Chromium."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.e2e.agent import Agent
from tests.e2e.conftest import processes_of
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import wait_until

pytest.importorskip("aiohttp", reason="the extra `web` is not installed")
pytest.importorskip("textual_serve", reason="the extra `web` is not installed")

from tests.e2e.browser import CHROMIUM, Page, browsing

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]
in_chromium = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium (apt: chromium)")

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})")


class Served:
    """A running `maestro-tui web` in its terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        found = terminal.wait_for(LINK.pattern)
        self.link, self.port, self.token = found[0], int(found[1]), found[2]
        self.address = f"127.0.0.1:{self.port}"

    def get(self, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in names)
        for name, value in names.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def cookie(self) -> str:
        """By the link."""
        response = self.get(f"/?token={self.token}")
        assert response.status == 303
        return str(response.getheader("Set-Cookie")).partition(";")[0]

    def upgrade(self, cookie: str = "", origin: str | None = None, host: str = "") -> int:
        """The status of an attempt to open the WebSocket."""
        headers = {
            "Host": host or self.address, "Connection": "Upgrade", "Upgrade": "websocket",
            "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Cookie": cookie,
        }  # fmt: skip
        return self.get("/ws", **headers, **({"Origin": origin} if origin else {})).status


@contextmanager
def served(agent: Agent, *words: str) -> Iterator[Served]:
    argv = [PROGRAM, "--root", agent.root, "web", "--port", "0", *words]
    with Terminal(argv, env=agent.env, cwd=agent.root, columns=120, rows=40) as terminal:
        yield Served(terminal)
        terminal.send(signal.SIGINT)
        assert terminal.wait_exit() in (0, -signal.SIGKILL)  # a test has killed it


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    found = Agent(tmp_path / "agent")
    found.cadence("memo", seconds=0)
    yield found
    wait_until(lambda: not processes_of(found.root), 20, "a console outlived its server")


def test_a_port_that_is_taken_is_refused_with_the_way_out(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        argv = [PROGRAM, "--root", agent.root, "web", "--port", str(other.getsockname()[1])]
        with Terminal(argv, env=agent.env, cwd=agent.root) as terminal:
            terminal.wait_for("--port 0 takes a free one")
            assert terminal.wait_exit() == 1


# ---- who is refused -----------------------------------------------------------------------


def test_the_link_is_good_once_and_no_answer_can_be_kept_or_framed(agent: Agent) -> None:
    with served(agent) as web:
        assert web.get("/").status == 401
        assert web.get(f"/?token={web.token}", "HEAD").status == 401
        assert web.get(f"/?token={web.token[:-1]}x").status == 401
        response = web.get(f"/?token={web.token}")
        assert (response.status, response.getheader("Location")) == (303, "/")
        flags = str(response.getheader("Set-Cookie")).split("; ")[1:]
        assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict"]
        assert web.get(f"/?token={web.token}").status == 401
        for answer in (response, web.get("/"), web.get("/static/../web.py")):
            assert answer.getheader("Cache-Control") == "no-store"
            assert answer.getheader("X-Frame-Options") == "DENY"
            assert "frame-ancestors 'none'" in str(answer.getheader("Content-Security-Policy"))
            assert answer.getheader("Referrer-Policy") == "no-referrer"
        web.terminal.wait_for("The link was used")
        web.terminal.press("enter")
        other = web.terminal.wait_until(
            lambda text: [one for one in LINK.findall(text) if one[1] != web.token]
        )
        assert web.get(f"/?token={other[0][1]}").status == 303
    assert not any(web.token in path.read_text("utf-8", "replace") for path in _files(agent.root))


def _files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "",
     "127.0.0.1@evil.example", "0.0.0.0", "localhost:x", "127.0.0.1:1/", "::1"],
)  # fmt: skip
def test_a_foreign_name_for_this_machine_is_refused(agent: Agent, host: str) -> None:
    with served(agent) as web:
        cookie = web.cookie()
        assert web.get("/", Host=host, Cookie=cookie).status in (400, 403)
        assert web.upgrade(cookie, f"http://{host}", host or " ") in (400, 403)


def test_only_its_own_page_opens_the_websocket(agent: Agent) -> None:
    with served(agent) as web:
        cookie, own = web.cookie(), f"http://{web.address}"
        assert web.get("/", Cookie=cookie).status == 200
        assert web.upgrade(cookie) == 403
        assert web.upgrade("", own) == 401
        assert web.upgrade(cookie + "x", own) == 401
        for origin in ("null", "http://127.0.0.1:1", "http://localhost:" + str(web.port),
                       f"https://{web.address}", own + ".evil.example"):  # fmt: skip
            assert web.upgrade(cookie, origin) == 403, origin
        tunnel = "localhost:19000"  # the near end of ssh -L
        assert web.upgrade(cookie, f"http://{tunnel}", tunnel) == 101
        for path in ("/static/server.py", "/static/..%2fserver.py", "/download/x", "/static/"):
            assert web.get(path, Cookie=cookie).status == 404


def test_it_listens_on_the_loopback_address_alone_and_shows_its_link_on_a_terminal_alone(
    agent: Agent,
) -> None:
    done = agent.attempt("web", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "on a terminal only" in done.stderr
    assert agent.attempt("--read-only", "web", "--steer").returncode == 1
    with served(agent) as web:
        table = Path("/proc/net/tcp")
        if table.exists():
            lines = [line.split()[1] for line in table.read_text().splitlines()[1:]]
            mine = [one for one in lines if one.endswith(f":{web.port:04X}")]
            assert mine and all(one.startswith("0100007F") for one in mine)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = Terminal(
                [PROGRAM, "--root", agent.root, "web", "--port", str(other.getsockname()[1])],
                env=agent.env, cwd=agent.root,
            )  # fmt: skip
            with taken:
                assert taken.wait_exit() == 1


# ---- in a browser -------------------------------------------------------------------------


@in_chromium
def test_a_browser_shows_the_console_and_can_change_nothing(agent: Agent, tmp_path: Path) -> None:
    async def look(web: Served) -> None:
        async with browsing() as page:
            await page.open(web.link)
            await page.see("memo")
            assert await page.value("location.href") == f"http://{web.address}/"
            assert await page.value("document.cookie") == ""
            assert await page.value("document.title") == "maestro: agent"
            await _look_at(page, tmp_path / "board.png")
            await page.type("P?")
            await page.see("Keys")
            assert not page.refused
            assert not [line for line in page.console if "Content Security Policy" in line]
            await page.open("about:blank")

    with served(agent) as web:
        asyncio.run(look(web))
        assert not list(agent.layout.paused.glob("*"))


async def _look_at(page: Page, file: Path) -> None:
    """More than one colour: something was painted."""
    picture = await page.picture()
    file.write_bytes(picture)
    assert len(picture) > 15_000, f"an empty page? {file}"


@in_chromium
def test_with_steer_a_browser_can_act_and_the_record_says_how(agent: Agent) -> None:
    async def act(web: Served) -> None:
        async with browsing() as page:
            await page.open(web.link)
            await page.see("memo")
            await page.type("P")
            await page.until(lambda: (agent.layout.paused / "memo.json").exists(), "a pause")
            await page.type("q")  # the page is closed by the console
            await page.until_value("document.body.className.includes('-closed')")

    with served(agent, "--steer") as web:
        asyncio.run(act(web))
    entry = agent.operators()[-1]
    assert (entry["verb"], entry["actor"]["via"]) == ("pause", "web")


@in_chromium
def test_no_other_page_of_this_machine_reaches_it(agent: Agent) -> None:
    """Cookies know no ports: the browser hands ours to every server on 127.0.0.1."""

    async def attack(web: Served, evil: int) -> None:
        async with browsing() as page:
            await page.open(web.link)
            await page.see("memo")
            await page.open(f"http://127.0.0.1:{evil}/")
            await page.until_value("document.title == 'evil'")
            tried = await page.value(
                f"new Promise(done => {{ const s = new WebSocket('ws://{web.address}/ws');"
                " s.onopen = () => done('open'); s.onerror = () => done('refused'); })"
            )
            assert tried == "refused"
            read = f"fetch('http://{web.address}/', {{credentials: 'include'}})"
            assert await page.value(f"{read}.then(() => 'read', () => 'refused')") == "refused"
            framed = await page.value(
                "new Promise(done => { const f = document.createElement('iframe');"
                f" f.src = 'http://{web.address}/'; f.onload = () => {{"
                " try { done(f.contentDocument ? 'blank' : 'kept out'); }"
                " catch (e) { done('kept out'); } }; document.body.append(f); })"
            )
            assert framed == "kept out"

    with served(agent) as web, evil_page() as evil:
        asyncio.run(attack(web, evil))


@contextmanager
def evil_page() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>evil</title><body>")

        def log_message(self, *_: object) -> None:
            """Of no interest."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def open_socket(web: Served) -> HTTPConnection:
    """What a page of the console has; close it in the end."""
    connection = HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.request("GET", "/ws", headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Cookie": web.cookie(),
        "Origin": f"http://{web.address}",
    })  # fmt: skip
    assert connection.getresponse().status == 101
    return connection


def test_a_console_without_its_server_ends_by_itself(agent: Agent) -> None:
    with served(agent) as web:
        connection = open_socket(web)
        wait_until(lambda: len(processes_of(agent.root)) > 1, 20, "the console")
        os.kill(web.terminal.process.pid, signal.SIGKILL)
        web.terminal.wait_exit()
        wait_until(lambda: not processes_of(agent.root), 30, "its end")
        connection.close()


def test_when_the_line_drops_all_of_it_ends(agent: Agent) -> None:
    with served(agent) as web:
        connection = open_socket(web)
        wait_until(lambda: len(processes_of(agent.root)) > 1, 20, "the console")
        web.terminal.hang_up()
        wait_until(lambda: not processes_of(agent.root), 30, "its end")
        connection.close()
