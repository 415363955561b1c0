"""The client as lines: one line of input is one message, one message is one line of output.

Every line of output begins in a way that no message can produce: a text's first line with time and sender, its
further lines with blanks and a bar, everything else with time and two dashes. So nobody can fake another's line, or
the client's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from chat.client.connection.events import BadFrame, Joined, Left, Notice, Text, Welcome
from chat.client.connection.outgoing import split_text
from chat.client.conversation.commands import Where, parse_line
from chat.client.conversation.news import (
    Announced,
    Asked,
    Disconnected,
    Done,
    Explanation,
    Failed,
    Lag,
    News,
    People,
    TransferChanged,
    Transfers,
    Trouble,
)
from chat.client.conversation.requests import Say
from chat.client.conversation.transfer_list import State, Transfer
from chat.client.frontends.display import clock_time, harmless, lines_of
from chat.client.frontends.line_io import Line
from chat.client.frontends.wording import (
    ACTION,
    KINDS,
    file_and_size,
    leave_reason,
    people,
    transfer_line,
    transfer_state,
)

FURTHER_LINE = "         | "


def read_line(line: Line, commands: bool, max_text: int) -> Iterator[Asked]:
    """What a line of input asks for. ``commands``: it may be a command. Raises RequestError.

    Blank lines ask for nothing, invalid UTF-8 is replaced, what is longer than ``max_text`` bytes becomes several
    texts.
    """
    text = line.data.decode(errors="replace")
    if not text or text.isspace():
        return
    # The rest of an overlong line is text, whatever the piece happens to begin with.
    if commands and not line.continued:
        request = parse_line(text, Where.PLAIN)
        if not isinstance(request, Say):
            yield Asked(request)
            return
        text, to = request.text, request.to
    else:
        to = None
    for piece in split_text(text, max_text):
        yield Asked(Say(piece, to))


class PlainFace:
    """``tell`` takes lines for the output, ``warn`` for where errors go.

    ``why_not_saved`` is told with attachments that are not saved; None: the user can ask for them by /get.
    """

    def __init__(
        self,
        tell: Callable[[list[str]], object],
        warn: Callable[[list[str]], object],
        why_not_saved: str | None = None,
    ) -> None:
        self._tell = tell
        self._warn = warn
        self._why_not_saved = why_not_saved
        self._username = ""
        self._trouble = ""  # what was said last about the connection
        self.formats: dict[type, Callable[[Any], list[str]]] = {
            Welcome: self._welcome,
            Joined: _joined,
            Left: _left,
            Text: self._text,
            Notice: _notice,
            Announced: self._announced,
            Done: lambda news: [] if news.answer is None else _from_server(_now(), news.answer),
            People: _people,
            Transfers: _transfers,
            Explanation: lambda news: list(news.lines),
        }
        self.warnings: dict[type, Callable[[Any], list[str]]] = {
            BadFrame: lambda news: [f"The server sent an invalid frame: {news.problem}"],
            Failed: lambda news: [news.sentence],
            Trouble: lambda news: [news.sentence],
            Disconnected: self._disconnected,
            Lag: _lag,
        }

    def show(self, news: News) -> None:
        kind = type(news)
        if isinstance(news, TransferChanged):
            self._show_transfer(news.transfer)
        elif kind in self.formats:
            self._tell(self.formats[kind](news))
        elif kind in self.warnings:
            self._warn([harmless(line) for line in self.warnings[kind](news)])

    def _welcome(self, news: Welcome) -> list[str]:
        self._username = news.username
        self._trouble = ""
        others = [harmless(user) for user in news.users if user != news.username]
        company = f", with {', '.join(others)}" if others else ""
        first = _line(news.timestamp, f"you are in the room as {harmless(news.username)}{company}")
        return [
            first,
            *(FURTHER_LINE + line for line in (lines_of(news.motd) if news.motd else [])),
        ]

    def _text(self, news: Text) -> list[str]:
        text, sender, to = news.text, harmless(news.sender), _receiver(news.to)
        if text.startswith(ACTION):
            head = f"* {sender}{to} "
            text = text.removeprefix(ACTION)
        else:
            head = f"[{sender}{to}]: "
        first, *further = lines_of(text)
        return [
            f"<{clock_time(news.timestamp)}> {head}{first}",
            *(FURTHER_LINE + line for line in further),
        ]

    def _announced(self, news: Announced) -> list[str]:
        attachment, transfer = news.attachment, news.transfer
        what = KINDS[attachment.kind]
        if attachment.to is not None:
            what += f" to {harmless(attachment.to)}"
        line = f"{harmless(attachment.sender)} sent {what}: {file_and_size(attachment)}"
        if transfer is not None:
            line += f", number {transfer.number}"
            if transfer.state is State.OFFERED:
                line += f", {self._why_not_saved or transfer_state(transfer)}"
        return [_line(attachment.timestamp, line)]

    def _show_transfer(self, transfer: Transfer) -> None:
        """Only how it ended: how far it is the progress bars show, or /transfers."""
        what = f"number {transfer.number}, {harmless(transfer.filename)},"
        if transfer.state is State.DONE and not transfer.outgoing:
            self._tell([_line(_now(), f"{what} is saved as {harmless(str(transfer.path))}")])
        elif transfer.state is State.FAILED:
            self._warn([harmless(f"{what} failed: {transfer.problem}")])
        elif transfer.state is State.CANCELLED:
            self._tell([_line(_now(), f"{what} is cancelled")])

    def _disconnected(self, news: Disconnected) -> list[str]:
        """An outage may take hours and many tries: a new line only for a new reason."""
        if news.reason == self._trouble:
            return []
        self._trouble = news.reason
        return [f"{news.reason} Trying again."]


def _line(moment: datetime, text: str) -> str:
    return f"<{clock_time(moment)}> -- {text}"


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _receiver(to: str | None) -> str:
    return "" if to is None else f" -> {harmless(to)}"


def _joined(news: Joined) -> list[str]:
    return [_line(news.timestamp, f"{harmless(news.username)} joined")]


def _left(news: Left) -> list[str]:
    return [_line(news.timestamp, f"{harmless(news.username)} left{leave_reason(news.reason)}")]


def _notice(news: Notice) -> list[str]:
    return _from_server(news.timestamp, news.sentence)


def _from_server(moment: datetime, text: str) -> list[str]:
    first, *further = lines_of(text)
    return [
        _line(moment, f"the server says: {first}"),
        *(FURTHER_LINE + line for line in further),
    ]


def _lag(news: Lag) -> list[str]:
    """Tell only the beginning of a lag: its end shows by the lines that come."""
    return [f"The server has not answered for {news.seconds:.0f} s."] if news.seconds else []


def _people(news: People) -> list[str]:
    count = len(news.users) if news.complete else None
    return [_line(_now(), people(news.users, count))]


def _transfers(news: Transfers) -> list[str]:
    if not news.transfers:
        return [_line(_now(), "no attachments yet")]
    return [
        _line(_now(), "attachments:"),
        *(FURTHER_LINE + transfer_line(t) for t in news.transfers),
    ]
