"""The agent's numbers as Prometheus text, once: for a file collector or a look.

`[metrics] port` in config/cadences.toml lets `maestro-tui run` serve the same on the loopback
address. Both need the extra `metrics`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from maestro_core.cli.main import Context
from maestro_core.clock import SystemClock
from maestro_core.errors import Refused
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.settings import examine_settings

HINT = "install it with the extra: pipx install 'maestro-tui[metrics]'"


def configure(_parser: argparse.ArgumentParser, _name: str) -> None:
    """It has no options of its own."""


def run(_arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    try:
        from maestro_core.metrics.serve import registry, render
    except ImportError as error:
        raise Refused(f"the Prometheus client is not installed ({error})", HINT) from error
    sys.stdout.write(render(registry(layout))[1].decode())
    return 0


@contextmanager
def served(layout: Layout) -> Iterator[None]:
    """Serve while the context lasts, if the settings ask for it. What hinders it is journalled:
    the consumer works without."""
    port = examine_settings(layout).settings.metrics.port
    with ExitStack() as stack:
        if port is not None:
            try:
                from maestro_core.metrics.serve import serving

                stack.enter_context(serving(layout, port))
            except (ImportError, OSError) as error:
                hint = HINT if isinstance(error, ImportError) else f"port {port}"
                Journal(layout, SystemClock()).write(
                    "error", "metrics_off", error=str(error), hint=hint
                )
        yield
