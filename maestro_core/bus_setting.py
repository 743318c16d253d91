"""Which bus an agent root has: its own folders, or a server that a fleet shares.

    bus = bus_of(layout)
    if bus.server is not None:
        from maestro_core.fleet.open import open_link   # see there

Asked by every command, so it is cheap where there is no server: two files are looked through
for the words, and nothing is imported. Faults elsewhere in the settings keep nobody from acting,
but what is said of the bus must be right: to act on the wrong bus would be worse than not to act.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maestro_core.layout import Layout
    from maestro_core.settings_types import BusSettings

VARIABLE = "MAESTRO_BUS"
_IN_ENV = re.compile(rb"MAESTRO_BUS\s*=[^\S\n]*[^\s#]")
_IN_TOML = re.compile(rb"""^\s*(?:\[\s*["']?bus["']?\s*\]|["']?bus["']?\s*[.=])""", re.MULTILINE)
_LIMIT = 128 << 10


def may_have_server(layout: Layout, environ: Mapping[str, str] | None = None) -> bool:
    """False = certainly the folders. Imports nothing, parses nothing, raises nothing."""
    environ = os.environ if environ is None else environ
    if environ.get(VARIABLE, "").strip():
        return True
    return bool(
        _IN_ENV.search(_text(layout.env_file)) or _IN_TOML.search(_text(layout.cadences_toml))
    )


def bus_of(layout: Layout, environ: Mapping[str, str] | None = None) -> BusSettings:
    """What the settings say of the bus. Raises SettingsError when that cannot be used."""
    from maestro_core.settings_types import BusSettings

    environ = os.environ if environ is None else environ
    return _read(layout, environ) if may_have_server(layout, environ) else BusSettings()


def _read(layout: Layout, environ: Mapping[str, str]) -> BusSettings:
    from msgspec.structs import replace

    from maestro_core.envfile import read_env
    from maestro_core.errors import SettingsError
    from maestro_core.redact import Redactor
    from maestro_core.settings_convert import Converter
    from maestro_core.settings_override import bus_url
    from maestro_core.settings_toml import read_toml

    env = read_env(layout.env_file, environ)
    file = read_toml(layout.cadences_toml)
    converter = Converter(file)
    bus: BusSettings = converter.table("bus")
    url, wrong = bus_url(env, environ)
    broken = [file.problem] if file.problem and _IN_TOML.search(_text(layout.cadences_toml)) else []
    if env.problems and _IN_ENV.search(_text(layout.env_file)):
        broken += env.problems
    if problems := [*broken, *converter.problems, *wrong]:
        redact = Redactor({**environ, **env.values})
        raise SettingsError(
            [redact(one) for one in problems], "it says which bus this is; correct it first"
        )
    return bus if url is None else replace(bus, url=url)


def _text(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe has no word for us
        with open(fd, "rb") as file:
            return file.read(_LIMIT) or b""
    except OSError:
        return b""
