from __future__ import annotations

import pytest

from chat.client.conversation.commands import COMMANDS, Availability, help_lines, parse_line
from chat.client.conversation.requests import (
    Cancel,
    ClearLog,
    CloseView,
    FollowLog,
    Get,
    Help,
    Highlight,
    Ignore,
    ListMentions,
    ListTransfers,
    OpenFile,
    OpenView,
    Quit,
    Reconnect,
    Reply,
    Request,
    RequestError,
    SaveLog,
    Say,
    SearchLog,
    SendFile,
    SetBell,
    SetPresence,
    ShowKeys,
    ToggleNames,
    Unhighlight,
    Unignore,
    Who,
)
from chat.protocol.descriptor import MessageType

IMAGE, VOICE = MessageType.IMAGE, MessageType.VOICE


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("hello", Say("hello")),
        ("  two blanks stay", Say("  two blanks stay")),
        ("//etc/passwd is a path", Say("/etc/passwd is a path")),
        ("///", Say("//")),
        ("/msg bob see you", Say("see you", "bob")),
        ("/MSG bob  see  you ", Say("see  you", "bob")),
        ("/msg боб /quit", Say("/quit", "боб")),
        ("/msg bob one\ntwo", Say("one\ntwo", "bob")),
        (" /msg bob psst", Say("psst", "bob")),
        ("/reply fine", Reply("fine")),
        ("/me waves", Say("/me waves")),
        ("/file a.txt", SendFile("a.txt")),
        ("/file my report.pdf", SendFile("my report.pdf")),
        ("/file  my  report.pdf  --to bob", SendFile("my  report.pdf", to="bob")),
        ("/file --to bob my report.pdf", SendFile("my report.pdf", to="bob")),
        ("/file --to=bob x", SendFile("x", to="bob")),
        ("/file x --to=bob", SendFile("x", to="bob")),
        (
            "/file 'it is --to bob'",
            SendFile("'it is --to bob'", unquoted="it is --to bob"),
        ),
        ('/file "a b" --to bob', SendFile('"a b"', to="bob", unquoted="a b")),
        (r"/file a\ \(1\).txt", SendFile(r"a\ \(1\).txt", unquoted="a (1).txt")),
        ("/voice it's me.ogg", SendFile("it's me.ogg", VOICE)),
        ("/file --todo.txt --to bob", SendFile("--todo.txt", to="bob")),
        ("/image ~/cat.png", SendFile("~/cat.png", IMAGE)),
        ("/voice hi.ogg --to bob", SendFile("hi.ogg", VOICE, "bob")),
        ("/get 3", Get(3)),
        ("/get #3", Get(3)),
        ("/cancel 12", Cancel(12)),
        ("/open 3", OpenFile(3)),
        ("/transfers", ListTransfers()),
        ("/who ", Who()),
        ("/help", Help()),
        ("/help msg", Help("msg")),
        ("/help /msg", Help("msg")),
        ("/ignore", Ignore()),
        ("/ignore *-bot", Ignore("*-bot")),
        ("/unignore mallory", Unignore("mallory")),
        ("/highlight", Highlight()),
        ("/highlight the build", Highlight("the build")),
        ("/unhighlight the build", Unhighlight("the build")),
        ("/mentions", ListMentions()),
        ("/presence", SetPresence()),
        ("/presence Smart", SetPresence("smart")),
        ("/reconnect", Reconnect()),
        ("/reconnect robert", Reconnect("robert")),
        ("/quit", Quit()),
    ],
)
def test_a_line_makes_a_request(line: str, request_: Request) -> None:
    assert parse_line(line, Availability.PLAIN) == request_


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/mgs bob hi", r"Unknown command /mgs; did you mean /msg\?"),
        ("/xyzzy", "/help lists them"),
        ("/", "Unknown command /"),
        ("/ msg bob hi", "Unknown command /"),
        ("/usr/bin/env", "// starts a text with a slash"),
        ("/msg", "Expected /msg NAME TEXT"),
        ("/msg bob", "Expected /msg NAME TEXT"),
        ("/msg bob  ", "Expected /msg NAME TEXT"),
        ("/reply", "Expected /reply TEXT"),
        ("/me", "Expected /me TEXT"),
        ("/file", r"Expected /file PATH"),
        ("/voice --to bob", "Expected /voice PATH"),
        ('/file ""', "Expected /file PATH"),
        ("/image '  ' --to bob", "Expected /image PATH"),
        ("/image --to", "Expected /image PATH"),
        ("/get", "Expected /get N"),
        ("/get x", "Expected /get N"),
        ("/cancel -1", "Expected /cancel N"),
        ("/get ٣", "Expected /get N"),
        ("/ignore a b", "Expected /ignore or /ignore NAME"),
        ("/unignore", "Expected /unignore NAME"),
        ("/unhighlight", "Expected /unhighlight WORD"),
        ("/presence off", "Expected /presence all, smart or none"),
        ("/quit now", "/quit takes no arguments"),
    ],
)
def test_a_line_that_cannot_be_understood_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        parse_line(line, Availability.PLAIN)


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("/search", SearchLog()),
        ("/search two words", SearchLog("two words")),
        ("/clear", ClearLog()),
        ("/save ~/my log.txt", SaveLog("~/my log.txt")),
        ("/save 'a b'", SaveLog("a b")),
        (r"/save a\ \(1\).txt", SaveLog("a (1).txt")),
        ("/log", FollowLog()),
        ("/log on", FollowLog(True)),
        ("/log OFF", FollowLog(False)),
        ("/bell", SetBell()),
        ("/bell off", SetBell(False)),
        ("/names", ToggleNames()),
        ("/query bob", OpenView("bob")),
        ("/close", CloseView()),
        ("/keys", ShowKeys()),
    ],
)
def test_a_screen_has_commands_of_its_own(line: str, request_: Request) -> None:
    assert parse_line(line, Availability.SCREEN) == request_
    with pytest.raises(RequestError, match="Unknown command"):
        parse_line(line, Availability.PLAIN)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/save", "Expected /save FILE"),
        ("/save ''", "Expected /save FILE"),
        ('/save " "', "Expected /save FILE"),
        ("/log maybe", "Expected /log on or /log off"),
        ("/query a b", "Expected /query NAME"),
        ("/open it", "Expected /open N"),
        ("/keys now", "/keys takes no arguments"),
    ],
)
def test_a_command_of_the_screen_is_refused_if_it_makes_no_sense(line: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        parse_line(line, Availability.SCREEN)


def test_every_command_has_a_line_of_help() -> None:
    lines = help_lines(None, Availability.SCREEN)
    assert len(lines) == len(COMMANDS)
    for command, line in zip(COMMANDS, lines, strict=True):
        assert line.startswith(command.usage)
        assert line.endswith(command.help)


def test_help_on_one_command() -> None:
    assert help_lines("get", Availability.PLAIN) == ["/get N  save attachment number N"]


def test_help_on_a_command_that_is_none() -> None:
    with pytest.raises(RequestError, match="did you mean /file"):
        help_lines("flie", Availability.PLAIN)
