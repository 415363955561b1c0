"""People who talk on full screens, as each of them sees it."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest

from chat.client import connect
from chat.protocol.descriptor import MessageType
from tests.end_to_end.client_process import listening
from tests.end_to_end.screens import PyteScreen, Screen, TmuxScreen, client, needs_tmux

INSIDE = "you are in the room as"


def said(screen: Screen) -> list[str]:
    """The log, without the times, the day and what is indented."""
    return [match[1] for row in screen.rows() if (match := re.match(r"<[\d:]{8}> (.*)", row))]


def test_three_people_talk(address: str, home: Path) -> None:
    with (
        PyteScreen(client(address, "alice"), home) as alice,
        PyteScreen(client(address, "bob"), home) as bob,
    ):
        alice.wait_for(f"{INSIDE} alice", "bob joined|with bob")
        bob.wait_for(f"{INSIDE} bob")
        with PyteScreen(client(address, "carol"), home) as carol:
            carol.wait_for(f"{INSIDE} carol, with", "│ 3 here │ not encrypted")
            alice.wait_for("3 here")
            bob.wait_for("3 here")
            alice.command("hello all")
            for screen in (alice, bob, carol):
                screen.wait_for(r"\[alice\]: hello all$")
            bob.command("/msg alice only you")
            bob.wait_for(r"\[bob -> alice\]: only you$")
            alice.wait_for(r"\[bob -> alice\]: only you$")
            alice.command("/reply thanks")
            bob.wait_for(r"\[alice -> bob\]: thanks$")
            carol.command("/me waves at bob")
            bob.wait_for(r"\* carol waves at bob$")
            assert "only you" not in "\n".join(carol.rows())
            carol.command("/quit")
            assert carol.wait() == 0
        rows = bob.wait_for("carol left$", "2 here")
        assert "│ bob │" in rows[0]
        assert said(bob)[-5:] == [
            "[alice]: hello all",
            "[bob -> alice]: only you",
            "[alice -> bob]: thanks",
            "* carol waves at bob",
            "-- carol left",
        ]


def test_many_joins_are_one_line(address: str, home: Path) -> None:
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        for number in range(5):
            with connect(address, f"guest{number}"):
                pass
        rows = bob.wait_for("guest4")
        assert sum("guest" in row for row in rows) <= 2


# What is typed, and what is left of it after Backspace.
DELETIONS = [
    ("привет", "приве"),
    ("日本語", "日本"),
    ("ok 👍🏽", "ok"),
    ("go 🇩🇪🇫🇷", "go 🇩🇪"),
    ("e\u0301e\u0301", "e\u0301"),
    ("שלום", "שלו"),
]


@needs_tmux
def test_a_character_is_deleted_as_one(address: str, home: Path) -> None:
    with TmuxScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        for text, left in DELETIONS:
            delete_last(bob, text, left)


def delete_last(bob: TmuxScreen, text: str, left: str) -> None:
    """Type ``text`` and Backspace, which leaves ``left``; then say ``text``, with a line before its last character."""
    bob.press(text)
    bob.wait_until(lambda rows: rows[-1] == text, f"no {text!r}")
    bob.press("<backspace>")
    bob.wait_until(lambda rows: rows[-1] == left, f"no {left!r}")
    bob.press("<ctrl-u>", text, "<left>", "_", "<enter>")
    last = text[len(left) :].strip()
    bob.wait_until(
        lambda rows: (
            rows[-1] == "" and any(f"]: {left}" in row and row.endswith(f"_{last}") for row in rows)
        ),
        f"no {left!r}, a line and {last!r}",
    )


@needs_tmux
def test_wide_text_is_wrapped_and_never_breaks_a_line(address: str, home: Path) -> None:
    texts = ["日本語" * 15, "👩🏽 " * 20, "🇩🇪" * 20, "שלום " * 12, "кириллица " * 8]
    with TmuxScreen(client(address, "bob"), home, columns=41, rows=24) as bob:
        bob.wait_for(f"{INSIDE} bob")
        for text in texts:
            bob.press("<ctrl-u>", text)
            # Also what is being written is wrapped, and the log above it stays whole.
            bob.wait_until(lambda rows: "│ bob" in rows[0] and rows[-1])
            bob.press("<enter>")
            bob.wait_for(re.escape(text.split()[0][:6]))
        bob.press("<ctrl-l>")
        # In the log, and no more in the input.
        is_last = re.compile("кириллица$").search
        rows = bob.wait_until(lambda rows: rows[-1] == "" and any(map(is_last, rows)))
        assert all(row[:1] in ("<", " ", "─", "") for row in rows)
        shown = "".join(row for row in rows)
        assert shown.count("кириллица") == 8


@needs_tmux
def test_an_address_longer_than_the_screen_is_selected_whole(address: str, home: Path) -> None:
    url = "https://chat.example/" + "long/" * 40
    with (
        connect(address, "alice") as alice,
        TmuxScreen(client(address, "bob", "--names=on"), home, columns=60) as bob,
    ):
        bob.wait_for(f"{INSIDE} bob", "│ alice")
        alice.send_text(f"see {url}")
        bob.wait_for("long/")
        assert not any(url in line for line in bob.selected())
        bob.press("<alt-c>")
        bob.wait_until(lambda rows: not any("│" in row for row in rows))
        assert any(line.rstrip().endswith(f"[alice]: see {url}") for line in bob.selected())
        alice.send_text("meanwhile")
        bob.press("<esc>")
        bob.wait_for("│ alice", "meanwhile")


def png(width: int, height: int) -> bytes:
    """The beginning of a picture of that size, and no picture in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def test_a_monstrous_picture_is_refused(address: str, home: Path) -> None:
    (home / "huge.png").write_bytes(png(60_000, 60_000))
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        with listening(address, "alice", directory=home), connect(address, "mallory") as mallory:
            mallory.send_file(home / "huge.png", kind=MessageType.IMAGE)
            bob.wait_for("huge.png", "no picture: ")
            bob.command("still here")
            bob.wait_for(r"\[bob\]: still here$")


def test_a_picture_is_shown_in_the_log(address: str, home: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (64, 40), (200, 30, 30)).save(home / "red.png")
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for(f"{INSIDE} bob")
        with connect(address, "alice") as alice:
            alice.send_file(home / "red.png", kind=MessageType.IMAGE)
            bob.wait_for("alice sent an image: red.png", "▀▀▀▀▀▀▀▀")
