"""MAESTRO_<NAME> variables: the environment over the .env file over [consumer] of the TOML.

A blank value means "not set", as it stands in a copied example file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from maestro_core.envfile import OTHER_NAMES, OWN_NAMES, EnvFile, flag
from maestro_core.settings_convert import TYPES, accepted, suggestion
from maestro_core.settings_read import MOST_FAULTS
from maestro_core.settings_rules import RULES, Rule, is_bus

PREFIX = "MAESTRO_"
WEBHOOK = "MAESTRO_NOTICE_WEBHOOK"
BUS = "MAESTRO_BUS"
OVERRIDES = {PREFIX + name.upper(): name for name in TYPES["consumer"]}
"""Variable -> key of [consumer]."""

_BUS_RULE = Rule(
    'an address, as in "postgresql://user@host:5432/database", or "folders"', is_bus, secret=True
)
_KNOWN = {*OVERRIDES, *OWN_NAMES, *(name for name in OTHER_NAMES if name.startswith(PREFIX))}


def overrides(env: EnvFile, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The overridden [consumer] values, and what is wrong with those that are not usable."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for variable, name in OVERRIDES.items():
        for source, text in _given(variable, env, environ):
            try:
                values[name] = accepted("consumer", name, _parsed(name, text))
            except ValueError as error:
                problems.append(f"{source}: {variable} {error}")
    return values, problems


def webhook(env: EnvFile, environ: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """The address of [notices] webhook, and what is wrong with it: it is a secret, never shown."""
    return _secret(WEBHOOK, RULES["notices"]["webhook"], env, environ)


def bus_url(env: EnvFile, environ: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """The [bus] url, and what is wrong with it. Here it may hold a password."""
    return _secret(BUS, _BUS_RULE, env, environ)


def _secret(
    variable: str, rule: Rule, env: EnvFile, environ: Mapping[str, str]
) -> tuple[str | None, list[str]]:
    value: str | None = None
    problems: list[str] = []
    for source, text in _given(variable, env, environ):
        if rule.holds(text):
            value = text
        else:
            problems.append(f"{source}: {variable} must be {rule.allowed}")
    return value, problems


def strange_names(env: EnvFile, environ: Mapping[str, str]) -> list[str]:
    """One warning for each MAESTRO_ variable that nothing here reads."""
    sources = {name: f".env line {line}" for name, line in env.lines.items()}
    sources |= dict.fromkeys(environ, "environment")
    strange = sorted(name for name in sources if name.startswith(PREFIX) and name not in _KNOWN)
    warnings = [
        f"{sources[name]}: {name} is no setting and is ignored{_meant(name)}"
        for name in strange[: MOST_FAULTS + 1]
    ]
    preferred = {**env.values, **environ}.get("MAESTRO_PREFER_SUBSCRIPTION_AUTH")
    if flag(preferred) is None:
        warnings.append(
            "MAESTRO_PREFER_SUBSCRIPTION_AUTH is neither yes nor no; it counts as no"
            " (allowed: 1, true, yes, on; 0, false, no, off)"
        )
    return warnings


def _given(variable: str, env: EnvFile, environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Where the variable has a value, the weaker place first."""
    if text := env.values.get(variable, "").strip():
        yield f".env line {env.lines[variable]}", text
    if text := environ.get(variable, "").strip():
        yield "environment", text


def _parsed(name: str, text: str) -> Any:
    """The text as the type of the setting has it; unparsable text stays text and is refused."""
    wanted = TYPES["consumer"][name]
    if wanted is bool:
        return text if (word := flag(text)) is None else word
    if wanted == tuple[float, ...]:
        return [_number(part) for part in text.strip("[]").split(",")]
    return _number(text)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _meant(name: str) -> str:
    hint = suggestion(name, _KNOWN)
    return f"; {hint}" if hint.startswith("did you mean") else ""
