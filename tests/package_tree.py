"""The modules of ``chat``, their syntax trees and their imports, for tests of the structure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chat"
TESTS = ROOT / "tests"

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> tuple[str, ...]:
    """List the full names of all imports in ``module``: ``a.b.c`` for ``from a.b import c`` too."""
    return tuple(_imports_below(tree_of(module).body))


@cache
def imports_when_imported(module: str) -> tuple[str, ...]:
    """List the imports of ``module``, without those below ``if __name__ == "__main__"``.

    Imports below ``TYPE_CHECKING`` and in functions are in the list: they are knowledge that a reader has to follow. A
    block for ``__main__`` is no such knowledge. Python runs the block only in a program that was started with the
    module, and there the module has another name: nothing that imports the module ever meets the block.
    """
    body = [node for node in tree_of(module).body if not _is_main_block(node)]
    return tuple(_imports_below(body))


def _imports_below(body: list[ast.stmt]) -> Iterator[str]:
    for node in statements_below(body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None  # ruff forbids relative imports
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def statements_below(body: list[Any]) -> Iterator[ast.stmt]:
    """Walk over the statements of ``body``, however deep.

    ``ast.walk`` also looks at each expression, which takes ten times as long.
    """
    for node in body:
        if isinstance(node, ast.stmt):
            yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements_below(getattr(node, field, []))


def _is_main_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def is_within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def module_named(name: str) -> str:
    """Return the module that an imported ``name`` is, or is from."""
    return name if name in MODULES else name.rpartition(".")[0]
