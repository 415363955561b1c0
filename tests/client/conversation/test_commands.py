from __future__ import annotations

import pytest

from chat.client.conversation.commands import (
    COMMANDS,
    Availability,
    help_lines,
    parse_line,
    shown_line,
)
from chat.client.conversation.requests import (
    Cancel,
    ClearLog,
    CloseView,
    Copy,
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
    SetRaw,
    ShowBareView,
    ShowEarlier,
    ShowKeys,
    ToggleNames,
    Unhighlight,
    Unignore,
    Who,
)
from chat.client.conversation.typed.foreign_commands import instead_of, meaning
from chat.protocol.descriptor import MessageType
from tests.tables import table

IMAGE, VOICE = MessageType.IMAGE, MessageType.VOICE


@table(
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
        ("/search", SearchLog()),
        ("/search two words", SearchLog("two words")),
        ("/history 9", ShowEarlier(9)),
        ("/history #9", ShowEarlier(found=9)),
        ("/get 3", Get(3)),
        ("/get #3", Get(3)),
        ("/get", Get()),
        ("/cancel ", Cancel()),
        ("/cancel 12", Cancel(12)),
        ("/open 3", OpenFile(3)),
        ("/open", OpenFile()),
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
        ("/q", Quit()),
        ("/EXIT", Quit()),
        ("/w bob hi", Say("hi", "bob")),
        ("/pm bob hi", Say("hi", "bob")),
    ],
)
def test_a_line_makes_a_request(line: str, request_: Request) -> None:
    assert parse_line(line, Availability.PLAIN) == request_


@table(
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
        ("/get x", "Expected /get or /get N"),
        ("/cancel -1", "Expected /cancel or /cancel N"),
        ("/get ٣", "Expected /get or /get N"),
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


@pytest.mark.parametrize("where", [Availability.PLAIN, Availability.SCREEN])
def test_copying(where: Availability) -> None:
    assert parse_line("/copy", where) == Copy(1)
    assert parse_line("/copy 12", where) == Copy(12)
    for wrong in ("0", "-1", "x", "1 2", "٣"):
        with pytest.raises(RequestError, match="Expected /copy or /copy N"):
            parse_line(f"/copy {wrong}", where)


@table(
    ("line", "request_"),
    [
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
        ("/raw", SetRaw(None)),
        ("/raw on", SetRaw(True)),
        ("/query bob", OpenView("bob")),
        ("/close", CloseView()),
        ("/keys", ShowKeys()),
        ("/bare", ShowBareView()),
    ],
)
def test_a_screen_has_commands_of_its_own(line: str, request_: Request) -> None:
    assert parse_line(line, Availability.SCREEN) == request_
    with pytest.raises(RequestError, match="works only on the full screen, not with --plain"):
        parse_line(line, Availability.PLAIN)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/save", "Expected /save FILE"),
        ("/save ''", "Expected /save FILE"),
        ('/save " "', "Expected /save FILE"),
        ("/log maybe", "Expected /log on or /log off"),
        ("/query a b", "Expected /query NAME"),
        ("/open it", "Expected /open or /open N"),
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
        assert line.endswith(command.explanation)


def test_help_fits_on_a_usual_screen() -> None:
    """A time and an indent stand before each line of help."""
    lines = help_lines(None, Availability.SCREEN)
    assert [line for line in lines if len(line) > 80 - 11] == []


def test_the_help_tells_what_ends_the_bare_view() -> None:
    # The bare view has no room for it: all its lines can be copied.
    (line,) = help_lines("bare", Availability.SCREEN)
    assert line.endswith("typing ends it")


@pytest.mark.parametrize("name", ["file", "image", "voice"])
def test_the_help_on_a_command_for_files_tells_how_paths_are_written(name: str) -> None:
    (line,) = help_lines(name, Availability.SCREEN)
    assert "PATH may contain blanks and needs no quotes" in line
    assert not any("blanks" in other for other in help_lines(None, Availability.SCREEN))


def test_help_on_one_command() -> None:
    assert help_lines("get", Availability.PLAIN) == ["/get [N]  save attachment N, or the only one"]


def test_help_on_another_name_of_a_command() -> None:
    assert help_lines("/q".removeprefix("/"), Availability.PLAIN) == ["/quit  leave (or /q, /exit)"]


@table(
    ("typed", "meant"),
    [
        ("whisper", "msg"),
        ("dm", "msg"),
        ("emote", "me"),
        ("upload", "file"),
        ("download", "get"),
        ("silence", "ignore"),
        ("disconnect", "quit"),
        ("channels", "rooms"),
        ("lastlog", "search"),
        ("identify", "register"),
        ("users", "who"),
        ("serach", "search"),  # by its spelling
    ],
)
def test_a_command_of_another_program_suggests_ours(typed: str, meant: str) -> None:
    with pytest.raises(RequestError, match=rf"^Unknown command /{typed}; did you mean /{meant}\?"):
        parse_line(f"/{typed} x", Availability.SCREEN)


def test_a_suggestion_says_where_it_works() -> None:
    with pytest.raises(
        RequestError, match=r"did you mean /clear\? It works only on the full screen"
    ):
        parse_line("/cls", Availability.PLAIN)


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("/nick robert", "/reconnect NAME connects again under another name"),
        ("/NICK robert", "/reconnect NAME connects again under another name"),
        ("/away lunch", "/me is away"),
        ("/op bob", "The operator of the server appoints moderators"),
        ("/home/bob/cat.png", "type /file before it"),
    ],
)
def test_a_command_that_we_do_not_have_says_what_to_do_instead(typed: str, advice: str) -> None:
    with pytest.raises(RequestError, match=f"^Unknown command /.*{advice}"):
        parse_line(typed, Availability.SCREEN)


def test_no_command_of_ours_counts_as_foreign() -> None:
    for command in COMMANDS:
        for name in (command.name, *command.aliases):
            assert meaning(name) is None, name
            assert instead_of(name, ()) is None, name


def test_what_foreign_commands_mean_exists() -> None:
    ours = {command.name for command in COMMANDS} | {"whois"}
    assert {meaning(name) for name in ("info", "tell", "find", "bye")} <= ours


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/identify hunter2", "/identify"),
        ("/register hunter2 hunter2", "/register"),
        (" /PASS\thunter2", "/PASS"),
        ("/passwd", "/passwd"),
        ("/flie x", "/flie x"),
        ("identify yourself", "identify yourself"),
        ("//register x", "//register x"),
    ],
)
def test_a_password_in_a_command_is_neither_shown_nor_kept(line: str, shown: str) -> None:
    assert shown_line(line) == shown


def test_help_on_a_command_that_is_none() -> None:
    with pytest.raises(RequestError, match="did you mean /file"):
        help_lines("flie", Availability.PLAIN)
