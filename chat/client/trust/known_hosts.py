"""What this user has agreed to: which server has which key, in a file of lines that may be edited by hand.

::

    # a comment
    chat.example.org:8080 SHA256:0rEy…
    chat.example.net:8080 authority

Each line is a server and the fingerprint of its key, or ``authority`` where one of the system's authorities vouched for
it. Several lines for one server mean that any of them will do.
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
    """The file can't be read or written, or makes no sense; the text is a sentence that names it."""


class Known(NamedTuple):
    """What is remembered of one server: keys, and whether an authority vouched for it."""

    fingerprints: tuple[Fingerprint, ...] = ()
    by_authority: bool = False

    def __bool__(self) -> bool:
        return bool(self.fingerprints) or self.by_authority


class KnownHosts:
    """The file at ``path``, which need not be there, nor its directory. ``None``: the usual one of this user."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The path of the file. Raises NoHome, unless a path was given."""
        if self._path is None:
            self._path = data_directory("chat") / "known_hosts"
        return self._path

    def find(self, address: Address) -> Known:
        """What is remembered of ``address``. Raises KnownHostsError: what can't be read must not pass for unknown."""
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
        """From now on ``address`` is the server with this key, or (None) one that an authority vouches for.

        The file is there whole at any moment, and what others add at the same time stays. Raises KnownHostsError.
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
            return (
                ""  # no such file, or no directory to hold one: the home directory may be /dev/null
            )
        except UnicodeDecodeError:
            raise KnownHostsError(f"{self.path}: expected a text in UTF-8.") from None
        except OSError as error:
            raise KnownHostsError(f"{self.path} can't be read: {error.strerror}.") from None
        if len(text) >= _MAX_SIZE:
            raise KnownHostsError(f"{self.path} is too long.")
        return text


def host_name(address: Address) -> str:
    """As it stands in the file: one spelling for each address, and no blank in it."""
    if address.path is not None:
        return f"unix:{address.path}".replace(" ", "%20")
    host = (address.host or "localhost").lower().rstrip(".")
    with suppress(ValueError):  # a name
        host = str(ip_address(host))
    return str(Address(host, address.port))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One writer at a time; the directory itself is what is locked, so no further file lies around."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    import tempfile  # few ever write

    target = path.resolve()  # it may be a link to where somebody keeps such files
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
