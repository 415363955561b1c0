"""Tell the operator, at each start, where the data is, whether messages are kept, and how people join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chat.net.address import Address
from chat.server.settings import Settings
from chat.sizes import byte_count, time_span

_ALL_INTERFACES = {"", "0.0.0.0", "::"}  # compared, not listened on


def startup_lines(settings: Settings, addresses: Sequence[Address]) -> Iterator[str]:
    """Yield lines for the log of a server that listens on ``addresses``."""
    if settings.data_directory is not None:
        yield f"the data directory is {settings.data_directory}"
        yield _history(settings)
    if settings.default_room.key != Settings().default_room.key:
        yield (
            f"the default room is called {settings.default_room.display}; its messages stay, "
            "whatever it was called before"
        )
    # IPv4 first: people read and type such an address more easily.
    yield _joining(min(addresses, key=lambda address: ":" in address.host))


def _history(settings: Settings) -> str:
    if not settings.history:
        return "messages are not kept"
    kept = "for ever" if settings.keep is None else f"for {time_span(settings.keep)}"
    size = (
        "" if settings.keep_size is None else f", at most {byte_count(settings.keep_size)} of them"
    )
    files = f"{byte_count(settings.keep_files)} of files" if settings.keep_files else "no files"
    return f"messages are kept {kept}{size}, and {files}; --history=off keeps none"


def _joining(address: Address) -> str:
    if address.host in _ALL_INTERFACES and address.path is None:
        there = address._replace(host="HOST")
        return (
            f"join with: chat-client {there}, where HOST is the name or an address of this machine"
        )
    if address.path is None and address.is_local:
        return (
            f"join with: chat-client {address}, on this machine only; "
            f"--address=:{address.port} lets in other machines"
        )
    where = " on this machine" if address.path is not None else ""
    return f"join{where} with: chat-client {address}"
