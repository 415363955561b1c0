"""Limits that keep the tree readable: sizes of files and folders, and names that mean one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.package_tree import MODULES, PACKAGE, PACKAGES, ROOT, TESTS, statements_below, tree_of

MAX_LINES = 400
MAX_MODULES = 15  # in one folder, without __init__.py

# Class names that stand for two classes, and why both may have the name.
SHARED_CLASS_NAMES = {
    "Settings": "each program has settings, and neither program sees the other's",
    "HandshakeFailed": "the failure of a TLS handshake, as the server and as the client see it",
    "Entry": "an entry of the server's log of messages, and an entry of the log on the client's screen",
}

# Packages whose docstring is not a note for developers, and why.
DESCRIBED_OTHERWISE = {
    "chat": "the docstring describes the distribution",
    "chat.client": "the docstring is the first page of the library's documentation",
}
_LIMIT = re.compile(r"\b(?:not|nothing|no|never|neither|only)\b", re.IGNORECASE)


def test_a_file_has_at_most_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): length
        for path in (*MODULES.values(), *TESTS.rglob("*.py"))
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"at most {MAX_LINES} lines: {long}"


def test_a_folder_has_at_most_15_modules() -> None:
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    full = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len({*folder.glob("*.py")} - {folder / "__init__.py"})) > MAX_MODULES
    }
    assert not full, f"at most {MAX_MODULES} modules in a folder: {full}"


def test_each_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in MODULES.values()}
    without = {
        folder.relative_to(ROOT) for folder in folders if not (folder / "__init__.py").exists()
    }
    assert not without, f"no __init__.py in {without}"


def test_a_package_says_what_it_owns_and_what_it_may_not_know() -> None:
    found = [
        fault
        for package in sorted(PACKAGES - DESCRIBED_OTHERWISE.keys())
        for fault in faults_of(package)
    ]
    assert not found, "\n".join(found)


def faults_of(package: str) -> Iterator[str]:
    """Describe what is missing in the docstring of a package."""
    lines = [line for line in (ast.get_docstring(tree_of(package)) or "").splitlines() if line]
    if not 2 <= len(lines) <= 3:
        yield f"{package}: its docstring has {len(lines)} lines of text, and must have two or three"
    if not any(_LIMIT.search(line) for line in lines[1:]):
        yield f"{package}: its docstring must say after its first line what the package may not know"


def test_a_module_is_named_after_what_is_in_it() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [module for module in MODULES if vague & set(module.split("."))]


def test_a_class_name_names_one_class() -> None:
    found = defaultdict(list)
    for module in MODULES:
        for node in statements_below(tree_of(module).body):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(module)
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}

    unlisted = {name: modules for name, modules in twice.items() if name not in SHARED_CLASS_NAMES}
    assert not unlisted, f"one name for two classes: {unlisted}"
    outdated = SHARED_CLASS_NAMES.keys() - twice.keys()
    assert not outdated, f"these names have one class, and need no exception: {outdated}"


def test_a_named_tuple_has_no_other_base() -> None:
    """Python 3.10, the oldest that we support, refuses to make such a class, and no checker of types tells."""
    found = [
        f"{module}: {node.name}"
        for module in MODULES
        for node in statements_below(tree_of(module).body)
        if isinstance(node, ast.ClassDef) and len(node.bases) > 1
        if "NamedTuple" in map(ast.unparse, node.bases)
    ]
    assert not found


def test_the_walk_finds_the_files() -> None:
    assert Path(__file__) in set(TESTS.rglob("*.py"))
    assert {"chat", "chat.client", "chat.server.sessions"} <= PACKAGES
