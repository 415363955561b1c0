"""The methods by which a program asks for earlier messages, of a connection or of a room that comes back."""

from __future__ import annotations

from collections.abc import Iterator

from chat.client.connection.events import Attachment, MessagePage, Text
from chat.protocol.commands import (
    MAX_FOUND,
    MAX_REPLAY,
    Command,
    Has,
    HistoryQuery,
    SearchQuery,
    Verb,
)


class EarlierMessages:
    """Asks for earlier messages by ``ask_page``, which a class with a connection defines."""

    def ask_page(self, command: Command) -> MessagePage:
        """Send a command that is a query, and wait for its page. Raises QueryRefused, ConnectionLost."""
        raise NotImplementedError

    def history(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        at: str | None = None,
        limit: int = 50,
        private: bool = False,
        partner: str | None = None,
        room: str | None = None,
        epoch: str | None = None,
    ) -> MessagePage:
        """Return a page of earlier messages: those after a number, or the last ones (before a number).

        ``room`` is the name of a room that this user is in; None: the default room. ``at`` is a time (RFC 3339) in
        place of ``after``. ``private``: this user's private messages, with one ``partner`` or all. ``epoch``: that of
        the numbers; the server refuses the query if it is another one by now. The task that iterates over the
        connection may call this between two events. Raises QueryRefused, ConnectionLost.
        """
        query = HistoryQuery(private, after, before, at, epoch, limit=limit, partner=partner)
        return self.ask_page(Command(Verb.HISTORY.value, query=query, room=room))

    def earlier(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        at: str | None = None,
        private: bool = False,
        partner: str | None = None,
        room: str | None = None,
    ) -> Iterator[Text | Attachment]:
        """Yield earlier messages, page by page: from the last one (before a number) back to the oldest that is kept.

        With ``after`` or ``at``: from there on to the last one, oldest first. The next page is fetched when the last
        message of a page has been taken, so a program that stops early costs the server nothing more. The arguments are
        those of ``history``. Raises QueryRefused, also if the server numbers its messages anew meanwhile, and
        ConnectionLost.
        """
        is_forward = after is not None or at is not None
        pages = self.pages(
            after=after, before=before, at=at, private=private, partner=partner, room=room
        )
        for page in pages:
            yield from page.messages if is_forward else reversed(page.messages)

    def pages(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        at: str | None = None,
        limit: int = MAX_REPLAY,
        private: bool = False,
        partner: str | None = None,
        room: str | None = None,
        epoch: str | None = None,
    ) -> Iterator[MessagePage]:
        """Yield the pages of ``earlier``, of at most ``limit`` messages each, until no more follow.

        Each page is in the order of the numbers, whatever the direction. Raises as ``earlier`` does.
        """
        is_forward = after is not None or at is not None
        while True:
            page = self.history(
                after=after,
                before=before,
                at=at,
                limit=limit,
                private=private,
                partner=partner,
                room=room,
                epoch=epoch,
            )
            yield page
            numbers = [message.seq for message in page.messages if message.seq is not None]
            epoch, at = page.epoch, None
            # A page that leads no further ends it, whatever the server says.
            if is_forward:
                is_over = not numbers or (after is not None and numbers[-1] <= after)
                after = numbers[-1] if numbers else after
            else:
                is_over = not numbers or (before is not None and numbers[0] >= before)
                before = numbers[0] if numbers else before
            if is_over or not page.more:
                return

    def search(
        self,
        words: str = "",
        *,
        sender: str | None = None,
        since: str | None = None,
        until: str | None = None,
        has: Has | str | None = None,
        private: bool = False,
        before: int | None = None,
        room: str | None = None,
    ) -> Iterator[Text | Attachment]:
        """Yield the messages that match, newest first; the next page is fetched when a page has been taken.

        A message that is found has all of the ``words``, each perhaps as a part of a word, in any case and width. It is
        from the user ``sender``, not older than ``since`` and older than ``until`` (RFC 3339), and ``has`` a file, an
        image, a voice message or a link. ``private``: this user's private messages, in place of those of the ``room``
        (None: the default one). ``before``: those before a number.
        Raises QueryRefused and ConnectionLost.
        """
        query = SearchQuery(
            words, sender, since, until, has and Has(has).value, room, private, before, MAX_FOUND
        )
        for page in self.found_pages(query):
            yield from reversed(page.messages)

    def files(
        self,
        words: str = "",
        *,
        private: bool = False,
        before: int | None = None,
        room: str | None = None,
    ) -> Iterator[Attachment]:
        """Yield the attachments that can be fetched, newest first; the next page is fetched when a page was taken.

        The name of the file has all of the ``words``, each perhaps as a part of a word. ``private``: those of this
        user's private messages, in place of those of the ``room`` (None: the default one). ``before``: those before a
        number. Raises QueryRefused and ConnectionLost.
        """
        query = SearchQuery(words, room=room, private=private, before=before, limit=MAX_FOUND)
        for page in self.found_pages(query, Verb.FILES):
            yield from (each for each in reversed(page.messages) if isinstance(each, Attachment))

    def found_pages(self, query: SearchQuery, verb: Verb = Verb.SEARCH) -> Iterator[MessagePage]:
        """Yield the pages of a search, the newest first; each is in the order of the numbers.

        A page may be empty, and more may follow it: the server ends a page that takes it long. ``verb`` is SEARCH, or
        FILES for attachments that can be fetched. Raises as ``search``.
        """
        while True:
            page = self.ask_page(Command(verb.value, search=query))
            yield page
            before = page.goes_on_before
            # A page that leads no further ends it, whatever the server says.
            if before is None or (query.before is not None and before >= query.before):
                return
            query = query._replace(before=before)
