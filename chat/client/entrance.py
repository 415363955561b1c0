"""The way into the room that the settings tell of: the same for every program of the client."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.connecting import connect_through
from chat.client.connection import Connection
from chat.client.credentials import Credentials
from chat.client.display import harmless
from chat.client.errors import ChatError, LoginRefused
from chat.client.gevent_runtime import GEVENT
from chat.client.inbox import Inbox
from chat.client.known_hosts import KnownHosts
from chat.client.settings import Settings
from chat.client.trust import Demands, Door, Judge
from chat.protocol.notices import Refusal

# Refusals of a login that another name may help against.
NAME_REFUSALS = frozenset({Refusal.USERNAME_EXISTS.value, Refusal.BAD_USERNAME.value})
_PASSWORD_REFUSALS = frozenset({Refusal.PASSWORD_NEEDED.value, Refusal.WRONG_PASSWORD.value})


def door_of(
    settings: Settings, judge: Judge | None, warn: Callable[[str], object] | None = None
) -> Door:
    """Return the way to the server, for greenlets. ``judge`` is asked whether to trust it; None: nobody is.

    ``warn`` is told, in a sentence, if a key could not be remembered.
    """
    demands = Demands(
        settings.tls,
        settings.fingerprint,
        settings.insecure,
        KnownHosts(settings.known_hosts),
        judge,
        warn,
    )
    return Door(GEVENT, settings.address, demands)


def enter(
    settings: Settings, door: Door, username: str, credentials: Credentials, inbox: Inbox
) -> Connection:
    """A connection as ``username``. Raises ChatError, as ``connect`` does."""
    try:
        connection = _connect(settings, door, username, credentials, inbox)
    except LoginRefused as refused:
        needed = refused.code == Refusal.PASSWORD_NEEDED.value
        if not needed or not credentials.may_try_rooms(username):
            raise
        connection = _connect(settings, door, username, credentials, inbox)
    credentials.remember(connection)
    return connection


def _connect(
    settings: Settings, door: Door, username: str, credentials: Credentials, inbox: Inbox
) -> Connection:
    return connect_through(
        door,
        username,
        password=credentials.password_of(username),
        session=credentials.session_of(username),
        byte_order=settings.byte_order,
        inline=inbox.inline,
        saver=inbox.saver,
    )


def credentials_of(settings: Settings) -> Credentials:
    """To begin with."""
    password = settings.password.text if settings.password is not None else None
    return Credentials(password, settings.username)


def wants_password(refused: LoginRefused, username: str, credentials: Credentials) -> bool:
    """Whether to ask for it. Who has typed some wrong ones has to wait a little, and then may type another."""
    if refused.code == Refusal.TOO_MANY_ATTEMPTS.value:
        return credentials.password_of(username) is not None
    return refused.code in _PASSWORD_REFUSALS


def password_prompt(username: str) -> str:
    return f"the password of {harmless(username)}: "


def advice(problem: ChatError) -> str:
    """What to tell somebody who can't be asked for a password, or was and gave none."""
    if isinstance(problem, LoginRefused) and problem.code == Refusal.PASSWORD_NEEDED.value:
        return f"{problem} --password-file=<file> names a file with it."
    return str(problem)
