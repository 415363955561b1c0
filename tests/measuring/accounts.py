"""A data directory with accounts in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.accounts.passwords import hash_password
from chat.server.storage.database import Database

PASSWORD = "correct horse battery staple"


def register(directory: Path, names: Sequence[str]) -> None:
    """All of ``names``, with one PASSWORD."""
    hashed = hash_password(PASSWORD)
    database = Database(directory)
    for name in names:
        add_account(database, parse_user_name(name), hashed)
