"""What the command line of the client says, checked: everything wrong with it is said before anything is done."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from chat.address import DEFAULT_ADDRESS, Address, parse_address
from chat.command_line import UsageError, parse_size

PROGRAM = "chat-client"
_DEFAULT_ADDRESS = parse_address(DEFAULT_ADDRESS)

ByteOrderChoice = Literal["auto", "little", "big"]
NotifyChoice = Literal["off", "osc9", "osc777", "notify-send"]
_BYTE_ORDERS: dict[str, ByteOrderChoice] = {"auto": "auto", "little": "little", "big": "big"}


class Mode(Enum):
    """How the client speaks to whoever runs it."""

    PLAIN = "plain"
    JSON = "json"
    SCREEN = "screen"


@dataclass(frozen=True)
class Settings:
    """``max_save`` is in bytes. ``commands``: lines of an input that is no terminal may be commands.

    ``username`` is None only in ``Mode.SCREEN``: it is asked for there. What stands below ``max_save`` is for the
    screen: ``names`` shows a column of who is here, ``log`` appends what is shown to ``log_file`` (None: the usual
    place for the logs of this user), ``ignore`` names who is not shown.
    """

    address: Address = _DEFAULT_ADDRESS
    username: str | None = None
    save_directory: Path = Path()
    byte_order: ByteOrderChoice = "auto"
    mode: Mode = Mode.PLAIN
    commands: bool = False
    listen: bool = False
    max_save: int = 100 * 1024**2
    bell: bool = True
    notify: NotifyChoice = "off"
    names: bool = False
    pictures: bool = True
    log: bool = False
    log_file: Path | None = None
    ignore: tuple[str, ...] = ()


def read_settings(options: Mapping[str, str | bool | None]) -> Settings:
    """From what docopt made of the command line. Raises UsageError with one line."""
    return Settings(
        address=_address(_text(options, "--address")),
        username=_username(_text(options, "--username")),
        save_directory=_save_directory(options),
        byte_order=_byte_order(_text(options, "--byte-order")),
        mode=_mode(options),
        commands=bool(options["--commands"]),
        listen=bool(options["--listen"]),
        max_save=parse_size(_text(options, "--max-save"), "--max-save"),
    )


def _text(options: Mapping[str, str | bool | None], name: str) -> str:
    value = options[name]
    assert isinstance(value, str), f"{name} is required or has a default"
    return value


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as problem:
        raise UsageError(f"--address={problem}") from None


def _username(name: str) -> str:
    """The server judges names; here only what could not even be asked for is refused."""
    if not name.strip():
        raise UsageError("--username= is empty: expected a name")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError("--username is not UTF-8") from None
    return name


def _save_directory(options: Mapping[str, str | bool | None]) -> Path:
    """The value of either spelling; both is fine as long as they agree."""
    given = {
        name: value.removeprefix("=")  # the document of the original writes --save_directory==DIR
        for name in ("--save_directory", "--save-directory")
        if isinstance(value := options[name], str)
    }
    if len(set(given.values())) > 1:
        raise UsageError("--save_directory and --save-directory say different things: give one")
    for name, text in given.items():
        return _usable_directory(text, name)
    return Path()


def _usable_directory(text: str, option: str) -> Path:
    try:
        path = Path(text).expanduser()
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError, RuntimeError) as problem:  # RuntimeError: ~ of nobody
        reason = (getattr(problem, "strerror", None) or str(problem)).rstrip(".")
        raise UsageError(f"{option}={text}: {reason}; expected a directory") from None
    if not text or not is_directory:
        raise UsageError(f"{option}={text}: expected a directory")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{option}={text}: may not write there; expected a directory to save in")
    return path


def _byte_order(text: str) -> ByteOrderChoice:
    if text not in _BYTE_ORDERS:
        raise UsageError(f"--byte-order={text}: expected auto, little or big")
    return _BYTE_ORDERS[text]


def _mode(options: Mapping[str, str | bool | None]) -> Mode:
    if options["--json"] and options["--plain"]:
        raise UsageError("--json and --plain exclude each other")
    if options["--json"] and options["--commands"]:
        raise UsageError("--commands is for --plain: with --json every line says what it is")
    return Mode.JSON if options["--json"] else Mode.PLAIN
