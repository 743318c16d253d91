"""Scenes: faults that need a process of their own. `python -m tests.catalogue.scenes NAME ROOT`
prints what was seen as one JSON document on its last line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from maestro_core.layout import Layout
from tests.catalogue import scenes_disk, scenes_processes

if __name__ == "__main__":
    name, root = sys.argv[1:]
    play = getattr(scenes_disk, name, None) or getattr(scenes_processes, name)
    print(json.dumps(play(Layout(Path(root)))))
