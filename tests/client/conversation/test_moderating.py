from __future__ import annotations

import pytest

from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.requests import AskServer, RequestError
from chat.protocol.commands import Command, Verb
from tests.tables import table


@table(
    ("line", "command"),
    [
        ("/kick bob", Command(Verb.KICK, "bob")),
        ("/kick bob  He shouts, 3 times.", Command(Verb.KICK, "bob", reason="He shouts, 3 times.")),
        ("/ban bob", Command(Verb.BAN, "bob")),
        ("/ban bob 30m", Command(Verb.BAN, "bob", 1800)),
        ("/ban bob 2H spam, twice", Command(Verb.BAN, "bob", 7200, "spam, twice")),
        ("/ban 192.0.2.7 7d", Command(Verb.BAN, "192.0.2.7", 7 * 86400)),
        ("/ban 2001:db8::7 1w", Command(Verb.BAN, "2001:db8::7", 7 * 86400)),
        ("/ban bob spam", Command(Verb.BAN, "bob", None, "spam")),
        ("/ban боб 45s  spam", Command(Verb.BAN, "боб", 45, "spam")),
        ("/unban bob", Command(Verb.UNBAN, "bob")),
        ("/unban 2001:db8::/64", Command(Verb.UNBAN, "2001:db8::/64")),
        ("/bans", Command(Verb.BANS)),
        ("/mute bob", Command(Verb.MUTE, "bob")),
        ("/mute bob 10m", Command(Verb.MUTE, "bob", 600)),
        ("/unmute bob", Command(Verb.UNMUTE, "bob")),
    ],
)
def test_what_the_server_is_asked(line: str, command: Command) -> None:
    assert parse_line(line, Availability.PLAIN) == AskServer(command)


@table(
    ("line", "sentence"),
    [
        ("/kick", r"^Expected /kick NAME \[REASON\]\.$"),
        ("/ban", r"^Expected /ban NAME \[FOR\] \[REASON\], or an address"),
        # None of these may be for ever.
        ("/ban bob 30", "'30': expected a time such as 30m"),
        ("/ban bob 30min", "'30min': expected a time"),
        ("/ban bob 1.5h spam", "'1.5h': expected a time"),
        ("/ban bob 0m", "'0m': expected a time"),
        ("/ban bob 1000000d", "expected a time"),
        ("/ban bob ٣d", "expected a time"),
        ("/mute bob soon", "'soon': expected a time"),
        ("/mute bob 1h spam", "'1h spam': expected a time"),
        ("/mute", r"Expected /mute NAME \[FOR\]\."),
        ("/unban", r"Expected /unban NAME\|ADDRESS\."),
        ("/unban bob alice", "Expected /unban"),
        ("/unmute", r"Expected /unmute NAME\."),
        ("/bans bob", "/bans takes no arguments"),
    ],
)
def test_what_makes_no_sense_is_not_asked(line: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        parse_line(line, Availability.PLAIN)
