"""``make run``: a server in the background, unless one is there, and the client in this terminal.

What may be chosen comes through the environment, which passes any characters unharmed through make:
CHAT_USERNAME (``make run USERNAME=``) and CHAT_ADDRESS (``make run ADDRESS=``), empty where not given.
"""

import getpass
import ipaddress
import os
import re
import sys
from pathlib import Path

from chat.address import DEFAULT_ADDRESS, Address, parse_address
from chat.private_files import make_private_directory
from chat.protocol.errors import UserNameError
from chat.protocol.names import MAX_NAME_LENGTH, parse_user_name
from scripts.background import BackgroundServerError, ensure_listening

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".run"
# Not the checkout itself: what others send must not lie where tools look for their configuration.
DOWNLOADS = ROOT / "downloads"
FALLBACK_NAME = "guest"


def main() -> int:
    chosen_name = os.environ.get("CHAT_USERNAME", "")
    name = chosen_name or login_name()
    address_text = os.environ.get("CHAT_ADDRESS", "") or DEFAULT_ADDRESS
    try:
        address = parse_address(address_text)
        if address.path is None and address.port == 0:
            raise ValueError(f"{address_text!r} has no port that a client could call")
        if is_here(address):
            start_server(address, address_text)
    except ValueError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 2
    except BackgroundServerError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    if not chosen_name:
        print(f"You are {name}; for another name: make run USERNAME=NAME")
    print(f"What others send you goes to {DOWNLOADS}", flush=True)
    make_private_directory(DOWNLOADS)
    client = [
        str(ROOT / "bin" / "chat-client"),
        f"--username={name}",
        f"--address={address_text}",
        f"--save_directory={DOWNLOADS}",
    ]
    os.execv(sys.executable, [sys.executable, *client])


def start_server(address: Address, address_text: str) -> None:
    command = [
        *(sys.executable, str(ROOT / "bin" / "chat-server")),
        *(f"--address={address_text}", f"--data-directory={STATE / 'data'}"),
    ]
    if ensure_listening(address, command, STATE):
        print(f"Started a server on {address_text}; 'make stop' ends it, its log is in {STATE}")
    else:
        print(f"Something listens on {address_text} already: joining it.")


def is_here(address: Address) -> bool:
    """Whether a server for ``address`` would be one of this machine, by the look of it."""
    if address.path is not None or address.host in ("", "localhost"):
        return True
    try:
        ip = ipaddress.ip_address(address.host.partition("%")[0])
    except ValueError:
        return False  # a name
    return ip.is_loopback or ip.is_unspecified


def login_name() -> str:
    """The login name without what user names don't allow, or ``guest``."""
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
