"""Read requests from plain lines: one line of input is one message or, if they are wanted, one command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from chat.client.connection.outgoing import split_text
from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.requests import Say
from chat.client.conversation.ui_events import Asked
from chat.client.frontends.line_io import Line
from chat.client.frontends.line_room import LineRoom
from chat.structs import replace


def read_line(
    line: Line, commands: bool, max_text: int, room: LineRoom | None = None
) -> Iterator[Asked]:
    """Yield the requests in a line of input. ``commands``: the line may be a command. Raises RequestError.

    ``room`` is the room of the lines; None: the default room.

    A blank line has none. Invalid UTF-8 is replaced. A text with more than ``max_text`` bytes becomes several texts.
    """
    room = room or LineRoom()
    text = line.data.decode(errors="replace")
    if not text or text.isspace():
        return
    # A later piece of an overlong line is always text, also if it happens to begin with a slash.
    if commands and not line.continued:
        request = room.place(parse_line(text, Availability.PLAIN))
        if not isinstance(request, Say):
            yield Asked(request)
            return
        text, said = request.text, request
    else:
        said = cast(Say, room.place(Say(text)))
    for piece in split_text(text, max_text):
        yield Asked(replace(said, text=piece))
