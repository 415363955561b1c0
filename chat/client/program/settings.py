"""Check the settings from the command line and the file, before anything else is done.

The table ``OPTIONS`` lists all settings. Their documentation is the help text in ``chat.client.cli``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from datetime import datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chat.client.desktop.open_rules import OpenRule, parse_rules
from chat.client.program.password_file import FilePassword, read_password_file
from chat.client.state.places import room_log
from chat.config.command_line import UsageError, parse_size
from chat.config.options import (
    SHELLS,
    Given,
    Kind,
    Option,
    given_on_command_line,
    read_address,
    read_addresses,
    read_choice,
    read_given,
    read_path,
    read_switch,
)
from chat.net.address import DEFAULT_HOST, DEFAULT_PORT, Address
from chat.protocol.commands import MAX_REPLAY
from chat.structs import Struct

if TYPE_CHECKING:
    from chat.net.fingerprint import Fingerprint

PROGRAM = "chat-client"
# Made directly, because parsing an address would load the tables of IDNA at each start.
_DEFAULT_ADDRESS = Address(DEFAULT_HOST, DEFAULT_PORT)

_SAMPLE_TIME = datetime(2026, 11, 25, 22, 34, 56)  # noqa: DTZ001
_MAX_TIME = 40  # characters of a time

ByteOrderChoice = Literal["auto", "little", "big"]
TlsChoice = Literal["auto", "required", "off"]
PresenceChoice = Literal["all", "smart", "none"]
THEMES = ("auto", "dark", "light", "colour-blind", "neutral")
NotifyChoice = Literal["off", "osc9", "osc777", "notify-send"]


class Mode(Enum):
    """How the client presents itself: lines, JSON objects or a screen."""

    PLAIN = "plain"
    JSON = "json"
    SCREEN = "screen"


class Table(NamedTuple):
    """Hold a table of the settings file: its entries as given, and where it stands. The part that uses it checks it."""

    entries: tuple[tuple[str, str], ...]
    where: str


class Settings(Struct):
    """The settings of one run of the client.

    ``addresses`` are those of the servers of one chat, at least one: the state and the log are named after the first.
    ``username`` is None only in ``Mode.SCREEN``, which asks for it. ``save_directory`` is None if the user named none.
    ``replay`` is how many earlier messages to ask for if a person watches, None for the usual number;
    ``script_replay`` is the number for a pipe or ``Mode.JSON``, which only the command line sets.
    ``max_save`` is in bytes. ``commands``: lines of an input that is no terminal may be commands. ``open`` are the
    programs that open files. ``rooms`` are the rooms to be in from the start, each once; lines are for the first one.
    ``ignore`` has patterns for users who are hidden, ``highlight`` words that count as a
    mention. These two and ``presence`` are for people, not for ``Mode.JSON``.

    ``time_format`` is for strftime. The fields from ``bell`` to ``log_file`` are for the screen. ``names`` shows a
    column of the users in the room. ``mouse``: the terminal sends mouse events to the client. ``raw``: texts have no
    styles. ``title``: the title of the window shows what is unread. ``theme`` is one of ``THEMES``. ``keys`` and
    ``styles`` are the user's own, by the name of the key or style. ``log`` appends everything shown to ``log_file``
    (None: the default place for logs of this user). ``known_hosts`` is None for the default file of this user.
    ``state`` is the file for what the client remembers over its restarts, None for the default; ``no_state``: it
    remembers nothing. ``spool`` is such a file for a pipe.
    """

    addresses: tuple[Address, ...] = (_DEFAULT_ADDRESS,)
    username: str | None = None
    save_directory: Path | None = None
    byte_order: ByteOrderChoice = "auto"
    mode: Mode = Mode.PLAIN
    commands: bool = False
    listen: bool = False
    replay: int | None = None
    script_replay: int = 0
    max_save: int = 100 * 1024**2
    open: tuple[OpenRule, ...] = ()
    rooms: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    highlight: tuple[str, ...] = ()
    presence: PresenceChoice = "all"
    bell: bool = True
    notify: NotifyChoice = "off"
    names: bool = False
    time_format: str = "%H:%M:%S"
    mouse: bool = False
    raw: bool = False
    keys: Table | None = None
    styles: Table | None = None
    theme: str = "auto"
    title: bool = True
    pictures: bool = True
    log: bool = False
    log_file: Path | None = None
    password: FilePassword | None = None
    tls: TlsChoice = "auto"
    fingerprint: Fingerprint | None = None
    insecure: bool = False
    known_hosts: Path | None = None
    state: Path | None = None
    no_state: bool = False
    spool: Path | None = None

    @property
    def address(self) -> Address:
        """The first address."""
        return self.addresses[0]


def read_settings(
    command_line: Mapping[str, str | bool | list[str] | None],
    file: Mapping[str, Given],
    has_screen: bool,
) -> Settings:
    """Merge the settings: the command line takes precedence over the file, and the file over the defaults.

    ``command_line`` holds the options, and the server as ``<server>``, as docopt returns them. ``has_screen``: a screen
    can be drawn on the terminal. Raises UsageError with one line.
    """
    problems: list[str] = []
    flags = read_given((*OPTIONS, *_SERVER), _given(command_line), problems)
    if "server" in flags:
        flags["addresses"] = tuple(
            dict.fromkeys((flags.pop("server"), *flags.get("addresses", ())))
        )
    values = read_given(OPTIONS, file, problems, unless=flags) | flags
    if problems:
        raise UsageError(problems[0])
    if "replay" in flags:
        # A forgotten file must not give a script old messages, which it would take for new.
        values["script_replay"] = flags["replay"]
    mode = _mode(values, flags, has_screen)
    _judge_encryption(values, flags)
    if "username" not in values and mode is not Mode.SCREEN:
        raise UsageError("--username=<username> is missing: your name in the room (see --help)")
    return Settings(**{name: values[name] for name in _FIELDS & values.keys()}, mode=mode)


def _given(command_line: Mapping[str, str | bool | list[str] | None]) -> dict[str, Given]:
    """Return what was typed; the server, ``NAME@ADDRESS`` or ``ADDRESS``, is another spelling of two options.

    The server and each ``--address`` are servers of one chat. The server comes first, wherever it stands.
    """
    given = given_on_command_line(command_line)
    addresses = command_line.get("--address")
    if isinstance(addresses, list) and addresses:
        # With the ends of lines between them: the path of a unix socket may have a comma.
        given["address"] = Given("\n".join(addresses), "--address")
    server = given.pop("<server>", None)
    if server is not None:
        # A user name has no @, but the path of a unix socket may.
        name, at, address = server.text.partition("@")
        if not at or server.text.startswith("unix:"):
            given["<address>"] = Given(server.text, "the server")
        else:
            given["<address>"] = Given(address, f"the server {server.text!r}")
            given["<username>"] = Given(name, f"the name in {server.text!r}")
    return given


def _mode(values: Mapping[str, Any], flags: Collection[str], has_screen: bool) -> Mode:
    if "json" in flags and "commands" in flags:
        raise UsageError("--commands is for --plain: with --json each object has a type")
    for one, other in _EXCLUSIVE:
        if one in flags and other in flags:
            raise UsageError(f"--{one} and --{other.replace('_', '-')} exclude each other")
    if "json" in flags:
        return Mode.JSON
    if "screen" in flags and not has_screen:
        raise UsageError(
            "--screen: expected a terminal for input and output, and its name in TERM "
            f"(now {os.environ.get('TERM', '')!r}); try TERM=xterm-256color"
        )
    in_lines = bool({"commands", "listen"} & values.keys()) or values.get("plain", False)
    return Mode.SCREEN if has_screen and ("screen" in flags or not in_lines) else Mode.PLAIN


def _judge_encryption(values: dict[str, Any], flags: Collection[str]) -> None:
    """Check that the options of encryption agree. Raises UsageError.

    A fingerprint in the file belongs to the server in the file. If the command line names another server or another way
    of encryption, the fingerprint is dropped.
    """
    if "fingerprint" in values.keys() - flags and {"addresses", "tls", "insecure"} & set(flags):
        del values["fingerprint"]
    if "fingerprint" in values and values.get("insecure"):
        raise UsageError("--fingerprint and --insecure exclude each other")
    if values.get("tls") == "off" and (values.get("insecure") or "fingerprint" in values):
        raise UsageError(
            "--tls=off excludes --fingerprint and --insecure: a server shows its key only by TLS"
        )


def _replay(text: str, where: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > MAX_REPLAY:
        raise UsageError(f"{where}={text}: expected a whole number, 0 to {MAX_REPLAY}")
    return int(text)


def _username(name: str, where: str) -> str:
    """Refuse only a name that can't be sent. The server decides which names are allowed."""
    if not name.strip():
        raise UsageError(f"{where} is empty: expected a name")
    return _utf8(name, where)


def _names(text: str, where: str) -> tuple[str, ...]:
    names = (name.strip() for name in _utf8(text, where).split(","))
    return tuple(name for name in names if name)


def _rooms(text: str, where: str) -> tuple[str, ...]:
    """Read names of rooms, each perhaps with the sign of a room before it."""
    rooms: dict[str, str] = {}
    for given in _utf8(text, where).split(","):
        name = given.strip().removeprefix("#")
        if not name:
            raise UsageError(f"{where} is empty: expected the name of a room")
        rooms.setdefault(room_log(name), name)
    return tuple(rooms.values())


def _open_rules(text: str, where: str) -> tuple[OpenRule, ...]:
    try:
        return parse_rules(_utf8(text, where))
    except ValueError as problem:
        raise UsageError(f"{where}: {problem}") from None


def _table(text: str, where: str) -> Table:
    entries = (line.partition("\t") for line in text.split("\n") if line)
    return Table(tuple((key, word) for key, _, word in entries), where)


def _time_format(text: str, where: str) -> str:
    try:
        shown = _SAMPLE_TIME.strftime(text)
    except ValueError:
        shown = ""
    # Some systems leave an unknown directive as it is.
    is_known = "%" not in shown.replace("%%", "") or "%%" in text
    if not (shown.strip() and shown.isprintable() and shown != text and is_known):
        raise UsageError(f"{where}={text}: expected a format of times such as %H:%M or %I:%M %p")
    if len(shown) > _MAX_TIME:
        raise UsageError(f"{where}={text}: expected at most {_MAX_TIME} characters, such as %H:%M")
    return text


def _utf8(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{where} is not UTF-8") from None
    return text


def _save_directory(text: str, where: str) -> Path:
    text = text.removeprefix("=")  # the manual of the original client writes --save_directory==DIR
    path = read_path(text, where, "a directory")
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except OSError as problem:
        raise UsageError(f"{where}={text}: {problem.strerror}; expected a directory") from None
    if not is_directory:
        raise UsageError(f"{where}={text}: expected a directory")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{where}={text}: not writable; expected a directory to save in")
    return path


def _fingerprint(text: str, where: str) -> Fingerprint:
    from chat.net.fingerprint import parse_fingerprint  # few users give a fingerprint

    try:
        return parse_fingerprint(text)
    except ValueError as problem:
        raise UsageError(f"{where}={problem}") from None


def _file(text: str, where: str) -> Path:
    """Read the path of a file. Whether the file can be written shows when it is written."""
    path = read_path(text, where, "a file")
    # Path.is_dir would raise an error for a name that is too long, or in a directory that may not be read.
    if os.path.isdir(path):  # noqa: PTH112
        raise UsageError(f"{where}={text}: a directory; expected a file")
    return path


OPTIONS: tuple[Option, ...] = (
    Option("address", Kind.SERVERS, read_addresses, sets="addresses"),
    Option("username", Kind.TEXT, _username),
    Option("password-file", Kind.TEXT, read_password_file, sets="password"),
    Option("byte-order", Kind.TEXT, partial(read_choice, values=("auto", "little", "big"))),
    Option("tls", Kind.TEXT, partial(read_choice, values=("auto", "required", "off"))),
    Option("fingerprint", Kind.TEXT, _fingerprint),
    Option("known-hosts", Kind.TEXT, _file),
    # Not in a file: users would forget that it is there, and go on without any check of the server.
    Option("insecure", Kind.SWITCH, read_switch, in_file=False),
    Option("state", Kind.TEXT, _file, in_file=False),
    Option("no-state", Kind.SWITCH, read_switch, in_file=False),
    Option("spool", Kind.TEXT, _file, in_file=False),
    Option("save_directory", Kind.TEXT, _save_directory),
    Option("save-directory", Kind.TEXT, _save_directory),
    Option("max-save", Kind.SIZE, parse_size),
    Option("replay", Kind.COUNT, _replay),
    # Not in a file: it would change where the lines of a script go.
    Option("room", Kind.NAMES, _rooms, in_file=False, sets="rooms"),
    Option("ignore", Kind.NAMES, _names),
    Option("highlight", Kind.NAMES, _names),
    Option("open", Kind.TABLE, _open_rules),
    Option("presence", Kind.TEXT, partial(read_choice, values=("all", "smart", "none"))),
    Option("bell", Kind.SWITCH, read_switch),
    Option(
        "notify", Kind.TEXT, partial(read_choice, values=("off", "osc9", "osc777", "notify-send"))
    ),
    Option("names", Kind.SWITCH, read_switch),
    Option("mouse", Kind.SWITCH, read_switch),
    Option("raw", Kind.SWITCH, read_switch),
    Option("time-format", Kind.TEXT, _time_format),
    Option("theme", Kind.TEXT, partial(read_choice, values=THEMES)),
    Option("title", Kind.SWITCH, read_switch),
    Option("pictures", Kind.SWITCH, read_switch),
    Option("log", Kind.SWITCH, read_switch),
    Option("log-file", Kind.TEXT, _file),
    Option("plain", Kind.SWITCH, read_switch),
    # Not in a file: a forgotten file must not change what a script does, or turn the lines it reads into commands.
    Option("screen", Kind.SWITCH, read_switch, in_file=False),
    Option("json", Kind.SWITCH, read_switch, in_file=False),
    Option("commands", Kind.SWITCH, read_switch, in_file=False),
    Option("listen", Kind.SWITCH, read_switch, in_file=False),
    Option("keys", Kind.ENTRIES, _table, on_command_line=False),
    Option("styles", Kind.ENTRIES, _table, on_command_line=False),
    Option("config", Kind.TEXT, partial(read_path, expected="a file of settings"), in_file=False),
    Option("completion", Kind.TEXT, partial(read_choice, values=SHELLS), in_file=False),
)
# The two parts of the server on the command line.
_SERVER = (
    Option("<address>", Kind.TEXT, read_address, sets="server"),
    Option("<username>", Kind.TEXT, _username, sets="username"),
)
_FIELDS = frozenset(Settings.__match_args__)
_EXCLUSIVE = (
    ("json", "plain"),
    ("screen", "json"),
    ("screen", "plain"),
    ("screen", "listen"),
    ("screen", "commands"),
    ("spool", "json"),
    ("spool", "state"),
    ("spool", "no_state"),
    ("state", "no_state"),
)
