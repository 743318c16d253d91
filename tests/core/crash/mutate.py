"""Mutants of the bus: one call that writes, flushes or claims an attempt is left out.

A mutant is the same function with another code object, so that every other module uses it
without being loaded anew; leaving the context brings the original back.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, ModuleType

from maestro_core import files
from maestro_core.bus import claims, dead, directory, producer, recovery, revival, shelves
from maestro_core.control import mailbox, markers

MODULES: tuple[ModuleType, ...] = (files, producer, shelves, claims, directory, dead, recovery,
                                  revival, mailbox, markers)  # fmt: skip
NO_PROMISE = frozenset({"Mailbox.prune", "Mailbox._set_aside", "_touch", "_move_away"})
"""Old answers, rubbish, and what a full disk still takes: nothing that a power cut may not have."""
PRIMITIVES = frozenset({"create", "flush", "flush_folder", "rename", "link", "unlink"})
RECIPES = frozenset({
    "write_new", "replace", "publish", "place", "give_name", "remove", "forget", "rewrite",
    "drop", "grab", "set_aside", "remember_key", "_flush_departures", "pay_owed", "_owe",
    "ensure_folders",
})  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """`kind` removed: the call yields None. overwrite: link() covers what is there.
    attempt: evolve() changes nothing."""

    module: ModuleType
    function: str
    line: int
    column: int
    text: str
    kind: str

    def __str__(self) -> str:
        name = self.module.__name__.rpartition(".")[2]
        return f"{name}.{self.function}: {self.kind} {self.text}"


def mutants() -> list[Mutant]:
    """Every call of the bus that writes, in the order of the sources."""
    return [mutant for module in MODULES for mutant in _of(module)]


def _of(module: ModuleType) -> Iterator[Mutant]:
    for function, node in _functions(_tree(module)):
        if function in NO_PROMISE:
            continue
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and (kinds := _kinds(call)):
                for kind in kinds:
                    text = ast.unparse(call)
                    yield Mutant(module, function, call.lineno, call.col_offset, text, kind)


def _kinds(call: ast.Call) -> tuple[str, ...]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    owner = ast.unparse(call.func).rpartition(".")[0]
    if name == "evolve" and any(k.arg in ("attempts", "recoveries") for k in call.keywords):
        return ("attempt",)
    if owner == "os":
        return ()
    if name == "link":
        return ("removed", "overwrite")
    return ("removed",) if name in PRIMITIVES | RECIPES else ()


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods by qualified name; OsFiles is the disk itself, not the bus."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and node.name not in ("OsFiles", "FileSystem"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


class _LeaveOut(ast.NodeTransformer):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        mutant = self._mutant
        if (node.lineno, node.col_offset) != (mutant.line, mutant.column):
            return node
        if ast.unparse(node) != mutant.text:
            return node
        if mutant.kind == "removed":
            return ast.copy_location(ast.Constant(None), node)
        if mutant.kind == "attempt":
            node.keywords = [k for k in node.keywords if k.arg not in ("attempts", "recoveries")]
        if mutant.kind == "overwrite" and isinstance(node.func, ast.Attribute):
            node.func.attr = "rename"
        return node


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The bus with this one fault in it."""
    tree = _LeaveOut(mutant).visit(ast.parse(inspect.getsource(mutant.module)))
    code = compile(ast.fix_missing_locations(tree), mutant.module.__file__ or "", "exec")
    function = _function(mutant)
    original = function.__code__
    function.__code__ = _code(code, mutant.function.split("."))
    try:
        yield
    finally:
        function.__code__ = original


def _function(mutant: Mutant) -> FunctionType:
    found: object = mutant.module
    for name in mutant.function.split("."):
        found = inspect.getattr_static(found, name)
    found = inspect.unwrap(found)  # type: ignore[arg-type]
    assert isinstance(found, FunctionType)
    return found


def _code(code: CodeType, names: list[str]) -> CodeType:
    for name in names:
        code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
    return code
