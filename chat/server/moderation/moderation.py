"""Execute the commands of moderators (kick, ban, mute), and refuse banned users.

Questions at each login and each message are answered from memory. A change is on disk before it takes effect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from gevent.lock import BoundedSemaphore

from chat.process.fairness import yield_to_loop
from chat.protocol.commands import Command, Verb
from chat.protocol.errors import UserNameError
from chat.protocol.names import UserName, name_key, parse_user_name
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.directory.directory import ConnectedUsers, NoSuchUserError
from chat.server.directory.member import Peer
from chat.server.limits.limits import address_key
from chat.server.log.sharing import ALONE, Sharing
from chat.server.moderation.ban_records import Records, read_if_changed, write_records
from chat.server.moderation.bans import (
    MAX_ENTRIES,
    NAME,
    NETWORK,
    OPERATOR,
    BadBan,
    Ban,
    BanList,
    Mute,
    NoAddress,
    end_in_words,
    in_words,
    is_loopback,
    list_in_words,
    read_end,
    read_network,
    read_reason,
    sentence,
)
from chat.server.process.lasting_fault import LastingFault
from chat.server.room.commands import CommandRefused, Commands, NotSaved
from chat.server.room.service import ChatService
from chat.server.settings import Network, Settings
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread, Stamp

log = logging.getLogger("chat.server")

_MEMBERS_AT_ONCE = 200  # members that are checked before other greenlets run


class Moderation:
    """The commands of moderators, and the answer whether a user is banned.

    ``thread`` is None for a server without a data directory. ``is_moderators`` takes the key of a name and tells
    whether the account is a moderator's: moderators can't be kicked, banned or muted by others. ``forget_devices`` is
    called with the key of a name that is banned. ``protected`` returns the networks that are never banned.
    """

    def __init__(
        self,
        service: ChatService,
        directory: ConnectedUsers,
        entries: BanList,
        settings: Settings,
        thread: DatabaseThread | None,
        is_moderators: Callable[[str], bool],
        forget_devices: Callable[[str], object],
        clock: Callable[[], float] = time.time,
        sharing: Sharing = ALONE,
    ) -> None:
        self.entries = entries
        self._service = service
        self._directory = directory
        self._settings = settings
        self.protected: Callable[[], Sequence[Network]] = lambda: settings.protected
        self._thread = thread
        self._is_moderators = is_moderators
        self._forget_devices = forget_devices
        self._clock = clock
        self._sharing = sharing
        self._changing = BoundedSemaphore(1)
        self._stamp: Stamp | None = None
        self._version: tuple[int, int] | None = None
        self._fault = LastingFault("cannot read the bans again; the old ones stay in force")

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        for verb, handler in (
            *((Verb.KICK, self._kick), (Verb.BAN, self._ban), (Verb.UNBAN, self._unban)),
            *((Verb.MUTE, self._mute), (Verb.UNMUTE, self._unmute)),
        ):
            commands.add_shared_plain(
                verb, partial(self._execute, handler), lambda member, command: not member.moderator
            )
        commands.add_plain(Verb.BANS, partial(self._execute, self._list))

    def start(self) -> None:
        """Read the bans before anyone can log in. Raises DatabaseFault."""
        if self._thread is not None and self._thread.database.stamp() is not None:
            self._use_stored(self._thread.run(self._read))

    # Questions from other parts of the server.

    def refusal_for(
        self,
        name: UserName,
        host: str | None,
        *,
        owned: bool = False,
        is_moderator: bool = False,
    ) -> str | None:
        """Return why ``name`` must not log in from ``host``, as a sentence for the user; None if they may.

        ``owned``: the user has shown the password of this account. ``is_moderator``: the account is a moderator's, whom
        only the operator can ban.
        """
        ban = self.entries.of_name(name, owned=owned)
        if ban is not None and (ban.by == OPERATOR or not is_moderator):
            return sentence(f"You are banned {end_in_words(ban.until)}", ban.reason)
        ban = self.entries.of_host(host)
        if ban is not None and is_moderator and ban.by != OPERATOR:
            return None
        return self.refusal_for_host(host)

    def refusal_for_host(self, host: str | None) -> str | None:
        """Return why nobody may log in from ``host``, as a sentence; None if users may."""
        ban = self.entries.of_host(host)
        # Asked again here: the settings may exempt an address that was banned before.
        if ban is None or self._bannable(host) is None:
            return None
        return sentence(f"Your address is banned {end_in_words(ban.until)}", ban.reason)

    # The commands of moderators.

    def _execute(
        self, handler: Callable[[Peer, Command], str], peer: Peer, command: Command
    ) -> str:
        require_moderator(peer)  # first, so that other users can't hold up moderators
        return self._sharing.to_the_end(self._attempt, handler, peer, command)

    def _attempt(
        self, handler: Callable[[Peer, Command], str], peer: Peer, command: Command
    ) -> str:
        with self._changing:
            # Checked again after the wait: another moderator or the operator may have been faster.
            if not self._directory.is_here(peer):
                raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
            try:
                require_moderator(peer)
                return handler(peer, command)
            except NoSuchUserError as problem:
                raise CommandRefused(NoticeCode.NO_SUCH_USER, str(problem)) from None
            except (BadBan, UserNameError) as problem:
                raise CommandRefused(NoticeCode.BAD_COMMAND, str(problem)) from None

    def _kick(self, peer: Peer, command: Command) -> str:
        reason = read_reason(command.reason)
        target = self._directory.find(_target(command))
        self._require_not_moderator(target.name)
        by, name = peer.name.display, target.name.display
        notice = sentence(f"You were kicked by {by}", reason)
        for session in self._directory.sessions_of(target.name.key):
            session.eject(LeaveReason.KICKED, NoticeCode.MODERATED, notice)
        self._announce(peer, lambda end: sentence(f"{name} was kicked by {by}", reason))
        return f"{name} was kicked."

    def _ban(self, peer: Peer, command: Command) -> str:
        now = int(self._clock())
        until, reason = read_end(command.seconds, now), read_reason(command.reason)
        rest = (until, peer.name.display, reason, now)
        network = self._network(_target(command))
        if network is not None:
            self._require_bannable(network, peer)
            bans = [Ban(NETWORK, in_words(network), *rest)]
            # Everyone hears of the ban, but only moderators see the address.
            done, public = f"{in_words(network)} is banned {end_in_words(until)}.", "An address"
        else:
            name = parse_user_name(_target(command))
            self._require_not_moderator(name)
            bans = [Ban(NAME, name.key, *rest, name.display)]
            networks, why = self._addresses_of(name, peer)
            bans += [Ban(NETWORK, in_words(each), *rest, name.display) for each in networks]
            end = end_in_words(until)
            done = f"{name.display} and all names that look like it are banned {end}{why}"
            public = name.display
        for ban in bans:
            _require_not_the_operators(self.entries.about(ban.target))
        self.keep(add=bans)
        ejected = self.eject_banned()
        if ejected:
            done += f" Disconnected: {', '.join(ejected)}."
        subjects = " and ".join(ban.subject for ban in bans)
        what = sentence(f"{subjects} {end_in_words(until, local=True)}", reason)
        log.info("%s bans %s", peer.name.display, what)
        by = f"{public} was banned by {peer.name.display} {end_in_words(until)}"
        self._service.announce(NoticeCode.MODERATED, sentence(by, reason), besides=peer)
        return done + self._how_long_it_is_kept()

    def _unban(self, peer: Peer, command: Command) -> str:
        target = _target(command)
        network = self._network(target)
        key = in_words(network) if network is not None else parse_user_name(target).key
        bans = self.entries.about(key)
        if not bans:
            raise BadBan("No ban of this name or address exists; see the list of bans.")
        _require_not_the_operators(bans)
        self.keep(remove=bans)
        lifted = ", ".join(ban.subject for ban in bans)
        log.info("%s lifts the ban of %s", peer.name.display, lifted)
        for ban in (ban for ban in bans if ban.kind == NAME):
            lifting = f"The ban of {ban.subject} was lifted by {peer.name.display}."
            self._service.announce(NoticeCode.MODERATED, lifting, besides=peer)
        return f"No longer banned: {lifted}."

    def _list(self, peer: Peer, command: Command) -> str:
        return list_in_words(self.entries.all(), self._settings.max_text)

    def _mute(self, peer: Peer, command: Command) -> str:
        now = int(self._clock())
        until, reason = read_end(command.seconds, now), read_reason(command.reason)
        name = parse_user_name(_target(command))
        self._require_not_moderator(name)
        mute = self.entries.mute_of(name.key)
        _require_not_the_operators([] if mute is None else [mute])
        by = peer.name.display
        self.keep(add=[Mute(name.key, until, by, reason, now)])
        shown = self._shown(name)
        muted = f"{shown} was muted by {by}"
        self._announce(peer, lambda end: sentence(f"{muted} {end}", reason), until)
        return f"{shown} is muted {end_in_words(until)}." + self._how_long_it_is_kept()

    def _unmute(self, peer: Peer, command: Command) -> str:
        name = parse_user_name(_target(command))
        mute, shown = self.entries.mute_of(name.key), self._shown(name)
        if mute is None:
            raise BadBan(f"{shown} is not muted.")
        _require_not_the_operators([mute])
        self.keep(remove=[mute])
        self._announce(peer, lambda end: f"{shown} was unmuted by {peer.name.display}.")
        return f"{shown} is no longer muted."

    # Steps of the commands.

    def _shown(self, name: UserName) -> str:
        """Return the name as its user spells it if they are connected, or else as it was typed."""
        sessions = self._directory.sessions_of(name.key)
        return sessions[0].name.display if sessions else name.display

    def _announce(self, peer: Peer, tell: Callable[[str], str], until: int | None = None) -> None:
        """Log what ``peer`` did, and tell it to everyone else: the answer tells the moderator.

        ``tell`` makes the sentence from the end, which is in local time for the log.
        """
        log.info("%s", tell(end_in_words(until, local=True)))
        self._service.announce(NoticeCode.MODERATED, tell(end_in_words(until)), besides=peer)

    def _network(self, target: str) -> Network | None:
        """Return the network that ``target`` means; None if it is a name. Raises BadBan."""
        try:
            return read_network(target)
        except NoAddress:
            # A guest may have such a name, which moderators must be able to ban.
            key = name_key(target) or ""
            if self._directory.sessions_of(key) or self.entries.about(key):
                return None
            raise

    def _how_long_it_is_kept(self) -> str:
        return "" if self._thread is not None else " This lasts until the server stops."

    def _require_not_moderator(self, name: UserName) -> None:
        """Raise CommandRefused for a moderator: of two moderators who ban each other, the faster one would win."""
        sessions = self._directory.sessions_of(name.key)
        is_here_as_one = any(session.moderator for session in sessions)
        if is_here_as_one or self._is_moderators(name.key):
            raise CommandRefused(NoticeCode.NOT_ALLOWED, f"{name.display} is a moderator.")

    def _require_bannable(self, network: Network, peer: Peer) -> None:
        if self._bannable(str(network.network_address)) is None:
            sentence = "This server never bans that address."
            raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
        if network == address_key(peer.host, ()):
            raise CommandRefused(NoticeCode.NOT_ALLOWED, "You can't ban your own address.")

    def _bannable(self, host: str | None) -> Network | None:
        # Proxies too: the connections of a proxy that sends no client address may be those of all users.
        network = address_key(host, self.protected())
        return None if network is None or is_loopback(network) else network

    def _addresses_of(self, name: UserName, peer: Peer) -> tuple[list[Network], str]:
        """Return the addresses to ban together with ``name``, and the end of the sentence about them."""
        sessions = self._directory.sessions_of(name.key)
        if not sessions:
            return [], f". No user named {name.display} is here, so no address was banned."
        # The user may be here from several addresses.
        bannable = dict.fromkeys(self._bannable(session.host) for session in sessions)
        networks = [network for network in bannable if network is not None]
        others = [network for network in networks if network != address_key(peer.host, ())]
        if not networks:
            return [], ". Their address was not banned: this server never bans it."
        if not others:
            return [], ". Their address was not banned: it is yours too."
        verb = "so is" if len(others) == 1 else "so are"
        return others, f", and {verb} {', '.join(map(in_words, others))}."

    def eject_banned(self) -> list[str]:
        """Eject every user whose login would be refused now; return their names."""
        names: dict[str, None] = {}  # a user may have several sessions
        for number, member in enumerate(list(self._directory), 1):
            if not number % _MEMBERS_AT_ONCE and not self._sharing.is_shared:
                yield_to_loop()
            # The list is a copy, and the member may have left while others ran.
            if not self._directory.is_here(member):
                continue
            refusal = self.refusal_for(
                member.name,
                member.host,
                owned=member.registered,
                is_moderator=member.moderator,
            )
            if refusal is not None:
                member.eject(LeaveReason.BANNED, NoticeCode.MODERATED, refusal)
                names[member.name.display] = None
        return list(names)

    def keep(self, add: Sequence[Ban | Mute] = (), remove: Sequence[Ban | Mute] = ()) -> None:
        """Save a change on disk, then apply it in memory. If this raises CommandRefused, nothing was changed."""
        expired = self.entries.expired()
        if len(self.entries) - len(expired) + len(add) > MAX_ENTRIES:
            sentence = f"The server has {len(self.entries)} bans and mutes; lift some first."
            raise CommandRefused(NoticeCode.NO_SPACE, sentence)
        if self._thread is not None:
            try:
                work = partial(write_records, add=add, remove=remove, now=self._clock())
                self._thread.write(work)
            except DatabaseFault as fault:
                log.error("cannot save a ban or mute: %s", fault)
                raise NotSaved from None
        self.entries.remove(*expired, *remove)
        self.entries.add(*add)
        for entry in add:
            if isinstance(entry, Ban) and entry.kind == NAME:
                self._forget_devices(entry.target)

    # Changes by the operator, who uses the command line.

    def look(self) -> None:
        """Read the bans again if the file has changed, and disconnect users who are banned now.

        If the file can't be read, log that once, and keep the bans.
        """
        if self._thread is None or self._thread.is_behind:
            return
        try:
            if self._thread.database.stamp() != self._stamp:
                with self._changing:
                    if self._use_stored(self._thread.run(self._read)):
                        self.eject_banned()
            self._fault.clear()
        except DatabaseFault as fault:
            self._fault.note(fault)

    def _read(self, database: Database) -> Records:
        """Read the bans and mutes, if they have changed; called in the database thread."""
        return read_if_changed(database, self._version)

    def _use_stored(self, read: Records) -> bool:
        """Apply what was read; return whether the bans have changed."""
        self._stamp, self._version = read.stamp, read.version
        if read.entries is None:
            return False
        entries = BanList(self._clock)
        entries.add(*read.entries)
        self.entries.replace(entries)
        return True


def require_moderator(peer: Peer) -> None:
    """Raise CommandRefused if ``peer`` may not moderate."""
    if not peer.moderator:
        raise CommandRefused(NoticeCode.NOT_ALLOWED, "Only a moderator may do that.")


def _require_not_the_operators(entries: Sequence[Ban | Mute]) -> None:
    if any(entry.by == OPERATOR for entry in entries):
        raise CommandRefused(
            NoticeCode.NOT_ALLOWED,
            "The operator made this ban or mute; only the operator can change it.",
        )


def _target(command: Command) -> str:
    if not command.target:
        raise BadBan("The command has no 'target'.")
    return command.target
