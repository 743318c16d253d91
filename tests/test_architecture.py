"""Keeps the import rules and the house style by reading every module, and by starting programs
and looking at what they really imported: a deferred import is only worth something if it is."""

from __future__ import annotations

import ast
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from maestro_core.layout import Layout
from tests.support import write_tick

PROJECT = Path(__file__).parent.parent
MOST_LINES = 400
LONGEST_FUNCTION = 50
MEDIAN_FUNCTION = 8

OWNERS = {
    "watchfiles": {"maestro_core.bus.watch"},
    "httpx": {"maestro_core.doctor", "maestro_core.notices.hook"},
    "dotenv": {"maestro_core.envfile"},
    "sqlite3": {"maestro_core.session.ledger"},
    "psutil": {"maestro_core.session.processes"},
    "cronsim": {"maestro_core.settings_schedule"},
    "prometheus_client": {"maestro_core.metrics"},
    "psycopg": {"maestro_core.fleet"},
    "pgqueuer": {"maestro_core.fleet"},
    "aiohttp": {"maestro_core.web"},
    "textual": {"maestro_tui"},
    "rich": {"maestro_tui"},
    "subprocess": {
        "maestro_core.session", "maestro_core.doctor", "maestro_tui",
        "maestro_core.service.shell", "maestro_core.notices.hook",
    },
}  # fmt: skip
"""Library -> the module or package that alone may import it."""

DOWNWARD = {
    "base": set(),
    "bus": {"base"},
    "session": {"base", "bus"},
    "schedule": {"base", "bus"},
    "control": {"base", "bus", "consumer", "schedule"},
    "notices": {"base"},
    "consumer": {"base", "bus", "session", "schedule", "control", "doctor", "notices"},
    "observe": {"base", "bus", "session", "consumer", "service"},
    "doctor": {"base", "bus", "session", "consumer", "observe", "service", "fleet"},
    "demo": {"base", "bus", "session"},
    "cli": {
        "base",
        "bus",
        "session",
        "control",
        "consumer",
        "observe",
        "doctor",
        "demo",
        "schedule",
        "service",
        "notices",
        "adopt",
        "metrics",
        "fleet",
        "migrate",
        "web",
        "wiring",
    },
    "adopt": {"base", "bus", "consumer", "observe"},
    "migrate": {"base", "bus", "consumer", "control", "observe", "fleet"},
    "fleet": {"base", "bus", "consumer", "control", "schedule"},
    "wiring": {"base", "bus", "consumer", "control", "observe", "fleet", "fleet_view"},
    "fleet_view": {"base", "bus", "session", "observe", "fleet"},
    "metrics": {"base", "observe", "wiring"},
    "web": {"base"},
    "service": {"base", "schedule"},
}
"""Package of the core -> what it may import. `base` are the modules at the top."""

PURE = (
    "maestro_core.models",
    "maestro_core.settings_types",
    "maestro_core.consumer.policy",
    "maestro_core.consumer.breaker",
    "maestro_core.observe.explain",
    "maestro_core.observe.signature",
)
IMPURE = {"os", "io", "time", "datetime", "random", "socket", "subprocess", "threading", "pathlib"}

HEADLESS = (
    ["--help"],
    ["--version"],
    ["status"],
    ["cadences"],
    ["explain", "memo"],
    ["runs"],
    ["journal"],
    ["costs"],
    ["dlq", "list"],
    ["dlq", "retry", "t2"],
    ["pause", "memo"],
    ["resume", "memo"],
    ["circuit", "open", "memo"],
    ["circuit", "close", "memo"],
    ["estop"],
    ["estop", "--clear"],
    ["hold", "lift"],
    ["cancel", "x"],
    ["tail"],
    ["doctor", "--offline"],
    ["run", "--until-idle"],
)


class Module(NamedTuple):
    """A module of the two packages. `imports`: (module, at the top level of this one)."""

    name: str
    path: Path
    tree: ast.Module
    imports: frozenset[tuple[str, bool]]


@cache
def modules() -> dict[str, Module]:
    paths = [p for name in ("maestro_core", "maestro_tui") for p in (PROJECT / name).rglob("*.py")]
    read = [_read(path) for path in sorted(paths)]
    return {module.name: module for module in read}


def _read(path: Path) -> Module:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return Module(name, path, tree, frozenset(_imports(tree)))


def _imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    for node, top in _walk(tree, True):
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative imports hide who imports what"
            yield node.module, top
            yield from ((f"{node.module}.{alias.name}", top) for alias in node.names)


def _walk(node: ast.AST, top: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it is carried out when the module is imported."""
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        inner = top and not deferred and not typing_only
        yield child, top
        yield from _walk(child, inner)


def _package(name: str) -> str:
    parts = name.split(".")
    if len(parts) > 1 and (PROJECT / parts[0] / parts[1]).is_dir():
        return parts[1]
    return "base"


def _belongs(name: str, owners: set[str]) -> bool:
    return any(name == owner or name.startswith(f"{owner}.") for owner in owners)


def _functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


# ---- what may import what ------------------------------------------------------------------


@pytest.mark.parametrize("library", OWNERS)
def test_each_outside_library_has_one_owner(library: str) -> None:
    users = {
        module.name
        for module in modules().values()
        for name, _ in module.imports
        if name.split(".")[0] == library
    }
    assert users, f"nobody imports {library}: the rule is out of date"
    assert not {user for user in users if not _belongs(user, OWNERS[library])}


def test_the_core_does_not_know_the_console() -> None:
    wrong = [
        (module.name, name)
        for module in modules().values()
        for name, _ in module.imports
        if module.name.startswith("maestro_core") and name.split(".")[0] == "maestro_tui"
    ]
    assert wrong == []


def test_packages_of_the_core_import_downward_only() -> None:
    wrong = []
    for module in modules().values():
        if not module.name.startswith("maestro_core."):
            continue
        own = _package(module.name)
        for name, _ in module.imports:
            if not name.startswith("maestro_core.") or name not in modules():
                continue
            if (other := _package(name)) != own and other not in DOWNWARD[own]:
                wrong.append(f"{module.name} imports {name}")
    assert wrong == []


def test_no_module_needs_itself_to_be_imported() -> None:
    edges = {
        module.name: {name for name, top in module.imports if top and name in modules()}
        for module in modules().values()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(edges[name] - {name}):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_clock_no_disk_and_no_chance(name: str) -> None:
    assert not {one.split(".")[0] for one, _ in modules()[name].imports} & IMPURE
    calls = {ast.unparse(n.func) for n in ast.walk(modules()[name].tree) if isinstance(n, ast.Call)}
    assert not calls & {"open", "print", "input"}


def test_presentation_knows_no_textual_and_does_no_io() -> None:
    for module in modules().values():
        if _package(module.name) == "presentation":
            used = {name.split(".")[0] for name, _ in module.imports}
            assert not used & {"textual", "os", "subprocess", "sqlite3", "threading"}, module.name


def test_files_are_renamed_and_linked_in_one_module_only() -> None:
    moving = {"os.rename", "os.replace", "os.link", "os.renames", "shutil.move"}
    wrong = [
        (module.name, ast.unparse(node.func))
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in moving
        and module.name != "maestro_core.files"
    ]
    assert wrong == []


# ---- what programs really import -----------------------------------------------------------

_PROBE = """
import json, sys
from maestro_tui.__main__ import main
try:
    code = main()
except SystemExit as end:
    code = end.code
print("\\n" + json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def _imported_by(layout: Layout, words: list[str]) -> tuple[int, set[str]]:
    """Exit code, and the modules that a command had imported at its end."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAESTRO_", "AGENT_"))}
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, "--root", str(layout.root), *words],
        env=env | {"MAESTRO_CLAUDE_BIN": "/bin/true"}, cwd=PROJECT, capture_output=True,
        text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("words", HEADLESS, ids=" ".join)
def test_headless_commands_import_nothing_of_the_console(
    agent_root: Layout, words: list[str]
) -> None:
    agent_root.triggers.mkdir(parents=True)
    agent_root.prompt("memo").write_text("hello")
    write_tick(agent_root.dlq, "t2", "memo", last_error="exit 1")
    code, imported = _imported_by(agent_root, words)
    assert code in (0, 1, 3)
    roots = {name.split(".")[0] for name in imported}
    assert not roots & {"textual", "rich", "pygments"}
    allowed = {"maestro_tui.__main__"}
    if "doctor" in words:  # it reads the console's own settings, and which keys there are
        allowed |= {"maestro_tui.checks", "maestro_tui.config", "maestro_tui.keys"}
    assert {name for name in imported if name.startswith("maestro_tui.")} <= allowed


def test_enqueue_imports_only_what_is_quick(agent_root: Layout) -> None:
    code, imported = _imported_by(agent_root, ["enqueue", "memo", "--payload", "{}"])
    assert code == 0
    assert len(os.listdir(agent_root.inbox)) == 1
    slow = {
        "msgspec", "asyncio", "dataclasses", "subprocess", "dotenv", "typing", "datetime",
        "inspect", "logging", "socket", "threading", "shutil", "tempfile", "sqlite3", "email",
        "urllib.request", "watchfiles", "httpx", "psutil", "cronsim", "maestro_core.models",
        "maestro_core.settings",
    }  # fmt: skip
    assert not imported & slow


# ---- house style ---------------------------------------------------------------------------


def test_no_file_is_too_long_to_read_in_one_sitting() -> None:
    lengths = {m.name: len(m.path.read_text().splitlines()) for m in modules().values()}
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def test_functions_are_short() -> None:
    lengths = [
        (length, f"{module.name}.{name}")
        for module in modules().values()
        for name, length in _functions(module.tree)
    ]
    assert [entry for entry in lengths if entry[0] > LONGEST_FUNCTION] == []
    assert statistics.median(length for length, _ in lengths) <= MEDIAN_FUNCTION


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        module.name
        for module in modules().values()
        if module.path.read_text().strip() and not ast.get_docstring(module.tree)
    ]
    assert silent == []


def test_no_error_is_swallowed_without_a_word() -> None:
    wrong = []
    for module in modules().values():
        lines = module.path.read_text().splitlines()
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else "BaseException"
            broad = caught in ("Exception", "BaseException")
            obvious = caught in ("FileNotFoundError", "ProcessLookupError")
            silent = all(isinstance(one, ast.Pass) for one in node.body)
            moves_on = all(isinstance(one, ast.Pass | ast.Continue) for one in node.body)
            reason = "#" in "".join(lines[node.lineno - 1 : node.end_lineno])
            if (broad and moves_on) or (silent and not reason and not obvious):
                wrong.append(f"{module.name}:{node.lineno}")
    assert wrong == []


def test_nothing_is_left_for_later() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X:")
    wrong = [
        (module.name, word)
        for module in modules().values()
        for word in words
        if word in module.path.read_text()
    ]
    assert wrong == []


def test_what_a_base_class_leaves_open_is_given_by_others() -> None:
    defined: Counter[str] = Counter()
    left_open: list[tuple[str, str]] = []
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                defined[node.name] += 1
                if ast.unparse(node.body[-1]).startswith("raise NotImplementedError"):
                    left_open.append((module.name, node.name))
    wrong = [one for one in left_open if one[0].startswith("maestro_core") or defined[one[1]] < 2]
    assert wrong == []


def test_the_first_picture_of_the_console_needs_no_slow_library() -> None:
    """Start-up is mostly imports: what only some screen or the consumer needs comes later."""
    code = (
        "import sys, maestro_tui.splash.screen; light = 'textual' not in sys.modules\n"
        "import maestro_tui.app, maestro_tui.screens.board, maestro_core.observe.reader\n"
        "print(light, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    light, *loaded = done.stdout.split()
    assert light == "True", "the first frame waits for Textual"
    late = {
        "httpx", "watchfiles", "psutil", "pygments", "markdown_it", "tree_sitter",
        "rich.markdown", "rich.syntax", "textual.widgets._markdown", "textual.widgets._data_table",
        "textual.widgets._text_area", "maestro_core.doctor", "maestro_core.consumer.driver",
        "maestro_core.consumer.loop", "maestro_core.session.runner", "maestro_core.bus.watch",
        "maestro_core.control.operator", "maestro_tui.screens.dead_letters",
        "maestro_tui.screens.runs", "maestro_tui.screens.journal", "maestro_tui.screens.doctor",
        "maestro_tui.screens.costs", "maestro_tui.screens.agents", "maestro_tui.widgets.log_view",
    }  # fmt: skip
    assert sorted(late & set(loaded)) == []
