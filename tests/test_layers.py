"""The house rules on who may know whom, held by a walk over every module's imports.

Ruff holds what one line can break: who imports curses, patched modules, relative imports.

``protocol`` <- ``framing`` <- ``server`` and ``client``, which never know each other; each has its command line on top.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chat"
TESTS = ROOT / "tests"

MAX_LINES = 400

# Modules of chat that anyone may import: they know nothing but each other.
LEAVES = {
    "chat",
    "chat.config",
    "chat.config.command_line",
    "chat.config.config_file",
    "chat.config.options",
    "chat.files",
    "chat.files.opening",
    "chat.files.home",
    "chat.files.private_files",
    "chat.net",
    "chat.net.address",
    "chat.net.dead_peer",
    "chat.net.fingerprint",
    "chat.net.tls_core",
    "chat.process",
    "chat.process.loading",
    "chat.process.offload",
    "chat.process.signals",
    "chat.process.standard_streams",
}

# Whose imports from the package may begin with what, beside the leaves.
ALLOWED = {
    "chat.protocol": {"chat.protocol"},
    "chat.framing": {"chat.protocol"},
    "chat.server": {"chat.protocol", "chat.framing", "chat.server"},
    "chat.client": {"chat.protocol", "chat.framing", "chat.client"},
    "chat.start": {"chat.server", "chat.client"},
    # As ``python -m``, they begin where the commands do.
    "chat.server.cli": {"chat.start"},
    "chat.client.cli": {"chat.start"},
}

# What a part must not know of the outside world.
FORBIDDEN = {
    "chat.protocol": {"socket", "select", "ssl", "gevent", "time", "os", "threading", "logging"},
    "chat.framing": {"gevent", "socket", "os", "threading", "logging"},
    "chat.net.tls_core": {"gevent", "socket", "select", "os", "threading", "time", "logging"},
    "chat.server.room.room": {
        "socket",
        "os",
        "gevent",
        "ujson",
        "json",
        "struct",
        "time",
        "pathlib",
    },
    # The screen as plain objects: what it shows, how it is drawn, and what keys do to it.
    **{
        f"chat.client.screen.{name}": {"gevent", "time"}
        for name in (
            *(
                "model.model",
                "intake",
                "model.views",
                "model.entries",
                "draw.layout",
                "draw.log_pane",
                "draw.lines",
                "draw.bars",
            ),
            *(
                "controller",
                "input.composer",
                "input.editor",
                "input.keys",
                "input.key_codes",
                "input.decoder",
                "keyboard",
            ),
            *("input.questions", "text.colours"),
        )
    },
}

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
            assert node.module is not None  # ruff forbids relative imports
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def module_named(name: str) -> str:
    """The module of the package that an imported ``name`` is, or is from."""
    return name if name in MODULES else name.rpartition(".")[0]


def test_the_walk_sees_the_package() -> None:
    assert {"chat", "chat.framing", "chat.protocol.headers"} <= MODULES.keys()
    assert "chat.protocol.errors.HeaderError" in set(imports_of("chat.protocol.headers"))


def test_imports_within_the_package_point_one_way() -> None:
    found = [fault for module in MODULES for fault in wrong_imports_of(module)]
    assert not found, "\n".join(found)


def wrong_imports_of(module: str) -> Iterator[str]:
    """A sentence for each import that points the other way."""
    parts = [part for part in ALLOWED if is_within(module, part)]
    if not parts and module not in LEAVES:
        yield f"{module} belongs to no part: give it a place in ALLOWED"
    allowed = set().union(*(ALLOWED[part] for part in parts))
    for name in imports_of(module):
        if is_within(name, "chat"):
            found = module_named(name)
            if found not in MODULES:
                yield f"{module} imports {name}, which is not there"
            elif found not in LEAVES and not any(is_within(found, part) for part in allowed):
                yield f"{module} must not know {found}"


def test_a_leaf_knows_nobody_but_leaves() -> None:
    for leaf in LEAVES:
        known = {module_named(name) for name in imports_of(leaf) if is_within(name, "chat")}
        assert known <= LEAVES, f"{leaf} must not know {', '.join(sorted(known - LEAVES))}"


def test_a_part_keeps_to_its_own_world() -> None:
    met = [
        f"{module} must not know {name}"
        for module in MODULES
        for part, forbidden in FORBIDDEN.items()
        if is_within(module, part)
        for name in imports_of(module)
        if any(is_within(name, bad) for bad in forbidden)
    ]
    assert not met, "\n".join(met)


def test_a_pool_of_threads_is_called_by_one_module_alone() -> None:
    """Some exceptions of a thread never come back from a pool: chat.process.offload brings each home as a value."""
    ways = {
        "apply",
        "apply_async",
        "apply_cb",
        "imap",
        "imap_unordered",
        "submit",
        "run_in_executor",
    }
    for module in MODULES.keys() - {"chat.process.offload"}:
        called = [ast.unparse(n.func) for n in ast.walk(tree_of(module)) if isinstance(n, ast.Call)]
        assert not [name for name in called if name.rpartition(".")[2] in ways], module
        # A pool of greenlets is another thing.
        assert not [n for n in called if n.endswith((".threadpool.spawn", "_pool.spawn"))], module
        assert "concurrent.futures" not in {n.rpartition(".")[0] for n in imports_of(module)}, (
            module
        )


def test_a_module_is_named_after_what_is_in_it() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [module for module in MODULES if vague & set(module.split("."))]


def test_a_module_and_a_test_fit_in_a_head() -> None:
    long = {
        str(path.relative_to(ROOT)): length
        for path in (*MODULES.values(), *TESTS.rglob("*.py"))
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"at most {MAX_LINES} lines: {long}"


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
    assert not loaded & {"gevent", "greenlet", "curses", "docopt", "tqdm", "cryptography"}


def test_the_client_library_asks_for_gevent_nowhere() -> None:
    # Inside its functions neither: only modules that the package does not load by itself may.
    for module in imported_with("chat.client"):
        if is_within(module, "chat.client"):
            assert not [name for name in imports_of(module) if is_within(name, "gevent")]
