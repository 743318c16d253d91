"""Proves that people are told of changes, once, together, never at night when they sleep, with
no secret in it, and that nothing out there can hold the consumer up.

The hook is a real program, the webhook a real server on the loopback address.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from maestro_core.clock import FakeClock, SystemClock
from maestro_core.journal import Journal, read_journal
from maestro_core.layout import Layout
from maestro_core.notices import hook
from maestro_core.notices.hook import NotDelivered, post, run_command
from maestro_core.notices.notice import Change, Notice, changes
from maestro_core.notices.outbox import MOST_LINES, Outbox, quiet_until
from maestro_core.notices.sender import Sender
from maestro_core.notices.tap import NotingJournal
from maestro_core.settings import NoticeSettings, Settings
from tests.core.consumer_kit import FAIL, Kit, always
from tests.support import wait_until

CANARY = "canary-7d1f-secret"
AT = "2026-11-24T02:03:04.000Z"


def entry(stage: str, **fields: Any) -> dict[str, Any]:
    return {"ts": AT, "level": "info", "stage": stage, **fields}


def told(outbox: Outbox) -> list[tuple[str, str, int]]:
    return [(one.kind, one.subject, one.count) for one in outbox.take()]


def heard(*entries: dict[str, Any]) -> Outbox:
    outbox = Outbox()
    for one in entries:
        for change in changes(one):
            outbox.add(change)
    return outbox


OPENED = entry("circuit_opened", cadence="memo", failures=3, open_until=AT)
CLOSED = entry("circuit_closed", cadence="memo", reason="success")
QUOTA = entry("hold_set", kind="quota", reason="limit reached", until=AT)
LIFTED = entry("hold_lifted", kind="quota", reason="time over")
DEAD = entry("subsession_failed", cadence="memo", error="exit 1: boom", destination="dlq")


# ---- what is news --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "kind", "words"),
    [
        (OPENED, "circuit_opened", "circuit of memo opened after 3 failures"),
        (DEAD, "dead_letter", "dead letter of memo: exit 1: boom"),
        (entry("poison_tick", cadence="memo", error="poison"), "dead_letter", "poison"),
        (entry("unknown_cadence", cadence="x", error="no prompt"), "dead_letter", "no prompt"),
        (QUOTA, "quota", "the usage limit is reached: limit reached, until"),
        (entry("hold_set", kind="auth", reason="401"), "auth", "refused the key or the login: 401"),
        (entry("budget_hold", cadence="*", reason="9 of 5 USD"), "budget", "all cadences held"),
        (entry("budget_warning", cadence="memo", spent_usd=3, warn_usd=2), "budget",
         "memo spent 3 USD today (warning at 2)"),
        (entry("emergency_stop", by="ops", reason="why"), "emergency_stop", "by ops: why"),
        (entry("consumer_stopped"), "consumer_stopped", "was stopped"),
        (entry("consumer_started", crashed=True), "consumer_crashed", "had crashed"),
        (entry("service_gone"), "consumer_gone", "given up"),
        (entry("lock_lost"), "consumer_gone", "lock file"),
        (entry("crash_loop", starts=6, wait_seconds=160), "crash_loop", "6 bad ends in a row"),
        (entry("settings_refused", error="line 3"), "settings", "line 3"),
        (entry("trouble", error="disk full"), "trouble", "disk full"),
        (entry("inline_failed", cadence="sync", error="exit 2", destination="dlq"), "dead_letter",
         "dead letter of sync: exit 2"),
        (entry("circuit_opened", cadence="memo", failures=0, open_until=AT, reason="operator",
         by="ops"), "circuit_opened", "circuit of memo held open by ops, until"),
        (entry("doctor_round", checks=30, failed=["env.present"], error=".env: gone"), "doctor",
         "the doctor found .env: gone"),
    ],
)  # fmt: skip
def test_what_people_are_told(one: dict[str, Any], kind: str, words: str) -> None:
    (notice,) = heard(one).take()
    assert (notice.kind, notice.at) == (kind, AT)
    assert words in notice.text


@pytest.mark.parametrize(
    "one",
    [
        entry("subsession_failed", cadence="memo", destination="retry"),
        entry("subsession_failed", cadence="memo", destination="put_back"),
        entry("subsession_completed", cadence="memo"),
        entry("consumer_started"),
        entry("circuit_half_open", cadence="memo"),
        entry("skipped_circuit_open", cadence="memo"),
        entry("subsession_cancelled", cadence="memo"),
        entry("doctor_round", checks=30, failed=[], error=None),
        CLOSED, LIFTED, entry("emergency_stop_cleared"), entry("anything"), {},
    ],
)  # fmt: skip
def test_what_people_are_not_told(one: dict[str, Any]) -> None:
    assert heard(one).take() == []


def test_a_change_and_its_end_within_one_delivery_are_no_news() -> None:
    assert told(heard(OPENED, CLOSED)) == []
    assert told(heard(QUOTA, LIFTED)) == []
    assert told(heard(QUOTA, LIFTED, QUOTA)) == [("quota", "", 1)]


def test_different_things_of_a_consumer_are_told_apart() -> None:
    outbox = heard(
        entry("consumer_started", crashed=True), entry("consumer_stopped"), entry("lock_lost"),
        entry("budget_warning", cadence="memo", spent_usd=4, warn_usd=4),
        entry("budget_hold", cadence="memo", reason="spent"),
    )  # fmt: skip
    assert sorted(told(outbox)) == [
        ("budget", "memo", 1), ("budget", "memo", 1), ("consumer_crashed", "", 1),
        ("consumer_gone", "", 1), ("consumer_stopped", "", 1),
    ]  # fmt: skip


def test_a_crash_loop_of_a_whole_night_is_told_a_few_times() -> None:
    kinds = [
        change.notice.kind
        for bad in range(3, 120)
        for one in (entry("crash_loop", starts=min(bad, 50), wait_seconds=300),
                    entry("consumer_started", crashed=True, looping=True))
        for change in changes(one)
    ]  # fmt: skip
    assert kinds == ["crash_loop"] * 5


def test_the_end_is_told_after_the_beginning_was() -> None:
    outbox = heard(OPENED)
    assert told(outbox) == [("circuit_opened", "memo", 1)]
    for one in (*changes(CLOSED), *changes(CLOSED)):
        outbox.add(one)
    assert told(outbox) == [("circuit_closed", "memo", 1)]


def test_a_round_of_the_doctor_that_finds_the_same_is_no_news() -> None:
    ill = entry("doctor_round", failed=["env.present"], error=".env: gone")
    worse = entry("doctor_round", failed=["env.present", "bus.disk"], error="more")
    well = entry("doctor_round", failed=[], error=None)
    outbox = heard(ill)
    rounds = []
    for one in (ill, ill, worse, well, well):
        rounds.append(outbox.take())
        for change in changes(one):
            outbox.add(change)
    words = [[notice.text for notice in found] for found in (*rounds, outbox.take())]
    assert words == [
        ["the doctor found .env: gone"], [], [], ["the doctor found more"],
        ["the doctor's checks pass again"], [],
    ]  # fmt: skip


def test_what_lasts_is_not_repeated() -> None:
    """A probe fails every half hour all night: one notice."""
    outbox = heard(OPENED)
    outbox.take()
    for _ in range(20):
        for one in changes(OPENED):
            outbox.add(one)
        assert told(outbox) == []


def test_circuits_that_were_open_before_a_crash_are_no_news() -> None:
    outbox = heard(entry("consumer_started", crashed=True, circuits_restored=["memo"]), OPENED)
    assert told(outbox) == [("consumer_crashed", "", 1)]
    for one in changes(CLOSED):
        outbox.add(one)
    assert told(outbox) == [("circuit_closed", "memo", 1)]


def test_a_storm_is_one_line_a_cadence_and_bounded() -> None:
    outbox = heard(*[DEAD] * 1000)
    assert told(outbox) == [("dead_letter", "memo", 1000)]
    many = heard(*(DEAD | {"cadence": f"c{number}"} for number in range(500)))
    notices = many.take()
    assert len(notices) == MOST_LINES
    assert sum(one.count for one in notices) == 500
    assert "451 more" in notices[-1].text


@pytest.mark.parametrize(
    ("hours", "now", "ends"),
    [
        (None, "2026-11-24T03:00", None),
        ("22:00-07:00", "2026-11-24T21:59", None),
        ("22:00-07:00", "2026-11-24T22:00", "2026-11-25T07:00"),
        ("22:00-07:00", "2026-11-25T06:59", "2026-11-25T07:00"),
        ("22:00-07:00", "2026-11-25T07:00", None),
        ("12:00-13:30", "2026-11-24T12:15", "2026-11-24T13:30"),
        ("12:00-13:30", "2026-11-24T13:30", None),
        ("07:00-07:00", "2026-11-24T07:00", None),
        # the night that is an hour shorter
        ("22:00-07:00", "2026-03-28T23:00", "2026-03-29T07:00"),
    ],
)
def test_quiet_hours(hours: str | None, now: str, ends: str | None) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    moment = datetime.fromisoformat(now).replace(tzinfo=berlin).timestamp()
    until = quiet_until(hours, moment, berlin)
    shown = datetime.fromtimestamp(until, berlin).isoformat()[:16] if until is not None else None
    if now.startswith("2026-03-28"):
        assert until is not None
        assert abs(until - moment - 7 * 3600) <= 3600  # an hour early or late that one night
    else:
        assert shown == ends


# ---- the ways out --------------------------------------------------------------------------

PAYLOAD = {"title": "agent", "text": "circuit of x opened; `id` $(id)", "notices": []}


def program(folder: Path, body: str) -> tuple[str, ...]:
    path = folder / "hook.py"
    path.write_text(body)
    return (sys.executable, str(path))


def test_the_command_gets_json_on_stdin_and_words_filled_in(tmp_path: Path) -> None:
    argv = program(
        tmp_path,
        "import json, sys, os\n"
        "open('got.json', 'w').write(json.dumps([sys.argv[1:], json.load(sys.stdin)]))\n",
    )
    run_command((*argv, "{title}", "say: {text}"), PAYLOAD, tmp_path)
    words, document = json.loads((tmp_path / "got.json").read_text())
    assert words == ["agent", "say: circuit of x opened; `id` $(id)"]
    assert document == PAYLOAD


@pytest.mark.parametrize(
    ("body", "said", "again"),
    [
        ("import sys; sys.exit('no\\nluck')", "exit 1 no luck", True),
        ("import os; os.kill(os.getpid(), 9)", "exit -9", True),
    ],
)
def test_a_command_that_fails_is_told_with_its_words(
    tmp_path: Path, body: str, said: str, again: bool
) -> None:
    with pytest.raises(NotDelivered, match=said) as caught:
        run_command(program(tmp_path, body), PAYLOAD, tmp_path)
    assert caught.value.again is again


def test_a_command_that_is_not_there_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(NotDelivered) as caught:
        run_command(("/no/such/program",), PAYLOAD, tmp_path)
    assert not caught.value.again


def test_what_a_command_leaves_in_the_background_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "COMMAND_TIMEOUT", 10.0)
    begun = time.monotonic()
    run_command(("sh", "-c", "echo sent; sleep 15 & echo $! >> pids"), PAYLOAD, tmp_path)
    with pytest.raises(NotDelivered, match="exit 3 no bell"):
        run_command(
            ("sh", "-c", "echo no bell >&2; sleep 15 & echo $! >> pids; exit 3"), PAYLOAD, tmp_path
        )
    assert time.monotonic() - begun < 9.0
    for pid in (tmp_path / "pids").read_text().split():
        os.kill(int(pid), signal.SIGKILL)


def test_a_command_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "COMMAND_TIMEOUT", 1.0)
    argv = program(
        tmp_path,
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pid.tmp', 'w').write(str(child.pid)); os.rename('pid.tmp', 'pid')\n"
        "time.sleep(600)\n",
    )
    with pytest.raises(NotDelivered, match="no end in 1 s"):
        run_command(argv, PAYLOAD, tmp_path)
    pid = int((tmp_path / "pid").read_text())

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"

    wait_until(gone, 10, "the grandchild's end")


class Server:
    """A webhook that answers with `codes` one after the other, the last one for ever."""

    def __init__(self) -> None:
        outer = self
        self.codes = [200]
        self.got: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.hold = threading.Event()
        self.hold.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.hold.wait(30)
                outer.got.append(json.loads(body))
                outer.paths.append(self.path)
                code = outer.codes.pop(0) if len(outer.codes) > 1 else outer.codes[0]
                self.send_response(code)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{CANARY}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("code", "again"), [(500, True), (503, True), (429, True), (404, False), (302, False)]
)
def test_a_webhook_that_refuses_is_told_by_its_host_alone(
    server: Server, code: int, again: bool
) -> None:
    server.codes = [code]
    with pytest.raises(NotDelivered, match=f"HTTP {code}") as caught:
        post(server.url, PAYLOAD)
    assert caught.value.again is again
    assert CANARY not in str(caught.value)


def test_an_unreachable_webhook_is_told_by_its_host_alone(server: Server) -> None:
    url = f"http://127.0.0.1:9/{CANARY}"
    with pytest.raises(NotDelivered, match=r"127\.0\.0\.1: ConnectError") as caught:
        post(url, PAYLOAD)
    assert caught.value.again
    assert CANARY not in repr(caught.value)


# ---- the sender ----------------------------------------------------------------------------


def sender(
    layout: Layout, settings: Settings, *, clock: Any = None,
    pauses: tuple[float, ...] = (0.01,) * 3,
) -> Sender:  # fmt: skip
    plain = Journal(layout, SystemClock())
    return Sender(layout, lambda: settings, plain, clock or SystemClock(),
                  lambda text: text.replace(CANARY, "[masked]"), pauses)  # fmt: skip


def change(kind: Any = "dead_letter", text: str = "news", key: str = "k") -> Change:
    return Change(key=key, state=None, notice=Notice(kind=kind, subject="memo", text=text, at=AT))


def webhook(server: Server, **more: Any) -> Settings:
    return Settings(notices=NoticeSettings(webhook=server.url, **more), env={"AGENT_NAME": "Atlas"})


def test_a_webhook_is_told_in_words_and_in_data(agent_root: Layout, server: Server) -> None:
    one = sender(agent_root, webhook(server, min_interval=0))
    one.post(change(text=f"key {CANARY}\x1b[31m at {server.url}"))
    wait_until(lambda: server.got, 10)
    (document,) = server.got
    assert (document["agent"], document["title"]) == ("Atlas", "Atlas")
    assert document["notices"][0]["kind"] == "dead_letter"
    assert CANARY not in json.dumps(document)
    assert "\x1b" not in document["text"]
    one.close()


def test_without_room_for_a_thread_it_is_said_and_the_next_notice_brings_both(
    agent_root: Layout, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    one = sender(agent_root, webhook(server, min_interval=0))
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", refuse)
        one.post(change(text="first", key="a"))
    assert [entry["stage"] for entry in read_journal(agent_root, limit=5)] == ["notice_delayed"]
    one.post(change(text="second", key="b"))
    wait_until(lambda: server.got, 10)
    assert [notice["text"] for notice in server.got[0]["notices"]] == ["first", "second"]
    one.close()


def test_what_fails_is_tried_again_and_told_once(agent_root: Layout, server: Server) -> None:
    server.codes = [500, 503, 200]
    one = sender(agent_root, webhook(server, min_interval=0))
    one.post(change())
    wait_until(lambda: len(server.got) == 3, 10)
    one.close()
    assert len(server.got) == 3
    assert read_journal(agent_root, limit=5) == []


def test_what_cannot_be_delivered_is_in_the_journal(agent_root: Layout, server: Server) -> None:
    server.codes = [500]
    one = sender(agent_root, webhook(server, min_interval=0))
    one.post(change(text="it broke"))
    (failed,) = wait_until(lambda: read_journal(agent_root, limit=5), 10)
    assert (failed["stage"], failed["way"], failed["lost"]) == (
        "notice_failed", "webhook", ["it broke"],
    )  # fmt: skip
    assert len(server.got) == 4
    assert CANARY not in json.dumps(failed)
    one.close()


def test_posting_never_waits_and_one_way_does_not_delay_the_other(
    agent_root: Layout, server: Server
) -> None:
    server.hold.clear()
    argv = program(agent_root.root, "open('told', 'a').write('x')\n")
    both = NoticeSettings(webhook=server.url, command=argv, min_interval=0)
    one = sender(agent_root, Settings(notices=both))
    begun = time.monotonic()
    for number in range(2000):
        one.post(change(key=f"k{number}"))
    assert time.monotonic() - begun < 2
    wait_until((agent_root.root / "told").exists, 10, "the command, while the webhook hangs")
    assert server.got == []
    server.hold.set()
    wait_until(lambda: server.got, 10)
    one.close()


def test_between_two_deliveries_news_gather(agent_root: Layout, server: Server) -> None:
    one = sender(agent_root, webhook(server, min_interval=0.4))
    one.post(change(key="first"))
    wait_until(lambda: server.got, 10)
    for number in range(100):
        one.post(change(key=f"k{number % 5}"))
    wait_until(lambda: len(server.got) == 2, 10)
    assert len(server.got[1]["notices"]) == 5
    assert sum(notice["count"] for notice in server.got[1]["notices"]) == 100
    one.close()


def test_at_night_nothing_is_sent_and_in_the_morning_all_of_it(
    agent_root: Layout, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.notices.sender.LOOK_AGAIN", 0.02)
    clock = FakeClock(datetime(2026, 11, 24, 23, tzinfo=UTC).timestamp())
    settings = webhook(server, min_interval=0, quiet_hours="22:00-07:00")
    one = sender(agent_root, settings, clock=clock)
    for number in range(3):
        one.post(change(key=f"k{number}"))
    clock.advance(7.9 * 3600)
    threading.Event().wait(0.2)  # ten looks at the clock
    assert server.got == []
    clock.advance(0.2 * 3600)
    wait_until(lambda: server.got, 10)
    assert len(server.got[0]["notices"]) == 3
    one.close()


def test_the_end_sends_what_waits_but_not_at_night(agent_root: Layout, server: Server) -> None:
    one = sender(agent_root, webhook(server, min_interval=3600))
    one.post(change(key="a"))
    one.post(change(key="b"))
    one.close()
    assert [len(document["notices"]) for document in server.got] == [2]
    clock = FakeClock(datetime(2026, 11, 24, 23, tzinfo=UTC).timestamp())
    night = sender(agent_root, webhook(server, quiet_hours="22:00-07:00"), clock=clock)
    night.post(change())
    night.close()
    assert len(server.got) == 1


def test_the_end_does_not_wait_for_a_webhook_that_hangs(agent_root: Layout, server: Server) -> None:
    server.hold.clear()
    one = sender(agent_root, webhook(server, min_interval=0))
    one.post(change())
    begun = time.monotonic()
    one.close(0.3)
    assert time.monotonic() - begun < 2


def test_without_a_way_out_no_thread_is_started(agent_root: Layout) -> None:
    one = sender(agent_root, Settings())
    for _ in range(100):
        one.post(change())
    assert not [t for t in threading.enumerate() if t.name.startswith("notices")]
    one.close()


# ---- from the consumer ---------------------------------------------------------------------


def test_a_failing_cadence_is_told_by_its_circuit_and_its_dead_letters(tmp_path: Path) -> None:
    made = Kit(tmp_path, always(FAIL))
    got: list[Change] = []
    made.consumer.ports.journal = NotingJournal(made.layout, made.clock, tell=got.append)
    made.consumer.settler._journal = made.consumer.ports.journal
    made.start()
    made.drop("memo", 4)
    made.run_for(6000)
    kinds = [one.notice.kind for one in got]
    assert "circuit_opened" in kinds
    assert "dead_letter" in kinds
    outbox = Outbox()
    for one in got:
        outbox.add(one)
    assert {notice.kind for notice in outbox.take()} >= {"dead_letter"}


def test_a_real_consumer_tells_of_its_end_and_of_a_crash(
    agent_root: Layout, server: Server
) -> None:
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text("[notices]\nmin_interval = 0\n")
    agent_root.env_file.write_text(f"MAESTRO_NOTICE_WEBHOOK={server.url}\nAGENT_NAME=Atlas\n")
    agent_root.env_file.chmod(0o600)

    def consumer() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "maestro_tui", "--root", agent_root.root, "run"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: stages().count("consumer_started") > before, 30, "its start")
        return process

    def stages() -> list[str]:
        return [one["stage"] for one in read_journal(agent_root, limit=100)]

    def kinds() -> list[str]:
        return [notice["kind"] for document in server.got for notice in document["notices"]]

    before = 0
    first = consumer()
    wait_until(agent_root.consumer_json.exists, 30)
    first.kill()
    first.wait(10)
    before = 1
    second = consumer()
    wait_until(lambda: "consumer_crashed" in kinds(), 30, "the news of the crash")
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert kinds() == ["consumer_crashed", "consumer_stopped"]
    assert {document["agent"] for document in server.got} == {"Atlas"}


def test_systemd_giving_up_is_told(agent_root: Layout, server: Server) -> None:
    environ = os.environ | {"MAESTRO_NOTICE_WEBHOOK": server.url}
    done = subprocess.run(
        [sys.executable, "-m", "maestro_tui", "--root", agent_root.root, "service", "gone"],
        env=environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one["notices"][0]["kind"] for one in server.got] == ["consumer_gone"]
    assert read_journal(agent_root, limit=1)[0]["stage"] == "service_gone"
