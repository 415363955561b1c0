"""What one shows at the door: passwords that were typed or read, and the tokens of sessions. In memory only."""

from __future__ import annotations

import unicodedata

from chat.client.connection.connection import Connection


class Credentials:
    """``password`` is that of ``owner``, or of the room and so of no name. None for ``owner``: who comes first."""

    def __init__(self, password: str | None = None, owner: str | None = None) -> None:
        self._password = password
        self._owner = owner
        self._learnt: dict[str, str | None] = {}
        self._sessions: dict[str, str] = {}

    def password_of(self, username: str) -> str | None:
        """What to show for this name; to show a wrong one is worse than to show none."""
        name = _folded(username)
        if self._owner is None:
            self._owner = username
        return self._learnt.get(name, self._password if name == _folded(self._owner) else None)

    def may_try_rooms(self, username: str) -> bool:
        """A password is needed: whether there is one that may be the room's. It is shown from now on."""
        if self._password is None or _folded(username) in self._learnt:
            return False
        if self.password_of(username) is not None:
            return False  # it was shown
        self.learn(username, self._password)
        return True

    def learn(self, username: str, password: str | None) -> None:
        """None: there is none to be had, so the next try is without."""
        self._learnt[_folded(username)] = password

    def session_of(self, username: str) -> str | None:
        """Of the last connection under this name: the server may not have noticed yet that it is dead."""
        return self._sessions.get(_folded(username))

    def remember(self, connection: Connection) -> None:
        """It is there: the next one under its name can take its place."""
        if connection.session is not None:
            self._sessions[_folded(connection.username)] = connection.session


def _folded(username: str) -> str:
    """The server judges names; here two spellings of one that differ in case are the same."""
    return unicodedata.normalize("NFKC", username).casefold()
