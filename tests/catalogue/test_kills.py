"""Row 1 on real files: the process is killed before each call of the file layer, and the
installed command inside each of the system calls that make a tick durable.
"""

from __future__ import annotations

import signal

import pytest

from maestro_core.layout import Layout
from tests.catalogue.kit import claim_any, engine_on, injected, linux_only, names, program, scene


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
