"""The house rules on who may know whom, held by a walk over every module's imports.

``protocol`` <- ``framing`` <- ``server`` and ``client``, which never know each other; each has its command line on top.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chat"
TESTS = ROOT / "tests"

MAX_LINES = 400

# Modules of chat that anyone may import: they know nothing but each other.
LEAVES = {
    *("chat", "chat.address", "chat.command_line", "chat.config_file", "chat.fingerprint"),
    "chat.options",
    "chat.home",
}

# Whose imports from the package may begin with what, beside the leaves.
ALLOWED = {
    "chat.protocol": {"chat.protocol"},
    "chat.framing": {"chat.protocol"},
    "chat.server": {"chat.protocol", "chat.framing", "chat.server"},
    "chat.client": {"chat.protocol", "chat.framing", "chat.client"},
}

# What a part must not know of the outside world.
FORBIDDEN = {
    "chat.protocol": {"socket", "select", "ssl", "gevent", "time", "os", "threading", "logging"},
    "chat.framing": {"gevent", "socket", "os", "threading", "logging"},
    "chat.server.room": {"socket", "os", "gevent", "ujson", "json", "struct", "time", "pathlib"},
    # The screen as plain objects: what it shows, how it is drawn, and what keys do to it.
    **{
        f"chat.client.screen.{name}": {"curses", "gevent", "time"}
        for name in (
            *("model", "intake", "views", "entries", "layout", "log_pane", "lines", "bars"),
            *("controller", "composer", "editor", "keys", "decoder", "questions", "colours"),
        )
    },
}
ONLY_CURSES = "chat.client.screen.terminal"

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[str]:
    """Full names of all that is imported anywhere in ``module``: ``a.b.c`` for ``from a.b import c`` too."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def module_named(name: str) -> str:
    """The module of the package that an imported ``name`` is, or is from."""
    return name if name in MODULES else name.rpartition(".")[0]


def test_the_walk_sees_the_package() -> None:
    assert {"chat", "chat.framing", "chat.protocol.headers"} <= MODULES.keys()
    assert "chat.protocol.errors.HeaderError" in set(imports_of("chat.protocol.headers"))


@pytest.mark.parametrize("module", MODULES)
def test_imports_within_the_package_point_one_way(module: str) -> None:
    parts = [part for part in ALLOWED if is_within(module, part)]
    assert parts or module in LEAVES, f"{module} belongs to no part: give it a place in ALLOWED"
    allowed = set().union(*(ALLOWED[part] for part in parts))
    for name in imports_of(module):
        if is_within(name, "chat"):
            found = module_named(name)
            assert found in MODULES, f"{module} imports {name}, which is not there"
            assert found in LEAVES or any(is_within(found, part) for part in allowed), (
                f"{module} must not know {found}"
            )


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_a_leaf_knows_nobody_but_leaves(leaf: str) -> None:
    assert {module_named(name) for name in imports_of(leaf) if is_within(name, "chat")} <= LEAVES


@pytest.mark.parametrize("module", MODULES)
def test_a_part_keeps_to_its_own_world(module: str) -> None:
    forbidden = set().union(*(FORBIDDEN[part] for part in FORBIDDEN if is_within(module, part)))
    met = {name for name in imports_of(module) for bad in forbidden if is_within(name, bad)}
    assert not met, f"{module} must not know {', '.join(sorted(met))}"


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {ONLY_CURSES}))
def test_curses_is_known_to_the_terminal_alone(module: str) -> None:
    assert not [name for name in imports_of(module) if name.split(".")[0] in ("curses", "_curses")]


@pytest.mark.parametrize("module", MODULES)
def test_nobodys_modules_are_patched(module: str) -> None:
    assert not [name for name in imports_of(module) if is_within(name, "gevent.monkey")]
    names = {node.attr for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)}
    assert not names & {"monkey", "patch_all", "patch_socket"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_named_after_what_is_in_it(module: str) -> None:
    assert not set(module.split(".")) & {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_fits_in_a_head(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_a_test_fits_in_a_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", [m for m, path in MODULES.items() if path.name != "__init__.py"])
def test_a_module_has_its_test(module: str) -> None:
    *parents, name = module.split(".")[1:]
    test = TESTS.joinpath(*parents, f"test_{name}.py")
    assert test.exists(), f"{module} is tested by {test.relative_to(ROOT)}, which is not there"


@cache
def imported_with(*modules: str) -> frozenset[str]:
    """The names of all modules that a fresh interpreter has loaded after importing just these."""
    command = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return frozenset(found.stdout.split())


def test_the_protocol_comes_without_gevent() -> None:
    protocol = [module for module in MODULES if is_within(module, "chat.protocol")]
    loaded = imported_with(*protocol, "chat.framing")
    assert loaded.issuperset(protocol)
    assert not loaded & {"gevent", "greenlet", "curses"}


def test_the_client_library_comes_without_gevent_and_curses() -> None:
    loaded = imported_with("chat.client")
    assert "chat.client" in loaded
    assert not loaded & {"gevent", "greenlet", "curses", "docopt", "tqdm"}


def test_the_client_library_asks_for_gevent_nowhere() -> None:
    # Inside its functions neither: only modules that the package does not load by itself may.
    for module in imported_with("chat.client"):
        if is_within(module, "chat.client"):
            assert not [name for name in imports_of(module) if is_within(name, "gevent")]
