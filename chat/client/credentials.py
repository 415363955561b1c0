"""What one shows at the door: passwords that were typed or read, and the tokens of sessions. In memory only."""

from __future__ import annotations

import unicodedata

from chat.client.connection import Connection


class Credentials:
    """``password`` is for every name that no other was learnt for."""

    def __init__(self, password: str | None = None) -> None:
        self._password = password
        self._learnt: dict[str, str | None] = {}
        self._sessions: dict[str, str] = {}

    def password_of(self, username: str) -> str | None:
        return self._learnt.get(_folded(username), self._password)

    def session_of(self, username: str) -> str | None:
        """Of the last connection under this name: the server may not have noticed yet that it is dead."""
        return self._sessions.get(_folded(username))

    def learn(self, username: str, password: str | None) -> None:
        """None: there is none to be had, so the next try is without."""
        self._learnt[_folded(username)] = password

    def remember(self, connection: Connection) -> None:
        """It is there: the next one under its name can take its place."""
        if connection.session is not None:
            self._sessions[_folded(connection.username)] = connection.session


def _folded(username: str) -> str:
    """The server judges names; here two spellings of one that differ in case are the same."""
    return unicodedata.normalize("NFKC", username).casefold()
