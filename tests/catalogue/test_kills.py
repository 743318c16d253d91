"""Row 1 on real files: the process is killed before each call of the file layer, the installed
command inside each of the system calls that make a tick durable, and the installed consumer
again and again while ticks come in and sub-sessions run.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter

import pytest

from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.layout import Layout
from tests.catalogue.kit import (
    PROGRAM,
    claim_any,
    engine_on,
    environment,
    injected,
    linux_only,
    names,
    program,
    scene,
)
from tests.support import read_json, wait_until, write_tick

KILLS = 6
CLAUDE = """#!/bin/sh
for other in "$AGENT_ROOT"/at-work/"$MAESTRO_TICK_ID".*; do
  if [ -e "$other" ] && kill -0 "${other##*.}" 2>/dev/null; then
    echo "overlap $MAESTRO_TICK_ID" >> "$AGENT_ROOT/story"
  fi
done
: > "$AGENT_ROOT/at-work/$MAESTRO_TICK_ID.$$"
echo "begin $MAESTRO_TICK_ID" >> "$AGENT_ROOT/story"
cat > /dev/null
echo done
rm "$AGENT_ROOT/at-work/$MAESTRO_TICK_ID.$$"
echo "end $MAESTRO_TICK_ID" >> "$AGENT_ROOT/story"
"""
TOML = """
[consumer]
poll_seconds = 0.2
kill_grace_seconds = 1
[cadence.memo]
mode = "escalate"
"""


def test_a_kill_before_any_call_on_real_files_is_recovered(agent_root: Layout) -> None:
    seen = scene("killed_at_every_call", agent_root)
    assert seen["calls"] > 60
    assert seen["broken"] == {}


@linux_only
@pytest.mark.parametrize(
    ("call", "nth", "there"),
    [
        ("write", 1, False), ("fsync", 1, False), ("linkat", 1, False),
        ("unlink", 1, True), ("fsync", 2, True),
    ],
)  # fmt: skip
def test_a_command_that_is_killed_leaves_a_whole_tick_or_none(
    agent_root: Layout, call: str, nth: int, there: bool
) -> None:
    """SIGKILL as that system call begins; the tick was not acknowledged, so either is right."""
    done = program(agent_root, "enqueue", "memo", prefix=injected(call, f"signal=KILL:when={nth}"))
    assert done.returncode != 0
    assert done.stdout == ""
    # A kill arrives when the call returns: one that was begun may have taken effect.
    assert len(names(agent_root.inbox)) in ({1} if there else {0, 1})
    engine = engine_on(agent_root)
    claim = claim_any(engine)
    assert (claim is not None) == bool(names(agent_root.claimed))
    assert names(agent_root.quarantine) == []
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL, 1)


def test_a_consumer_that_is_killed_again_and_again_under_load_loses_nothing(
    agent_root: Layout,
) -> None:
    """Each life ends at another point of the story; the last one is left to finish."""
    env = lay_out(agent_root)
    made: set[str] = set()
    for life in range(KILLS):
        made |= more_ticks(agent_root, life)
        length = len(story(agent_root)) + life + 1
        argv = [str(PROGRAM), "--root", str(agent_root.root), "run"]
        with subprocess.Popen(argv, env=env, cwd="/", stdout=subprocess.DEVNULL) as consumer:
            try:
                wait_until(lambda so_far=length: len(story(agent_root)) >= so_far, 60, "its work")
            finally:
                consumer.kill()
        assert lost(agent_root, made) == set()
    assert program(agent_root, "run", "--until-idle", env=env).returncode == 0
    told = Counter(line.split()[0] for line in story(agent_root))
    assert told["overlap"] == 0
    assert told["begin"] >= told["end"] > 0
    assert names(agent_root.inbox) == names(agent_root.claimed) == []
    assert names(agent_root.quarantine) == []
    assert lost(agent_root, made) == set()
    for letter in agent_root.dlq.iterdir():  # three kills that hit the same tick are poison
        assert read_json(letter)["recoveries"] >= 2


def lay_out(layout: Layout) -> dict[str, str]:
    """A cadence, and a stand-in that notes when it begins, ends, and is not alone."""
    claude = layout.root / "claude"
    claude.write_text(CLAUDE)
    claude.chmod(0o755)
    (layout.root / "at-work").mkdir()
    (layout.root / "story").touch()
    layout.triggers.mkdir(parents=True)
    layout.prompt("memo").write_text("Go.\n")
    layout.cadences_toml.parent.mkdir()
    layout.cadences_toml.write_text(TOML)
    return environment(MAESTRO_CLAUDE_BIN=str(claude))


def more_ticks(layout: Layout, life: int) -> set[str]:
    """Ids of some that were enqueued, and one that a script dropped."""
    documents = [make_document("memo", source="test", now_wall=life * 10.0 + n) for n in range(4)]
    made = {publish_tick(layout, document)[0] for document in documents}
    write_tick(layout.inbox, f"dropped-{life}", "memo")
    return made | {f"dropped-{life}"}


def story(layout: Layout) -> list[str]:
    return (layout.root / "story").read_text().splitlines()


def lost(layout: Layout, made: set[str]) -> set[str]:
    """Ticks that are nowhere and whose run has not ended."""
    ended = {line.split()[1] for line in story(layout) if line.startswith("end ")}
    folders = (layout.inbox, layout.claimed, layout.dlq)
    there = {name.removesuffix(".json") for folder in folders for name in names(folder)}
    return made - ended - there
