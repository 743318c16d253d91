"""A run that writes without end is capped on disk: head and tail stay, the writer never notices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maestro_core.session import logcap
from maestro_core.session.logcap import LogCap, punch
from tests.core import stream_events as ev
from tests.core.session_kit import Bench, bench, new_bench

__all__ = ["bench", "new_bench"]

MIB = 1 << 20
CAP = 1 * MIB


@pytest.fixture(params=["holes", "no holes"])
def holes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    """Every file system, and one that cannot punch holes."""
    probe = tmp_path / "probe"
    probe.write_bytes(b"x" * 8192)
    with probe.open("r+b") as file:
        can = punch(file.fileno(), 0, 4096)
    if request.param == "holes" and not can:
        pytest.skip("this file system knows no holes")
    if request.param == "no holes":
        monkeypatch.setattr(logcap, "punch", lambda *_: False)
    return request.param == "holes"


class Log:
    """A log with a writer that appends numbered lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.count = 0

    def write(self, size: int) -> None:
        lines = [b"%07d%s\n" % (self.count + n, b"." * 56) for n in range(size // 64)]
        self.count += len(lines)
        os.write(self.fd, b"".join(lines))

    def on_disk(self) -> int:
        return self.path.stat().st_blocks * 512

    def close(self) -> None:
        os.close(self.fd)


def test_a_log_below_its_cap_is_left_alone(tmp_path: Path, holes: bool) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, CAP)
    log.write(CAP)
    before = log.path.read_bytes()
    cap.check()
    cap.compact()
    log.close()
    assert log.path.read_bytes() == before
    assert not cap.capped and cap.fits()


def test_a_log_that_grows_stays_within_its_cap_while_it_is_written(
    tmp_path: Path, holes: bool
) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, CAP)
    for _ in range(100):
        log.write(MIB // 4)
        cap.check()
        assert log.on_disk() <= CAP + MIB // 4 + 64 * 1024
    assert cap.total >= 25 * MIB * 0.99
    log.close()


def test_head_and_tail_stay_and_the_log_says_what_is_missing(tmp_path: Path, holes: bool) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, CAP)
    for _ in range(50):
        log.write(MIB // 4)
        cap.check()
    log.close()
    cap.compact()

    data = log.path.read_bytes()
    lines = data.splitlines()
    assert len(data) <= CAP
    assert b"\0" not in data
    assert lines[0].startswith(b"0000000.") and lines[-1].startswith(b"%07d." % (log.count - 1))
    notes = [line.decode() for line in lines if b"maestro" in line]
    assert len(notes) == 1 and "bytes left out here" in notes[0]
    missing = int(notes[0].split()[1])
    assert abs(log.count * 64 - missing - len(data)) < 300
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert cap.capped and cap.fits()


def test_the_tail_is_whole_up_to_the_last_line(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, CAP)
    for _ in range(20):
        log.write(MIB // 4)
        cap.check()
    log.close()
    cap.compact()
    tail = log.path.read_bytes().rpartition(b"left out here")[2].splitlines()[2:]
    numbers = [int(line[:7]) for line in tail]
    assert numbers == list(range(numbers[0], log.count))


def test_no_cap_is_no_cap(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, 0)
    log.write(3 * MIB)
    cap.check()
    cap.compact()
    log.close()
    assert log.path.stat().st_size == 3 * MIB and cap.fits()


def test_a_log_that_is_taken_away_is_survived(tmp_path: Path, holes: bool) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, CAP)
    log.write(2 * MIB)
    log.path.unlink()
    cap.check()
    cap.compact()
    log.close()
    assert cap.fits() and not log.path.exists()


def test_a_file_that_grows_fast_is_looked_at_often(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    cap = LogCap(log.path, 64 * MIB)
    slow = cap.pause()
    log.write(8 * MIB)
    cap.check()
    assert cap.pause() < slow / 5
    cap.check()
    assert cap.pause() == slow
    log.close()


# ---- a whole run ---------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_run_that_writes_a_gigabyte_is_capped_and_not_held_up(
    bench: Bench, stream: str, holes: bool
) -> None:
    bench.consumer(log_cap_mb=8)
    to = "" if stream == "stdout" else ">&2"
    size = 1000 if holes else 200
    flood = f"yes 0123456789abcdef | head -c {size}000000 {to}"
    bench.script(f"echo first {to}; {flood}; sleep 0.3; echo {to}; echo last {to}")
    work = bench.start(timeout=120)
    path = Path(getattr(work.running(), f"{stream}_path") or "")
    most = 0

    def done() -> object:
        nonlocal most
        if path.exists():
            most = max(most, path.stat().st_blocks * 512)
        return work.poll()

    result = bench.until(work, done, seconds=120)
    assert result.ok
    data = path.read_bytes()
    assert len(data) <= 8 * MIB
    assert data.startswith(b"first\n") and data.endswith(b"last\n")
    assert data.count(b"left out here") == 1
    assert most < 700 * MIB
    assert bench.journal.of("log_capped")[0]["path"] == str(path)
    # Without holes, what is written while the tail is moved is lost, and not counted.
    assert bench.journal.of("log_capped")[0]["bytes"] >= size * (990_000 if holes else 300_000)
    assert [one.name for one in bench.layout.subsessions.iterdir() if one.name[0] == "."] == []


def test_the_result_after_a_flood_is_not_missed(bench: Bench, holes: bool) -> None:
    bench.consumer(log_cap_mb=2)
    begin, end = bench.layout.root / "begin", bench.layout.root / "end"
    begin.write_bytes(ev.stream(ev.init(), ev.assistant(ev.text("x"))))
    end.write_bytes(ev.stream(ev.result("x")))
    body = f"cat {begin}; yes noise | head -c 60000000; echo; sleep 0.3; cat {end}"
    result = bench.run(body)
    assert result.ok
    assert (result.usage.tokens_in, result.usage.session_id) == (100, ev.SESSION)
