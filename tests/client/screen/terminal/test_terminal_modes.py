"""The modes and the title that programs give to a real terminal, and that they give back."""

from __future__ import annotations

from tests.client.screen.terminals import MOUSE_MODES, SCREEN_MODES, onlooker


class TestWheel:
    def test_a_mouse_mode_that_the_user_had_set_comes_back(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.draw(screen("inside"))
    terminal.read()
"""
        with onlooker(script) as seen:
            seen.wait_for("inside")
            seen.type(b"x")
            seen.wait()
            assert seen.output.index(b"\x1b[?1007s") < seen.output.index(b"\x1b[?1007h")
            assert seen.output.count(b"\x1b[?1007r") == 1
            assert b"\x1b[?1007l" not in seen.output


class TestTitle:
    SCRIPT = """
with Terminal() as terminal:
    for title in (None, "chat", "(1) chat"):
        terminal.draw(screen("inside")._replace(title=title))
        terminal.read()
print("afterwards", flush=True)
sys.stdin.readline()
"""

    def test_is_set_and_set_back(self) -> None:
        with onlooker(self.SCRIPT) as seen:
            seen.wait_for("inside")
            assert seen.screen.title == ""
            for title in ("chat", "(1) chat"):
                seen.type(b"x")
                seen.wait_until(lambda: seen.screen.title == title, title)  # noqa: B023
            seen.type(b"x")
            seen.wait_for("afterwards")
            assert seen.screen.title == ""
            assert seen.output.count(b"\x1b[22;2t") == seen.output.count(b"\x1b[23;2t") == 1

    def test_is_left_alone_on_a_terminal_that_would_print_it(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.draw(screen("inside")._replace(title="chat"))
    terminal.read()
"""
        with onlooker(script, TERM="linux") as seen:
            seen.wait_for("inside")
            seen.type(b"x")
            assert seen.wait() == 0
            assert b"chat" not in seen.output


class TestMouse:
    SCRIPT = """
with Terminal() as terminal:
    while True:
        terminal.draw(screen(f"mouse: {terminal.modes.mouse}"))
        if terminal.read() == ["q"]:
            break
        terminal.modes.mouse = not terminal.modes.mouse
print("afterwards", flush=True)
sys.stdin.readline()
"""

    def test_is_the_terminals_until_it_is_asked_for(self) -> None:
        with onlooker(self.SCRIPT) as seen:
            seen.wait_for("mouse: False")
            assert seen.modes == SCREEN_MODES
            seen.type(b"x")
            seen.wait_until(lambda: seen.modes == SCREEN_MODES | MOUSE_MODES, "mouse events")
            seen.type(b"x")
            seen.wait_until(lambda: seen.modes == SCREEN_MODES, "no mouse events")

    def test_the_bare_view_leaves_it_to_the_terminal_meanwhile(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.modes.mouse = True
    for number in range(3):
        terminal.draw(screen(f"frame {number}"))
        terminal.read()
        bare = Screen([], None, bare=(f"bare {number}",))
        terminal.draw(bare)
        terminal.read()
        terminal.modes.forget()  # as after a stop
        terminal.redraw()
        terminal.draw(bare)
        terminal.read()
"""
        with onlooker(script) as seen:
            for number in range(3):
                seen.wait_until(lambda: f"frame {number}" in seen.text, "a frame")  # noqa: B023
                seen.wait_until(lambda: seen.modes == SCREEN_MODES | MOUSE_MODES, "mouse events")
                for times in (1, 2):
                    seen.type(b"x")
                    seen.wait_until(
                        lambda: seen.output.count(b"bare %d" % number) == times,  # noqa: B023
                        "the bare view",
                    )
                    assert seen.modes == SCREEN_MODES
                    assert seen.text == f"bare {number}"
                seen.type(b"x")
            assert seen.wait() == 0

    def test_is_given_back_at_the_end(self) -> None:
        with onlooker(self.SCRIPT) as seen:
            seen.wait_for("mouse: False")
            seen.type(b"x")
            seen.wait_until(lambda: seen.modes == SCREEN_MODES | MOUSE_MODES, "mouse events")
            seen.type(b"q")
            seen.wait_for("afterwards")
            assert seen.modes == set()
