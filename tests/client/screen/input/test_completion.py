from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.conversation.commands import COMMANDS, SlashCommand
from chat.client.conversation.requests import Quit
from chat.client.screen.input import completion as module
from chat.client.screen.input.completion import Completer, labels_of, list_directory
from tests.tables import table

NAMES = ["bob", "Алиса", "albert", "Alina", "Bo.b-2"]  # bob spoke last
OTHERS = ["小明", "สมชาย", "ボブ", "bob", "Jos\u00e9", "e\u0301va"]

FILES = {
    "": [("notes.txt", False), ("My Files", True), (".hidden", False), ("Notes.md", False)],
    "My Files/": [("a b.txt", False), ("photo.png", False), ("photos", True), ("音乐", True)],
    "/tmp/": [("odd\nname", False), ("half\udcff", False), ("plain", False)],
    "~/": [(".profile", False), ("Desktop", True)],
}


def command(name: str, arguments: str) -> SlashCommand:
    return SlashCommand(name, arguments, "", lambda rest: Quit())


COMPLETER = Completer(
    [
        *(c for c in COMMANDS if c.name in ("msg", "me", "file", "reply", "help", "get", "quit")),
        command("save", "FILE"),
        command("bell", "on|off"),
        command("query", "NAME"),
    ],
    lambda: NAMES,
    lambda path: FILES.get(path, []),
)


def completed(text: str, completer: Completer = COMPLETER) -> list[str]:
    """All that the whole text may become; its cursor is at ``|``, or at the end."""
    before, _, after = text.partition("|")
    found = completer.complete(before + after, len(before))
    if found is None:
        return []
    assert found.end == len(before)
    return [before[: found.start] + candidate + after for candidate in found.candidates]


@table(
    ("text", "texts"),
    [
        ("/m", ["/me ", "/msg "]),
        ("/MS", ["/msg "]),
        ("/qui", ["/quit"]),  # nothing comes after it
        ("/q", ["/query ", "/quit"]),
        ("/m| bob", ["/me bob", "/msg bob"]),
        ("/zzz", []),
        ("//m", []),
        ("/zzz a", []),
        (" /m", []),
        ("say /m", []),
    ],
)
def test_commands(text: str, texts: list[str]) -> None:
    assert completed(text) == texts


def test_a_slash_alone_may_become_any_command() -> None:
    assert len(completed("/")) == 10


@table(
    ("text", "texts"),
    [
        ("b", ["bob: ", "Bo.b-2: "]),
        ("AL", ["albert: ", "Alina: "]),
        ("алис", ["Алиса: "]),
        ("hello al", ["hello albert ", "hello Alina "]),
        ("hello @al", ["hello @albert ", "hello @Alina "]),
        ("@bob", ["@bob "]),
        ("one\nali", ["one\nAlina: "]),
        ("", [f"{name}: " for name in NAMES]),
        ("one\n", [f"one\n{name}: " for name in NAMES]),
        ("hello ", []),
        ("hello zz", []),
        ("ali|!", ["Alina: !"]),
        ("ali| is", ["Alina: is"]),  # no blank too many
        ("ask ali| now", ["ask Alina now"]),
        ("//ali", []),
        ("//x ali", ["//x Alina "]),
        ("(ali", ["(Alina "]),
        ('so "ali', ['so "Alina ']),
        ("hello,ali", ["hello,Alina "]),
        ("me@", [f"me@{name} " for name in NAMES][:0]),
        ("hello @", [f"hello @{name} " for name in NAMES]),
        ("(", [f"({name} " for name in NAMES]),
        ("see example.al", []),
        ("xali", []),
    ],
)
def test_names(text: str, texts: list[str]) -> None:
    assert completed(text) == texts


@table(
    ("text", "texts"),
    [
        ("你好小", ["你好小明"]),
        ("小", ["小明: "]),
        ("你好bo", ["你好bob"]),
        ("สวัสดีสม", ["สวัสดีสมชาย"]),
        ("明日ボ", ["明日ボブ"]),
        ("hola jose\u0301", ["hola Jos\u00e9 "]),
        ("JOS", ["Jos\u00e9: "]),
        ("\u00e9v", ["e\u0301va: "]),
        ("/msg \u00c9", ["/msg e\u0301va "]),
        ("ｂｏ", ["bob: "]),
    ],
)
def test_names_of_any_script_and_form(text: str, texts: list[str]) -> None:
    assert completed(text, Completer(COMMANDS, lambda: OTHERS)) == texts


@table(
    ("text", "first"),
    [
        (":smi", "😄"),
        (":smile:", "😄"),
        ("well :Heart", "well ❤️"),
        ("(:thumbsu", "(👍"),
        ("👍:rocke", "👍🚀"),
        ("/me is :cry", "/me is 😢"),
        ("/msg bob :tada", "/msg bob 🎉"),
        (":+1", "👍"),
        # Names of emoji may begin with any of their words; names of users come after emoji.
        (":doughnut", "🍩"),
        (":alb", "🇦🇱"),
    ],
)
def test_emoji(text: str, first: str) -> None:
    assert completed(text)[0] == first


@pytest.mark.parametrize(
    "text",
    ["12:30", "http:smi", "std::smi", ":D", "/file :smi", ":qqq", "a :", "see:smile", ":smi le"],
)
def test_what_is_no_emoji(text: str) -> None:
    found = COMPLETER.complete(text, len(text))
    assert found is None or found.candidates[0].isascii()


def test_emoji_are_listed_with_the_names_that_fit() -> None:
    found = COMPLETER.complete(":smi", 4)
    assert found is not None
    assert found.labels[:3] == ("😄 smile", "😏 smirk", "😃 smiley")


@pytest.mark.parametrize(
    ("candidates", "labels"),
    [
        (["bob: ", "Bo.b-2: "], ("bob", "Bo.b-2")),
        (["/me ", "/msg "], ("/me", "/msg")),
        (["My Files/a b.txt", "My Files/photos/"], ("a b.txt", "photos/")),
        (["docs/", "done.txt"], ("docs/", "done.txt")),
        (["/tmp/"], ("/tmp/",)),
    ],
)
def test_candidates_are_listed_by_what_tells_them_apart(
    candidates: list[str], labels: tuple[str, ...]
) -> None:
    assert labels_of(candidates) == labels


@table(
    ("text", "texts"),
    [
        ("/msg ali", ["/msg Alina "]),
        ("/msg ", [f"/msg {name} " for name in NAMES]),
        ("/pm ali", ["/pm Alina "]),
        ("/msg bob ali", ["/msg bob Alina "]),
        ("/msg bob ", []),
        ("/query al", ["/query albert ", "/query Alina "]),
        ("/query albert al", []),
        ("/me greets ali", ["/me greets Alina "]),
        ("/reply ask ali", ["/reply ask Alina "]),
        ("/bell ", ["/bell on", "/bell off"]),
        ("/bell of", ["/bell off"]),
        ("/bell on o", []),
        ("/help m", ["/help me", "/help msg"]),
        ("/get 1", []),
        ("/quit b", []),
    ],
)
def test_what_a_command_takes(text: str, texts: list[str]) -> None:
    assert completed(text) == texts


@table(
    ("text", "texts"),
    [
        ("/file ", ["/file My Files/", "/file Notes.md", "/file notes.txt"]),
        ("/file no", ["/file notes.txt"]),
        ("/file NO", ["/file Notes.md", "/file notes.txt"]),  # none is written so
        ("/file my f", ["/file My Files/"]),
        ("/file .", ["/file .hidden"]),
        (
            "/file My Files/",
            [f"/file My Files/{n}" for n in ("a b.txt", "photo.png", "photos/", "音乐/")],
        ),
        ("/file My\\ Files/a b", ["/file My Files/a b.txt"]),  # as a shell writes it
        (r"/file My\ Files/a\ b", ["/file My Files/a b.txt"]),  # as a terminal types it
        (r"/file My\ Files/p", ["/file My Files/photo.png", "/file My Files/photos/"]),
        ("/file 'My Files/ph", ["/file 'My Files/photo.png'", "/file 'My Files/photos/"]),
        ('/file "no', ['/file "notes.txt"']),
        ("/file /tmp/", ["/file /tmp/plain"]),  # what cannot stand in the input is left out
        ("/file ~/", ["/file ~/Desktop/"]),
        ("/file ~/.p", ["/file ~/.profile"]),
        ("/file nowhere/", []),
        ("/file notes.txt --to ali", ["/file notes.txt --to Alina "]),
        ("/file notes.txt --to=", [f"/file notes.txt --to={name} " for name in NAMES]),
        ("/file --to ali", ["/file --to Alina "]),
        ("/file --to bob no", ["/file --to bob notes.txt"]),
        ("/save no", ["/save notes.txt"]),
        ("/save --to bob", []),
    ],
)
def test_paths(text: str, texts: list[str]) -> None:
    assert completed(text) == texts


def test_a_tilde_is_somebodys_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert completed("/file ~") == ["/file ~/"]
    assert completed("/file '~") == ["/file '~/"]
    assert completed("/file ~no-such-user-here") == []


def test_directories_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "a directory").mkdir()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    expected = [("a directory", True), ("a file", False), ("broken", False)]
    assert sorted(list_directory(str(tmp_path))) == expected
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sorted(list_directory("~/")) == expected
    monkeypatch.chdir(tmp_path)
    assert sorted(list_directory("")) == expected
    assert completed("/file a", Completer(COMMANDS, list)) == ["/file a directory/", "/file a file"]


@pytest.mark.parametrize("path", ["no-such-directory/", "a\x00b/", "\ud800/"])
def test_what_is_no_directory_has_nothing_in_it(path: str) -> None:
    assert list_directory(path) == []


def test_of_a_huge_directory_only_so_much_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    assert len(list_directory(str(tmp_path))) == 2


PIECES = st.sampled_from(
    ["/file ", "/msg ", "--to ", "/", "~", "'", "\\ ", " ", "\n", "@", "al", "bob", "no"]
)


@given(st.lists(PIECES | st.text(max_size=3)).map("".join), st.integers(0, 30))
def test_any_text_can_be_completed(text: str, cursor: int) -> None:
    cursor = min(cursor, len(text))
    found = COMPLETER.complete(text, cursor)
    if found is not None:
        assert 0 <= found.start <= found.end == cursor
        assert found.candidates
        assert "" not in found.candidates
