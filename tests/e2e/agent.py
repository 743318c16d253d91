"""An agent root for end-to-end tests: real files, the real program, the stand-in `claude`.

The consumer, its children and the commands are the installed ones; only the model is not.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maestro_core.demo.agent import install_stand_in
from maestro_core.layout import Layout
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import read_json, wait_until

PATIENCE = 60.0

CONSUMER = """
[consumer]
poll_seconds = 1.0
max_attempts = 2
backoff_seconds = [0.2, 0.2]
circuit_threshold = 2
circuit_open_seconds = 600
timeout_seconds = 60
kill_grace_seconds = 1
"""


class Agent:
    """An agent root, and what its people do with it from a shell."""

    before: tuple[str, ...] = ()
    """Words before the program of a daemon."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.layout = Layout(root)
        self.root = self.layout.root
        self.layout.inbox.mkdir(parents=True)
        self.layout.triggers.mkdir(parents=True)
        self.settings(CONSUMER)
        claude = install_stand_in(self.layout)
        self.layout.env_file.write_text(
            f"MAESTRO_CLAUDE_BIN={claude}\nMAESTRO_PREFER_SUBSCRIPTION_AUTH=1\n"
        )
        home = root.parent / "home"
        home.mkdir(exist_ok=True)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TZ": "UTC",
            "TMPDIR": str(root.parent), "TEXTUAL_ANIMATIONS": "none",
        }  # fmt: skip

    def settings(self, text: str) -> None:
        self.layout.cadences_toml.parent.mkdir(exist_ok=True)
        self.layout.cadences_toml.write_text(text)

    def cadence(self, name: str, behaviour: str = "ok", *steps: str, **notes: object) -> None:
        """A prompt that the stand-in acts out; see its docstring for notes and steps."""
        lines = [f"stand-in: {behaviour}", *(f"{key}: {value}" for key, value in notes.items())]
        block = "\n".join(["---", *lines, "---", *(f"- {step}" for step in steps)])
        self.layout.prompt(name).write_text(f"Do what {name} does.\n\n{block}\n")

    def drop(self, tick_id: str, cadence: str) -> None:
        """What any shell script does: write beside, move in."""
        text = json.dumps({"id": tick_id, "cadence": cadence})
        script = 'printf "%s\\n" "$1" > "$2/$3.tmp" && mv "$2/$3.tmp" "$2/$3.json"'
        subprocess.run(
            ["sh", "-c", script, "drop", text, self.layout.inbox, tick_id], check=True, timeout=30
        )

    # ---- the installed program ----------------------------------------------------------

    def attempt(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            [PROGRAM, "--root", self.root, *words], env=self.env, cwd="/",
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def cli(self, *words: str) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.attempt(*words)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.cli(*words, "--json"))

    @contextmanager
    def daemon(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """`maestro-tui run`, live; ended with TERM and waited for at the end."""
        process = subprocess.Popen(
            [*self.before, PROGRAM, "--root", self.root, "run", *options], env=self.env, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: process.poll() is not None or self.beat().get("pid") == process.pid)
            assert process.poll() is None, process.communicate()[0]
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            elif process.returncode > 0 and process.stdout and not process.stdout.closed:
                print(process.stdout.read())  # why a test may fail
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def console(self, *options: str, columns: int = 120, rows: int = 36) -> Terminal:
        """The console in a terminal of its own."""
        return Terminal(
            [PROGRAM, "--root", self.root, *options],
            env=self.env, cwd=self.root, columns=columns, rows=rows,
        )  # fmt: skip

    # ---- what the files say -------------------------------------------------------------

    def beat(self) -> dict[str, Any]:
        try:
            return dict(read_json(self.layout.consumer_json))
        except FileNotFoundError:
            return {}

    def names(self, folder: Path) -> list[str]:
        try:
            return sorted(path.stem for path in folder.glob("*.json"))
        except FileNotFoundError:
            return []

    def where(self, tick_id: str) -> str | None:
        for folder in (self.layout.inbox, self.layout.claimed, self.layout.dlq, self.layout.trash):
            if (folder / f"{tick_id}.json").exists():
                return folder.name
        return None

    def stages(self, cadence: str | None = None) -> list[str]:
        """Stages of the journal, oldest first."""
        return [
            str(line["stage"])
            for line in self.journal()
            if cadence is None or line.get("cadence") == cadence
        ]

    def journal(self) -> list[dict[str, Any]]:
        days = sorted(self.layout.logs.glob("????-??-??.jsonl"))
        return [json.loads(line) for day in days for line in day.read_text().splitlines()]

    def operators(self) -> list[dict[str, Any]]:
        """The operators' acts, oldest first."""
        return [json.loads(line) for line in self.layout.operators_log.read_text().splitlines()]

    def runs(self, cadence: str) -> list[str | None]:
        """Outcomes in the ledger, oldest first; None for one that is going on."""
        rows = self.json("runs")["runs"]
        return [row["outcome"] for row in reversed(rows) if row["cadence"] == cadence]

    def wait_stage(self, stage: str, cadence: str | None = None, times: int = 1) -> None:
        wait_until(
            lambda: self.stages(cadence).count(stage) >= times, PATIENCE, f"{stage} of {cadence}"
        )

    def circuit(self, cadence: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] | None = read_json(self.layout.circuit_open)["open"].get(cadence)
        except FileNotFoundError:
            return None
        return found
