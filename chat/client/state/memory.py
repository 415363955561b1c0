"""The state of one user at one server, in memory, and its changes on their way to the file."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from threading import Lock
from typing import Any

from chat.client.state.contents import Contents, added, encode_record
from chat.client.state.kept_rooms import MAX_ROOM_NAME, MAX_ROOMS, NotifyLevel
from chat.client.state.pending_upload import PendingUpload
from chat.client.state.places import LogKey, LogPlace
from chat.client.state.state_file import StateFile
from chat.client.state.unanswered_line import FirstSending, UnansweredLine

_DEVICE_BYTES = 24  # 192 random bits


def new_contents() -> Contents:
    """Return the state of a client that begins: a new device, and nothing else."""
    return Contents(urlsafe_b64encode(os.urandom(_DEVICE_BYTES)).decode())


class Memory:
    """The state. ``file`` is where it is kept; None: only in memory.

    Changes become one record of the file at the next ``save``: all of them or none. Several tasks may call the methods.
    The lock is a thread lock, also under gevent: no greenlet switches while it holds the lock.
    """

    def __init__(self, contents: Contents | None = None, file: StateFile | None = None) -> None:
        self._contents = contents if contents is not None else new_contents()
        self._file = file
        self._lock = Lock()
        self._forget_changes()

    @property
    def device(self) -> str:
        """The secret of this device."""
        return self._contents.device

    @property
    def is_kept(self) -> bool:
        """Whether the state is kept in a file."""
        return self._file is not None

    @property
    def is_dirty(self) -> bool:
        """Whether ``save`` has something to write."""
        return bool(self._record)

    def place(self, log: LogKey) -> LogPlace | None:
        """Return the place up to which the user has seen ``log``, or None."""
        return self._contents.places.get(log)

    def lines(self) -> list[UnansweredLine]:
        """Return the unanswered lines, oldest first."""
        with self._lock:
            return list(self._contents.lines.values())

    def move(self, log: LogKey, place: LogPlace) -> None:
        """Note that the user has seen ``log`` up to ``place``."""
        self.see({log: place})

    def leave(self, log: LogKey) -> None:
        """Forget the place in the log of a room, which the user has left."""
        if self.place(log) is not None:
            self.see({log: None})

    def see(self, places: Mapping[LogKey, LogPlace | None], answered: Iterable[str] = ()) -> None:
        """Note how far the user has seen logs, and forget the lines with the nonces ``answered``, in one record."""
        with self._lock:
            for log, place in places.items():
                self._contents.move(log, place)
                self._put("places", log, place)
            self._drop(answered)

    def account(self, name: str) -> str | None:
        """Return the account that was behind the folded ``name`` in the last private message, or None."""
        return self._contents.accounts.get(name)

    def know(self, name: str, account: str | None) -> None:
        """Note the account behind the folded ``name``; None: forget it."""
        with self._lock:
            self._contents.know(name, account)
            self._put("accounts", name, account)

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses of other servers of the cluster that a server has told."""
        return self._contents.servers

    def keep_servers(self, addresses: Iterable[str]) -> None:
        """Note the addresses of other servers of the cluster."""
        new = tuple(addresses)
        with self._lock:
            if new != self._contents.servers:
                self._contents.servers = new
                self._set("servers", list(new))

    # The rooms that the user is in, and what belongs to each view, by the key of its log

    @property
    def rooms(self) -> tuple[str, ...]:
        """The names of the rooms that the user is in, in their order, without the default room."""
        return self._contents.rooms.names

    @property
    def rooms_are_kept_by_server(self) -> bool:
        """Whether the server knows the rooms too, since the user was registered at the last login."""
        return self._contents.rooms.are_kept_by_server

    def keep_rooms(self, names: Iterable[str], *, by_server: bool) -> None:
        """Note which rooms the user is in, in which order; of too many, the first ones."""
        possible = [name for name in names if 0 < len(name) <= MAX_ROOM_NAME]
        new = (tuple(possible[:MAX_ROOMS]), by_server)
        rooms = self._contents.rooms
        with self._lock:
            if new != (rooms.names, rooms.are_kept_by_server):
                rooms.names, rooms.are_kept_by_server = new
                self._set("rooms", list(new))

    @property
    def drafts(self) -> Mapping[str, str]:
        """The texts that the user has typed and not sent, by views."""
        return self._contents.rooms.drafts

    @property
    def notify_levels(self) -> Mapping[str, NotifyLevel]:
        """Of which messages the user wants to be notified, by views."""
        return self._contents.rooms.notify

    def draft(self, view: str) -> str:
        """Return what the user has typed in a view and not sent."""
        return self._contents.rooms.drafts.get(view, "")

    def keep_draft(self, view: str, draft: str) -> None:
        """Note what the user has typed in a view, at most ``MAX_DRAFT`` characters; "": nothing."""
        with self._lock:
            if draft != self.draft(view):
                self._put("drafts", view, self._contents.rooms.set_draft(view, draft))

    def notify(self, view: str) -> NotifyLevel | None:
        """Return of which messages of a view the user wants to be notified; None: as everywhere."""
        return self._contents.rooms.notify.get(view)

    def keep_notify(self, view: str, level: NotifyLevel | None) -> None:
        """Note of which messages of a view the user wants to be notified; None: as everywhere."""
        with self._lock:
            self._contents.rooms.set_notify(view, level)
            self._put("notify", view, level)

    def read(self, view: str) -> LogPlace | None:
        """Return how far the user has read a view, or None."""
        return self._contents.rooms.read.get(view)

    def keep_read(self, view: str, place: LogPlace) -> None:
        """Note how far the user has read a view."""
        with self._lock:
            if place != self.read(view):
                self._contents.rooms.set_read(view, place)
                self._put("read", view, place)

    # Lines

    def keep(self, line: UnansweredLine) -> None:
        """Remember a line until ``drop``."""
        with self._lock:
            self._contents.lines[line.nonce] = line
            self._change("add", [added(line)])
            if line.first is not None:
                self._change("sent", [[line.first.author, line.first.place, [line.nonce]]])
            if line.is_perhaps:
                self._change("perhaps", [line.nonce])

    def note_sent(self, nonces: Collection[str], first: FirstSending) -> None:
        """Note that lines are about to be sent for the first time. Call ``save`` before they are sent."""
        lines = self._contents.lines
        with self._lock:
            known = [nonce for nonce in nonces if nonce in lines]
            for nonce in known:
                lines[nonce] = lines[nonce]._replace(first=first)
            if known:
                self._change("sent", [[first.author, first.place, known]])

    def mark(self, nonce: str) -> None:
        """Note that nobody can find out whether the line with this nonce was said."""
        lines = self._contents.lines
        with self._lock:
            if nonce in lines:
                lines[nonce] = lines[nonce]._replace(is_perhaps=True)
                self._change("perhaps", [nonce])

    def drop(self, nonce: str) -> None:
        """Forget the line with this nonce: it was answered, or the user gave it up."""
        with self._lock:
            self._drop([nonce])

    # Uploads

    def uploads(self) -> list[PendingUpload]:
        """Return the uploads that have not ended, oldest first."""
        with self._lock:
            return list(self._contents.uploads.values())

    def keep_upload(self, upload: PendingUpload) -> None:
        """Remember an upload until ``end_upload``."""
        with self._lock:
            if self._contents.uploads.get(upload.nonce) != upload:
                self._contents.uploads[upload.nonce] = upload
                self._change("uploads", [list(upload)])

    def end_upload(self, nonce: str) -> None:
        """Forget an upload, if it is known."""
        with self._lock:
            if self._contents.uploads.pop(nonce, None) is not None:
                self._change("ended", [nonce])

    # The file

    def save(self) -> None:
        """Write the changes, if there is a file. Raises StateFileError; the changes then wait for the next call."""
        with self._lock:
            if self._file is None or not self._record:
                return
            if self._file.is_long:
                self._file.replace(self._contents)
            else:
                self._file.append(encode_record(self._record))
            self._forget_changes()

    def forget_file(self) -> None:
        """Go on in memory only. The file keeps what it has."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._forget_changes()

    def close(self) -> None:
        """Save, and let other clients have the file. Raises StateFileError."""
        try:
            self.save()
        finally:
            self.forget_file()

    def _drop(self, nonces: Iterable[str]) -> None:
        for nonce in nonces:
            if self._contents.lines.pop(nonce, None) is not None:
                self._change("drop", [nonce])

    def _change(self, kind: str, values: Iterable[Any]) -> None:
        if self._file is not None:
            self._record.setdefault(kind, []).extend(values)

    def _put(self, kind: str, name: str, value: object) -> None:
        if self._file is not None:
            # Behind what the record has, as in the contents: the order says which is the oldest.
            values = self._record.setdefault(kind, {})
            values.pop(name, None)
            values[name] = value

    def _set(self, kind: str, value: object) -> None:
        if self._file is not None:
            self._record[kind] = value

    def _forget_changes(self) -> None:
        self._record: dict[str, Any] = {}
