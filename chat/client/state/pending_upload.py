"""An upload that has begun and not ended, as it is kept over restarts of the client."""

from __future__ import annotations

from typing import NamedTuple


class PendingUpload(NamedTuple):
    """Name the file that is sent as the message with ``nonce``, to the user ``to`` or to everyone in ``room``.

    ``kind`` is the type of the message. ``size`` (bytes) and ``modified`` (nanoseconds since 1970) tell whether the
    file at ``path`` is still the same.
    """

    nonce: str
    path: str
    kind: int
    to: str | None
    size: int
    modified: int
    room: str | None = None
