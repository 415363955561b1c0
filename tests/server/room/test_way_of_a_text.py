"""The way of one public text through the server: as docs/design.md lists it, and short."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType

from chat.framing import FrameReader
from chat.server.delivery.broadcast import Broadcast
from chat.server.sessions.session import Session
from tests.server.server_in_test import TestServer

ROOT = Path(__file__).resolve().parent.parents[2]
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
MAX_FILES, MAX_LINES = 8, 300


def test_a_public_text_takes_the_way_that_the_design_lists(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")

    def exchange() -> None:
        alice.say("hello")
        bob.expect_text("hello", "alice")

    way = trace(exchange)

    assert [name_of(code) for code in way] == list(way_in_the_design())
    assert len({code.co_filename for code in way}) <= MAX_FILES
    assert sum(map(lines_of, way)) <= MAX_LINES


def way_in_the_design() -> Iterator[str]:
    """``file: function`` of each step of the list below the heading."""
    section = DESIGN.partition("### The way of a text\n")[2].partition("\n\nA private text")[0]
    for file, names in re.findall(r"`(chat/[a-z_/]+\.py)`:((?:[^`]|`(?!chat/))*)", section):
        for name in re.findall(r"`([A-Za-z_.]+)`", names):
            yield f"{file}: {name}"


def trace(exchange: Callable[[], object]) -> list[CodeType]:
    """The functions of the server on a text's way from the receive to the last write, in the order of their calls.

    Functions that wait for the receive count. Those that run while the text is pending, for what comes next, do not.
    """
    way: dict[CodeType, None] = {}
    is_on = False

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal is_on
        code = frame.f_code
        if event == "return" and code is FrameReader._receive.__code__:
            way.update(dict.fromkeys(reversed(list(callers(frame)))))
            is_on = True
        elif event == "return" and code in (
            Session._publish.__code__,
            Broadcast._flush_now.__code__,
        ):
            is_on = False
        elif event == "call" and code is Broadcast._flush_now.__code__:
            is_on = True
        if event == "call" and is_on and code.co_filename.startswith(str(ROOT / "chat")):
            way.setdefault(code)

    sys.setprofile(watch)
    try:
        exchange()
    finally:
        sys.setprofile(None)
    return [code for code in way if not code.co_name.startswith("<")]  # a comprehension is a line


def callers(frame: FrameType) -> Iterator[CodeType]:
    """The functions that wait for ``frame`` and itself, up to the loop that takes frames."""
    caller: FrameType | None = frame
    while caller is not None and caller.f_code is not Session._serve_to_the_end.__code__:
        yield caller.f_code
        caller = caller.f_back


def name_of(code: CodeType) -> str:
    """``file: function``, as in the list."""
    path = Path(code.co_filename)
    scope = ""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        if node.lineno <= code.co_firstlineno <= (node.end_lineno or 0):
            scope = f"{node.name}."
    return f"{path.relative_to(ROOT)}: {scope}{code.co_name}"


def lines_of(code: CodeType) -> int:
    """Count the lines of code of a function: neither blank, nor a comment, nor the docstring."""
    source = textwrap.dedent(inspect.getsource(code))
    [function] = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    doc = function.body[0] if ast.get_docstring(function) is not None else None
    inside = range(doc.lineno, (doc.end_lineno or 0) + 1) if doc is not None else range(0)
    return sum(
        1
        for number, line in enumerate(source.splitlines(), 1)
        if number not in inside and line.strip() and not line.strip().startswith("#")
    )
