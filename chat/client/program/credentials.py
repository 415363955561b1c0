"""Keep the passwords and the session tokens for the next login, in memory only."""

from __future__ import annotations

import unicodedata

from chat.client.connection.connection import Connection


class Credentials:
    """The passwords and session tokens of a user, by name.

    ``password`` is the password of the name ``owner``, or of the room. If ``owner`` is None, the first name that logs
    in becomes the owner.
    """

    def __init__(self, password: str | None = None, owner: str | None = None) -> None:
        self._password = password
        self._owner = owner
        self._learnt: dict[str, str | None] = {}
        self._sessions: dict[str, str] = {}

    def password_of(self, username: str) -> str | None:
        """Return the password to send for this name, or None.

        The password of one name is not sent for another name: a wrong password counts as a failed try.
        """
        name = _folded(username)
        if self._owner is None:
            self._owner = username
        return self._learnt.get(name, self._password if name == _folded(self._owner) else None)

    def may_try_rooms(self, username: str) -> bool:
        """Return whether an unsent password may be the room's, after the server asked for one; send it from now on."""
        if self._password is None or _folded(username) in self._learnt:
            return False
        if self.password_of(username) is not None:
            return False  # the server has seen and refused this password
        self.learn(username, self._password)
        return True

    def learn(self, username: str, password: str | None) -> None:
        """Note the password of a name. None: the user gave none, so the next login goes without."""
        self._learnt[_folded(username)] = password

    def session_of(self, username: str) -> str | None:
        """Return the token of the last session under this name, or None.

        The server may not have noticed yet that the last connection is dead. The token lets a login replace it.
        """
        return self._sessions.get(_folded(username))

    def remember(self, connection: Connection) -> None:
        """Keep the session token of ``connection``, so that the next login with its name can replace it."""
        if connection.session is not None:
            self._sessions[_folded(connection.username)] = connection.session


def _folded(username: str) -> str:
    """Fold a name so that spellings in other case are equal. Only the server knows the exact rules."""
    return unicodedata.normalize("NFKC", username).casefold()
