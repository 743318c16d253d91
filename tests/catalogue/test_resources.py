"""Rows 5, 6, 7, 20 and 52: no room, no right to write, no descriptors, no watches, folders on
two disks. The consumer holds, says so, loses nothing, does not spin, and goes on by itself.

The faults are real: small file systems in a namespace of the test's own, limits of a process.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from maestro_core.bus.feed import ManualFeed
from maestro_core.consumer.driver import Driver
from maestro_core.layout import Layout
from tests.catalogue.kit import MOUNTS, in_namespace, linux_only, powerless, scene
from tests.support import read_json, wait_until, write_tick

NOTHING = {"inbox": [], "claimed": [], "dlq": [], "quarantine": []}


def assert_held_and_went_on(seen: dict[str, Any], trouble: str) -> None:
    assert trouble in seen["trouble"]
    assert seen["passes"] <= 125, "two minutes of trouble: about a look a second, never a loop"
    assert seen["beat"] is None
    assert seen["told"] <= 6, "once for each kind of trouble, not once a pass"
    assert seen["left"] == NOTHING
    assert seen["runs"] == 3, "each tick ran once"


# ---- row 5: no room ------------------------------------------------------------------------


@linux_only
def test_bytes_and_then_inodes_run_out_and_nothing_is_lost(agent_root: Layout) -> None:
    seen = scene("full_disk", agent_root, prefix=in_namespace(*MOUNTS))
    assert len(seen["claimed"]) == 3
    assert "the disk is nearly full" in seen["nearly full"]
    assert "No space left" in seen["full: claim"]
    assert "No space left" in seen["full: settle"]
    assert seen["full: places"] == [[], ["dlq"], ["claimed"], ["inbox"]]
    assert seen["room: places"] == [[], ["dlq"], ["dlq"], ["inbox"]]
    assert "30 inodes" in seen["few inodes"]
    assert "bytes or inodes" in seen["no inodes: settle"]
    assert seen["no inodes: place"] == ["claimed"]
    assert seen["inodes: place"] == ["inbox"]
    assert seen["tmp"] == []


@linux_only
def test_a_consumer_waits_for_room(agent_root: Layout) -> None:
    seen = scene("consumer_on_a_full_disk", agent_root, prefix=in_namespace(*MOUNTS))
    assert_held_and_went_on(seen, "No space left")


# ---- row 6: no right to write --------------------------------------------------------------


@linux_only
def test_a_consumer_waits_until_its_disk_may_be_written_again(agent_root: Layout) -> None:
    seen = scene("consumer_on_a_read_only_disk", agent_root, prefix=in_namespace(*MOUNTS))
    assert_held_and_went_on(seen, "Read-only file system")
    code, out, err = seen["enqueue"]
    assert (code, out) == ("1", "")
    assert "mounted read-only" in err


def test_a_consumer_waits_until_it_has_the_right_again(agent_root: Layout) -> None:
    seen = scene("consumer_without_permission", agent_root, prefix=powerless())
    assert_held_and_went_on(seen, "Permission denied")
    code, out, err = seen["enqueue"]
    assert (code, out) == ("1", "")
    assert "check the owner and the mode" in err
    assert len(err.splitlines()) <= 2


# ---- row 7: no descriptors -----------------------------------------------------------------


def test_a_consumer_without_descriptors_waits_for_some(agent_root: Layout) -> None:
    seen = scene("consumer_without_descriptors", agent_root)
    assert_held_and_went_on(seen, "Too many open files")


# ---- row 20: no watches, or deaf ones ------------------------------------------------------


def test_a_watcher_that_hears_nothing_only_costs_time(agent_root: Layout) -> None:
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text(
        '[consumer]\npoll_seconds = 0.2\n[cadence.beat]\nmode = "inline"\nhandler = "heartbeat"\n'
    )
    driver = Driver(agent_root, mode="daemon", feed=ManualFeed())
    thread = threading.Thread(target=driver.run)
    thread.start()
    try:
        wait_until(agent_root.consumer_json.exists)
        write_tick(agent_root.bus, "t1", "beat").rename(agent_root.inbox / "t1.json")
        wait_until(lambda: read_json(agent_root.consumer_json)["stats"]["inline"])
    finally:
        driver.stop()
        thread.join(20)
    assert not thread.is_alive()


@linux_only
def test_without_inotify_it_polls_and_says_so(agent_root: Layout) -> None:
    seen = scene("no_watches", agent_root, prefix=in_namespace(*MOUNTS))
    assert "polling" in seen["degraded"]
    assert seen["inbox"] == []


# ---- row 52: two file systems --------------------------------------------------------------


@linux_only
def test_a_bus_on_two_file_systems_is_refused_by_name(agent_root: Layout) -> None:
    seen = scene("two_file_systems", agent_root, prefix=in_namespace(*MOUNTS))
    for folder, (code, err, _, asked, waiting, temp) in seen.items():
        assert code == 1
        assert f"/state/cadence-bus/{folder} is on another file system" in err
        assert "put them on one disk" in err
        assert temp == []
        if folder == "claimed":
            assert waiting == 1, "to enqueue, tmp and inbox have to be on one"
        else:
            assert "Invalid cross-device link" in asked
            assert waiting == 0


@pytest.mark.parametrize("word", ["inbox", "claimed", "tmp"])
def test_a_folder_on_another_disk_is_refused_by_the_engine(agent_root: Layout, word: str) -> None:
    from maestro_core.errors import BusError
    from tests.catalogue.kit import QuickDisk, claim_any, engine_on

    class TwoDisks(QuickDisk):
        def device(self, path: Any) -> int:
            return 2 if str(path).endswith(f"/{word}") else 1

    with pytest.raises(BusError, match=f"{word} is on another file system"):
        claim_any(engine_on(agent_root, TwoDisks()))
