"""What all connections of a server share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chat import __version__
from chat.protocol.commands import Verb
from chat.server.accounts import Accounts
from chat.server.certificates import Certificates, make_certificates
from chat.server.commands import Commands, answer_ping
from chat.server.database import Database, DatabaseThread
from chat.server.delivery import Delivery
from chat.server.folding import FoldingLog
from chat.server.handshakes import Handshakes
from chat.server.limits import AddressLimit
from chat.server.lobby import Lobby, connection_capacity
from chat.server.loop_share import LoopShare
from chat.server.membership import Membership
from chat.server.moderation import Moderation
from chat.server.newcomers import Newcomers
from chat.server.outbox import BacklogLimits
from chat.server.password_guard import PasswordGuard
from chat.server.passwords import Passwords
from chat.server.room import Room
from chat.server.settings import Settings
from chat.server.shelf import Shelf
from chat.server.spool import Spool
from chat.server.tally import Tally
from chat.server.timestamps import Timestamps

if TYPE_CHECKING:
    from chat.server.session import Session

SOFTWARE = f"chat/{__version__}"


@dataclass(eq=False, repr=False)
class Services:
    """One room and what serves it. ``sessions`` are those of JSON clients, by the token of their welcome.

    ``database`` is None where nothing is kept, ``certificates`` and ``handshakes`` where no TLS is spoken.
    """

    settings: Settings
    spool: Spool
    shelf: Shelf
    delivery: Delivery
    room: Room
    backlogs: BacklogLimits
    addresses: AddressLimit
    newcomers: Newcomers
    lobby: Lobby
    share: LoopShare
    moderation: Moderation
    accounts: Accounts
    passwords: Passwords
    password_guard: PasswordGuard
    database: DatabaseThread | None = None
    certificates: Certificates | None = None
    handshakes: Handshakes | None = None
    commands: Commands = field(default_factory=Commands)
    refusals: FoldingLog = field(default_factory=FoldingLog)
    tally: Tally = field(default_factory=Tally)
    sessions: dict[str, Session] = field(default_factory=dict)


def make_services(settings: Settings) -> Services:
    """An empty room under ``settings``."""
    certificates = make_certificates(settings)
    refusals = FoldingLog()
    spool = Spool(settings.spool_directory, settings.max_spool, troubles=refusals)
    shelf = Shelf(spool)
    share = LoopShare()
    delivery = Delivery(share.charge)
    room = Room(delivery, shelf, Timestamps())
    kept_in = settings.data_directory
    database = DatabaseThread(Database(kept_in)) if kept_in is not None else None
    accounts = Accounts(database)
    passwords = Passwords()
    moderation = Moderation(room, settings, database, accounts.is_moderators)
    services = Services(
        settings=settings,
        spool=spool,
        shelf=shelf,
        delivery=delivery,
        room=room,
        backlogs=BacklogLimits(settings.max_backlog, settings.max_backlog_total),
        addresses=AddressLimit(settings.max_per_address, settings.exempt),
        newcomers=Newcomers(settings),
        lobby=Lobby(connection_capacity(), refusals),
        share=share,
        moderation=moderation,
        accounts=accounts,
        passwords=passwords,
        password_guard=PasswordGuard(passwords, settings.exempt),
        refusals=refusals,
        certificates=certificates,
        handshakes=Handshakes(certificates, share) if certificates is not None else None,
        database=database,
    )
    services.commands.add(Verb.PING, answer_ping)
    moderation.serve(services.commands)
    membership = Membership(room, settings, database, accounts, passwords, services.password_guard)
    membership.serve(services.commands)
    return services
