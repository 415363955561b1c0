"""Rules on which module may import which, held by a walk over the imports of every module in ``chat``.

Ruff holds the rules that one line can break: imports of curses, patched modules, relative imports.

``protocol`` <- ``framing`` <- ``server`` and ``client``, which never know each other; each has its command line on top.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter

from tests.package_tree import (
    MODULES,
    PACKAGES,
    ROOT,
    imports_of,
    imports_when_imported,
    is_within,
    module_named,
    tree_of,
)

# Modules of chat that every module may import: they import only each other.
LEAVES = {
    "chat",
    "chat.config",
    "chat.config.command_line",
    "chat.config.completion",
    "chat.config.completion_scripts",
    "chat.config.config_file",
    "chat.config.mistakes",
    "chat.config.options",
    "chat.config.usage",
    "chat.files",
    "chat.files.dropped_paths",
    "chat.files.opening",
    "chat.files.home",
    "chat.files.private_files",
    "chat.files.syncing",
    "chat.net",
    "chat.net.address",
    "chat.net.dead_peer",
    "chat.net.engine_url",
    "chat.net.fingerprint",
    "chat.net.tls_core",
    "chat.process",
    "chat.process.fairness",
    "chat.process.loading",
    "chat.process.offload",
    "chat.process.signals",
    "chat.process.standard_streams",
    "chat.structs",
    "chat.local_time",
    "chat.sanitize",
    "chat.sizes",
}

# Part -> the parts that it may import, beside the leaves.
ALLOWED = {
    "chat.protocol": {"chat.protocol"},
    "chat.framing": {"chat.protocol"},
    "chat.server": {"chat.protocol", "chat.framing", "chat.server"},
    "chat.client": {"chat.protocol", "chat.framing", "chat.client"},
    "chat.start": {"chat.server", "chat.client"},
    # Run as ``python -m``, these modules start where the commands start.
    "chat.server.cli": {"chat.start"},
    "chat.client.cli": {"chat.start"},
}

# Part -> the modules from outside ``chat`` that it must not import.
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


def test_the_walk_sees_the_package() -> None:
    assert {"chat", "chat.framing", "chat.protocol.headers"} <= MODULES.keys()
    assert "chat.protocol.errors.HeaderError" in set(imports_of("chat.protocol.headers"))


def test_imports_within_the_package_point_one_way() -> None:
    found = [fault for module in MODULES for fault in wrong_imports_of(module)]
    assert not found, "\n".join(found)


def wrong_imports_of(module: str) -> Iterator[str]:
    """Describe each import that points the other way."""
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


def test_a_leaf_imports_only_leaves() -> None:
    for leaf in LEAVES:
        known = {module_named(name) for name in imports_of(leaf) if is_within(name, "chat")}
        assert known <= LEAVES, f"{leaf} must not know {', '.join(sorted(known - LEAVES))}"


def test_no_module_imports_itself_through_others() -> None:
    graph = {
        module: {module_named(name) for name in imports_when_imported(module)} & MODULES.keys()
        for module in MODULES
    }
    assert not circle_in(graph)


def test_no_package_imports_itself_through_others() -> None:
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        known = {module_named(name) for name in imports_when_imported(module)} & MODULES.keys()
        package = package_of(module)
        graph.setdefault(package, set()).update({package_of(found) for found in known} - {package})
    assert not circle_in(graph)


def package_of(module: str) -> str:
    """Return the package of a module, or the module if it lies beside packages.

    A folder that has packages also has what puts them together, as ``chat.server`` has ``composition`` on top of all
    and ``settings`` below all. As one node, such a folder would close a circle with each of its packages.
    """
    if module in PACKAGES:
        return module
    package = module.rpartition(".")[0]
    has_packages = any(is_within(other, package) for other in PACKAGES - {package})
    return module if has_packages else package


def circle_in(graph: dict[str, set[str]]) -> str:
    """Describe a circle of imports, or return an empty string."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " is imported by ".join(error.args[1])
    return ""


def test_the_search_for_circles_finds_one() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert circle_in({"a": {"a"}}) == "a is imported by a"
    assert not circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_a_part_imports_nothing_that_is_forbidden_to_it() -> None:
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
    """A pool loses some exceptions of its threads; ``chat.process.offload`` returns each exception as a value."""
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
        source = MODULES[module].read_text(encoding="utf-8")
        if "concurrent" not in source and not any(f".{way}(" in source for way in (*ways, "spawn")):
            continue
        called = [ast.unparse(n.func) for n in ast.walk(tree_of(module)) if isinstance(n, ast.Call)]
        assert not [name for name in called if name.rpartition(".")[2] in ways], module
        # Only pools of threads: a pool of greenlets loses no exception.
        assert not [n for n in called if n.endswith((".threadpool.spawn", "_pool.spawn"))], module
        assert "concurrent.futures" not in {n.rpartition(".")[0] for n in imports_of(module)}, (
            module
        )


@cache
def imported_with(*modules: str) -> frozenset[str]:
    """Return the names of all modules that a fresh interpreter has loaded after it imported just these."""
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


def test_the_client_library_imports_gevent_nowhere() -> None:
    # Imports inside functions count: only modules that the package does not load by itself may have them.
    for module in imported_with("chat.client"):
        if is_within(module, "chat.client"):
            assert not [name for name in imports_of(module) if is_within(name, "gevent")]


def test_the_server_comes_without_what_only_a_cluster_needs() -> None:
    """redis-py is an extra, which most installations do not have."""
    users = {m for m in MODULES if any(is_within(name, "redis") for name in imports_of(m))}
    assert users == {"chat.server.cluster.redis_connection"}
    loaded = imported_with("chat.server.cli", "chat.server.composition")
    assert not {name for name in loaded if is_within(name, "redis") or is_within(name, "hiredis")}
