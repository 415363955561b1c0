"""Put together what serves users: their login, their sessions, and the transfer connections of these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chat.protocol.frames import LargeContent
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.devices import Devices
from chat.server.accounts.password_guard import PasswordGuard
from chat.server.accounts.passwords import Passwords
from chat.server.attachments.offers import OfferStore
from chat.server.attachments.parts import Parts
from chat.server.attachments.spool import Spool
from chat.server.delivery.send_queue import BacklogLimits
from chat.server.directory.directory import Directory
from chat.server.directory.member import Member
from chat.server.directory.presence_log import PresenceLog
from chat.server.entrance.entrance import Entrance
from chat.server.entrance.login_rejected import RefusedLogins
from chat.server.limits.address_limits import AddressLimits
from chat.server.message_path import MessagePath
from chat.server.moving.visiting_senders import VisitingSenders
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog
from chat.server.process.loop_share import LoopShare
from chat.server.room.commands import Commands
from chat.server.room.fetching import Fetching
from chat.server.room.service import ChatService
from chat.server.sessions.admission import Admission
from chat.server.sessions.login import Login
from chat.server.sessions.session import Session
from chat.server.sessions.transfer import TransferConnection
from chat.server.settings import Settings


class SessionParts:
    """Make ``login``, which makes the rest, and keep the ``visitors`` from other servers."""

    def __init__(
        self,
        settings: Settings,
        path: MessagePath,
        *,
        entrance: Entrance,
        directory: Directory[Session],
        service: ChatService,
        commands: Commands,
        accounts: Accounts,
        devices: Devices,
        passwords: Passwords,
        password_guard: PasswordGuard,
        rehash: Callable[[Account, str], Account],
        begin_mailbox: Callable[[Account], object],
        address_limits: AddressLimits,
        share: LoopShare,
        folding_log: FoldingLog,
        counters: Counters,
        offers: OfferStore,
        spool: Spool,
        backlogs: BacklogLimits,
        timestamp: Callable[[], str],
        elsewhere: Callable[[int, bytes], LargeContent] | None,
    ) -> None:
        open_session = partial(
            Session,
            leave=entrance.leave,
            service=service,
            directory=directory,
            commands=commands,
            settings=settings,
            spool=spool,
            backlogs=backlogs,
            share=share,
            presence=PresenceLog(address_limits, folding_log, counters),
            waits=path.waits,
        )
        files = path.files
        open_transfer = partial(
            TransferConnection,
            service=service,
            fetching=Fetching(offers, service.rooms, path.history, files, elsewhere),
            files=files,
            parts=Parts(files) if files is not None else None,
            timestamp=timestamp,
            settings=settings,
            spool=spool,
            backlogs=backlogs,
        )
        self.visitors = VisitingSenders(directory, service, settings, path.waits)
        self.login = Login(
            admission=Admission(
                settings=settings,
                directory=directory,
                placing=entrance.placing,
                accounts=accounts,
                devices=devices,
                passwords=passwords,
                password_guard=password_guard,
                rehash=rehash,
            ),
            entrance=entrance,
            accounts=accounts,
            directory=directory,
            address_limits=address_limits,
            share=share,
            refused_logins=RefusedLogins(folding_log, counters),
            open_session=open_session,
            open_transfer=open_transfer,
            begin_mailbox=begin_mailbox,
            find_visitor=self.visitors.find,
        )


def silence_of(member: Member) -> float:
    """Return a value that is larger for sessions that have sent nothing for longer."""
    return -member.last_active if isinstance(member, Session) else 0.0
