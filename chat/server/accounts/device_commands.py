"""Let users see and forget the devices that are remembered for their account."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

from chat.local_time import utc_timestamp
from chat.protocol.commands import Command, Verb
from chat.protocol.headers import encode_json
from chat.protocol.notices import NoticeCode
from chat.server.accounts.account_operations import AccountOperations
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.device_records import Device
from chat.server.accounts.devices import Devices
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.log.log import LogFull
from chat.server.room.commands import CommandRefused, Commands, NotSaved
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")


class DeviceCommands:
    """The commands ``devices`` and ``forget``."""

    def __init__(
        self,
        directory: ConnectedUsers,
        operations: AccountOperations,
        accounts: Accounts,
        devices: Devices,
    ) -> None:
        self._directory = directory
        self._operations = operations
        self._accounts = accounts
        self._devices = devices

    def serve(self, commands: Commands) -> None:
        """Add the commands to the table of commands."""
        commands.add_plain(Verb.DEVICES, self._list)
        commands.add_waiting_plain(Verb.FORGET, self._forget)

    def _list(self, peer: Member, command: Command) -> str:
        account = self._account_of(peer)
        sessions = self._directory.sessions_of(peer.name.key)
        here = {session.device for session in sessions if session.account_id == account.id}
        return encode_json(
            [_fields(device, here, peer.device) for device in self._devices.of(account)]
        ).decode()

    def _forget(self, peer: Member, command: Command) -> str:
        if not command.target:
            raise CommandRefused(NoticeCode.BAD_COMMAND, "The command has no 'target'.")
        account = self._account_of(peer)
        for device in self._devices.of(account):
            if device.name == command.target:
                break
        else:
            sentence = "No device of yours has this name; see the list of devices."
            raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
        try:
            self._operations.forget_device(peer, device.hash)
        except AccountProblem as problem:
            raise CommandRefused(NoticeCode.NOT_ALLOWED, str(problem)) from None
        except LogFull as problem:
            raise CommandRefused(NoticeCode.NO_SPACE, str(problem)) from None
        except DatabaseFault as fault:
            log.error("cannot forget a device: %s", fault)
            raise NotSaved from None
        return f"The device {device.name} needs your password at its next login."

    def _account_of(self, peer: Member) -> Account:
        """Return the account of ``peer``. Raises CommandRefused for a guest."""
        account = self._accounts.look().find(peer.name.key)
        if account is None or account.id != peer.account_id:
            sentence = "Devices are remembered only for registered names."
            raise CommandRefused(NoticeCode.NOT_ALLOWED, sentence)
        return account


def _fields(device: Device, here: set[bytes | None], current: bytes | None) -> dict[str, object]:
    return {
        "name": device.name,
        "first": _time(device.first_seen),
        "last": _time(device.last_seen),
        "here": device.hash in here,
        "current": device.hash == current,
    }


def _time(seconds: int) -> str:
    return utc_timestamp(datetime.fromtimestamp(seconds, timezone.utc))
