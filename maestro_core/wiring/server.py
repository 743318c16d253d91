"""Whether the bus of an agent root is on a server, and can be used from here."""

from __future__ import annotations

from maestro_core.bus_setting import bus_of
from maestro_core.layout import Layout
from maestro_core.settings_types import BusSettings


def server_bus(layout: Layout) -> BusSettings | None:
    """What is said of the server, whose libraries are there: `fleet` and `fleet_view` can be
    imported; None = the bus is the root's own folders. Nothing is connected.

    Raises SettingsError: what is said of the bus cannot be used; BusError: libraries are missing.
    """
    bus = bus_of(layout)
    if bus.server is None:
        return None
    from maestro_core.fleet.open import require

    require()
    return bus
