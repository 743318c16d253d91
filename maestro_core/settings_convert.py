"""From TOML data and MAESTRO_ variables to typed settings, with every fault collected.

A fault names the file and line (or the variable), the key, what stands there and what is
allowed. Pure: takes what was read, changes nothing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from maestro_core.layout import NAME
from maestro_core.settings_read import MOST_FAULTS
from maestro_core.settings_rules import PERMISSION_MODES, RULES
from maestro_core.settings_toml import FILE, Key, TomlFile
from maestro_core.settings_types import (
    BusSettings,
    CadenceSettings,
    ConsumerSettings,
    Guard,
    Handler,
    MetricsSettings,
    NoticeSettings,
    ScheduleSettings,
)
from maestro_core.text import visible

_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "consumer": ConsumerSettings,
    "cadence": CadenceSettings,
    "guard": Guard,
    "handler": Handler,
    "schedules": ScheduleSettings,
    "notices": NoticeSettings,
    "metrics": MetricsSettings,
    "bus": BusSettings,
}
_TABLES = ("schedules", "notices", "metrics", "bus")
"""Tables at the top beside [consumer] and [cadence.*], each one struct."""
TYPES = {
    section: {field.name: field.type for field in msgspec.structs.fields(struct)}
    for section, struct in _STRUCTS.items()
}
"""Section -> key -> type."""


class Converter:
    """Collects `problems` and `warnings` while it converts one document."""

    def __init__(self, file: TomlFile) -> None:
        self._file = file
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def document(self) -> tuple[dict[str, Any], dict[str, CadenceSettings]]:
        """The good [consumer] values, and the good cadences."""
        data = self._file.data
        known = ("consumer", "cadence", *_TABLES)
        for name in data.keys() - set(known):
            self._unknown((name,), known)
        consumer = self._table("consumer", ("consumer",), data.get("consumer", {}))
        return consumer, self._cadences(data.get("cadence", {}))

    def tables(self) -> dict[str, Any]:
        """The small tables that are there, with their good values."""
        return {name: self.table(name) for name in _TABLES if name in self._file.data}

    def table(self, name: str) -> Any:
        """One of the small tables."""
        return _STRUCTS[name](**self._table(name, (name,), self._file.data.get(name, {})))

    def _cadences(self, table: Any) -> dict[str, CadenceSettings]:
        if not isinstance(table, dict):
            self._add(("cadence",), "must be a table, as in [cadence.my-job]")
            return {}
        found = {name: self._cadence(name, value) for name, value in table.items()}
        return {name: cadence for name, cadence in found.items() if cadence is not None}

    def _cadence(self, name: str, table: Any) -> CadenceSettings | None:
        key = ("cadence", name)
        before = len(self.problems)
        if not NAME.match(name):
            self._add(key, "is no cadence name: letters, digits, . _ -, at most 128")
        values = self._table("cadence", key, table)
        cadence = CadenceSettings(**values)
        wrong = set(table if isinstance(table, dict) else ()) - values.keys()
        if not wrong & {"mode", "guard", "handler"}:
            self._check_mode(key, cadence)
        if cadence.producer is not None and "schedule" not in table:
            self._add((*key, "producer"), "needs a schedule")
        self.check_budget(key, values)
        return cadence if len(self.problems) == before else None

    def _table(self, section: str, key: Key, table: Any) -> dict[str, Any]:
        if not isinstance(table, dict):
            self._add(key, f"must be a table, is {shown(table)}")
            return {}
        good: dict[str, Any] = {}
        for name, value in table.items():
            if name not in TYPES[section]:
                self._unknown((*key, name), TYPES[section])
            elif (converted := self._value(section, (*key, name), value)) is not UNSET:
                good[name] = converted
        return good

    def _value(self, section: str, key: Key, value: Any) -> Any:
        name = key[-1]
        if name in ("guard", "handler") and isinstance(value, dict):
            return self._part(name, key, value)
        try:
            return accepted(section, name, value)
        except ValueError as error:
            self._add(key, str(error))
            return UNSET

    def _part(self, name: str, key: Key, table: dict[str, Any]) -> Any:
        before = len(self.problems)
        values = self._table(name, key, table)
        if len(self.problems) == before and len(table) != 1:
            self._add(key, f"must be {RULES['cadence'][name].allowed}")
        return _STRUCTS[name](**values) if len(self.problems) == before else UNSET

    def _check_mode(self, key: Key, cadence: CadenceSettings) -> None:
        """The mode and what it needs; nothing that would be ignored in silence."""
        if cadence.mode == "guarded" and cadence.guard is None:
            allowed = RULES["cadence"]["guard"].allowed
            self._add((*key, "mode"), f'"guarded" needs a guard: {allowed}')
        if cadence.mode != "guarded" and cadence.guard is not None:
            self._add((*key, "guard"), f'is only for mode "guarded", the mode is "{cadence.mode}"')
        if cadence.mode == "inline" and cadence.handler is None:
            allowed = RULES["cadence"]["handler"].allowed
            self._add((*key, "mode"), f'"inline" needs a handler: {allowed}')
        if cadence.mode == "escalate" and cadence.handler is not None:
            self._add((*key, "handler"), 'is never used in mode "escalate"')
        if cadence.permission_mode not in (None, *PERMISSION_MODES):
            known = ", ".join(sorted(PERMISSION_MODES))
            self._warn((*key, "permission_mode"), f"is none of the known ones: {known}")

    def check_budget(self, key: Key, values: Mapping[str, Any]) -> None:
        """A warning that comes after the hold would never be seen."""
        warn, hold = values.get("daily_warn_usd"), values.get("daily_hold_usd")
        if warn is not None and hold is not None and warn > hold:
            self._add((*key, "daily_warn_usd"), f"must not be over daily_hold_usd ({hold:g})")

    def _unknown(self, key: Key, allowed: Iterable[str]) -> None:
        name, section = key[-1], key[0] if len(key) > 1 else ""
        if section == "cadence" and name in TYPES["consumer"] and len(key) == 3:
            self._add(key, "is a key of [consumer], not of a cadence")
        elif section == "consumer" and name in TYPES["cadence"]:
            self._add(key, "is a key of a cadence, not of [consumer]")
        else:
            hint = suggestion(name, allowed) if len(self.problems) < MOST_FAULTS else "and more"
            self._add(key, f"is unknown; {hint}")

    def _add(self, key: Key, what: str) -> None:
        self.problems.append(f"{self._place(key)}: {what}")

    def _warn(self, key: Key, what: str) -> None:
        self.warnings.append(f"{self._place(key)}: {what}")

    def _place(self, key: Key) -> str:
        line = self._file.line(key)
        where = f"{FILE} line {line}" if line else FILE
        return f"{where}: {heading(key)}"


def accepted(section: str, name: str, value: Any) -> Any:
    """The value as the settings hold it.

    Raises:
        ValueError: it has the wrong type or is out of range; the text says what is allowed.
    """
    rule = RULES[section][name]
    wrong = ValueError(f"must be {rule.allowed}" + ("" if rule.secret else f", is {shown(value)}"))
    try:
        converted = msgspec.convert(value, TYPES[section][name], strict=True)
        if rule.holds(converted):
            return converted
    except (msgspec.ValidationError, OverflowError) as error:
        raise wrong from error
    raise wrong


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """Did you mean …, or the list of what is allowed."""
    names = {name.lower(): name for name in sorted(allowed)}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.7)
    return f"did you mean {names[close[0]]}?" if close else "allowed: " + ", ".join(names.values())


def heading(key: Key) -> str:
    """`[cadence.x] mode` for a key; names are shown safely."""
    parts = [visible(part, 60) for part in key]
    if key[0] == "cadence" and len(parts) > 1:
        return f"[cadence.{parts[1]}] {'.'.join(parts[2:])}".rstrip()
    return f"[{parts[0]}] {'.'.join(parts[1:])}".rstrip()


def shown(value: Any) -> str:
    """A value from a file, short and safe to print."""
    if isinstance(value, dict):
        return "a table"
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        return "a huge number"  # Python refuses to print over 4300 digits
    return visible(text, 60)
