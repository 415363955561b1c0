"""The man pages that are in the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chat.client.conversation.commands import COMMANDS
from chat.client.program.settings import OPTIONS
from chat.client.screen.input.keys import BINDINGS
from scripts.manual import PAGES, pages

MADE = pages()


def words(page: str) -> str:
    """The text of a page, without what roff needs around it."""
    text = re.sub(r"\\f[BIRP]|\\&", "", MADE[page])
    for escaped, character in {r"\-": "-", r"\(aq": "'", r"\(dq": '"', r"\e": "\\"}.items():
        text = text.replace(escaped, character)
    return text


@pytest.mark.parametrize("page", MADE)
def test_a_page_is_what_would_be_made_now(page: str) -> None:
    committed = (PAGES / page).read_text(encoding="utf-8")
    assert committed == MADE[page], f"docs/{page} is out of date: make docs"


def test_the_client_is_explained_to_the_last_key() -> None:
    text = words("chat-client.1")
    for option in (option for option in OPTIONS if option.on_command_line):
        assert re.search(rf"^\.BI? +(?:-\w, +)?--{option.name}\b", text, re.MULTILINE), option
    for command in COMMANDS:
        assert f"\n.B {command.usage}\n{command.explanation}\n" in text
    for binding in BINDINGS:
        assert f"\n.B {binding.labels}\n{binding.help}\n" in text


@pytest.mark.parametrize("page", MADE)
def test_man_finds_a_page_beside_a_directory_of_the_path(page: str, tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("there is no man")
    installed, linked = tmp_path / "venv", tmp_path / "local"
    for prefix in (installed, linked):
        (prefix / "bin").mkdir(parents=True)
        (prefix / "share" / "man" / "man1").mkdir(parents=True)
    path = installed / "share" / "man" / "man1" / page
    shutil.copy(PAGES / page, path)
    # As the steps of docs/operating.md do it.
    (linked / "share" / "man" / "man1" / page).symlink_to(path)
    for prefix in (installed, linked):
        found = subprocess.run(
            ["man", "-w", page.removesuffix(".1")],
            env={"PATH": f"{prefix / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )
        assert found.stdout == f"{path}\n"  # man follows the link


@pytest.mark.parametrize("page", MADE)
def test_the_sections_are_where_readers_of_manuals_look(page: str) -> None:
    sections = re.findall(r"^\.SH (.*)$", MADE[page], re.MULTILINE)
    assert sections[:4] == ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"]
    assert sections[-1] == "SEE ALSO"


@pytest.mark.parametrize("page", MADE)
@pytest.mark.parametrize(
    "command",
    [
        ["groff", "-man", "-ww", "-z", "-k", "-Tutf8"],
        ["man", "--warnings=w", "-l"],
        ["mandoc", "-T", "lint", "-W", "error"],
    ],
    ids=lambda command: command[0],
)
def test_programs_that_show_manuals_report_no_error(
    page: str, command: list[str], tmp_path: Path
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    path = tmp_path / page
    path.write_text(MADE[page], encoding="utf-8")
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert done.stderr == ""
