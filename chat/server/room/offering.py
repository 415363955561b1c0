"""Offer attachments to users who do not want them whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_server_header
from chat.protocol.runs import Run
from chat.server.attachments.offers import OfferStore
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member

# No session has so large a serial.
_ANYONE = 2**63


class Offering:
    """Put contents into the store of offers.

    ``are_shown_again``: messages of the room are shown to users who join later, who then may fetch their contents.
    """

    def __init__(
        self, offers: OfferStore, directory: ConnectedUsers, *, are_shown_again: bool
    ) -> None:
        self._offers = offers
        self._directory = directory
        self._are_shown_again = are_shown_again

    def offer(
        self,
        run: Run,
        header: ServerHeader,
        audience: Iterable[Member],
        serials: Collection[int] | None,
    ) -> str | None:
        """Store the content if a member of ``audience`` wants an offer; return the id of the offer, or None.

        Sessions with one of ``serials`` may fetch the content; None: all sessions that are here now.
        """
        is_shown_again = serials is None and self._are_shown_again
        if not is_shown_again and not any(
            member.send_queue.wants_offer(run.size) for member in audience
        ):
            return None
        # Users who join later may fetch only what they are shown. They never heard of other offers.
        latest = _ANYONE if is_shown_again else self._directory.last_serial
        content = run.contents[0] if run.large is None else run.large
        return self._offers.keep(content, header, latest=latest, serials=serials)


def whole_frame(run: Run, header: ServerHeader) -> Frame:
    """Return the frame of an attachment with its content."""
    [content] = run.contents
    return Frame(run.type, encode_server_header(header), content, large=run.large)


def offer_frame(run: Run, header: ServerHeader, id: str) -> Frame:
    return Frame(run.type, encode_server_header(header._replace(size=run.size, id=id)))
