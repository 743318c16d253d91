"""Proves that a round of checks is parallel, bounded in time, and survives any single check."""

from __future__ import annotations

import threading
import time

import pytest

from maestro_core.doctor import CHECKS, Check, Context, Finding, Verdict, run_checks
from maestro_core.errors import UsageError
from maestro_core.layout import Layout


def check(name: str, run: object, timeout: float = 30.0) -> Check:
    return Check(f"test.{name}", name, run, timeout)  # type: ignore[arg-type]


def examine(layout: Layout, *checks: Check, **options: object) -> list[Finding]:
    return run_checks(layout, only=["test"], extra=checks, environ={}, **options)  # type: ignore[arg-type]


def fine(_: Context) -> Verdict:
    return Verdict("ok", "fine")


def test_checks_run_at_the_same_time(agent_root: Layout) -> None:
    all_there = threading.Barrier(5)

    def meets(_: Context) -> Verdict:
        all_there.wait(20)
        return Verdict("ok", "met")

    found = examine(agent_root, *(check(str(n), meets) for n in range(5)))
    assert [one.detail for one in found] == ["met"] * 5


def test_a_check_that_hangs_is_given_up_and_the_others_are_not(agent_root: Layout) -> None:
    let_go = threading.Event()

    def hangs(_: Context) -> Verdict:
        let_go.wait(60)
        return Verdict("ok", "too late")

    begun = time.monotonic()
    heard: list[str] = []
    found = examine(
        agent_root, check("hangs", hangs, 0.2), check("fine", fine), check("also", hangs, 0.3),
        on_result=lambda one: heard.append(one.id),
    )  # fmt: skip
    let_go.set()
    assert time.monotonic() - begun < 20
    assert [(one.status, one.unchecked) for one in found] == [
        ("skip", True), ("ok", False), ("skip", True),
    ]  # fmt: skip
    assert found[0].detail == "no answer within 0.2 s"
    assert sorted(heard) == ["test.also", "test.fine", "test.hangs"]


def test_a_check_that_breaks_is_a_finding(agent_root: Layout) -> None:
    def breaks(_: Context) -> Verdict:
        raise RuntimeError("\x1b[31mboom")

    (found,) = examine(agent_root, check("breaks", breaks))
    assert (found.status, found.unchecked) == ("skip", True)
    assert found.detail == "the check itself failed: RuntimeError: \\x1b[31mboom"


def test_findings_come_in_the_order_of_the_registry(agent_root: Layout) -> None:
    second_done = threading.Event()

    def waits(_: Context) -> Verdict:
        second_done.wait(20)
        return Verdict("ok", "")

    def hurries(_: Context) -> Verdict:
        second_done.set()
        return Verdict("warn", "x", "y")

    heard: list[str] = []
    found = examine(
        agent_root,
        check("a", waits),
        check("b", hurries),
        on_result=lambda one: heard.append(one.title),
    )
    assert [one.title for one in found] == ["a", "b"]
    assert heard == ["b", "a"]


def test_texts_are_masked_and_printable(agent_root: Layout) -> None:
    agent_root.env_file.write_text("SLACK_USER_TOKEN=canary-99887766\n")
    said = Verdict("fail", "saw canary-99887766\nand \x9b2J", "remove canary-99887766")
    (found,) = examine(agent_root, check("leaks", lambda _: said))
    assert (found.detail, found.remedy) == ("saw [masked]\nand \\x9b2J", "remove [masked]")


def test_one_check_can_be_run_again_by_its_id(agent_root: Layout) -> None:
    (found,) = run_checks(agent_root, only=["queue.dead_letters"], environ={})
    assert found.id == "queue.dead_letters"
    group = run_checks(agent_root, only=["queue"], environ={})
    assert [one.id for one in group] == [c.id for c in CHECKS if c.id.startswith("queue.")]
    with pytest.raises(UsageError, match=r"no check nonsense"):
        run_checks(agent_root, only=["nonsense"], environ={})


def test_ids_are_unique_and_titles_short() -> None:
    assert len({one.id for one in CHECKS}) == len(CHECKS) >= 30
    assert all(0 < len(one.title) <= 22 and one.timeout > 0 for one in CHECKS)
