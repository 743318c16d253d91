"""The demo: a throw-away agent root with lively cadences and a stand-in `claude`.

`demo_root` is all that the command needs; `prepare_demo` and `DemoProducer` are its parts.
No key, no network, and nothing of it is left when it ends, unless the folder is kept.
"""

from maestro_core.demo.agent import prepare_demo
from maestro_core.demo.producer import DemoProducer
from maestro_core.demo.stage import demo_root

__all__ = ["DemoProducer", "demo_root", "prepare_demo"]
