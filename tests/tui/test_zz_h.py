import pytest, pathlib
from tests.tui.test_terminal import *
from tests.tui import test_terminal as T
@pytest.mark.parametrize("way", ["off","on","off","on"])
def test_h(agent, way):
    c = agent.root.parent/"home"/".config"/"maestro-tui"; c.mkdir(parents=True)
    (c/"config.toml").write_text(f'wire = "{way}"\n')
    T.test_hostile_text_is_shown_and_never_obeyed(agent)
