"""Every path, module and link that the documents name exists, and the design names every package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"
DESIGN = ROOT / "docs" / "design.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "examples" / "README.md"])
# The design shortens the paths of modules, such as `server/cli.py`, and `sessions/login.py` in the part on the server.
BASES = [ROOT, *(ROOT / "chat" / part for part in ("", "server", "client", "client/screen"))]
FOLDERS = {
    "bin",
    "benchmarks",
    "chat",
    "completions",
    "deploy",
    "docs",
    "examples",
    "scripts",
    "tests",
}

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?<![\w./~:{-])[\w.@-]+(?:/[\w.@-]+)*/?(?![\w/*{@])")
MODULE = re.compile(r"(?:-m |`)((?:benchmarks|scripts|tests)(?:\.[a-z_]+)+)")
NAMED_IN = re.compile(r"`([\w/]+\.py)` \(`(\w+)`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_the_paths_in_the_documents_exist() -> None:
    files = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    files.add("setup.py")
    wrong = []
    for document in DOCUMENTS:
        if document == CHANGELOG:
            continue  # it tells of files of the past
        for path in paths_in(document.read_text(encoding="utf-8")):
            if path not in files and not any((base / path).exists() for base in BASES):
                wrong.append(f"{document.name}: {path}")
    assert not wrong, "\n".join(wrong)


def paths_in(text: str) -> Iterator[str]:
    """The paths in code: those that begin with a folder of the repository, and those of modules."""
    for line in text.splitlines():
        for code in [line] if line.startswith("    ") else CODE.findall(line):
            for path in PATH.findall(code):
                if ("/" in path and path.partition("/")[0] in FOLDERS) or path.endswith(".py"):
                    yield path


def test_the_names_in_the_table_of_places_to_change_are_where_it_says() -> None:
    table = DESIGN.read_text(encoding="utf-8").partition("## Where to change what\n")[2]
    places = NAMED_IN.findall(table)
    assert places
    for path, name in places:
        source = (ROOT / "chat" / path).read_text(encoding="utf-8")
        assert re.search(rf"^ *(?:class|def) {name}\b", source, re.MULTILINE), (
            f"{path} has no {name}"
        )


def test_the_modules_in_the_documents_can_be_run() -> None:
    wrong = []
    for document in DOCUMENTS:
        for module in MODULE.findall(document.read_text(encoding="utf-8")):
            path = ROOT / module.replace(".", "/")
            if not path.with_suffix(".py").exists() and not (path / "__main__.py").exists():
                wrong.append(f"{document.name}: {module}")
    assert not wrong, "\n".join(wrong)


def test_the_links_in_the_documents_lead_somewhere() -> None:
    wrong = []
    for document in DOCUMENTS:
        for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
            path = document.parent / target if target else document
            if target.startswith(("https://", "http://")):
                continue
            if not path.exists() or (anchor and anchor not in anchors_of(path)):
                wrong.append(f"{document.name}: {target}#{anchor}")
    assert not wrong, "\n".join(wrong)


def anchors_of(document: Path) -> set[str]:
    """The names by which links reach the headings of a document."""
    headings = HEADING.findall(document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_tree_in_the_design_has_every_package() -> None:
    design = DESIGN.read_text(encoding="utf-8")
    tree = design.partition("## The tree\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^ +(?:chat/)?([a-z]+)/(?: |$)", tree, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "chat").rglob("__init__.py")}
    assert not packages - named, "packages that the tree lacks"
    assert not named - packages - FOLDERS, "folders that are not there"
