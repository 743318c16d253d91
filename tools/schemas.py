"""Writes docs/schemas/ from the types: `python -m tools.schemas`. JSON Schema 2020-12.

A test compares the files with what this makes, and real files and documents with the schemas.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from maestro_core.control.commands import Ack, Command
from maestro_core.models import Beat
from tools import shapes

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"

TYPES: dict[str, Any] = {
    "tick": shapes.TickFile,
    "cadences.toml": shapes.CadencesToml,
    "consumer": Beat,
    "circuit-open": shapes.CircuitOpen,
    "command": Command,
    "ack": Ack,
    "journal-line": shapes.JournalLine,
    "ledger-row": shapes.Run,
    "status": shapes.Status,
    "status-of-all": shapes.StatusOfAll,
    "runs": shapes.Runs,
    "cadences": shapes.Cadences,
    "dlq-list": shapes.DeadLetters,
    "journal": shapes.Journal,
    "costs": shapes.Costs,
    "explain": shapes.Explain,
    "doctor": shapes.Doctor,
    "schedule-show": shapes.Schedules,
    "bus-status": shapes.BusStatus,
    "bus-migrate": shapes.BusMove,
}
"""Name of the schema -> what it is made from."""


def schemas() -> dict[str, dict[str, Any]]:
    """File name -> schema."""
    return {f"{name}.schema.json": schema(name, of) for name, of in TYPES.items()}


def schema(name: str, of: Any) -> dict[str, Any]:
    made: dict[str, Any] = steady(msgspec.json.schema(of))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        "description": " ".join((of.__doc__ or "").split()),
        **made,
    }


def steady(made: Any) -> Any:
    """The same whatever the version of msgspec: alternatives in one order, null last."""
    if isinstance(made, dict):
        found = {name: steady(value) for name, value in made.items()}
        if "anyOf" in found:
            found["anyOf"].sort(key=lambda one: (one.get("type") == "null", json.dumps(one)))
        return found
    return [steady(one) for one in made] if isinstance(made, list | tuple) else made


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.schema.json"):
        path.unlink()
    for file, made in schemas().items():
        (FOLDER / file).write_text(text(made), encoding="utf-8")
