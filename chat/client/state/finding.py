"""Find the state file of a user at a server, and open it."""

from __future__ import annotations

import unicodedata
import zlib
from pathlib import Path
from typing import NamedTuple

from chat.client.state.contents import StateOwner
from chat.client.state.errors import StateInUse
from chat.client.state.memory import Memory, new_contents
from chat.client.state.state_file import open_state
from chat.files.home import state_directory

# Clients of one user at one server, on one machine, that each have a state of their own.
_MAX_CLIENTS = 16
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.:[]_-")
_MAX_NAME = 180  # characters of a file name, below the limit of file systems


class OpenedState(NamedTuple):
    """Hold an opened state, and a sentence for the user if something was wrong with the file."""

    memory: Memory
    warning: str | None = None


def owner_of(server: str, username: str) -> StateOwner:
    """Return whose state it is. Only the server knows the exact rules for names; this folds case and width."""
    return StateOwner(server, unicodedata.normalize("NFKC", username).casefold())


def open_given(path: Path, owner: StateOwner) -> OpenedState:
    """Open the file that the user named. Raises StateFileError."""
    file, contents, warning = open_state(path, owner, new_contents())
    return OpenedState(Memory(contents, file), warning)


def open_default(owner: StateOwner) -> OpenedState:
    """Open the first file for ``owner`` that no other client uses. Raises StateFileError, NoHome."""
    directory = state_directory("chat")
    name = _file_name(owner)
    for number in range(1, _MAX_CLIENTS + 1):
        path = directory / (name if number == 1 else f"{name}-{number}")
        try:
            return open_given(path, owner)
        except StateInUse:
            continue
    raise StateInUse(f"{directory / name} and its {_MAX_CLIENTS - 1} successors are in use.")


def _file_name(owner: StateOwner) -> str:
    """Return a file name that no other owner has: other characters are written as ``%XX``."""
    name = "".join(map(_written, f"{owner.user}@{owner.server}"))
    if len(name) > _MAX_NAME:
        name = f"{name[:_MAX_NAME]}-{zlib.crc32(name.encode()):08x}"
    return f"{name}.state"


def _written(character: str) -> str:
    if character in _SAFE or character == "@":
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))
