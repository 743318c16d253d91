"""Rows 8 to 18: whatever lies in the inbox, the next tick runs, and each file that is no tick
ends in quarantine as it came, with a reason that a person understands.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro_core.bus.producer import publish_tick
from maestro_core.clock import FakeClock
from maestro_core.errors import Refused, UsageError
from maestro_core.layout import Layout
from maestro_core.text import visible
from tests.catalogue.kit import (
    FAILURE,
    LINUX,
    QuickDisk,
    claim_any,
    engine_on,
    everything,
    names,
    powerless,
    program,
    scene,
)
from tests.catalogue.zoo import UNSEEN, ZOO, Beast, target_of
from tests.core.consumer_kit import OK, Kit, always
from tests.support import read_json, write_json, write_tick

LATER = 3600.0


def clock() -> FakeClock:
    """An hour on: every file of a test has been there long enough to be complete."""
    return FakeClock(time.time() + LATER)


def state_of(path: Path) -> object:
    """What must survive the way into quarantine."""
    info = path.lstat()
    kind = (info.st_ino, info.st_mode, info.st_size)
    return (kind, path.read_bytes()) if path.is_file() and info.st_size < 1 << 21 else kind


@pytest.mark.parametrize("beast", ZOO, ids=[f"row {one.row}, {one.name}" for one in ZOO])
def test_what_is_no_tick_is_set_aside_as_it_came_and_the_next_one_runs(
    agent_root: Layout, beast: Beast
) -> None:
    path = beast.make(agent_root.inbox)
    before = state_of(path)
    write_tick(agent_root.inbox, "zz-good", "memo")
    begun = time.monotonic()
    engine = engine_on(agent_root, clock=clock())
    claims = [claim_any(engine), claim_any(engine)]  # some are only judged when it is their turn
    assert [claim.tick.id for claim in claims if claim] == ["zz-good"]
    assert time.monotonic() - begun < 1
    assert names(agent_root.inbox) == names(agent_root.dlq) == []
    [kept] = [one for one in agent_root.quarantine.iterdir() if "reason" not in one.name]
    assert state_of(kept) == before
    note = read_json(kept.with_name(f"{kept.name}.reason.json"))
    assert beast.reason in note["reason"]
    assert len(note["reason"]) < 400
    assert visible(note["reason"]) == note["reason"], "it can be printed as it stands"


def test_the_whole_zoo_at_once_and_the_installed_program(agent_root: Layout) -> None:
    """Every beast, in every folder that a consumer reads; then each command that shows them."""
    for number, beast in enumerate(ZOO):
        for folder in (agent_root.inbox, agent_root.claimed, agent_root.dlq, agent_root.trash):
            place = agent_root.root / "cage" / "a" / "b" / "c" / str(number)
            place.mkdir(parents=True, exist_ok=True)
            made = beast.make(place)
            if not (folder / f"{number}-{made.name}"[:255]).exists():
                made.rename(folder / f"{number}-{made.name}"[:255])
    for path in everything(agent_root.bus):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)
    write_tick(agent_root.inbox, "good", "memo")
    done = program(agent_root, "run", "--until-idle")
    assert done.returncode == 0, done.stderr
    assert (agent_root.dlq / "good.json").exists(), "no prompt, so it is a dead letter"
    assert names(agent_root.claimed) == []
    for words in (["status"], ["dlq", "list"], ["journal"], ["doctor", "--offline"], ["cadences"]):
        shown = program(agent_root, *words)
        assert "Traceback" not in shown.stderr
        printed = (shown.stdout + shown.stderr).replace("\n", "")
        assert visible(printed) == printed, words


# ---- rows 8 and 18: patience ---------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-1.0, 7200.0], ids=["just written", "from the future"])
def test_a_file_that_may_still_be_written_waits_and_is_then_judged(
    agent_root: Layout, ahead: float
) -> None:
    time_ = FakeClock(1_800_000_000.0)
    path = agent_root.inbox / "half.json"
    path.write_text('{"id": "half", "cad')
    os.utime(path, (time_.wall() + ahead, time_.wall() + ahead))
    engine = engine_on(agent_root, clock=time_)
    assert claim_any(engine) is None
    assert path.exists()
    time_.advance(5.5)
    assert claim_any(engine) is None
    assert names(agent_root.inbox) == []
    assert "half.json" in names(agent_root.quarantine)


def test_a_file_that_is_finished_in_time_is_a_tick(agent_root: Layout) -> None:
    time_ = FakeClock(time.time())
    engine = engine_on(agent_root, clock=time_)
    path = agent_root.inbox / "slow.json"
    path.write_text('{"id": "slow", ')
    assert claim_any(engine) is None
    path.write_text('{"id": "slow", "cadence": "memo"}')
    time_.advance(5.5)
    claim = claim_any(engine)
    assert claim is not None


def test_what_is_set_aside_is_told_in_the_journal(tmp_path: Path) -> None:
    kit = Kit(tmp_path, clock=clock()).start()
    (kit.layout.inbox / "bad.json").write_text("[]")
    kit.run_for(1)
    [told] = [e for e in journal(kit.layout) if e["stage"] == "quarantined"]
    assert (told["level"], told["name"]) == ("error", "bad.json")
    assert "a list" in told["error"]


def journal(layout: Layout) -> list[dict[str, Any]]:
    from maestro_core.journal import read_journal

    return read_journal(layout, limit=1000)


@pytest.mark.parametrize("name", UNSEEN)
def test_files_on_the_way_are_left_alone(agent_root: Layout, name: str) -> None:
    (agent_root.inbox / name).write_text("x")
    engine = engine_on(agent_root, clock=clock())
    assert claim_any(engine) is None
    assert names(agent_root.inbox) == [name]
    assert engine.counts()["inbox"] == 0


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_a_name_that_is_no_text_is_set_aside_too(agent_root: Layout) -> None:
    name = os.fsdecode(b"\xff\xfe.json")
    (agent_root.inbox / name).write_text("{}")
    assert claim_any(engine_on(agent_root, clock=clock())) is None
    assert name in names(agent_root.quarantine)
    [note] = [one for one in agent_root.quarantine.iterdir() if one.name.endswith("reason.json")]
    assert read_json(note)["name"] == "\\xff\\xfe.json"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_an_agent_root_whose_path_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"agent\xff")
    root.mkdir()
    for words in (["status"], ["enqueue", "memo"], ["run", "--until-idle"]):
        done = program(Layout(root), *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no UTF-8" in done.stderr
    assert list(root.iterdir()) == []


# ---- row 45: a file that the disk or a sync program does not give -------------------------


class Withheld(QuickDisk):
    """One file is there and cannot be read: a bad sector, a placeholder of a cloud folder."""

    number = errno.EIO

    def read(self, path: Any, limit: int) -> bytes:
        if self.number and str(path).endswith("/a-bad.json"):
            raise OSError(self.number, os.strerror(self.number), str(path))
        return super().read(path, limit)


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.EDEADLK])
def test_a_file_that_cannot_be_read_holds_no_other_up(tmp_path: Path, number: int) -> None:
    disk = Withheld()
    disk.number = number
    kit = Kit(tmp_path, always(OK), fs=disk, clock=clock()).start()
    kit.prompt("memo")
    for name in ("a-bad", "b", "c"):
        write_tick(kit.layout.inbox, name, "memo")
    kit.run_for(120)
    assert kit.names("inbox") == ["a-bad"], "it is not set aside: the disk is to blame"
    assert kit.stats.escalated == 2
    told = kit.stages().count("trouble")
    assert 1 <= told <= 5, "about twice a minute"
    disk.number = 0
    kit.run_for(60)
    assert kit.names("inbox") == []


# ---- row 11: what a newer program adds -----------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=6), inner,
                      max_size=3),
    max_leaves=8,
)  # fmt: skip
FOREIGN = st.dictionaries(
    st.from_regex(r"x_[a-z]{1,8}", fullmatch=True), JSON, min_size=1, max_size=3
)
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICK
@given(extra=FOREIGN, payload=JSON)
def test_unknown_fields_come_back_as_they_were(
    agent_root: Layout, extra: dict[str, Any], payload: Any
) -> None:
    write_tick(agent_root.inbox, "t1", "memo", payload=payload, **extra)
    engine = engine_on(agent_root, clock=clock())
    for verb in ("put_back", "recovered"):
        claim = claim_any(engine)
        assert claim is not None
        getattr(engine, verb)(claim)
    claim = claim_any(engine)
    assert claim is not None
    engine.dead_letter(claim, FAILURE)
    document = read_json(agent_root.dlq / "t1.json")
    (agent_root.dlq / "t1.json").unlink()
    assert {name: document[name] for name in extra} == extra
    assert document["payload"] == payload


# ---- row 12: one field that is something else ----------------------------------------------

WHOLE = {
    "id": "t1", "cadence": "memo", "source": "launchd", "enqueued_at": "2026-11-24T02:03:04.567Z",
    "attempts": 1, "payload": {}, "priority": 0, "not_before": None, "dedupe_key": None,
    "last_error": "exit 1", "failures": [], "recoveries": 0,
}  # fmt: skip


@QUICK
@given(field=st.sampled_from(sorted(WHOLE)), value=JSON)
def test_one_wrong_field_is_named_or_does_no_harm(
    agent_root: Layout, field: str, value: Any
) -> None:
    write_json(agent_root.inbox / "t1.json", WHOLE | {field: value})
    engine = engine_on(agent_root, clock=clock())
    claim = claim_any(engine)
    if claim is not None:
        engine.complete(claim)
    elif (kept := agent_root.quarantine / "t1.json").exists():
        note = kept.with_name("t1.json.reason.json")
        assert field in read_json(note)["reason"]
        kept.unlink()
        note.unlink()
    else:
        assert field == "not_before", "it waits for its time"
        (agent_root.inbox / "t1.json").unlink()
    assert names(agent_root.inbox) == names(agent_root.claimed) == []


# ---- row 13: no name leads out of the root -------------------------------------------------


@QUICK
@given(tick_id=st.text(max_size=300), cadence=st.text(max_size=300))
def test_whatever_an_id_says_nothing_is_written_elsewhere(
    agent_root: Layout, tick_id: str, cadence: str
) -> None:
    document = {"id": tick_id, "cadence": cadence, "source": "test", "attempts": 0}
    try:
        made, _ = publish_tick(agent_root, document, QuickDisk())
    except (UsageError, Refused):
        assert names(agent_root.inbox) == []
    else:
        path = agent_root.inbox / f"{made}.json"
        assert path.resolve().parent == agent_root.inbox.resolve()
        path.unlink()


@QUICK
@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)),
                    min_size=1, max_size=80))  # fmt: skip
def test_whatever_a_file_is_called_it_stays_inside(agent_root: Layout, name: str) -> None:
    if name in (".", ".."):
        return
    outside = set(everything(agent_root.root)) - set(everything(agent_root.bus))
    (agent_root.inbox / name).write_text('{"id": "../../x", "cadence": "../../../y"}')
    assert claim_any(engine_on(agent_root, clock=clock())) is None
    assert set(everything(agent_root.root)) - set(everything(agent_root.bus)) == outside
    left = names(agent_root.inbox)
    assert left == ([name] if name.startswith(".") else [])
    for path in (*agent_root.inbox.iterdir(), *agent_root.quarantine.iterdir()):
        path.unlink()


# ---- rows 14 and 15: links -----------------------------------------------------------------


def test_the_target_of_a_link_is_neither_read_nor_changed(agent_root: Layout) -> None:
    target = target_of(agent_root.inbox)
    before = target.stat()
    (agent_root.inbox / "x.json").symlink_to(target)
    assert claim_any(engine_on(agent_root, clock=clock())) is None
    assert (agent_root.quarantine / "x.json").is_symlink()
    assert target.stat() == before


def test_a_file_with_a_second_name_runs_and_the_other_name_keeps_its_bytes(
    agent_root: Layout,
) -> None:
    other = agent_root.root / "kept.json"
    other.write_text('{"id": "t1", "cadence": "memo"}')
    os.link(other, agent_root.inbox / "t1.json")
    engine = engine_on(agent_root, clock=clock())
    claim = claim_any(engine)
    assert claim is not None
    engine.retry(claim, FAILURE)
    assert other.read_text() == '{"id": "t1", "cadence": "memo"}'
    assert read_json(agent_root.inbox / "t1.json")["attempts"] == 1


def test_of_two_names_of_one_file_only_the_right_one_is_a_tick(agent_root: Layout) -> None:
    write_tick(agent_root.inbox, "a", "memo")
    os.link(agent_root.inbox / "a.json", agent_root.inbox / "b.json")
    engine = engine_on(agent_root, clock=clock())
    claim = claim_any(engine)
    assert claim is not None
    assert claim.tick.id == "a"
    assert claim_any(engine) is None
    assert "b.json" in names(agent_root.quarantine)


# ---- row 17: a file that may not be read ---------------------------------------------------


@pytest.mark.skipif(not LINUX and os.geteuid() == 0, reason="root may read everything here")
def test_a_file_that_may_not_be_read_waits_a_moment_and_is_set_aside(agent_root: Layout) -> None:
    seen = scene("unreadable", agent_root, prefix=powerless())
    assert seen == {
        "at once": {"inbox": ["mine.json"], "claimed": "good"},
        "later": {"inbox": [], "quarantine": ["mine.json", "mine.json.reason.json"]},
        "reason": "this user may not read it",
    }


def test_files_and_folders_are_private_to_their_owner(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "agent")
    layout.root.mkdir()
    tick_id, _ = publish_tick(layout, WHOLE | {"id": "t1"})
    assert (layout.inbox / f"{tick_id}.json").stat().st_mode & 0o777 == 0o600
    assert {one.stat().st_mode & 0o777 for one in (layout.bus, layout.inbox)} == {0o700}


def test_the_zoo_has_a_beast_for_every_row_of_its_kind() -> None:
    assert {one.row for one in ZOO} == {8, 9, 10, 12, 13, 14, 16, 18}
