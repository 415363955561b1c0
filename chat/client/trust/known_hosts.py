"""Remember the keys of servers that this user has trusted, in a file that may be edited by hand.

::

    # a comment
    chat.example.org:8080 SHA256:0rEy…
    chat.example.net:8080 authority

Each line has a server and the fingerprint of its key, or ``authority`` if one of the system's authorities vouched for
the server. If a server has several lines, any one of them is enough.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from chat.files.home import NoHome, data_directory
from chat.files.opening import NotAFile, read_beginning
from chat.files.private_files import make_private_directory
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint, parse_fingerprint

_AUTHORITY = "authority"
_MAX_SIZE = 1024 * 1024  # bytes


class KnownHostsError(Exception):
    """The file can't be read, written or understood; the text is a sentence that names the file."""


class Known(NamedTuple):
    """The entries about one server: its keys, and whether an authority vouched for it."""

    fingerprints: tuple[Fingerprint, ...] = ()
    by_authority: bool = False

    def __bool__(self) -> bool:
        return bool(self.fingerprints) or self.by_authority


class KnownHosts:
    """The file at ``path``, which need not exist, nor its directory. None: the default file of this user."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The path of the file. Raises NoHome, unless a path was given."""
        if self._path is None:
            self._path = data_directory("chat") / "known_hosts"
        return self._path

    def find(self, address: Address) -> Known:
        """Return the entries about ``address``.

        Raises KnownHostsError if the file can't be read: a known server must not look like an unknown one.
        """
        wanted = host_name(address)
        fingerprints: list[Fingerprint] = []
        by_authority = False
        for number, line in enumerate(self._read().splitlines(), 1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            try:
                host, value = words
                fingerprint = None if value == _AUTHORITY else parse_fingerprint(value)
            # Even if the line may be about another server: a line with a typo must not make its server unknown.
            except ValueError:
                raise KnownHostsError(
                    f"{self.path}: line {number}: expected HOST:PORT and SHA256:… or {_AUTHORITY}."
                ) from None
            if host.lower() != wanted.lower():
                continue
            if fingerprint is None:
                by_authority = True
            else:
                fingerprints.append(fingerprint)
        return Known(tuple(fingerprints), by_authority)

    def remember(self, address: Address, fingerprint: Fingerprint | None) -> None:
        """Add a line: ``address`` has this key, or, if ``fingerprint`` is None, an authority vouches for it.

        The file is complete at any moment. Lines that other processes add at the same time are kept. Raises
        KnownHostsError.
        """
        line = f"{host_name(address)} {fingerprint or _AUTHORITY}\n"
        try:
            make_private_directory(self.path.parent)
            with _locked(self.path.parent):
                before = self._read()
                if before and not before.endswith("\n"):
                    before += "\n"
                if line not in before.splitlines(keepends=True):
                    _replace(self.path, before + line)
        except OSError as error:
            name = "known_hosts" if isinstance(error, NoHome) else self.path
            raise KnownHostsError(f"{name} can't be written: {error.strerror}.") from None

    def _read(self) -> str:
        try:
            data, mode = read_beginning(self.path, _MAX_SIZE, patience=0)
            if not stat.S_ISREG(mode):
                raise NotAFile(self.path)
            text = data.decode()
        except (FileNotFoundError, NotADirectoryError):
            # No such file, or no directory for it: the home directory may be /dev/null.
            return ""
        except UnicodeDecodeError:
            raise KnownHostsError(f"{self.path}: expected a text in UTF-8.") from None
        except OSError as error:
            raise KnownHostsError(f"{self.path} can't be read: {error.strerror}.") from None
        if len(text) >= _MAX_SIZE:
            raise KnownHostsError(f"{self.path} is too large: at most 1 MiB is read.")
        return text


def host_name(address: Address) -> str:
    """Spell ``address`` as in the file: one spelling for each address, without blanks."""
    if address.path is not None:
        return f"unix:{address.path}".replace(" ", "%20")
    host = (address.host or "localhost").lower().rstrip(".")
    with suppress(ValueError):  # it is a name, not a numeric address
        host = str(ip_address(host))
    return str(Address(host, address.port))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let one writer in at a time.

    The lock is on the directory: the file is replaced, so a lock on it would not hold, and no lock file is left behind.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Write a new file and move it over the old one, so that a crash leaves the old file or the new one."""
    import tempfile  # imported late: few runs of the client ever write

    # A symbolic link stays one: users may keep the file in another place, with their other settings.
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
