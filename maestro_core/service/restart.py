"""Brings a new version in: the installed consumer is stopped in order and started again."""

from __future__ import annotations

import os

from maestro_core.errors import Refused
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.service.identity import identity
from maestro_core.service.install import require
from maestro_core.service.job import CONSUMER
from maestro_core.service.manager import Kind, Manager, make_manager, manager_kind
from maestro_core.service.shell import SystemShell


def this_manager(layout: Layout, kind: Kind | None = None) -> Manager:
    """This machine's, or one of that kind. Raises Refused when there is none."""
    found = kind or manager_kind(os.environ)
    return make_manager(found, identity(layout, os.environ), SystemShell(), os.environ, OsFiles())


def restart_service(layout: Layout) -> None:
    """Stop it and start it again.

    Raises:
        Refused: no service is installed for this agent root, or nothing here can run one.
        ManagerFailed: launchctl or systemctl said no.
    """
    manager = this_manager(layout)
    present = manager.present(CONSUMER)
    if not present:
        raise Refused("no service is installed for this agent root", "maestro-tui service install")
    require(manager)
    manager.restart(present[0])
