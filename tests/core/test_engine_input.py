"""Whatever lies in the inbox: nothing crashes, hangs, is followed or leaves the root; every bad
file ends in quarantine as it came, with a reason that a person understands."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maestro_core.bus import codec
from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.inbox import PATIENCE
from maestro_core.clock import FakeClock
from maestro_core.errors import BadTick
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Claim
from tests.support import read_json, write_tick

if TYPE_CHECKING:
    from maestro_core.files import StrPath

OLD = 1_700_000_000.0
FINE = b'{"id": "x", "cadence": "memo"}'


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())


@pytest.fixture
def engine(agent_root: Layout, clock: FakeClock) -> DirectoryEngine:
    return DirectoryEngine(agent_root, clock=clock)


def drop(folder: Path, name: str | bytes, data: bytes, *, age: float = 60.0) -> None:
    path = os.fsencode(folder) + b"/" + os.fsencode(name)
    with open(path, "wb") as file:
        file.write(data)
    then = time.time() - age
    os.utime(path, (then, then))


def claim(engine: DirectoryEngine) -> Claim | None:
    engine.refresh()
    return engine.claim(held=lambda _: False)


def reason(root: Layout, name: str) -> str:
    note = read_json(root.quarantine / f"{name}.reason.json")
    assert note["from"] == "inbox"
    assert note["at"].endswith("Z")
    return str(note["reason"])


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "a brace": (b"{", "no JSON"),
    "two documents": (b"{}{}", "no JSON"),
    "NUL bytes": (b"\0" * 400, "NUL"),
    "a list": (b"[1]", "a list, not a JSON object"),
    "a number": (b"7", "a number"),
    "null": (b"null", "null"),
    "a text": (b'"x"', "a text"),
    "true": (b"true", "true or false"),
    "a byte order mark": (b"\xef\xbb\xbf" + FINE, "byte order mark"),
    "UTF-16": (FINE.decode().encode("utf-16"), "not UTF-8"),
    "latin-1": (b'{"id": "x", "cadence": "memo", "payload": "\xe4"}', "not UTF-8"),
    "half a surrogate pair": (
        b'{"id": "x", "cadence": "memo", "payload": "\\ud800"}',
        "surrogate pair",
    ),
    "half a pair as a key": (
        b'{"id": "x", "cadence": "memo", "payload": {"\\udfff": 1}}',
        "surrogate pair",
    ),
    "NaN": (b'{"id": "x", "cadence": "memo", "payload": NaN}', "NaN"),
    "Infinity": (b'{"id": "x", "cadence": "memo", "payload": [-Infinity]}', "Infinity"),
    "too large a number": (b'{"id": "x", "cadence": "memo", "payload": 1e999}', "too large"),
    "5000 digits": (
        b'{"id": "x", "cadence": "memo", "payload": ' + b"9" * 5000 + b"}",
        "4300 digits",
    ),
    "deep lists": (b"[" * 100_000, "nests"),
    "deep objects": (b'{"a":' * 200 + b"1" + b"}" * 200, "nests"),
    "a key twice": (b'{"id": "x", "id": "y", "cadence": "memo"}', "'id' stands twice"),
    "a key twice, deeper": (
        b'{"id": "x", "cadence": "memo", "payload": [{"a": 1, "a": 2}]}',
        "'a' stands twice",
    ),
    "over 1 MiB": (
        b'{"id": "x", "cadence": "memo", "payload": "' + b"x" * (1 << 20) + b'"}',
        "1 MiB",
    ),
    "no id": (b'{"cadence": "memo"}', "id is missing"),
    "no cadence": (b'{"id": "x"}', "cadence is missing"),
    "another id": (b'{"id": "y", "cadence": "memo"}', "its id is 'y'"),
    "an id in other case": (b'{"id": "X", "cadence": "memo"}', "its id is 'X'"),
    "an id that leads out": (b'{"id": "../x", "cadence": "memo"}', "no name"),
    "a cadence that leads out": (b'{"id": "x", "cadence": "../../etc"}', "no name"),
    "a cadence with a line break": (b'{"id": "x", "cadence": "a\\nb"}', "no name"),
    "a number as id": (b'{"id": 7, "cadence": "memo"}', "field id: expected str"),
    "a cadence with an escape": (b'{"id": "x", "cadence": "\\u001b[2J"}', "no name"),
}
FIELDS: dict[str, Any] = {
    "attempts": ["two", -1, 1.5, True, 10**30, [1]],
    "priority": ["high", 2.5, 10**12],
    "enqueued_at": ["yesterday", 1764000000, "2026-13-01T00:00:00Z"],
    "not_before": ["soon", 5, {"at": 1}],
    "source": [5, ["cron"]],
    "dedupe_key": [5],
    "last_error": [{"a": 1}],
    "recoveries": ["1", -3],
    "failures": ["many", [1], [{"at": "x"}], {"a": 1}],
}
for field, values in FIELDS.items():
    for value in values:
        document = {"id": "x", "cadence": "memo", field: value}
        BAD[f"{field} {value!r}"] = (json.dumps(document).encode(), field)


@pytest.mark.parametrize(("data", "word"), BAD.values(), ids=BAD)
def test_what_is_no_tick_is_quarantined_with_its_reason(
    engine: DirectoryEngine, agent_root: Layout, data: bytes, word: str
) -> None:
    drop(agent_root.inbox, "x.json", data)
    write_tick(agent_root.inbox, "good")
    began = time.monotonic()
    found = claim(engine)
    assert time.monotonic() - began < 1.0
    assert found is not None
    assert found.tick.id == "good"
    assert claim(engine) is None
    assert (agent_root.quarantine / "x.json").read_bytes() == data
    text = reason(agent_root, "x.json")
    assert word in text
    assert not any(ord(mark) < 32 or 127 <= ord(mark) < 160 for mark in text)
    assert [name for name, _ in engine.rejected()] == ["x.json"]
    assert engine.counts()["quarantine"] == 1


@pytest.mark.parametrize("data", [b"", b"{", FINE[:-5], b"\0" * 30])
def test_a_file_that_may_still_be_written_waits_five_seconds(
    engine: DirectoryEngine, agent_root: Layout, clock: FakeClock, data: bytes
) -> None:
    drop(agent_root.inbox, "x.json", data, age=0.0)
    assert claim(engine) is None
    assert engine.counts()["inbox"] == 1
    due = engine.next_ready_at()
    assert due is not None
    assert clock.wall() < due <= clock.wall() + PATIENCE + 0.1
    drop(agent_root.inbox, "x.json", FINE, age=0.0)
    clock.advance(PATIENCE + 1)
    found = claim(engine)
    assert found is not None
    assert found.tick.id == "x"


def test_a_file_that_is_never_finished_is_quarantined(
    engine: DirectoryEngine, agent_root: Layout, clock: FakeClock
) -> None:
    drop(agent_root.inbox, "x.json", b"{", age=0.0)
    assert claim(engine) is None
    clock.advance(PATIENCE - 1)
    assert claim(engine) is None
    assert engine.counts()["quarantine"] == 0
    clock.advance(2)
    assert claim(engine) is None
    assert "no JSON" in reason(agent_root, "x.json")
    assert engine.next_ready_at() is None


def test_a_time_in_the_future_does_not_make_a_file_wait_for_ever(
    engine: DirectoryEngine, agent_root: Layout, clock: FakeClock
) -> None:
    drop(agent_root.inbox, "x.json", b"{", age=-86400.0)
    assert claim(engine) is None
    clock.advance(PATIENCE + 1)
    assert claim(engine) is None
    assert engine.counts()["quarantine"] == 1


def test_a_link_is_quarantined_itself_and_never_followed(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    outside = agent_root.root / "outside.json"
    outside.write_bytes(FINE)
    (agent_root.inbox / "x.json").symlink_to(outside)
    (agent_root.inbox / "gone.json").symlink_to(agent_root.root / "nothing")
    assert claim(engine) is None
    assert (agent_root.quarantine / "x.json").is_symlink()
    assert (agent_root.quarantine / "gone.json").is_symlink()
    assert "symbolic link" in reason(agent_root, "x.json")
    assert outside.read_bytes() == FINE


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda p: (p.mkdir(), (p / "in").write_text("it"))],
    ids=["folder", "fifo", "full folder"],
)  # fmt: skip
def test_what_is_no_file_is_quarantined_without_waiting_for_it(
    engine: DirectoryEngine, agent_root: Layout, make: Callable[[Path], object]
) -> None:
    make(agent_root.inbox / "x.json")
    assert claim(engine) is None
    assert list(agent_root.inbox.iterdir()) == []
    assert "no regular file" in reason(agent_root, "x.json")


def test_a_file_that_others_name_too_is_claimed_like_any(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    path = write_tick(agent_root.inbox, "x")
    keep = agent_root.root / "kept.json"
    os.link(path, keep)
    before = keep.read_bytes()
    found = claim(engine)
    assert found is not None
    engine.complete(found)
    assert keep.read_bytes() == before
    assert engine.counts()["inbox"] == engine.counts()["claimed"] == 0


def test_a_file_that_may_not_be_read_is_quarantined_after_a_while(
    agent_root: Layout, clock: FakeClock
) -> None:
    class Guarded(OsFiles):
        """Root may read everything: the refusal is played."""

        def read(self, path: StrPath, limit: int) -> bytes:
            if str(path).endswith("/inbox/x.json"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return super().read(path, limit)

    engine = DirectoryEngine(agent_root, clock=clock, fs=Guarded())
    drop(agent_root.inbox, "x.json", FINE, age=0.0)
    assert claim(engine) is None
    assert engine.counts()["inbox"] == 1  # its owner may still open it to others
    clock.advance(PATIENCE + 1)
    assert claim(engine) is None
    assert "may not read it" in reason(agent_root, "x.json")


IGNORED = [".x.json", ".DS_Store", ".x.json.icloud", ".x.json.swp", ".nfs0001"]
ODD = ["x.tmp", "x.json~", "x", "x (conflicted copy).json", "-x.json", "a b.json", "ä.json",
       "x.JSON", "x.json.part", "\x1b[2J.json", "a\nb.json", "y" * 129 + ".json"]  # fmt: skip


@pytest.mark.parametrize("name", IGNORED)
def test_hidden_files_are_left_alone(
    engine: DirectoryEngine, agent_root: Layout, name: str
) -> None:
    drop(agent_root.inbox, name, FINE)
    assert claim(engine) is None
    assert (agent_root.inbox / name).exists()
    assert engine.counts()["quarantine"] == 0


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_is_none_is_quarantined_once_nobody_writes_it(
    engine: DirectoryEngine, agent_root: Layout, clock: FakeClock, name: str
) -> None:
    drop(agent_root.inbox, name, FINE, age=0.0)
    assert claim(engine) is None
    assert (agent_root.inbox / name).exists()
    clock.advance(PATIENCE + 1)
    assert claim(engine) is None
    assert (agent_root.quarantine / name).read_bytes() == FINE
    assert "<id>.json" in reason(agent_root, name)


def test_names_that_are_no_text_or_as_long_as_can_be_are_quarantined(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    drop(agent_root.inbox, b"\xff\xfe.json", FINE)
    drop(agent_root.inbox, "z" * 250 + ".json", FINE)
    assert claim(engine) is None
    assert os.listdir(agent_root.inbox) == []
    assert engine.counts()["quarantine"] == 2
    notes = [read_json(path)["name"] for path in agent_root.quarantine.glob("*.reason.json")]
    assert sorted(notes) == ["\\xff\\xfe.json", "z" * 250 + ".json"]


def test_rubbish_of_one_name_is_kept_each_time(engine: DirectoryEngine, agent_root: Layout) -> None:
    for number in range(3):
        drop(agent_root.inbox, "x.json", b"[%d]" % number)
        assert claim(engine) is None
    kept = {path.read_bytes() for path in agent_root.quarantine.glob("x.json*")
            if not path.name.endswith(".reason.json")}  # fmt: skip
    assert kept == {b"[0]", b"[1]", b"[2]"}
    assert engine.counts()["quarantine"] == 3


def test_a_tick_of_the_reference_is_read_as_it_stands(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    document = {
        "id": "2026-05-21T10-00-00-000Z-inbox-processor-ab12", "cadence": "inbox-processor",
        "source": "launchd", "enqueued_at": "2026-05-21T10:00:00.000Z", "attempts": 1,
        "payload": {"x": 1}, "last_error": "exit 1: no",
        "failures": [{"at": "2026-05-21T10:00:00.000Z", "attempt": 1, "exit_code": 1,
                      "reason": "exit 1: no", "stdout_path": None, "stderr_path": None}],
        "schema": 3,
    }  # fmt: skip
    drop(agent_root.inbox, f"{document['id']}.json", json.dumps(document).encode())
    found = claim(engine)
    assert found is not None
    assert (found.tick.attempts, found.tick.failures[0].reason) == (2, "exit 1: no")
    engine.put_back(found)
    [path] = agent_root.inbox.iterdir()
    written = path.read_text()
    assert json.loads(written) == document
    assert written.startswith('{\n  "id"')
    assert written.endswith("}\n")


def test_a_tick_of_two_fields_gets_its_arrival_as_its_time(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    for tick_id, age in (("young", 10.0), ("old", 500.0)):
        data = json.dumps({"id": tick_id, "cadence": "memo"}).encode()
        drop(agent_root.inbox, f"{tick_id}.json", data, age=age)
    first = claim(engine)
    assert first is not None
    assert (first.tick.id, first.tick.source, first.tick.attempts) == ("old", "unknown", 1)


# ---- properties -----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
KNOWN = ["id", "cadence", "source", "enqueued_at", "attempts", "priority", "not_before",
         "dedupe_key", "last_error", "failures", "recoveries"]  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tick_or_a_reason(data: bytes) -> None:
    for read in (codec.decode, codec.peek):
        try:
            read(data, "x", float)
        except BadTick as fault:
            assert fault.message
            assert fault.message.isprintable()


@given(st.sampled_from(KNOWN), JSON)
@example("attempts", -1)
@example("recoveries", -1)
@example("priority", 10**12)
def test_one_wrong_field_is_named_and_a_peek_agrees(field: str, value: object) -> None:
    document = {"id": "x", "cadence": "memo", field: value}
    data = json.dumps(document).encode()
    try:
        key = codec.key_of(codec.decode(data, "x", float))
    except BadTick as fault:
        assert field in fault.message or "surrogate" in fault.message
        with pytest.raises(BadTick):
            codec.peek(data, "x", float)
    else:
        assert codec.peek(data, "x", float) == key


@given(JSON, st.dictionaries(st.text().filter(lambda k: k not in [*KNOWN, "payload"]), JSON))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_we_do_not_know_survives_every_rewrite(payload: Any, extra: dict[str, Any]) -> None:
    extra.pop(codec.CLAIM, None)
    document = {"id": "x", "cadence": "memo", "payload": payload} | extra
    try:
        data = json.dumps(document).encode()
        tick = codec.decode(data, "x", float)
    except BadTick as fault:
        assert "surrogate" in fault.message
        return
    again = codec.load(codec.encode(tick))
    assert {k: v for k, v in again.items() if k in document} == document
    assert codec.decode(codec.encode(tick), "x", float) == tick


@given(st.text(max_size=20))
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    tick_id = codec.tick_name(name + ".json")
    if tick_id is not None:
        assert tick_id == name
        assert "/" not in name
        assert name[0].isalnum()
        assert name.isascii()
