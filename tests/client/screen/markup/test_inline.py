from __future__ import annotations

import pytest

from chat.client.screen.markup.inline import MAX_MARKERS, InlineLexer
from tests.tables import table

SIGNS = {1: ".", 2: "c", 4: "e", 8: "s", 12: "b", 16: "l", 6: "k", 20: "m"}


def read(line: str) -> str:
    """Return a sign for each character: . marker, c code, e emphasis, s strong, b both, l link."""
    signs = [" "] * len(line)
    for start, end, kinds in InlineLexer().lex(line):
        signs[start:end] = SIGNS[kinds] * (end - start)
    return "".join(signs).rstrip()


@table(
    ("line", "signs"),
    [
        ("a *b* c", "  .e."),
        ("a _b_ c", "  .e."),
        ("a **b** c", "  ..s.."),
        ("***a***", "...b..."),
        ("***a* b**", "...b.ss.."),
        ("***a** b*", "...b..ee."),
        ("**a *b***", "..ss.b..."),
        ("*a **b***", ".ee..b..."),
        ("*a `b*` c*", ".ee.kk.ee."),
        ("(*a*), “*b*”!", " .e.    .e."),
        ("*a *b* c*", ".ee.e.ee."),
        ("*a b\\* c*", ".eeeeeee."),
        ("a `b` c", "  .c."),
        ("``a ` b``", "..ccccc.."),
        ("`C:\\a\\`", ".ccccc."),
        ("`*a*`", ".ccc."),
        # In scripts without blanks, a marker stands right beside letters.
        ("这是*重要*的", "  .ee."),
        ("は**重要**です", " ..ss.."),
        # A pair that another pair would cross.
        ("*a _b* c_", ".eeee."),
    ],
)
def test_markup(line: str, signs: str) -> None:
    assert read(line) == signs


@table(
    "line",
    [
        "2*3*4",
        "x * y * z",
        "a*b* c",
        "snake_case_name and _private",
        "__init__ in __main__.py",
        "**/*.py and **/*.js",
        "src/*.py, test/*.py",
        "cp a/** b/**",
        "int *p, *q;",
        "/* one */ int x; /* two */",
        "f(*args, **kwargs)",
        '"*" and "*"',
        '"*" is a star*',
        '*all but "*"',
        "*.so* in lib",
        "*src/* in lib",
        "xmailto:bob@a.example",
        f"{'x' * 40}://a",
        "*/5 * * * *",
        "\\*not this\\*",
        "****a****",
        "* one",
        "*a",
        "a ` b",
        "don`t and it`s",
        "` `` ```",
        "://",
        "a ://b",
        "x: //y",
    ],
)
def test_what_is_no_markup(line: str) -> None:
    assert read(line) == ""


@pytest.mark.parametrize(
    ("line", "link"),
    [
        ("see https://a.example/b_c_d*e*, or", "https://a.example/b_c_d*e"),
        ("(https://a.example/A_(b))", "https://a.example/A_(b)"),
        ("(see ftp://a.example/)…", "ftp://a.example/"),
        ("<https://a.example>", "https://a.example"),
        ("mailto:bob@a.example.", "mailto:bob@a.example"),
        ("git+ssh://a.example", "git+ssh://a.example"),
        ("https://a.example/`b`", "https://a.example/"),
    ],
)
def test_a_link(line: str, link: str) -> None:
    start, end, _ = next(mark for mark in InlineLexer().lex(line) if mark.kinds == 16)
    assert line[start:end] == link


def test_emphasis_around_a_link() -> None:
    assert read("*http://a*") == ".mmmmmmmm."
    assert read("`http://a/`") == ".ccccccccc."


def test_too_many_markers_leave_the_rest_as_it_is() -> None:
    lexer = InlineLexer()
    marks = lexer.lex("*a* " * MAX_MARKERS)
    assert len(marks) == MAX_MARKERS // 2 * 3
    assert lexer.lex("*a*") == []
