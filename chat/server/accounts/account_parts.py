"""Put the parts together that serve accounts: their devices, passwords, operations and commands."""

from __future__ import annotations

from collections.abc import Callable

from chat.server.accounts.account_changes import AccountChanges
from chat.server.accounts.account_operations import AccountOperations, Belongings
from chat.server.accounts.accounts import Accounts
from chat.server.accounts.commands import AccountCommands
from chat.server.accounts.device_commands import DeviceCommands
from chat.server.accounts.password_guard import PasswordGuard
from chat.server.accounts.passwords import Passwords
from chat.server.accounts.shared_devices import make_devices
from chat.server.directory.directory import ConnectedUsers
from chat.server.log.operations import Operations
from chat.server.room.commands import Commands
from chat.server.room.service import ChatService
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseThread


class AccountParts:
    """The parts that serve accounts. ``forget_in_rooms`` is called after an account was removed."""

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        database: DatabaseThread | None,
        *,
        directory: ConnectedUsers,
        service: ChatService,
        operations: Operations,
        mailboxes: Belongings,
        forget_in_rooms: Callable[[], object],
        clock: Callable[[], float],
    ) -> None:
        self.devices = make_devices(accounts, database, clock)
        service.devices = self.devices
        self.passwords = Passwords()
        self.password_guard = PasswordGuard(self.passwords, settings.exempt)
        self.changes = AccountChanges(accounts, directory, service, settings)
        self.operations = AccountOperations(
            operations,
            accounts,
            self.devices,
            directory,
            mailboxes,
            self.changes,
            clock,
            forget_in_rooms,
        )
        self._commands = (
            AccountCommands(
                directory,
                settings,
                self.operations,
                accounts,
                self.passwords,
                self.password_guard,
            ),
            DeviceCommands(directory, self.operations, accounts, self.devices),
        )

    def serve(self, commands: Commands) -> None:
        """Add the commands about accounts to the table of commands."""
        for part in self._commands:
            part.serve(commands)
