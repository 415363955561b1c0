"""Accounts of a real server, made as an operator makes them, without waiting for a program to start."""

from __future__ import annotations

from pathlib import Path

from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply


def register(data_directory: Path, name: str, password: str, *, is_moderator: bool = False) -> None:
    """Add an account to the data directory of a server, whether it runs or not."""
    hash = hash_cheaply(password)
    add_account(Database(data_directory), parse_user_name(name), hash, is_moderator=is_moderator)


def password_option(directory: Path, password: str) -> str:
    """The option of a client that reads it from a file in ``directory``."""
    path = directory / "password"
    path.touch(0o600)
    path.write_text(f"{password}\n")
    return f"--password-file={path}"
