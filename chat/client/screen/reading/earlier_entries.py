"""Make entries of the log from earlier messages that were fetched, with a line at each hole between them."""

from __future__ import annotations

from collections import deque
from sys import intern

from chat.client.attention.ignored import Ignored
from chat.client.connection.events import Text
from chat.client.conversation.ui_events import Announced, EarlierListing, FoundListing, holes_of
from chat.client.frontends.wording import REMOVED, missing_line
from chat.client.screen.model.entries import Entry, Remark, Said, Shared
from chat.client.screen.text.styles import DIM


def earlier_entries(
    listing: EarlierListing, ignored: Ignored, *, below: int | None = None, above: int | None = None
) -> list[Entry]:
    """Return the messages of ``listing`` as entries, without those of users who are ``ignored``.

    Only those with numbers under ``below`` and over ``above``: the others are on the screen already. They ring for
    nobody, and count as read.
    """
    entries: list[Entry] = []
    holes = deque(holes_of(listing))
    for message in listing.messages:
        said = message if isinstance(message, Text) else message.attachment
        seq = said.seq
        while holes and seq is not None and holes[0].first < seq:
            entries.append(Remark(said.timestamp, (missing_line(holes.popleft()),), DIM))
        is_known = seq is not None and (
            (below is not None and seq >= below) or (above is not None and seq <= above)
        )
        if not is_known and (said.own or said.sender not in ignored):
            entries.append(earlier_entry(message))
    if entries:  # a hole between the last message and what is on the screen
        moment = entries[-1].moment
        entries += (Remark(moment, (missing_line(hole),), DIM) for hole in holes)
    return entries


def found_entries(listing: FoundListing, ignored: Ignored) -> list[Said | Shared]:
    """Return the messages that were found as entries, newest first, without those of users who are ``ignored``."""
    entries = map(earlier_entry, listing.messages)
    return [entry for entry in entries if entry.own or entry.sender not in ignored]


def earlier_entry(message: Text | Announced) -> Said | Shared:
    """Return an earlier message as an entry."""
    if isinstance(message, Text):
        return Said(
            message.timestamp,
            intern(message.sender),
            REMOVED if message.purged else message.text,
            message.to,
            message.own,
            earlier=True,
            seq=message.seq,
        )
    said = message.attachment
    return Shared(
        said.timestamp,
        intern(said.sender),
        said.kind,
        said.filename,
        None if said.purged else said.size,
        said.to,
        said.own,
        message.transfer,
        earlier=True,
        seq=said.seq,
    )
