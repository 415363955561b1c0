"""Offer attachments to users who do not want them whole."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterable

from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_server_header
from chat.protocol.runs import Run
from chat.server.attachments.offers import OfferStore
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.history.stored import DEFAULT_ROOM, GUEST, MAILBOX, ROOM, LogName
from chat.server.log.sharing import ALONE, Sharing

logger = logging.getLogger("chat.server")

# No session has so large a serial.
_ANYONE = 2**63
_KINDS = {kind[0]: kind for kind in (ROOM, MAILBOX)}
# The kind of the log, the number, the digits of the timestamp, and the key of a room's name.
_MESSAGE_ID = re.compile(r"([rm])([0-9]{1,18})\.([0-9]{1,32})(?:\.(.+))?", re.ASCII)


class Offering:
    """Put contents that are not kept into the store of offers.

    ``keeps_now`` returns whether messages are kept now. None: messages are never kept. Otherwise messages of the room
    are shown to users who join later, who then may fetch their contents.
    """

    def __init__(
        self,
        offers: OfferStore,
        directory: ConnectedUsers,
        keeps_now: Callable[[], bool] | None = None,
        sharing: Sharing = ALONE,
    ) -> None:
        self._sharing = sharing
        self._offers = offers
        self._directory = directory
        self._keeps_now = keeps_now

    def offer(
        self,
        run: Run,
        header: ServerHeader,
        log: LogName,
        audience: Iterable[Member],
        serials: Collection[int] | None = None,
    ) -> str | None:
        """Return the id by which the content of the message in ``header`` can be fetched; None if nobody needs it.

        A content that is kept with its message in ``log`` needs no other place: the id names the message. Another is
        stored if a member of ``audience`` wants an offer. Sessions with one of ``serials`` may fetch it; None: all
        sessions that are here now. If the store fails, raises what it raises, unless
        other servers deliver the message, too.
        """
        if self.is_kept(run, log):
            return message_id(log, header.seq or 0, header.timestamp)
        is_shown_again = serials is None and self._keeps_now is not None
        if not is_shown_again and not any(
            member.send_queue.wants_offer(run.size) for member in audience
        ):
            return None
        content = run.contents[0] if run.large is None else run.large
        # Users who join later may fetch only what they are shown. They never heard of other offers.
        latest = _ANYONE if is_shown_again else self._directory.last_serial
        try:
            return self._offers.keep(content, header, latest=latest, serials=serials)
        except Exception:
            if not self._sharing.is_shared:
                raise
            # The other servers deliver the message, so this one must not refuse it.
            logger.exception("cannot keep a content, and sends it whole")
            return None

    def is_kept(self, run: Run, log: LogName) -> bool:
        """Return whether the content can be fetched as long as its message in ``log`` is kept."""
        is_stored = run.large is None or run.is_kept
        keeps_now = self._keeps_now
        return is_stored and log.kind != GUEST and keeps_now is not None and keeps_now()


def message_id(log: LogName, seq: int, timestamp: str) -> str:
    """Return an id for the content of a message that is kept.

    The id is no secret: only readers of the log can use it. The timestamp tells messages apart that bear the same
    number under two epochs.
    """
    # Another room is named. A key has no character that JSON escapes.
    room = f".{log.key}" if log.kind == ROOM and log != DEFAULT_ROOM else ""
    return f"{log.kind[0]}{seq}.{_digits(timestamp)}{room}"


def read_message_id(id: str) -> tuple[str, int, str, str | None] | None:
    """Return the kind of the log, the number, the digits of the timestamp, and the room in ``id``.

    The room is None for the default room and for private messages. Returns None for another id.
    """
    found = _MESSAGE_ID.fullmatch(id)
    if found is None:
        return None
    return _KINDS[found[1]], int(found[2]), found[3], found[4]


def is_at(timestamp: str, digits: str) -> bool:
    """Return whether ``digits`` of an id are those of ``timestamp``."""
    return _digits(timestamp) == digits


def digest_of(run: Run) -> str | None:
    """Return the SHA-256 of an attachment, in hex; None if it is not known."""
    digest = hashlib.sha256(run.contents[0]).digest() if run.large is None else run.digest
    return digest.hex() if digest is not None else None


def whole_frame(run: Run, header: ServerHeader) -> Frame:
    """Return the frame of an attachment with its content."""
    [content] = run.contents
    return Frame(run.type, encode_server_header(header), content, large=run.large)


def offer_frame(run: Run, header: ServerHeader, id: str) -> Frame:
    """Return the frame of an attachment without its content."""
    offer = header._replace(size=run.size, id=id, sha256=digest_of(run))
    return Frame(run.type, encode_server_header(offer))


def _digits(timestamp: str) -> str:
    return "".join(filter(str.isdigit, timestamp))
