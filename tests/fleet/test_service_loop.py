"""A crash loop of the service of an agent root that is a host of a fleet."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.files import OsFiles
from maestro_core.service.starts import StartBook
from tests.fleet.server import Database
from tests.fleet.view_kit import Scene

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    return Scene(database, tmp_path)


def test_a_crash_loop_of_this_roots_service_is_told_in_the_fleets_picture(scene: Scene) -> None:
    scene.host("mini-2", "memo")
    book = StartBook(scene.layout, OsFiles(), scene.clock)
    for _ in range(8):
        book.begin()
        book.end("boom")
    loop = scene.reader().read().consumer.loop
    assert loop is not None
    assert "boom" in loop.reason
