"""Reads `.env`, config/cadences.toml and the environment into `Settings`.

All faults are collected before one error is raised, and secrets in them are masked.
May be called from any thread; keeps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from maestro_core.envfile import EnvFile, read_env
from maestro_core.errors import SettingsError
from maestro_core.layout import Layout
from maestro_core.redact import Redactor
from maestro_core.settings_convert import Converter
from maestro_core.settings_override import bus_url, overrides, strange_names, webhook
from maestro_core.settings_read import told
from maestro_core.settings_toml import read_toml
from maestro_core.settings_types import (
    BusSettings,
    ConsumerSettings,
    NoticeSettings,
    Settings,
)

HINT = "correct the file and start again; `maestro-tui doctor` lists every fault"


class Examined(Struct, frozen=True, kw_only=True):
    """Settings as far as they could be read, with every fault; for people, not for the consumer."""

    settings: Settings
    env: EnvFile
    problems: tuple[str, ...]
    """Faults of config/cadences.toml and of MAESTRO_ variables; those of .env are in `env`."""


def examine_settings(layout: Layout, environ: Mapping[str, str] | None = None) -> Examined:
    """Read everything and raise nothing. `environ` None = this process's environment."""
    environ = os.environ if environ is None else environ
    env = read_env(layout.env_file, environ)
    file = read_toml(layout.cadences_toml)
    converter = Converter(file)
    consumer, cadences = converter.document()
    changed, wrong = overrides(env, environ)
    consumer |= changed
    converter.check_budget(("consumer",), consumer)
    tables = converter.tables()
    address, unusable = webhook(env, environ)
    if address is not None:
        tables["notices"] = replace(tables.get("notices", NoticeSettings()), webhook=address)
    server, wrong_bus = bus_url(env, environ)
    if server is not None:
        tables["bus"] = replace(tables.get("bus", BusSettings()), url=server)
    redact = Redactor({**environ, **env.values})
    warnings = told([*converter.warnings, *strange_names(env, environ)])
    settings = Settings(
        **tables,
        consumer=ConsumerSettings(**consumer),
        cadences=cadences,
        env=env.values,
        warnings=tuple(map(redact, warnings)),
    )
    problems = [
        *([file.problem] if file.problem else []),
        *converter.problems,
        *wrong,
        *unusable,
        *wrong_bus,
    ]
    return Examined(settings=settings, env=env, problems=tuple(map(redact, told(problems))))


def load_settings(layout: Layout, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of an agent root; both files are optional.

    Raises:
        SettingsError: something is wrong; `problems` has one line for each fault.
    """
    examined = examine_settings(layout, environ)
    problems = [*examined.env.problems, *examined.problems]
    if problems:
        raise SettingsError(problems, HINT)
    return examined.settings
