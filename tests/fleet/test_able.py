"""Which hosts can run a cadence, as a card says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.models import Tick
from maestro_tui.presentation.cadence import countdown
from maestro_tui.presentation.words import cadence_look
from tests.fleet.server import Database
from tests.fleet.view_kit import Scene

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    return Scene(database, tmp_path)


def test_a_cadence_of_this_root_is_not_elsewhere_and_one_of_no_host_is_said_to_wait(
    scene: Scene,
) -> None:
    scene.layout.triggers.mkdir(parents=True)
    scene.layout.prompt("memo").write_text("write it")
    scene.host("mini-1", "memo")
    scene.host("mini-2", "memo", "mail")
    scene.engine.enqueue(Tick(id="a", cadence="nobody"))
    shot = scene.reader().read()
    views = {view.name: view for view in shot.cadences}
    modes = {name: view.mode for name, view in views.items()}
    assert modes == {"memo": "unregistered", "mail": "elsewhere", "nobody": "elsewhere"}
    nobody = views["nobody"]
    assert (nobody.hosts, nobody.prompt_exists) == ((), False)
    assert countdown(nobody, shot.consumer, shot.at).text == "no host can run it"
    assert cadence_look(nobody, shot.consumer).word == "no host"
