"""Find the place of a login among the sessions that are connected, by what all servers know alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from chat.protocol.names import UserName
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import Account, AccountTable
from chat.server.directory.member import Member
from chat.server.entrance.joining import Joining
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.settings import Settings


class LoginPlace(NamedTuple):
    """The place of a login among the sessions that are connected.

    ``name`` is the name as the user is known here. The caller ends the ``former`` sessions, whose place this is.
    ``quietly``: the user is the same as before, so others need not hear of it.
    """

    name: UserName
    account: Account | None
    former: tuple[Member, ...]
    quietly: bool


class Connected(Protocol):
    """List what the entrance needs from a ``Directory``."""

    @property
    def users(self) -> int: ...

    def sessions_of(self, key: str) -> tuple[Member, ...]: ...


class Bans(Protocol):
    """List what the entrance needs from moderation."""

    def refusal_for(
        self, name: UserName, host: str | None, *, owned: bool = False, is_moderator: bool = False
    ) -> str | None: ...


class Placing:
    """Find places. ``silence`` is larger for sessions that are to end first when a user has too many."""

    def __init__(
        self,
        settings: Settings,
        directory: Connected,
        bans: Bans,
        silence: Callable[[Member], float],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._bans = bans
        self._silence = silence

    @property
    def password_needed(self) -> str:
        """The sentence that asks for a password."""
        return password_needed(self._settings)

    def find(self, joining: Joining, accounts: AccountTable) -> LoginPlace:
        """Check that a login can enter now; return its place. Does not wait. Raises LoginRejected.

        Nobody has registered the name of a guest since the login was judged, and the account has the same password.
        """
        account = accounts.find(joining.name.key)
        id, proof = (account.id, account.proof) if account is not None else (None, None)
        # A device is remembered as long as the password is the same, whatever the hash of it is: the entrance asks.
        if id != joining.account or (proof != joining.proof and not joining.by_device):
            raise LoginRejected(Refusal.PASSWORD_NEEDED, self.password_needed)
        self._require_no_ban(joining, account)
        connected = self._directory.sessions_of(joining.name.key)
        # A user who is connected already takes no further place.
        if not connected and self._directory.users >= self._settings.max_users:
            raise LoginRejected(
                Refusal.SERVER_FULL, "The room is full; try again later.", final=True
            )
        shown = session_shown(connected, joining.shown, joining.device)
        if account is not None:
            former = self._former_sessions(connected, shown, joining, account)
        elif not connected or shown in connected:
            former = connected
        else:
            raise LoginRejected(Refusal.USERNAME_EXISTS, "This name is already in use.")
        staying = [session for session in connected if session not in former]
        quietly = joining.device is not None and any(
            _is_same_user(session, joining.name, account) for session in former
        )
        return LoginPlace(staying[0].name if staying else joining.name, account, former, quietly)

    def _former_sessions(
        self,
        connected: tuple[Member, ...],
        shown: Member | None,
        joining: Joining,
        account: Account,
    ) -> tuple[Member, ...]:
        """Return the sessions whose place a login of ``account`` takes: see docs/protocol.md."""
        # Others have the name without the account: a guest, or the owner of an account that was removed.
        former = [
            session
            for session in connected
            if session.account_id != account.id
            or session is shown
            or session.device == joining.device
        ]
        staying = [session for session in connected if session not in former]
        staying.sort(key=self._silence, reverse=True)
        too_many = len(staying) + 1 - self._settings.max_sessions
        return (*former, *staying[: max(0, too_many)])

    def _require_no_ban(self, joining: Joining, account: Account | None) -> None:
        sentence = self._bans.refusal_for(
            joining.name,
            joining.host,
            owned=account is not None,
            is_moderator=account is not None and account.is_moderator,
        )
        if sentence is not None:
            raise LoginRejected(Refusal.BANNED, sentence)


def session_shown(
    connected: tuple[Member, ...], token: bytes | None, device: bytes | None
) -> Member | None:
    """Return the one of a user's sessions that a login shows: by the digest of its token, or a guest by its device.

    A raw client's session has no token.
    """
    # Digests and hashes of secrets: the time of a comparison tells nothing about the secrets.
    for session in connected:
        if token is not None and session.token_digest == token:
            return session
    for session in connected:
        if device is not None and not session.registered and session.device == device:
            return session
    return None


def password_needed(settings: Settings) -> str:
    """Return the sentence that asks for a password: the same for every name, unless anyone may log in."""
    if settings.members_only:
        return "Only members may log in here; log in with the password of your name."
    if settings.password is not None:
        return "A password is required: that of your name or, if it has none, of the room."
    return "This name is registered; log in with its password."


def _is_same_user(session: Member, name: UserName, account: Account | None) -> bool:
    """Return whether others see the same user in ``session`` as in a new one of ``account`` under ``name``."""
    id, is_moderator = (account.id, account.is_moderator) if account is not None else (None, False)
    return (
        session.account_id == id
        and session.name.display == name.display
        and session.moderator == is_moderator
    )
