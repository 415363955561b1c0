"""Read the logs of two IRC clients: irssi, and the logger of WeeChat.

Joins, topics and other events are no messages. An action becomes a text that starts with ``/me ``, as in XEP-0245. The
codes for colours and styles are dropped (https://modern.ircdocs.horse/formatting).
"""

from __future__ import annotations

import re
from datetime import date, datetime, time

from chat.server.history.exchange.imported import (
    ImportedMessage,
    LocalClock,
    UnreadableLine,
    said,
    timestamp_of,
)

_FORMATTING = re.compile(
    r"\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
# The marks of operators and others before a name.
_RANKS = "~&@%+!*"

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# "--- Log opened Tue Nov 24 09:30:00 2026", "--- Day changed Wed Nov 25 2026"
_DAY = re.compile(
    r"--- (?P<what>Log opened|Log closed|Day changed) \S+ (?P<month>\S+) +(?P<day>[0-9]{1,2})"
    r" (?:[0-9:]+ )?(?P<year>[0-9]{4})$"
)
_IRSSI = re.compile(
    r"(?:(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[ T])?"
    r"\[?(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)\]? (?P<rest>.*)",
    re.DOTALL,
)
# "< alice> text", "<@alice:#channel> text"; " * alice waves"; "-alice:#channel- a notice"
_IRSSI_TEXT = re.compile(
    rf"<[ {re.escape(_RANKS)}]?(?P<name>[^\s>:]+)(?::[^\s>]+)?> (?P<text>.*)", re.DOTALL
)
_IRSSI_ACTION = re.compile(r" ?\* (?P<name>[^\s:]+)(?::\S+)? (?P<text>.*)", re.DOTALL)
_IRSSI_NOTICE = re.compile(r"-(?P<name>[^\s:!]+)(?::\S+)?- (?P<text>.*)", re.DOTALL)
_IRSSI_EVENT = "-!-"

_WEECHAT_EVENTS = frozenset(("", "-->", "<--", "--", "=!="))
_WEECHAT_ACTION = "*"


class IrssiLog:
    """Reads the lines of an irssi log, in order. Called with a line, it returns a message or None."""

    def __init__(self, clock: LocalClock) -> None:
        self._clock = clock
        self._day: date | None = None

    def __call__(self, line: str) -> ImportedMessage | None:
        if not line.strip():
            return None
        if line.startswith("--- "):
            # Without the new day, the messages behind this line are on no day, and not on the one before.
            self._day = None
            self._day = _read_day(line)
            return None
        found = _IRSSI.fullmatch(line)
        if found is None:
            raise UnreadableLine("no time such as 09:30 at its beginning")
        rest = _FORMATTING.sub("", found["rest"])
        if rest.startswith(_IRSSI_EVENT):
            return None
        message = next(
            filter(
                None,
                (form.fullmatch(rest) for form in (_IRSSI_TEXT, _IRSSI_ACTION, _IRSSI_NOTICE)),
            ),
            None,
        )
        if message is None:
            raise UnreadableLine("neither a message nor an event of irssi")
        if not message["text"]:
            return None
        is_action = message.re is _IRSSI_ACTION
        text = f"/me {message['text']}" if is_action else message["text"]
        return said(self._timestamp(found), message["name"], text)

    def _timestamp(self, found: re.Match[str]) -> str:
        try:
            day = date.fromisoformat(found["date"]) if found["date"] else self._day
            moment = time.fromisoformat(found["time"])
        except ValueError as problem:
            raise UnreadableLine(str(problem)) from None
        if day is None:
            raise UnreadableLine("no line such as '--- Day changed Tue Nov 24 2026' came before")
        return self._clock.timestamp(datetime.combine(day, moment))


def _read_day(line: str) -> date:
    found = _DAY.fullmatch(line)
    if found is None or found["month"] not in _MONTHS:
        raise UnreadableLine("no date such as Tue Nov 24 2026, in English")
    try:
        return date(int(found["year"]), _MONTHS.index(found["month"]) + 1, int(found["day"]))
    except ValueError as problem:
        raise UnreadableLine(str(problem)) from None


class WeechatLog:
    """Reads the lines of a log of WeeChat: time, prefix and text, with tabs between them."""

    def __init__(self, clock: LocalClock) -> None:
        self._clock = clock

    def __call__(self, line: str) -> ImportedMessage | None:
        if not line.strip():
            return None
        parts = line.split("\t", 2)
        if len(parts) < 3:
            raise UnreadableLine("not a time, a name and a text with tabs between them")
        prefix, text = parts[1].strip(), _FORMATTING.sub("", parts[2])
        if prefix in _WEECHAT_EVENTS:
            return None
        if prefix == _WEECHAT_ACTION:
            prefix, _, text = text.partition(" ")
            text = f"/me {text}" if text else ""
        name = prefix.removeprefix("<").removesuffix(">").lstrip(_RANKS)
        if not name:
            raise UnreadableLine("no name between the tabs")
        timestamp = self._timestamp(parts[0])
        return said(timestamp, name, text) if text else None

    def _timestamp(self, text: str) -> str:
        # The default of WeeChat is a local time; times in UTC end with Z.
        try:
            moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
        except ValueError:
            raise UnreadableLine("no time such as 2026-11-24 09:30:00 at its beginning") from None
        return self._clock.timestamp(moment) if moment.tzinfo is None else timestamp_of(moment)
