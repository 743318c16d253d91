"""The plan of restarting the service, so that it runs the version that is installed. Pure until
it is run."""

from __future__ import annotations

from functools import partial
from typing import Any

from maestro_core import __version__
from maestro_core.layout import Layout
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.acts import Plan, Refusal
from maestro_tui.presentation.cells import data, plural
from maestro_tui.presentation.strip import other_version


def restart_plan(layout: Layout, snapshot: Snapshot) -> Plan | Refusal:
    """Asked for first: what runs now is ended and put back."""
    running = len(snapshot.running)
    version = other_version(snapshot)
    was = f"It runs {data(version, 40)}; {__version__} is installed." if version else ""
    ticks = "its tick" if running == 1 else "their ticks"
    ends = f"{plural(running, 'sub-session')} will be ended, {ticks} put back into the inbox."
    return Plan(
        title="Restart the service",
        button="Restart",
        risk="cost",
        targets=(),
        run=partial(_restart, layout),
        done="the service was restarted",
        lines=tuple(one for one in (was, ends if running else "") if one),
    )


def _restart(layout: Layout, _operator: Any) -> None:
    from maestro_core.service.restart import restart_service

    restart_service(layout)
