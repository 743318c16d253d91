"""Proves that journal lines survive other writers, half lines, full disks and hostile content,
and that reading starts at the end, crosses days, filters and never holds more than it returns."""

from __future__ import annotations

import json
import multiprocessing
import os
import tracemalloc
from pathlib import Path

import pytest

from maestro_core.clock import FakeClock, parse_iso
from maestro_core.journal import Journal, read_journal, read_page
from maestro_core.jsonl import LINE_LIMIT, append_line, encode_line, lines_from_end
from maestro_core.layout import Layout

NOW = "2026-11-24T02:03:04.567Z"


def journal_at(layout: Layout, when: str = NOW, **kwargs: object) -> Journal:
    return Journal(layout, FakeClock(parse_iso(when)), **kwargs)  # type: ignore[arg-type]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def test_an_entry_has_time_level_stage_and_its_fields_in_the_file_of_its_day(
    agent_root: Layout,
) -> None:
    journal_at(agent_root).write("error", "circuit_opened", cadence="memo", failures=3)
    assert lines(agent_root.logs / "2026-11-24.jsonl") == [
        {
            "ts": NOW,
            "level": "error",
            "stage": "circuit_opened",
            "cadence": "memo",
            "failures": 3,
        }
    ]


def test_the_folder_is_made_and_the_file_is_private(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    journal_at(layout).write("info", "start")
    assert layout.journal(NOW).stat().st_mode & 0o777 == 0o600
    assert layout.logs.stat().st_mode & 0o777 == 0o700


def test_a_half_line_is_closed_before_the_next_entry_and_passed_over(agent_root: Layout) -> None:
    path = agent_root.journal(NOW)
    path.write_bytes(b'{"ts":"2026-11-24T00:00:00.000Z","stage":"whole"}\n{"ts": "2026')
    journal_at(agent_root).write("info", "after")
    page = read_page(agent_root, limit=10)
    assert [entry["stage"] for entry in page.entries] == ["whole", "after"]
    assert page.broken == 1


def test_secrets_are_masked_in_every_depth_and_the_line_stays_json(agent_root: Layout) -> None:
    journal = journal_at(agent_root, redact=lambda text: text.replace('se"cret', "***"))
    journal.write("info", "x", reason='a se"cret', more={"deep": ['se"cret'], 'se"cret': 1})
    (entry,) = lines(agent_root.journal(NOW))
    assert entry["reason"] == "a ***"
    assert entry["more"] == {"deep": ["***"], "***": 1}


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        "line\nbreak",
        "\x1b[31m",
        float("nan"),
        float("inf"),
        b"\xff",
        {1, 2},
        pytest.param(object(), id="an object"),
    ],
    ids=repr,
)
def test_any_value_becomes_one_line_of_valid_json(agent_root: Layout, value: object) -> None:
    journal_at(agent_root).write("info", "odd", value=value)
    raw = agent_root.journal(NOW).read_bytes()
    assert raw.count(b"\n") == 1
    assert "NaN" not in raw.decode().replace('"nan"', "")
    assert json.loads(raw)["stage"] == "odd"


def test_nesting_without_end_is_cut_instead_of_crashing(agent_root: Layout) -> None:
    value: object = "bottom"
    for _ in range(300):
        value = [value]
    journal_at(agent_root).write("info", "deep", value=value)
    assert lines(agent_root.journal(NOW))[0]["stage"] == "deep"


def test_trouble_with_the_disk_is_remembered_and_forgotten_after_a_good_write(
    agent_root: Layout,
) -> None:
    journal = journal_at(agent_root)
    agent_root.journal(NOW).mkdir()
    journal.write("info", "lost")
    assert journal.trouble is not None
    assert "2026-11-24.jsonl" in journal.trouble
    agent_root.journal(NOW).rmdir()
    journal.write("info", "kept")
    assert journal.trouble is None


def test_a_fifo_or_a_link_in_place_of_the_journal_is_refused_and_never_followed(
    agent_root: Layout, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    agent_root.journal(NOW).symlink_to(target)
    os.mkfifo(agent_root.operators_log)
    journal = journal_at(agent_root)
    journal.write("info", "x")
    assert journal.trouble is not None
    assert target.read_text() == "untouched"
    with pytest.raises(OSError, match="not a regular file"):
        append_line(agent_root.operators_log, b"{}\n")


def _append_many(path: str, writer: int) -> None:
    for number in range(200):
        append_line(Path(path), encode_line({"w": writer, "n": number, "pad": "x" * 9000}))


def test_lines_of_several_processes_never_mix(agent_root: Layout) -> None:
    path = agent_root.journal(NOW)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_many, args=(str(path), n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    seen = {(entry["w"], entry["n"]) for entry in lines(path)}
    assert len(seen) == 600


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1 << 16])
def test_lines_from_the_end_are_the_file_backwards_for_every_block_size(
    tmp_path: Path, block: int
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\none\n\ntwo three\nfour\nhalf")
    assert list(lines_from_end(path, block)) == [b"four", b"two three", b"one"]


def test_a_file_without_any_newline_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100_000)
    assert list(lines_from_end(path)) == []


def test_a_line_over_the_limit_costs_no_memory_and_hides_no_other(agent_root: Layout) -> None:
    path = agent_root.journal(NOW)
    with path.open("wb") as file:
        file.write(encode_line({"ts": NOW, "stage": "first"}))
        file.write(b'{"x":"' + b"y" * (20 * LINE_LIMIT) + b'"}\n')
        file.write(encode_line({"ts": NOW, "stage": "last"}))
    tracemalloc.start()
    page = read_page(agent_root, limit=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [entry["stage"] for entry in page.entries] == ["first", "last"]
    assert page.broken == 1
    assert peak < 4 * LINE_LIMIT


def test_reading_crosses_days_and_ends_at_the_limit(agent_root: Layout) -> None:
    for day in ("22", "23", "24"):
        journal = journal_at(agent_root, f"2026-11-{day}T10:00:00.000Z")
        for number in range(3):
            journal.write("info", f"s{day}-{number}")
    (agent_root.logs / "notes.jsonl").write_text('{"stage": "not ours"}\n')
    stages = [entry["stage"] for entry in read_journal(agent_root, limit=5)]
    assert stages == ["s23-1", "s23-2", "s24-0", "s24-1", "s24-2"]


def test_filters_by_cadence_level_and_text(agent_root: Layout) -> None:
    journal = journal_at(agent_root)
    journal.write("info", "subsession_spawn", cadence="memo")
    journal.write("error", "subsession_failed", cadence="memo", error="Rate LIMIT reached")
    journal.write("error", "subsession_failed", cadence="inbox", error="exit 1")

    def stages(**filters: str) -> list[object]:
        found = read_journal(agent_root, limit=10, **filters)  # type: ignore[arg-type]
        return [(entry["stage"], entry["cadence"]) for entry in found]

    assert stages(cadence="memo", level="error") == [("subsession_failed", "memo")]
    assert stages(contains="rate limit") == [("subsession_failed", "memo")]
    assert stages(level="error") == [("subsession_failed", "memo"), ("subsession_failed", "inbox")]
    assert stages(contains="nowhere") == []


@pytest.mark.parametrize("bad", [b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b"9" * 6000, b"\0"])
def test_a_line_that_is_no_object_is_counted_and_skipped(agent_root: Layout, bad: bytes) -> None:
    path = agent_root.journal(NOW)
    path.write_bytes(bad + b'\n{"stage": "good"}\n')
    page = read_page(agent_root, limit=5)
    assert [entry["stage"] for entry in page.entries] == ["good"]
    assert page.broken == 1


def test_operator_acts_are_merged_by_time_when_asked_for(agent_root: Layout) -> None:
    journal_at(agent_root, "2026-11-24T02:00:00.000Z").write("info", "before")
    act = {"ts": "2026-11-24T02:01:00.000Z", "verb": "pause", "targets": ["memo"]}
    append_line(agent_root.operators_log, encode_line(act))
    journal_at(agent_root, "2026-11-24T02:02:00.000Z").write("info", "after")
    entries = read_page(agent_root, limit=10, operators=True).entries
    assert [entry["stage"] for entry in entries] == ["before", "operator", "after"]
    assert entries[1]["ts"] == act["ts"]
    only = read_page(agent_root, limit=10, operators=True, cadence="memo").entries
    assert [entry["verb"] for entry in only] == ["pause"]


def test_an_empty_agent_root_has_an_empty_journal(tmp_path: Path) -> None:
    assert read_journal(Layout(tmp_path / "nowhere"), limit=5) == []
