"""The output of curses is captured, and written as the terminal accepts it. Each program has its own terminal."""

from __future__ import annotations

from tests.client.screen.terminals import Onlooker

BEGIN = """
import gevent, os, sys, termios
from chat.client.screen.terminal.output import Output, TerminalGone
output = Output()
def say(text): output.send(text.encode() + b"\\r\\n")
"""


def test_what_is_caught_is_not_shown() -> None:
    script = """
caught = output.caught(lambda: os.write(1, b"a frame"))
again = output.caught(lambda: os.write(1, b"more"))
os.write(1, b"directly ")
say(f"{caught} {again}")
"""
    with Onlooker(BEGIN + script) as seen:
        assert seen.wait() == 0
        assert seen.text == "directly b'a frame' b'more'"


def test_a_failure_while_it_is_caught_gives_the_terminal_back() -> None:
    script = """
try:
    output.caught(lambda: 1 / 0)
except ZeroDivisionError:
    os.write(1, b"here again")
"""
    with Onlooker(BEGIN + script) as seen:
        assert seen.wait() == 0
        assert seen.text == "here again"


def test_a_terminal_that_is_stopped_is_waited_for_only_so_long() -> None:
    script = """
termios.tcflow(1, termios.TCOOFF)
others = gevent.spawn(lambda: "others run")
output.send_within(0.05, b"given up")
waiting = gevent.spawn(output.send, b"dropped")
gevent.sleep(0.05)
assert not waiting.ready()
output.drop()
termios.tcflow(1, termios.TCOON)
waiting.get(timeout=30)
say(others.value)
output.close()
"""
    with Onlooker(BEGIN + script) as seen:
        assert seen.wait() == 0
        assert seen.text == "others run"
