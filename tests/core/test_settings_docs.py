"""Proves that .env.example and docs/settings.md tell the truth, in both directions."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import maestro_core
from maestro_core.envfile import OPTIONAL_KEYS, OTHER_NAMES, OWN_NAMES, REQUIRED_KEYS, parse_env
from maestro_core.layout import Layout
from maestro_core.settings import (
    BusSettings,
    CadenceSettings,
    ConsumerSettings,
    MetricsSettings,
    NoticeSettings,
    ScheduleSettings,
    Settings,
    load_settings,
)
from maestro_core.settings_override import OVERRIDES
from maestro_core.settings_rules import RULES

PROJECT = Path(maestro_core.__file__).parent.parent
EXAMPLE = PROJECT / ".env.example"
PAGE = PROJECT / "docs" / "settings.md"

KNOWN = {*REQUIRED_KEYS, *OPTIONAL_KEYS, *OTHER_NAMES, *OVERRIDES}
FROM_THE_SHELL = {*OWN_NAMES, "AGENT_ROOT", "AGENT_DIR"}
"""Set by the caller or by the consumer for a run: they make no sense in a .env file."""


def documented() -> dict[str, str]:
    """Each name of the example with the value that stands there."""
    lines = re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text("utf-8"), re.M)
    assert len(lines) == len(dict(lines)), "a name stands twice"
    return dict(lines)


def test_the_example_names_every_setting_and_key_and_nothing_else() -> None:
    assert set(documented()) == KNOWN


def test_every_name_that_the_code_reads_is_in_the_example() -> None:
    read: set[str] = set()
    for package in ("maestro_core", "maestro_tui"):
        for file in (PROJECT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    read |= set(
                        re.findall(r"^(?:MAESTRO|AGENT|ANTHROPIC)_[A-Z_]*[A-Z]$", node.value)
                    )
    assert {"MAESTRO_CLAUDE_BIN", "AGENT_NAME", "ANTHROPIC_API_KEY"} <= read
    assert read <= KNOWN | FROM_THE_SHELL


def test_the_example_copied_as_it_is_changes_nothing(agent_root: Layout) -> None:
    agent_root.env_file.write_bytes(EXAMPLE.read_bytes())
    loaded = load_settings(agent_root, {})
    assert (loaded.consumer, loaded.warnings) == (Settings().consumer, ())
    assert not any(loaded.env.values())


def test_the_defaults_shown_in_the_example_are_the_defaults(agent_root: Layout) -> None:
    shown = {name: value for name, value in documented().items() if name in OVERRIDES}
    agent_root.env_file.write_text("".join(f"{name}={value}\n" for name, value in shown.items()))
    assert load_settings(agent_root, {}).consumer == ConsumerSettings()
    unset = {name for name, value in shown.items() if not value}
    assert unset == {n for n, key in OVERRIDES.items() if getattr(ConsumerSettings(), key) is None}


def test_the_example_is_clean_dotenv() -> None:
    parsed = parse_env(EXAMPLE.read_text("utf-8"), {})
    assert (parsed.problems, parsed.warnings) == ((), ())


def test_the_example_of_the_page_is_valid(agent_root: Layout) -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text(toml)
    assert len(load_settings(agent_root, {}).cadences) == 3


def written(value: Any) -> str:
    """A default as the page writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return "none" if value is None else f"{value:g}"


@pytest.mark.parametrize(
    ("heading", "section", "defaults"),
    [("## `[consumer]`", "consumer", ConsumerSettings()),
     ("## `[cadence.<name>]`", "cadence", CadenceSettings()),
     ("## `[schedules]`", "schedules", ScheduleSettings()),
     ("## `[notices]`", "notices", NoticeSettings()),
     ("## `[metrics]`", "metrics", MetricsSettings()),
     ("## `[bus]`", "bus", BusSettings())],
)  # fmt: skip
def test_the_tables_of_the_page_are_those_of_the_code(
    heading: str, section: str, defaults: Any
) -> None:
    part = PAGE.read_text("utf-8").split(heading)[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", part, re.M)
    assert rows == [
        (key, written(getattr(defaults, key)), rule.allowed) for key, rule in RULES[section].items()
    ]
