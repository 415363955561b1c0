"""Lines of irssi and of WeeChat become messages at the time when they were said."""

from __future__ import annotations

from datetime import timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.names import parse_user_name
from chat.server.history.exchange.history_import import FORMATS
from chat.server.history.exchange.imported import (
    MAX_TEXT,
    ImportedMessage,
    LineParser,
    LocalClock,
    UnreadableLine,
)
from chat.server.history.exchange.irc_logs import IrssiLog, WeechatLog
from chat.server.history.stored import Hole
from tests.tables import table

BERLIN = ZoneInfo("Europe/Berlin")


def read(parse: LineParser, *lines: str) -> list[tuple[str, str, str]]:
    """Time, name and text of each message in the lines."""
    found = [parse(line) for line in lines]
    return [
        (each.timestamp[:19], each.sender, each.content.decode())
        for each in found
        if isinstance(each, ImportedMessage)
    ]


def irssi(zone: object = timezone.utc) -> IrssiLog:
    parse = IrssiLog(LocalClock(zone))  # type: ignore[arg-type]
    parse("--- Log opened Tue Nov 24 09:30:00 2026")
    return parse


@table(
    ("line", "message"),
    [
        ("09:30 < alice> hello", ("alice", "hello")),
        ("09:30 <alice> hello <b> ", ("alice", "hello <b> ")),
        ("09:30 <@alice> hello", ("alice", "hello")),
        ("09:30 <+alice:#chan> hello", ("alice", "hello")),
        ("09:30:00 < alice> hello", ("alice", "hello")),
        ("[09:30:00] < alice> hello", ("alice", "hello")),
        ("2026-11-24 09:30:00 < alice> hello", ("alice", "hello")),
        ("2026-11-24T09:30:00 < alice> hello", ("alice", "hello")),
        ("09:30  * alice waves a lot", ("alice", "/me waves a lot")),
        ("09:30 -alice:#chan- backup is done", ("alice", "backup is done")),
        ("09:30 < alice> \x02bold\x02 \x0304,01red\x03 \x1d\x0f12", ("alice", "bold red 12")),
        ("09:30 < alice> Привет 👋", ("alice", "Привет 👋")),
        # Names that a user of this server can't have.
        ("09:30 < [bob]> hi", ("x_bob_", "hi")),
        ("09:30 < _bob> hi", ("x_bob", "hi")),
        ("09:30 < bob|away> hi", ("bob_away", "hi")),
        ("09:30 < server> hi", ("xserver", "hi")),
        (f"09:30 < {'b' * 40}> hi", ("b" * 31, "hi")),
    ],
)
def test_irssi_has_messages(line: str, message: tuple[str, str]) -> None:
    assert read(irssi(), line) == [("2026-11-24T09:30:00", *message)]


@pytest.mark.parametrize(
    "line",
    [
        "09:30 -!- alice [~a@host] has joined #chan",
        "09:30 -!- mode/#chan [+o alice] by ChanServ",
        "--- Log closed Tue Nov 24 18:00:00 2026",
        "09:30 < alice> ",
        "",
    ],
)
def test_irssi_has_events(line: str) -> None:
    assert read(irssi(), line) == []


@pytest.mark.parametrize(
    "line",
    [
        "< alice> hello",
        "09:30 hello",
        "25:30 < alice> hello",
        "2026-13-24 09:30 < alice> hello",
        "--- Day changed mar. 24 nov. 2026",
        "--- Day changed Tue Feb 30 2026",
        "--- Something else",
        "9999-01-01 09:30 < alice> hello",
        "1969-12-31 09:30 < alice> hello",
    ],
)
def test_an_unreadable_line_of_irssi_says_why(line: str) -> None:
    with pytest.raises(UnreadableLine):
        irssi()(line)


def test_days_change_and_a_log_without_a_day_is_unreadable() -> None:
    lines = ["23:59 <a> one", "--- Day changed Wed Nov 25 2026", "00:00 <a> two"]
    assert [time for time, _, _ in read(irssi(), *lines)] == [
        "2026-11-24T23:59:00",
        "2026-11-25T00:00:00",
    ]
    with pytest.raises(UnreadableLine, match="Day changed"):
        IrssiLog(LocalClock(None))("09:30 <a> one")


def test_messages_behind_an_unreadable_day_are_not_put_on_the_day_before() -> None:
    parse = irssi()
    with pytest.raises(UnreadableLine):
        parse("--- Day changed Di Dez 01 2026")
    with pytest.raises(UnreadableLine, match="Day changed"):
        parse("00:00 <a> two")
    lines = ["--- Day changed Wed Nov 25 2026", "00:00 <a> three"]
    assert read(parse, *lines) == [("2026-11-25T00:00:00", "a", "three")]


@pytest.mark.parametrize("form", ["irssi", "weechat", "json"])
def test_a_text_that_no_user_could_be_sent_is_unreadable(form: str) -> None:
    line = {
        "irssi": "2026-11-24 09:30 <alice> {}",
        "weechat": "2026-11-24 09:30:00\talice\t{}",
        "json": '{{"timestamp": "2026-11-24T09:30:00Z", "from": "alice", "type": "utf8", "text": "{}"}}',
    }[form]
    parse = FORMATS[form](timezone.utc)
    [(_, _, text)] = read(parse, line.format("x" * MAX_TEXT))
    assert len(text) == MAX_TEXT
    with pytest.raises(UnreadableLine, match="over 4 MiB"):
        parse(line.format("x" * (MAX_TEXT + 1)))


def test_the_hour_that_comes_twice_when_the_clocks_go_back_is_told_apart() -> None:
    parse = irssi(BERLIN)
    parse("--- Day changed Sun Oct 25 2026")
    lines = [f"{time} <a> x" for time in ("01:59", "02:00", "02:59", "02:00", "02:59", "03:00")]
    assert [time[11:16] for time, _, _ in read(parse, *lines)] == [
        *("23:59", "00:00", "00:59"),
        *("01:00", "01:59", "02:00"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2026-11-24 10:30:00\talice\thello\tthere", ("alice", "hello\tthere")),
        ("2026-11-24 10:30:00\t@alice\thello", ("alice", "hello")),
        ("2026-11-24 10:30:00\t<alice>\thello", ("alice", "hello")),
        ("2026-11-24 10:30:00\t *\talice waves", ("alice", "/me waves")),
        ("2026-11-24T09:30:00.123456Z\talice\thello", ("alice", "hello")),
        ("2026-11-24T10:30:00+01:00\talice\thello", ("alice", "hello")),
    ],
)
def test_weechat_has_messages(line: str, message: tuple[str, str]) -> None:
    assert read(WeechatLog(LocalClock(BERLIN)), line) == [("2026-11-24T09:30:00", *message)]


@pytest.mark.parametrize("prefix", ["-->", "<--", "--", "=!=", ""])
def test_weechat_has_events(prefix: str) -> None:
    line = f"2026-11-24 10:30:00\t{prefix}\talice (~a@host) has joined #chan"
    assert read(WeechatLog(LocalClock(None)), line) == []


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "2026-11-24 10:30:00\talice",
        "24.11.2026 10:30\talice\thello",
        "2026-11-24 10:30:00\t@\thello",
        "0001-01-01 00:00:00\talice\thello",
    ],
)
def test_an_unreadable_line_of_weechat_says_why(line: str) -> None:
    with pytest.raises(UnreadableLine):
        WeechatLog(LocalClock(BERLIN))(line)


PIECES = [
    *("09:30 ", "<", ">", " * ", "-!-", "alice", "--- Day changed Tue Nov 24 2026", "\t", ":"),
    *("2026-11-24 10:30:00\t", "--- Log opened ", '{"seq":1,', '"timestamp":"', "\x03", "-"),
    *('"from":"a","type":"utf8","text":"x"}', '{"lost":[1,2]}', "\x00", "Z", "99"),
]
pieces = st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.sampled_from(sorted(FORMATS)), st.lists(pieces).map("".join))
def test_any_line_is_a_message_or_says_why_not(form: str, line: str) -> None:
    parse = FORMATS[form](timezone.utc)
    for each in ("--- Log opened Tue Nov 24 09:30:00 2026", line):
        try:
            found = parse(each)
        except UnreadableLine:
            continue
        if found is not None and not isinstance(found, Hole):
            assert parse_user_name(found.sender).display == found.sender
            assert found.content.decode() or found.is_purged or form == "json"
