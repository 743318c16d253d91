"""Proves that the metrics say what the snapshot says, in the format of Prometheus, on the
loopback address alone, and that the consumer works without them.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra `metrics` is not installed")

from prometheus_client.parser import text_string_to_metric_families

from maestro_core import __version__
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from maestro_core.metrics.families import families
from maestro_core.metrics.serve import registry, render, serving
from maestro_core.models import HoldBeat, RunRow, Stats, Usage
from maestro_core.observe.snapshot import (
    CadenceView,
    ConsumerView,
    CountsView,
    MarkerView,
    Snapshot,
)
from tests.support import wait_until, write_tick

AT = 1_800_000_000.0
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def of(snapshot: Snapshot) -> Samples:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families(snapshot)
        for one in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"maestro_{name}", tuple(sorted(labels.items()))))


def row(outcome: str) -> RunRow:
    return RunRow(
        run_id="r", tick_id="t", cadence="memo", attempt=1, started_at="2026-11-24T02:00:00.000Z",
        ended_at="2026-11-24T02:01:30.000Z", outcome=outcome, failure_class=None, exit_code=0,
        signal=None, usage=Usage(cost_usd=0.25), stdout_path=None, stderr_path=None, reason=None,
        pid=None, duration=90.0,
    )  # fmt: skip


def test_the_metrics_say_what_the_snapshot_says() -> None:
    memo = CadenceView(
        name="memo", mode="escalate", state="open", failures=3, waiting=4, dead=2,
        next_due=AT + 60, usual_seconds=12.5, recent=(row("failed"), row("ok")),
        paused=MarkerView(None, None, None),
    )  # fmt: skip
    consumer = ConsumerView(
        word="live", version="9.9", mode="daemon", started_at=AT - 100, beat_at=AT - 1.5,
        stats=Stats(ticks=7, dlq=2), hold=HoldBeat("quota", None, "", "limit"), trouble="full",
    )  # fmt: skip
    found = of(Snapshot(
        root="/a", agent="Atlas", at=AT, consumer=consumer, cadences=(memo,), cost_today=1.5,
        counts=CountsView(inbox=4, claimed=1, dlq=2, quarantine=3, open_circuits=1),
        emergency_stop=MarkerView(None, None, None),
    ))  # fmt: skip
    assert value(found, "info", agent="Atlas", version=__version__) == 1
    assert value(found, "consumer_info", version="9.9", mode="daemon") == 1
    for name, expected in {
        "consumer_up": 1, "consumer_beat_age_seconds": 1.5, "consumer_start_time_seconds": AT - 100,
        "consumer_ticks_total": 7, "consumer_dlq_total": 2, "consumer_trouble": 1,
        "emergency_stop": 1, "open_circuits": 1, "running": 0, "cost_today_usd": 1.5,
    }.items():  # fmt: skip
        assert value(found, name) == expected, name
    places = [value(found, "ticks", place=p) for p in ("inbox", "claimed", "dlq", "quarantine")]
    assert places == [4, 1, 2, 3]
    assert (value(found, "hold", kind="quota"), value(found, "hold", kind="auth")) == (1, 0)
    states = {
        labels: number for (name, labels), number in found.items()
        if name == "maestro_cadence_state"
    }  # fmt: skip
    assert sum(states.values()) == 1
    assert value(found, "cadence_state", cadence="memo", state="open") == 1
    for name, expected in {
        "failures": 3, "waiting": 4, "dead": 2, "running": 0, "paused": 1, "usual_seconds": 12.5,
        "next_due_timestamp_seconds": AT + 60, "last_run_ok": 1, "last_run_seconds": 90,
        "last_run_cost_usd": 0.25,
    }.items():  # fmt: skip
        assert value(found, f"cadence_{name}", cadence="memo") == expected, name


def test_an_empty_agent_root_has_metrics_too(agent_root: Layout) -> None:
    content_type, text = render(registry(agent_root))
    found = samples(text.decode())
    assert content_type.startswith("text/plain")
    assert value(found, "consumer_up") == 0
    assert value(found, "consumer_ticks_total") is None


def test_names_from_files_cannot_break_the_format(agent_root: Layout) -> None:
    agent_root.env_file.write_text('AGENT_NAME="a\\"b\\\\ \x1b[31m ü"\n')
    write_tick(agent_root.inbox, "t1", "memo")
    found = samples(render(registry(agent_root))[1].decode())
    assert value(found, "cadence_waiting", cadence="memo") == 1
    (labels,) = [dict(labels) for name, labels in found if name == "maestro_info"]
    assert "\x1b" not in labels["agent"]
    assert 'a"b' in labels["agent"]


def get(port: int, path: str = "/metrics", **headers: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = (answer.status, answer.read(), answer.headers.get("Content-Type", ""))
    connection.close()
    return found


def test_a_server_answers_and_follows_the_files(agent_root: Layout) -> None:
    with serving(agent_root, 0) as port:
        status, text, content_type = get(port)
        assert (status, content_type[:10]) == (200, "text/plain")
        assert value(samples(text.decode()), "ticks", place="inbox") == 0
        write_tick(agent_root.inbox, "t1")
        assert value(samples(get(port)[1].decode()), "ticks", place="inbox") == 1
        asked = get(port, Accept="application/openmetrics-text; version=1.0.0")
        assert asked[2].startswith("application/openmetrics-text")
        assert asked[1].endswith(b"# EOF\n")
        assert get(port, "/other")[0] == 404
    with pytest.raises(OSError, match="refused"):
        get(port)


def test_it_listens_on_the_loopback_address_alone(agent_root: Layout) -> None:
    with serving(agent_root, 0) as port:
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port)}
        for address in others - {"127.0.0.1", "::1"}:
            with pytest.raises(OSError, match=r"refused|unreachable|assign"):
                socket.create_connection((str(address), port), timeout=5).close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "", "127.0.0.1.evil:80"])
def test_a_page_under_another_name_reads_nothing(agent_root: Layout, host: str) -> None:
    with serving(agent_root, 0) as port:
        status, text, _ = get(port, Host=host)
        assert status == 403
        assert b"maestro_" not in text
        assert get(port, Host=f"localhost:{port}")[0] == 200


def test_a_client_that_says_nothing_holds_nobody_up(agent_root: Layout) -> None:
    with serving(agent_root, 0) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert get(port)[0] == 200


def command(layout: Layout, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "maestro_tui"]
    return subprocess.run(
        [*start, "--root", str(layout.root), *words], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_command_prints_them_once(agent_root: Layout) -> None:
    done = command(agent_root, "metrics")
    assert done.returncode == 0, done.stderr
    assert value(samples(done.stdout), "consumer_up") == 0


WITHOUT = (
    "import sys; sys.modules['prometheus_client'] = None\n"
    "from maestro_tui.__main__ import main\nsys.exit(main())"
)


def test_without_the_extra_the_command_says_what_to_install(agent_root: Layout) -> None:
    done = command(agent_root, "metrics", code=WITHOUT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "maestro-tui[metrics]" in done.stderr


def configure(layout: Layout, port: int) -> None:
    layout.cadences_toml.parent.mkdir(exist_ok=True)
    layout.cadences_toml.write_text(f"[metrics]\nport = {port}\n")


@pytest.mark.parametrize("hinder", ["no library", "port taken"])
def test_the_consumer_works_without_metrics(agent_root: Layout, hinder: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(agent_root, taken.getsockname()[1])
        code = WITHOUT if hinder == "no library" else ""
        done = command(agent_root, "run", "--until-idle", code=code)
    assert done.returncode == 0, done.stderr
    stages = {one["stage"]: one for one in read_journal(agent_root, limit=20)}
    assert "consumer_stopped" in stages
    assert stages["metrics_off"]["hint"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_running_consumer_serves_its_own_numbers(agent_root: Layout, tmp_path: Path) -> None:
    port = free_port()
    configure(agent_root, port)
    process = subprocess.Popen(
        [sys.executable, "-m", "maestro_tui", "--root", agent_root.root, "run"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"NO_PROXY": "*"},
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def up() -> Any:
        try:
            with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                found = samples(answer.read().decode())
        except OSError:
            return None
        return found if value(found, "consumer_up") == 1 else None

    try:
        found = wait_until(up, 30, "its numbers")
        assert value(found, "consumer_ticks_total") == 0
        beat = json.loads(agent_root.consumer_json.read_text())
        assert value(found, "consumer_info", version=beat["version"], mode="daemon") == 1
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
