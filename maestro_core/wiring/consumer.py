"""The bus of a consumer. Called by the driver, in its thread, once the lock is held."""

from __future__ import annotations

from maestro_core.consumer.bus_ports import Bus, Place, directory_bus
from maestro_core.wiring.server import server_bus


def chosen_bus(place: Place) -> Bus:
    """A BusMaker: what the settings say. Raises SettingsError, BusError, Busy or OSError."""
    if server_bus(place.layout) is None:
        return directory_bus(place)
    from maestro_core.fleet.consume import fleet_bus

    return fleet_bus(place)
