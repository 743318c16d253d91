"""Typed settings of an agent root: `.env` (python-dotenv) and config/cadences.toml.

An environment variable or .env entry MAESTRO_<NAME> overrides a [consumer] key.
Errors name file, line or key, and what is allowed; see `SettingsError`. This module is the
face of the settings_* modules: types, ranges, TOML with lines, overrides, loading, watching.
"""

from __future__ import annotations

from maestro_core.settings_load import Examined, examine_settings, load_settings
from maestro_core.settings_types import (
    BuiltIn,
    BusSettings,
    CadenceSettings,
    ConsumerSettings,
    Guard,
    Handler,
    MetricsSettings,
    Mode,
    NoticeSettings,
    Producer,
    ScheduleSettings,
    Settings,
)
from maestro_core.settings_watch import SettingsWatcher

__all__ = [
    "BuiltIn", "BusSettings", "CadenceSettings", "ConsumerSettings", "Examined", "Guard", "Handler",
    "MetricsSettings", "Mode", "NoticeSettings", "Producer", "ScheduleSettings", "Settings",
    "SettingsWatcher", "examine_settings", "load_settings",
]  # fmt: skip
