"""A server's log of the room, for the tests of a screen that asks for parts of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count

from chat.client.connection.events import RoomHistory, Text, Welcome
from chat.client.connection.session.timestamps import read_timestamp
from chat.client.conversation.requests import FetchEarlier, FetchFound
from chat.client.conversation.ui_events import EarlierListing, Failed, FoundListing, Tag
from chat.client.screen.model.views import View
from tests.client.screen.desks import Desk

FIRST = datetime(2026, 11, 20, tzinfo=timezone.utc)


class EarlierLog:
    """Messages 1 to ``last``, a minute apart; those in ``lost`` and before ``oldest`` are gone.

    ``answer`` answers the oldest question of ``desk``.
    """

    def __init__(
        self,
        desk: Desk,
        last: int,
        *,
        oldest: int = 1,
        lost: tuple[int, int] | None = None,
        search: bool = True,
    ) -> None:
        self.desk = desk
        self.last = last
        self.oldest = oldest
        self.lost = () if lost is None else (lost,)
        self.most = 200
        self.wrapped: set[int] = set()  # messages of several rows
        self.ignored: set[int] = set()
        self.cats: set[int] = set()  # messages with this word
        facts = RoomHistory("e", last=last)
        desk.take(Welcome("bob", FIRST, ("bob",), history=facts, search=search))

    def message(self, seq: int, *, replay: bool = True) -> Text:
        text = (
            f"text {seq}" + " and more" * 20 * (seq in self.wrapped) + " Cat" * (seq in self.cats)
        )
        sender = "mallory" if seq in self.ignored else "alice"
        moment = FIRST + timedelta(minutes=seq)
        return Text(sender, moment, text, seq=seq, replay=replay)

    def say(self, times: int = 1) -> None:
        """Let messages come live."""
        for _ in range(times):
            self.last += 1
            self.desk.take(self.message(self.last, replay=False))

    def replay(self, count: int) -> None:
        """Show the last messages, as with a login."""
        for seq in self.kept(self.last - count + 1, self.last):
            self.desk.take(self.message(seq))

    def kept(self, first: int, last: int) -> list[int]:
        return [
            seq
            for seq in range(max(first, self.oldest), last + 1)
            if not any(start <= seq <= end for start, end in self.lost)
        ]

    def answer(self, *, refuse: str | None = None) -> bool:
        """Answer the oldest question; return whether there was one."""
        if not self.desk.asked:
            return False
        asked = self.desk.asked.pop(0)
        if refuse is not None:
            self.desk.take(Failed("no-history", refuse, asked.tag))
        elif isinstance(asked.request, FetchFound):
            self.desk.take(self.found(asked.request, asked.tag))
        else:
            assert isinstance(asked.request, FetchEarlier)
            self.desk.take(self.listing(asked.request, asked.tag))
        return True

    def found(self, request: FetchFound, tag: Tag) -> FoundListing:
        end = self.last if request.before is None else request.before - 1
        fitting = [seq for seq in self.kept(1, end) if self.fits(seq, request)]
        fitting.reverse()
        page = fitting[: min(request.limit, self.most)]
        return FoundListing(
            request,
            tuple(self.message(seq) for seq in page),
            page[-1] if len(page) < len(fitting) else None,
            "e",
            tag,
        )

    def fits(self, seq: int, request: FetchFound) -> bool:
        message = self.message(seq)
        has_words = all(word in message.text.casefold() for word in request.words.split())
        return has_words and request.sender in (None, message.sender)

    def listing(self, request: FetchEarlier, tag: Tag) -> EarlierListing:
        limit = min(request.limit, self.most)
        if request.around is not None:
            half = limit // 2
            before = self.kept(1, request.around)
            after = self.kept(request.around + 1, self.last)
            found = [*before[-half:], *after[:half]]
            has_older, has_newer = len(before) > half, len(after) > half
        elif request.at is not None or request.after is not None:
            first = (request.after or 0) + 1
            if request.at is not None:
                begin = read_timestamp(request.at)
                first = next(seq for seq in count(1) if FIRST + timedelta(minutes=seq) >= begin)
            behind = self.kept(first, self.last)
            found, has_older, has_newer = behind[:limit], False, len(behind) > limit
        else:
            end = self.last if request.before is None else request.before - 1
            before = self.kept(1, end)
            found, has_older, has_newer = before[-limit:], len(before) > limit, False
        return EarlierListing(
            request,
            tuple(self.message(seq) for seq in found),
            has_older,
            has_newer,
            self.lost,
            "e",
            tag,
        )


def numbers(view: View) -> list[int]:
    """Return the numbers of the messages in a view, in the order of its entries."""
    return [entry.seq for entry in view.entries if entry.seq is not None]


def log_rows(desk: Desk) -> list[str]:
    """Return the rows of the log: between the title, and the status and the input."""
    return desk.screen()[1:-2]


def said(desk: Desk) -> list[str]:
    """Return the rows of the log without rules."""
    return [row for row in log_rows(desk) if not row.startswith("──")]


def asked(desk: Desk) -> FetchEarlier:
    request = desk.asked[-1].request
    assert isinstance(request, FetchEarlier)
    return request
