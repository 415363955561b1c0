"""The distribution that setup.py describes."""

import importlib
import inspect
import runpy
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chat

SETUP = Path(__file__).resolve().parent.parent.parent / "setup.py"


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of ``setup()``; setuptools itself need not be in the environment of the tests."""
    recorded: dict[str, Any] = {}
    setuptools = ModuleType("setuptools")
    vars(setuptools).update(setup=recorded.update, find_packages=lambda include: include)
    monkeypatch.setitem(sys.modules, "setuptools", setuptools)
    runpy.run_path(str(SETUP))
    return recorded


def test_the_version_is_that_of_the_package(metadata: dict[str, Any]) -> None:
    assert metadata["version"] == chat.__version__


def test_each_command_is_a_function_that_needs_no_argument(metadata: dict[str, Any]) -> None:
    commands = dict(entry.split(" = ") for entry in metadata["entry_points"]["console_scripts"])
    assert sorted(commands) == ["chat-client", "chat-server"]
    for target in commands.values():
        module, _, function = target.partition(":")
        main = getattr(importlib.import_module(module), function)
        inspect.signature(main).bind()  # TypeError where an argument is missing


def test_the_programs_come_with_their_manuals(metadata: dict[str, Any]) -> None:
    pages = dict(metadata["data_files"])["share/man/man1"]
    programs = [entry.partition(" = ")[0] for entry in metadata["entry_points"]["console_scripts"]]
    assert sorted(pages) == [f"docs/{program}.1" for program in sorted(programs)]
    assert all((SETUP.parent / page).is_file() for page in pages)


def test_a_wheel_has_each_file_that_the_programs_read(metadata: dict[str, Any]) -> None:
    patterns = metadata["package_data"][""]
    package = SETUP.parent / "chat"
    files = [path for path in package.rglob("*") if path.is_file()]
    data = [path for path in files if path.suffix not in (".py", ".pyc")]
    assert {path.name for path in data} >= {
        "confusables.json",
        "emoji.json",
        "page.html",
        "style.css",
    }
    for path in data:
        owner = next(folder for folder in path.parents if (folder / "__init__.py").exists())
        assert any(fnmatchcase(str(path.relative_to(owner)), each) for each in patterns), path


@pytest.mark.parametrize(
    ("directory", "files"),
    [
        ("share/bash-completion/completions", ["chat-client", "chat-server"]),
        ("share/zsh/site-functions", ["_chat-client", "_chat-server"]),
        ("share/fish/vendor_completions.d", ["chat-client.fish", "chat-server.fish"]),
    ],
)
def test_the_completion_scripts_go_where_a_shell_looks(
    directory: str, files: list[str], metadata: dict[str, Any]
) -> None:
    scripts = [SETUP.parent / script for script in dict(metadata["data_files"])[directory]]
    assert [script.name for script in scripts] == files
    assert all(script.is_file() for script in scripts)
