"""The database server of these tests."""

from __future__ import annotations

from tests.fleet.server import database, server

__all__ = ["database", "server"]
