"""Run a server in the background, unless one listens, and the client in this terminal: ``make run``.

The choices come through the environment, because make passes any characters through it unharmed: CHAT_USERNAME (``make
run USERNAME=``) and CHAT_ADDRESS (``make run ADDRESS=``), empty if not given.
"""

import getpass
import ipaddress
import os
import re
import sys
from pathlib import Path

from chat.files.private_files import make_private_directory
from chat.net.address import DEFAULT_ADDRESS, Address, parse_address
from chat.protocol.errors import UserNameError
from chat.protocol.names import MAX_NAME_LENGTH, parse_user_name
from scripts.background import (
    AddressesInUse,
    BackgroundServerError,
    ensure_listening,
    first_free,
)

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".run"
# Not the checkout itself: files from peers must not lie where tools look for their configuration.
DOWNLOADS = ROOT / "downloads"
FALLBACK_NAME = "guest"
MAX_TRIES = 20  # ports after the default one


def main() -> int:
    """Run the client, and return the exit status if it can't be started."""
    chosen_name = os.environ.get("CHAT_USERNAME", "")
    name = chosen_name or login_name()
    chosen_address = os.environ.get("CHAT_ADDRESS", "")
    try:
        address = parse_address(chosen_address or DEFAULT_ADDRESS)
        if address.path is None and address.port == 0:
            raise ValueError(f"invalid address {chosen_address!r}: expected a port other than 0")
        if is_here(address):
            address = start_server(address, may_choose=not chosen_address)
    except ValueError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 2
    except BackgroundServerError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    if not chosen_name:
        print(f"Your name is {name}; choose another with: make run USERNAME=NAME")
    print(f"Received files go to {DOWNLOADS}", flush=True)
    make_private_directory(DOWNLOADS)
    client = [
        str(ROOT / "bin" / "chat-client"),
        f"--username={name}",
        f"--address={address}",
        f"--save_directory={DOWNLOADS}",
    ]
    os.execv(sys.executable, [sys.executable, *client])


def start_server(address: Address, *, may_choose: bool) -> Address:
    """Start a server on ``address`` unless one listens there, and say so; return its address.

    ``may_choose``: if another program uses ``address``, take the next port that none uses. Raises
    BackgroundServerError.
    """
    addresses = [address] if address.path is not None else ports_from(address)

    def command(free: Address) -> list[str]:
        program = [sys.executable, str(ROOT / "bin" / "chat-server")]
        return [*program, f"--address={free}", f"--data-directory={STATE / 'data'}"]

    try:
        found = ensure_listening(addresses if may_choose else [address], command, STATE)
    except AddressesInUse as problem:
        free = first_free(addresses)
        advice = f" Choose another address, such as: make run ADDRESS={free}" if free else ""
        raise BackgroundServerError(f"{problem}{advice}") from None
    for taken, occupant in found.passed:
        print(f"{taken} is in use: {occupant.value}.")
    if found.was_started:
        print(
            f"Started a server on {found.address}; stop it with 'make stop'. Its log is in {STATE},"
            f" its data (accounts, history) in {STATE / 'data'}"
        )
    else:
        print(f"A chat server listens on {found.address} already; connecting to it.")
    return found.address


def ports_from(address: Address) -> list[Address]:
    """Return ``address`` and the addresses with the next ports."""
    last = min(address.port + MAX_TRIES, 65535)
    return [address._replace(port=port) for port in range(address.port, last + 1)]


def is_here(address: Address) -> bool:
    """Return whether ``address`` looks like an address of this machine."""
    if address.path is not None or address.host in ("", "localhost"):
        return True
    try:
        ip = ipaddress.ip_address(address.host.partition("%")[0])
    except ValueError:
        return False  # a name
    return ip.is_loopback or ip.is_unspecified


def login_name() -> str:
    """Return the login name without characters that user names do not allow, or ``guest``."""
    try:
        login = os.environ.get("USERNAME") or getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry; OSError since Python 3.13
        return FALLBACK_NAME
    cleaned = re.sub(r"[^\w.-]", "", login).lstrip("_.-")[:MAX_NAME_LENGTH]
    try:
        return parse_user_name(cleaned).display
    except UserNameError:
        return FALLBACK_NAME


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
