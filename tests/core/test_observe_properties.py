"""Proves by random JSON, and by random damage to good files, that nothing that a file may hold
makes the reading of a heartbeat, of circuits or of markers raise."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maestro_core.clock import FakeClock
from maestro_core.layout import Layout
from maestro_core.observe.beat import read_beat
from maestro_core.observe.circuits import Circuits, read_circuits
from maestro_core.observe.documents import Document, moment
from maestro_core.observe.reader import SnapshotReader
from tests.support import write_json

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(["open", "quota", "2026-11-24T02:03:04.567Z", "9999-12-31T23:59:59-23:59"])
)  # fmt: skip
KEYS = st.sampled_from(
    ["pid", "host", "beat_at", "started_at", "stats", "running", "cadences", "hold", "stopped_at",
     "run_id", "cadence", "state", "failures", "open_until", "next_allowed_at", "kind", "until",
     "since", "open", "memo", "ticks", "../x", "forced", "at", "by", "reason", "AGENT"]
) | st.text(max_size=5)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
OBJECTS = st.dictionaries(KEYS, ANYTHING, max_size=10)


@given(OBJECTS)
def test_any_object_can_be_read_as_a_heartbeat(content: dict[str, Any]) -> None:
    beating = read_beat(Document(content, exists=True))
    assert all(run.run_id and run.cadence for run in beating.running)


@given(OBJECTS, OBJECTS)
def test_any_objects_can_be_read_as_circuits(a: dict[str, Any], b: dict[str, Any]) -> None:
    circuits = read_circuits(Document(a, exists=True), Document(b, exists=True))
    assert isinstance(circuits, Circuits)
    assert all(state.failures >= 0 for state in circuits.states.values())


@given(SCALARS)
def test_any_value_is_a_moment_or_none(value: Any) -> None:
    found = moment(value)
    assert found is None or -1e12 < found < 1e12


@settings(max_examples=40, deadline=None)
@given(
    st.lists(OBJECTS, min_size=5, max_size=5), st.integers(0, 4), st.integers(0, 400),
    st.binary(max_size=8),
)  # fmt: skip
def test_a_snapshot_comes_out_of_any_files_even_damaged_ones(
    contents: list[dict[str, Any]], damaged: int, place: int, junk: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(folder)
        paths = [
            layout.consumer_json, layout.circuit_open, layout.gates, layout.emergency_stop,
            layout.paused / "memo.json",
        ]  # fmt: skip
        for path, content in zip(paths, contents, strict=True):
            write_json(path, content)
        _damage(paths[damaged], place, junk)
        snapshot = SnapshotReader(layout, FakeClock()).read()
        assert snapshot.emergency_stop is not None
        (memo,) = [view for view in snapshot.cadences if view.name == "memo"]
        assert memo.state == "paused"


def _damage(path: Path, place: int, junk: bytes) -> None:
    data = path.read_bytes()
    place = min(place, len(data))
    path.write_bytes(data[:place] + junk + data[place + len(junk) :])
