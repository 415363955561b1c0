"""Log in by the settings, and ask the user for what is missing: the one login flow of all frontends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from chat.client.connection.connect import connect_through
from chat.client.connection.connection import Connection
from chat.client.conversation.inbox import Inbox
from chat.client.errors import ChatError, LoginRefused, NotSent, NotSupported, QueryRefused
from chat.client.program.client_state import ClientState
from chat.client.program.credentials import Credentials
from chat.client.program.settings import Settings
from chat.client.resuming.resumer import Resumer
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.servers.server_choice import ServerChoice
from chat.client.trust.connector import Connector, TrustPolicy, TrustPrompt, UnknownServer
from chat.client.trust.known_hosts import KnownHosts
from chat.net.address import Address
from chat.protocol.notices import Refusal
from chat.sanitize import sanitize

# Refusals of a login after which another name may succeed.
NAME_REFUSALS = frozenset({Refusal.USERNAME_EXISTS.value, Refusal.BAD_USERNAME.value})
_PASSWORD_REFUSALS = frozenset({Refusal.PASSWORD_NEEDED.value, Refusal.WRONG_PASSWORD.value})


class LoginPrompter(Protocol):
    """How the login flow speaks to the user. Each question waits for its answer."""

    def ask_name(self, prompt: str, name: str) -> str | None:
        """Ask for a user name, with ``name`` as the one to begin with; None if the user gives none."""
        ...

    def ask_password(self, prompt: str) -> str | None:
        """Ask for a password, unseen; None or empty if the user gives none."""
        ...

    def judge(self, unknown_server: UnknownServer) -> bool:
        """Ask whether to trust an unknown server."""
        ...

    def tell(self, sentence: str) -> None:
        """Show a warning, or the reason of a refusal."""
        ...


class LoginFlow:
    """Logs one user in: first with questions, later without, whenever the connection was lost.

    ``entered`` is called with each connection. ``asks``: the user may be asked for a name and a password. ``judges``:
    the user may be asked whether to trust the server. ``resumer`` has the messages that are not answered yet, over all
    connections; ``state`` chooses what the client remembers of each name. ``room_refused`` is called with the name of a
    room of the settings that the user can't be in, and with the code and the sentence of the refusal.
    """

    def __init__(
        self,
        settings: Settings,
        asker: LoginPrompter,
        inbox: Inbox,
        resumer: Resumer,
        entered: Callable[[Connection], object],
        *,
        asks: bool = True,
        judges: bool = True,
        state: ClientState | None = None,
        room_refused: Callable[[str, str, str], object] = lambda room, code, sentence: None,
    ) -> None:
        self.username = settings.username or ""  # of the last login, or the last try
        self._settings = settings
        self._asker = asker
        self._inbox = inbox
        self._resumer = resumer
        self._entered = entered
        self._asks = asks
        self._state = state or ClientState(settings, asker.tell, is_person=False)
        self._credentials = credentials_of(settings)
        self.servers = make_servers(settings, asker.judge if judges else None, asker.tell)
        self._room_refused = room_refused

    def log_in(self, suggested_name: Callable[[], str]) -> Connection:
        """Make the first connection. Raises ChatError if no answer of the user can help.

        ``suggested_name`` is called if the settings name no user.
        """
        given = self._settings.password
        if given is not None and given.warning is not None:
            self._asker.tell(given.warning)
        for warning in self.servers.warnings():
            self._asker.tell(warning)
        name = self._settings.username or self._asker.ask_name("your name: ", suggested_name())
        return self._log_in_as(name or "")

    def log_in_again(self, refused: LoginRefused) -> Connection:
        """Connect after a refusal, with another password or name from the user. Raises ChatError."""
        return self._log_in_as(self._name_after(refused))

    def connect(self, username: str, among: Sequence[Address] = ()) -> Connection:
        """Connect without a question, except about trust in a server that the user has named. Raises ChatError.

        ``among``: only to one of these servers.
        """
        self.username = username
        self.servers.recall(self._state.of(username).servers)
        try:
            connection = self._connect(username, among)
        except LoginRefused as refused:
            # The given password was not sent if it belongs to another name. It may be the password of the room.
            needed = refused.code == Refusal.PASSWORD_NEEDED.value
            if not needed or not self._credentials.may_try_rooms(username):
                raise
            connection = self._connect(username, among)
        self._credentials.remember(connection)
        # The server may spell the name in another way, and its spelling counts.
        self.username = connection.username
        memory = self._state.has_entered()
        self._resumer.use(memory)
        self.servers.tell(connection.servers)
        memory.keep_servers(map(str, self.servers.told))
        try:
            self._join_rooms(connection)
        except BaseException:  # also if this attempt is killed
            connection.close(timeout=0)
            raise
        self._entered(connection)
        return connection

    def _join_rooms(self, connection: Connection) -> None:
        """Join the rooms of the settings that the login did not bring, such as those that are to be made.

        The connection sends nothing else before: lines for a room must find the user there. Raises ChatError.
        """
        for name in self._resumer.rooms.wanted:
            if connection.known_room(name) is not None:
                continue
            try:
                connection.join(name)
            except QueryRefused as refused:
                self._room_refused(name, refused.code, str(refused))
            except (NotSupported, NotSent) as problem:
                self._room_refused(name, "not-supported", str(problem))

    def learn(self, password: str) -> None:
        """Note the new password of the user's name."""
        self._credentials.learn(self.username, password)

    def _log_in_as(self, name: str) -> Connection:
        while True:
            try:
                return self.connect(name)
            except LoginRefused as refused:
                name = self._name_after(refused)

    def _name_after(self, refused: LoginRefused) -> str:
        """Ask for another password or name; return the name to try next.

        Raises ``refused`` if no answer can help, or the user gives none.
        """
        name = self.username
        asks_password = wants_password(refused, name, self._credentials)
        if not self._asks or not (asks_password or refused.code in NAME_REFUSALS):
            raise refused
        self._asker.tell(str(refused))
        if asks_password:
            password = self._asker.ask_password(password_prompt(name)) or None
            self._credentials.learn(name, password)
            if password is not None:
                return name
        # No password was given: the user may want another name instead.
        another = self._asker.ask_name("another name: ", name)
        if another is None:
            raise refused
        return another

    def _connect(self, username: str, among: Sequence[Address]) -> Connection:
        password = self._credentials.password_of(username)

        def log_in(connector: Connector, reach: float | None) -> Connection:
            return connect_through(
                connector,
                username,
                password=password,
                session=self._credentials.session_of(username),
                byte_order=self._settings.byte_order,
                inline=self._inbox.inline,
                saver=self._inbox.saver,
                in_flight=self._resumer.queue.in_flight,
                replay=self._resumer.replay,
                device=self._state.device(username, has_password=password is not None),
                rooms=self._resumer.rooms.to_join(self._state.of(username)),
                reach=reach,
            )

        return self.servers.connect(log_in, among)


def make_servers(
    settings: Settings, judge: TrustPrompt | None, warn: Callable[[str], object] | None = None
) -> ServerChoice:
    """Return the servers of the settings, for greenlets.

    ``judge`` asks the user whether to trust an unknown server; None: unknown servers are refused. ``warn`` gets a
    sentence if a key could not be remembered, or if a server is left out.
    """
    policy = TrustPolicy(
        settings.tls,
        settings.fingerprint,
        settings.insecure,
        KnownHosts(settings.known_hosts),
        judge,
        warn,
    )
    return ServerChoice(GEVENT, settings.addresses, policy, warn=warn)


def credentials_of(settings: Settings) -> Credentials:
    """Return the credentials of the settings, for the first login."""
    password = settings.password.text if settings.password is not None else None
    return Credentials(password, settings.username)


def wants_password(refused: LoginRefused, username: str, credentials: Credentials) -> bool:
    """Return whether to ask for a password after a refusal.

    After several wrong passwords the server refuses every try for a while. The user may then type another password.
    """
    if refused.code == Refusal.TOO_MANY_ATTEMPTS.value:
        return credentials.password_of(username) is not None
    return refused.code in _PASSWORD_REFUSALS


def password_prompt(username: str) -> str:
    """Return the question for the password of a name."""
    return f"the password of {sanitize(username)}: "


def advice(problem: ChatError) -> str:
    """Return the sentence about ``problem`` with advice, for a user who could not be asked for a password."""
    if isinstance(problem, LoginRefused) and problem.code == Refusal.PASSWORD_NEEDED.value:
        return f"{problem} Give it with --password-file=<file>."
    return str(problem)


def name_of_login() -> str:
    """Return the name under which the user is logged in to this machine; empty if it has none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no entry for this user, as in containers
        return ""
