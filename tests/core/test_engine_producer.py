"""Producers: what they may ask for, what stands in the file, one tick a dedupe key however
many processes ask, and that every reader takes what a producer wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core import models
from maestro_core.bus import codec, producer
from maestro_core.bus.producer import ABSENT, make_document, make_id, publish_tick
from maestro_core.errors import BadTick, Refused, UsageError
from maestro_core.layout import NAME, Layout
from tests.support import read_json

NOW = 1_795_485_784.567


def test_a_document_holds_what_was_given_and_nothing_empty() -> None:
    document = make_document("memo", source="cron", now_wall=NOW)
    assert NAME.match(document.pop("id"))
    assert document == {
        "cadence": "memo", "source": "cron", "enqueued_at": "2026-11-24T02:03:04.567Z",
        "attempts": 0,
    }  # fmt: skip
    document = make_document(
        "memo", source="sh", now_wall=NOW, tick_id="t", payload=None, priority=-2,
        not_before="2026-11-24T04:03:04+02:00", dedupe_key="day",
    )  # fmt: skip
    assert list(document)[5:] == ["payload", "priority", "not_before", "dedupe_key"]
    assert document["not_before"] == "2026-11-24T02:03:04.000Z"
    assert document["payload"] is None


def test_ids_sort_by_time_and_differ_in_more_than_case() -> None:
    first, second = make_id("Inbox-Processor", NOW), make_id("Inbox-Processor", NOW + 0.001)
    assert first.startswith("20261124t020304567z-inbox-processor-")
    assert first < second
    assert first == first.lower()
    longest = make_id("x" * 128, NOW)
    assert len(longest) == 128
    assert NAME.match(longest)


@pytest.mark.parametrize(
    "fields",
    [{"cadence": "../x"}, {"cadence": ""}, {"cadence": "a b"}, {"not_before": "tomorrow"},
     {"priority": "high"}, {"priority": 10**10}, {"priority": True}, {"tick_id": "../../x"},
     {"dedupe_key": 7}, {"source": 7}],
)  # fmt: skip
def test_a_wrong_wish_is_refused_before_anything_is_written(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    wish = {"cadence": "memo", "source": "sh", "now_wall": NOW} | fields
    with pytest.raises(UsageError):
        publish_tick(Layout(tmp_path), make_document(wish.pop("cadence"), **wish))
    assert list(tmp_path.iterdir()) == []


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "word"),
    [("x" * (1 << 20), "1 MiB"), (float("inf"), "JSON"), ({1, 2}, "JSON"), ("\udc80", "JSON"),
     (deep(101), "nests"), (deep(100_000), "deep")],
    ids=["big", "inf", "set", "surrogate", "deep", "deeper"],
)  # fmt: skip
def test_a_payload_that_no_reader_would_take_is_refused(
    tmp_path: Path, payload: object, word: str
) -> None:
    document = make_document("memo", source="sh", now_wall=NOW, payload=payload)
    with pytest.raises(Refused, match=word):
        publish_tick(Layout(tmp_path), document)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", [0, 1])
def test_the_largest_tick_that_is_written_is_read(tmp_path: Path, missing: int) -> None:
    document = make_document("memo", source="sh", now_wall=NOW, tick_id="t", payload="")
    document["payload"] = "x" * (producer.SIZE_LIMIT - len(json.dumps(document, indent=2)) - 1)
    document["payload"] = document["payload"][: len(document["payload"]) - missing]
    publish_tick(Layout(tmp_path), document)
    data = (Layout(tmp_path).inbox / "t.json").read_bytes()
    assert len(data) == producer.SIZE_LIMIT - missing
    assert codec.decode(data, "t", float).payload == document["payload"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.text(max_size=10), JSON | st.just(ABSENT), st.integers(), st.none() | st.text(max_size=9))
def test_what_a_producer_writes_every_reader_takes(
    cadence: str, payload: Any, priority: int, key: str | None
) -> None:
    try:
        document = make_document(
            cadence or "memo", source="s", now_wall=NOW, payload=payload, priority=priority,
            dedupe_key=key,
        )  # fmt: skip
        data = producer.encode_document(document)
    except (UsageError, Refused):
        return
    tick = codec.decode(data, document["id"], float)
    assert models.tick_document(tick) == document
    assert codec.peek(data, document["id"], float) == codec.key_of(tick)


def test_of_many_processes_with_one_key_one_enqueues(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from maestro_core.layout import Layout\n"
        "from maestro_core.bus.producer import make_document, publish_tick\n"
        "wish = make_document('memo', source='sh', now_wall=float(sys.argv[2]), dedupe_key='d')\n"
        "print(*publish_tick(Layout(sys.argv[1]), wish))\n"
    )
    asked = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(NOW)],
                         stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]  # fmt: skip
    answers = [process.communicate(timeout=60)[0].split() for process in asked]
    assert len({tick_id for tick_id, _ in answers}) == 1
    assert sorted(fresh for _, fresh in answers) == ["False"] * 5 + ["True"]
    assert len(list(Layout(tmp_path).inbox.iterdir())) == 1


@pytest.mark.parametrize("record", [b"", b"[]", b'{"id": 7}', b'{"id": "../x"}', b"\xff"])
def test_a_damaged_key_record_stops_nobody(tmp_path: Path, record: bytes) -> None:
    layout = Layout(tmp_path)
    wish = make_document("memo", source="sh", now_wall=NOW, dedupe_key="d")
    publish_tick(layout, wish)
    [path] = layout.dedupe.iterdir()
    path.write_bytes(record)
    again = make_document("memo", source="sh", now_wall=NOW, dedupe_key="d")
    assert publish_tick(layout, again) == (again["id"], True)
    assert read_json(path) == {"id": again["id"], "key": "d"}


def test_other_keys_do_not_stand_in_the_way(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for key in ("a", "b", "A", "ä", "", "x" * 10_000):
        wish = make_document("memo", source="sh", now_wall=NOW, dedupe_key=key)
        assert publish_tick(layout, wish)[1], key
    assert len(list(layout.inbox.iterdir())) == 6


def test_a_reader_refuses_what_a_careless_producer_would_write() -> None:
    with pytest.raises(BadTick, match="1 MiB"):
        codec.decode(b" " * (producer.SIZE_LIMIT + 1), "t", float)
