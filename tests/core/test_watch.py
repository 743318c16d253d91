"""The change feed on real files: every topic is heard, soon; folders may go and come again;
without a watch it polls and says so; a listener can be woken and the thread ends."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maestro_core.bus import watch as watch_module
from maestro_core.bus.feed import EVERYTHING, ManualFeed, Topic
from maestro_core.bus.watch import CONSUMER_TOPICS, WatchFeed, consumer_feed
from maestro_core.layout import Layout

DEADLINE = 20.0


def hears(feed: WatchFeed, topic: Topic) -> bool:
    """Whether that topic is told before the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if topic in feed.wait(end - time.monotonic()):
            return True
    return False


def settle(feed: WatchFeed, layout: Layout) -> None:
    """Until the feed is armed and has told all that went before.

    The mark is moved in from where nobody watches: one event, so that nothing of it comes later.
    """
    mark = layout.root.parent / "mark"
    for _ in range(100):
        mark.write_text("{}")
        mark.rename(layout.emergency_stop)
        if feed.wait(0.3) == {"estop"}:
            return
    pytest.fail("the feed never settled")


@pytest.fixture
def make_feed() -> Iterator[Callable[..., WatchFeed]]:
    feeds: list[WatchFeed] = []

    def make(layout: Layout, **options: object) -> WatchFeed:
        feeds.append(WatchFeed(layout, **options))  # type: ignore[arg-type]
        return feeds[-1]

    yield make
    for feed in feeds:
        feed.close()


TOPIC_FILES: list[tuple[Topic, Callable[[Layout], Path]]] = [
    ("inbox", lambda a: a.inbox / "t.json"),
    ("claimed", lambda a: a.claimed / "t.json"),
    ("dlq", lambda a: a.dlq / "t.json"),
    ("quarantine", lambda a: a.quarantine / "t.json"),
    ("paused", lambda a: a.paused / "memo.json"),
    ("control", lambda a: a.control / "c.json"),
    ("control", lambda a: a.acks / "c.json"),
    ("consumer", lambda a: a.consumer_json),
    ("circuit", lambda a: a.circuit_open),
    ("ledger", lambda a: a.ledger),
    ("journal", lambda a: a.journal("2026-11-24T00:00:00.000Z")),
    ("subsessions", lambda a: a.subsessions / "x.stdout.log"),
    ("estop", lambda a: a.emergency_stop),
    ("settings", lambda a: a.env_file),
    ("settings", lambda a: a.cadences_toml),
    ("prompts", lambda a: a.prompt("memo")),
]


@pytest.mark.parametrize("polled", [False, True])
def test_every_topic_is_heard_when_its_file_appears(
    agent_root: Layout,
    make_feed: Callable[..., WatchFeed],
    monkeypatch: pytest.MonkeyPatch,
    polled: bool,
) -> None:
    monkeypatch.setattr(watch_module, "POLL_SECONDS", 0.02)
    for _, path in TOPIC_FILES:
        path(agent_root).parent.mkdir(parents=True, exist_ok=True)
    feed = make_feed(agent_root, poll=polled)
    assert feed.wait(DEADLINE) == EVERYTHING
    for topic, path in TOPIC_FILES:
        path(agent_root).write_text("{}")
        assert hears(feed, topic), path(agent_root)


def test_a_rename_into_the_inbox_is_heard_at_once(
    agent_root: Layout, make_feed: Callable[..., WatchFeed]
) -> None:
    feed = make_feed(agent_root)
    settle(feed, agent_root)
    waits = []
    for number in range(7):
        temp = agent_root.tmp / "new"
        temp.write_text("{}")
        began = time.monotonic()
        temp.rename(agent_root.inbox / f"t{number}.json")
        assert "inbox" in feed.wait(DEADLINE)
        waits.append(time.monotonic() - began)
    assert min(waits) < 0.25  # the quickest of them: this machine may be busy


def test_names_that_begin_with_a_dot_are_nobodys_news(
    agent_root: Layout, make_feed: Callable[..., WatchFeed]
) -> None:
    feed = make_feed(agent_root)
    settle(feed, agent_root)
    (agent_root.inbox / ".t.json.swp").write_text("")
    (agent_root.tmp / "stray").write_text("")
    (agent_root.dlq / "t.json").write_text("{}")
    assert feed.wait(DEADLINE) == {"dlq"}


def test_an_inbox_that_is_deleted_and_made_again_is_watched_again(
    agent_root: Layout, make_feed: Callable[..., WatchFeed]
) -> None:
    feed = make_feed(agent_root)
    settle(feed, agent_root)
    for number in range(3):
        shutil.rmtree(agent_root.inbox)
        assert hears(feed, "inbox")
        agent_root.inbox.mkdir()
        assert hears(feed, "inbox")
        settle(feed, agent_root)
        (agent_root.inbox / f"t{number}.json").write_text("{}")
        assert hears(feed, "inbox")


def test_a_whole_bus_that_is_deleted_and_made_again_is_watched_again(
    agent_root: Layout, make_feed: Callable[..., WatchFeed]
) -> None:
    feed = make_feed(agent_root)
    settle(feed, agent_root)
    shutil.rmtree(agent_root.root / "state")
    assert hears(feed, "inbox")
    agent_root.inbox.mkdir(parents=True)
    assert hears(feed, "inbox")
    settle(feed, agent_root)
    (agent_root.inbox / "t.json").write_text("{}")
    assert hears(feed, "inbox")


def test_a_root_that_is_not_there_yet_is_watched_when_it_comes(
    tmp_path: Path, make_feed: Callable[..., WatchFeed]
) -> None:
    layout = Layout(tmp_path / "later")
    feed = make_feed(layout)
    assert feed.wait(DEADLINE) == EVERYTHING
    layout.inbox.mkdir(parents=True)
    assert hears(feed, "inbox")
    settle(feed, layout)


def test_a_root_behind_a_link_is_watched(
    agent_root: Layout, tmp_path: Path, make_feed: Callable[..., WatchFeed]
) -> None:
    (tmp_path / "link").symlink_to(agent_root.root)
    feed = make_feed(Layout(tmp_path / "link"))
    settle(feed, agent_root)
    (agent_root.inbox / "t.json").write_text("{}")
    assert hears(feed, "inbox")


def test_a_consumer_hears_arrivals_and_orders_and_not_itself(agent_root: Layout) -> None:
    feed = consumer_feed(agent_root)
    try:
        assert feed.wait(DEADLINE) == CONSUMER_TOPICS
        settle(feed, agent_root)
        tick = agent_root.inbox / "t.json"
        tick.write_text("{}")
        assert hears(feed, "inbox")
        tick.rename(agent_root.claimed / "t.json")
        agent_root.consumer_json.write_text("{}")
        agent_root.circuit_open.write_text("{}")
        (agent_root.subsessions / "x.stdout.log").write_text("much")
        agent_root.paused.joinpath("memo.json").write_text("{}")
        assert feed.wait(DEADLINE) == {"paused"}
        agent_root.paused.joinpath("memo.json").unlink()
        assert feed.wait(DEADLINE) == {"paused"}
    finally:
        feed.close()


def test_without_watches_it_polls_says_so_and_comes_back(
    agent_root: Layout, make_feed: Callable[..., WatchFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = watch_module.RustNotify

    def refuse(*_: object) -> object:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watch_module, "RustNotify", refuse)
    monkeypatch.setattr(watch_module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(watch_module, "RETRY_SECONDS", 0.2)
    feed = make_feed(agent_root)
    assert hears(feed, "inbox")
    (agent_root.inbox / "t.json").write_text("{}")
    assert hears(feed, "inbox")
    assert feed.degraded is not None
    assert "limit reached" in feed.degraded
    monkeypatch.setattr(watch_module, "RustNotify", real)
    end = time.monotonic() + DEADLINE
    while feed.degraded and time.monotonic() < end:
        feed.wait(0.05)
    assert feed.degraded is None


def test_what_events_miss_is_told_by_and_by(
    agent_root: Layout, make_feed: Callable[..., WatchFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf:
        """A watcher that drops every event."""

        def __init__(self, *_: object) -> None:
            pass

        def __enter__(self) -> Deaf:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def watch(self, _debounce: int, _step: int, timeout: int, stop: threading.Event) -> str:
            stop.wait(timeout / 1000)
            return "timeout"

    monkeypatch.setattr(watch_module, "RustNotify", Deaf)
    monkeypatch.setattr(watch_module, "CHECK_MS", 20)
    monkeypatch.setattr(watch_module, "RESCAN_SECONDS", 0.2)
    feed = make_feed(agent_root)
    assert feed.wait(DEADLINE) == EVERYTHING
    for _ in range(3):
        assert feed.wait(DEADLINE) == EVERYTHING


def test_wake_ends_a_wait_without_news_and_close_ends_the_thread(
    agent_root: Layout, make_feed: Callable[..., WatchFeed]
) -> None:
    feed = make_feed(agent_root)
    settle(feed, agent_root)
    timer = threading.Timer(0.05, feed.wake)
    timer.start()
    assert feed.wait(DEADLINE) == frozenset()
    timer.join()
    assert feed.wait(0.0) == frozenset()
    feed.close()
    feed.close()
    assert not feed._thread.is_alive()
    assert feed.wait(DEADLINE) <= EVERYTHING


def test_an_idle_feed_costs_next_to_nothing(
    agent_root: Layout, make_feed: Callable[..., WatchFeed]
) -> None:
    feed = make_feed(agent_root)
    settle(feed, agent_root)
    before = os.times()
    feed.wait(1.5)
    after = os.times()
    assert after.user + after.system - before.user - before.system < 0.05


def test_a_manual_feed_tells_what_it_is_told() -> None:
    feed = ManualFeed()
    assert feed.wait(0.0) == frozenset()
    feed.tell("inbox", "dlq")
    assert feed.wait(DEADLINE) == {"inbox", "dlq"}
    feed.wake()
    assert feed.wait(DEADLINE) == frozenset()
    feed.close()
    assert feed.wait(DEADLINE) == frozenset()
