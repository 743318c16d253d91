"""A saved copy is masked, whole, private and replaces nothing; a transcript file is followed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from maestro_core.observe import logfile_save
from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_save import SavedCopy
from maestro_core.observe.logfile_steps import StepsFile, is_stream_json
from maestro_core.redact import MASK, Redactor

SECRET = "correct-horse-battery"
REDACT = Redactor({"DEMO_TOKEN": SECRET})


def save(path: Path, folder: Path) -> Path:
    log = LogFile(path)
    log.refresh()
    copy = SavedCopy(log, folder, path.name, REDACT)
    while not copy.step():
        assert copy.share < 1
    return copy.path


def test_a_copy_is_masked_and_keeps_every_other_byte(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(logfile_save, "SLICE", 64)
    path = tmp_path / "run.stdout.log"
    content = b"\x1b[31mred\x1b[0m \xff\xfe\r\n" + f"a {SECRET} b\n".encode() * 40 + b"no newline"
    path.write_bytes(content)
    copy = save(path, tmp_path / "kept")
    assert copy.read_bytes() == content.replace(SECRET.encode(), MASK.encode())
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700


def test_a_copy_never_replaces_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "run.stdout.log"
    path.write_bytes(b"one\n")
    first = save(path, tmp_path / "kept")
    path.write_bytes(b"two\n")
    second = save(path, tmp_path / "kept")
    assert (first.name, second.name) == ("run.stdout.log", "run-2.stdout.log")
    assert (first.read_bytes(), second.read_bytes()) == (b"one\n", b"two\n")


def test_an_empty_log_gives_an_empty_copy(tmp_path: Path) -> None:
    path = tmp_path / "run.stderr.log"
    path.write_bytes(b"")
    assert save(path, tmp_path / "kept").read_bytes() == b""


def said(text: str) -> bytes:
    event = {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}
    return json.dumps(event).encode() + b"\n"


def test_steps_are_read_then_followed_and_begun_anew_after_truncation(tmp_path: Path) -> None:
    path = tmp_path / "run.stdout.log"
    path.write_bytes(said("one") + said("two")[:10])
    steps = StepsFile(path)
    assert steps.refresh()
    assert steps.read(None)
    assert [step.title for step in steps.steps] == ["one"]
    assert not steps.refresh()
    with path.open("ab") as file:
        file.write(said("two")[10:])
    assert steps.refresh()
    steps.read(7.0)
    assert [(step.title, step.at) for step in steps.steps] == [("one", None), ("two", 7.0)]
    path.write_bytes(said("anew"))
    assert steps.refresh()
    steps.read(None)
    assert [step.title for step in steps.steps] == ["anew"]


def test_stream_json_is_told_from_other_output(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for data, expected in (
        (said("x"), True),
        (b'\n {"a": 1, "type":"result"}\n', True),
        (b"plain text\n", False),
        (b'{"no": "kind"}\n', False),
        (b"", False),
    ):
        path.write_bytes(data)
        assert is_stream_json(path) is expected, data
    assert is_stream_json(tmp_path / "absent") is False
