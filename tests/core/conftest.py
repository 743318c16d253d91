"""The database server for those tests of the core that run on every engine."""

from __future__ import annotations

from tests.fleet.server import database, server

__all__ = ["database", "server"]
