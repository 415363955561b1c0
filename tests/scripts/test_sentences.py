"""The script that asks about sentences without an actor."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import sentences
from scripts.sentences import (
    Block,
    check,
    comment_blocks,
    markdown_blocks,
    prose_blocks,
    python_blocks,
    schema_blocks,
)


def asked(*texts: str) -> list[str]:
    """The questions about some texts, each a block."""
    return [finding.question for finding in check("a.md", (Block(1, text) for text in texts))]


@pytest.mark.parametrize(
    "text",
    [
        "Whoever reads too slowly is closed.",
        "The server is fast. What comes late waits.",
        "required: who does not is refused",
        "**Who has nothing to say costs nothing.** No buffer.",
        '("That which is old goes.")',
        "Whatever looks like it is reserved.",
    ],
)
def test_a_sentence_without_an_actor_is_asked_about(text: str) -> None:
    assert asked(text) == ["who does what?"]


@pytest.mark.parametrize(
    "text",
    [
        "A user who reads too slowly is disconnected.",
        "What is it? A chat.",
        '"Who is there?" is a question.',
        "## What you need",
        "`who` lists the users.",
        "Whose turn comes next is random.",
        "Whole messages; whatsoever.",
    ],
)
def test_a_sentence_with_an_actor_a_question_and_a_heading_pass(text: str) -> None:
    assert asked(text) == []


def test_a_user_is_not_called_he() -> None:
    assert asked("A user and His key.", "It closes him.") == ['who is "His"?', 'who is "him"?']
    assert asked("The history of this theme.", "`his`", "[key](his.md)") == []


def test_a_finding_is_a_question_that_names_the_line() -> None:
    text = "# Title\n\nFirst line,\nsecond line. Whoever\nreads this is closed.\n"
    (finding,) = check("a.md", markdown_blocks(text))
    assert str(finding) == 'a.md:4: who does what? "Whoever reads this is closed."'


def test_code_is_not_prose() -> None:
    text = "Text.\n\n    who -u\n\n```\nwhoever\n```\n\n- item\n\n    who belongs to the item\n"
    found = [block.text.strip() for block in markdown_blocks(text)]
    assert found == ["Text.", "- item", "who belongs to the item"]


def test_each_cell_of_a_table_begins_a_sentence() -> None:
    (finding,) = check(
        "a.md", markdown_blocks("| option | use |\n|---|---|\n| `a\\|b` | who is in |\n")
    )
    assert (finding.line, finding.sentence) == (3, "who is in")


def test_a_column_of_a_help_text_goes_on_in_the_next_line() -> None:
    text = (
        "Options:\n  --a=B   a name, for everyone\n          who is here\n  --c     who may come\n"
    )
    assert [finding.line for finding in check("a.py", prose_blocks(text))] == [4]


def test_python_has_docstrings_and_messages() -> None:
    text = '"""Whoever reads."""\n\nX = "who"\nY = f"{X}: who comes too late"\nZ = f"{X} comes back late"\n'
    assert [finding.line for finding in check("a.py", python_blocks(text))] == [1, 4]
    assert [finding.line for finding in check("a.py", python_blocks(text, literals=False))] == [1]


def test_comments_and_schemas_are_read() -> None:
    settings = "# Who comes first.\n#who = 1\nwho = 2\n# Addresses, and\n# who they are.\n"
    assert [finding.line for finding in check("a.toml", comment_blocks(settings))] == [1]
    schema = '{"title": "a",\n "description": "who said it"}'
    assert [finding.line for finding in check("a.json", schema_blocks(schema))] == [2]


def test_the_exit_status_says_whether_anything_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sentences, "PROJECT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("All is well.\n")
    assert sentences.main(["docs"]) == 0
    (tmp_path / "docs" / "b.md").write_text("Whoever comes is here.\n")
    assert sentences.main(["docs"]) == 1
    assert capsys.readouterr().out == 'docs/b.md:1: who does what? "Whoever comes is here."\n'
    monkeypatch.setattr(sentences, "QUOTATIONS", ["docs/b.md"])
    assert sentences.main(["docs"]) == 0
    with pytest.raises(FileNotFoundError):
        sentences.main(["gone.md"])
