"""The rooms of the user, and what belongs to each view: its draft, its notifications, the last place read.

No I/O. A *view* is named by the key of its log, or, for private messages with one user, by a key of the screen.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from chat.client.state.places import LogPlace

# Of which messages of a view the user is notified.
NotifyLevel: TypeAlias = Literal["all", "mentions", "none"]
NOTIFY_LEVELS: tuple[NotifyLevel, ...] = ("all", "mentions", "none")

MAX_ROOMS = 64  # a server of ours allows 50
MAX_ROOM_NAME = 256  # characters
# Views of which anything is remembered. Beyond, the oldest is forgotten. Characters of a draft, cut behind these.
MAX_VIEWS = 200
MAX_DRAFT = 16 * 1024
MAX_DRAFTS = 64


class KeptRooms:
    """The rooms, in the order of the user, and the views.

    ``are_kept_by_server``: the user was registered at the last login, so the server knows the rooms, too.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.are_kept_by_server = False
        self.drafts: dict[str, str] = {}
        self.notify: dict[str, NotifyLevel] = {}
        self.read: dict[str, LogPlace] = {}

    def set_draft(self, view: str, draft: str) -> str:
        """Note what the user has typed; return what is remembered of it: "" is nothing."""
        draft = draft[:MAX_DRAFT]
        _put(self.drafts, view, draft or None, MAX_DRAFTS)
        return draft

    def change(self, record: dict[str, Any]) -> None:
        """Change this by a record. Raises ValueError and TypeError for a record that no client writes."""
        if "rooms" in record:
            names, by_server = record["rooms"]
            _require(type(by_server) is bool and len(names) <= MAX_ROOMS)
            for name in names:
                _require(isinstance(name, str) and 0 < len(name) <= MAX_ROOM_NAME)
            self.names, self.are_kept_by_server = tuple(names), by_server
        for view, draft in record.get("drafts", {}).items():
            _require(isinstance(draft, str) and len(draft) <= MAX_DRAFT)
            self.set_draft(view, draft)
        for view, level in record.get("notify", {}).items():
            _require(level is None or level in NOTIFY_LEVELS)
            self.set_notify(view, level)
        for view, place in record.get("read", {}).items():
            self.set_read(view, read_place(place))

    def set_notify(self, view: str, level: NotifyLevel | None) -> None:
        """Note of what the user wants to be notified; None: as everywhere."""
        _put(self.notify, view, level, MAX_VIEWS)

    def set_read(self, view: str, place: LogPlace) -> None:
        """Note how far the user has read a view."""
        _put(self.read, view, place, MAX_VIEWS)

    def snapshot(self) -> dict[str, Any]:
        """Return a record that makes all this from nothing."""
        return {
            "rooms": [self.names, self.are_kept_by_server],
            "drafts": self.drafts,
            "notify": self.notify,
            "read": self.read,
        }


def read_place(value: Any) -> LogPlace:
    """Return a place out of a record. Raises ValueError and TypeError."""
    epoch, seq, time = value
    _require(isinstance(epoch, str) and type(seq) is int and seq >= 0)
    _require(time is None or isinstance(time, str))
    return LogPlace(epoch, seq, time)


def _put(table: dict[str, Any], view: str, value: object, most: int) -> None:
    """Note ``value`` as the newest of the table; None: forget it."""
    table.pop(view, None)
    if value is not None:
        table[view] = value
        if len(table) > most:
            del table[next(iter(table))]


def _require(is_valid: bool) -> None:
    if not is_valid:
        raise ValueError
