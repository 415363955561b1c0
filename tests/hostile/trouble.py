"""Resources that an attack exhausts on a machine: descriptors, the disk of large contents, the disk of accounts.

Each scene prints what it saw, and gives back how many texts of the users inside were lost. Two of them mount a small
tmpfs, which takes root. All raise LeftOut if they can't be played.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
from gevent.pool import Pool

from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import ServerProcess, eventually, running_server
from tests.hostile.attack_run import resources_of
from tests.hostile.witnesses import witnesses_on
from tests.peers.wire_client import WireClient

FILE, UTF8 = MessageType.FILE, MessageType.UTF8
M = 1024 * 1024
_DISK = 4 * M


class LeftOut(Exception):
    """A scene that cannot be played as this user, or not here; the text says why."""


@contextmanager
def small_disk(size: int = _DISK) -> Iterator[Path]:
    """A file system of ``size`` bytes. Raises LeftOut."""
    directory = Path(tempfile.mkdtemp(prefix="chat-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    try:
        result = subprocess.run(mount, capture_output=True, text=True)
        if result.returncode:
            raise LeftOut(f"cannot mount a small disk ({result.stderr.strip()})")
        try:
            yield directory
        finally:
            subprocess.run(["umount", str(directory)], check=True)
    finally:
        directory.rmdir()


class Ballast:
    """A file that takes all that is free on a disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._path = disk / "ballast"

    def fill(self) -> None:
        """Again, if something has become free."""
        with self._path.open("ab", buffering=0) as file:
            for piece in (64 * 1024, 1):
                try:
                    while True:
                        file.write(bytes(piece))
                except OSError:
                    continue
        assert shutil.disk_usage(self._disk).free == 0

    def drop(self) -> None:
        self._path.unlink()


def allow_descriptors(wanted: int) -> None:
    """Let this process have so many. Raises LeftOut."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise LeftOut(f"this process may have {hard} descriptors, not {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# --- descriptors ---


class Uploader:
    """A third user inside, who sends one file after the other, each on a new transfer connection."""

    def __init__(self, server: ServerProcess) -> None:
        self.sent = 0
        self._server = server
        self._client = WireClient.joined(server.address, "carol", inline=0)
        self._greenlets = [gevent.spawn(self._send), gevent.spawn(self._read)]

    def stop(self) -> None:
        """Raises what went wrong."""
        sending = self._greenlets[0]
        if sending.ready():
            sending.get()
        gevent.killall(self._greenlets)
        self._client.close()

    def _send(self) -> None:
        while True:
            with self._client.open_transfer(self._server.address) as transfer:
                transfer.send(FILE, "a file", bytes(200_000))
                transfer.expect(FILE, b"")
            self.sent += 1
            gevent.sleep(0.1)

    def _read(self) -> None:
        while True:
            self._client.read_frame()


def hold_connections(server: ServerProcess, count: int, seconds: float, limit: int) -> int:
    """Connect ``count`` silent strangers at once; return how many are still connected at the end.

    That is after ``seconds``, and when fewer than ``limit`` are connected: those that the server has yet to accept
    look connected from here.
    """

    def connect(number: int) -> WireClient | None:
        try:
            return WireClient(server.address, source=f"127.0.{1 + number // 200}.2", timeout=20)
        except OSError:
            return None

    strangers = [stranger for stranger in Pool(100).imap(connect, range(count)) if stranger]
    gevent.sleep(seconds)
    connected = strangers

    def are_few() -> bool:
        nonlocal connected
        connected = [stranger for stranger in connected if _is_connected(stranger)]
        return len(connected) < limit

    try:
        eventually(are_few)
    finally:
        for stranger in strangers:
            stranger.close()
    return len(connected)


def _is_connected(stranger: WireClient) -> bool:
    stranger.timeout = 0.001
    try:
        return not stranger.at_end()
    except TimeoutError:
        return True


def connections_of(server: ServerProcess) -> int:
    return sum(name.startswith("socket:") for name in server.open_files())


def few_descriptors(limit: int = 1000, count: int = 3000, seconds: float = 3.0) -> int:
    """Connect ``count`` strangers to a server with ``limit`` descriptors, while users in the room send files."""
    allow_descriptors(count + 200)
    with (
        running_server("--login-timeout=60", descriptors=limit) as server,
        witnesses_on(server.address[1]) as witnesses,
    ):
        uploader = Uploader(server)
        eventually(lambda: uploader.sent)
        connections = connections_of(server)
        witnesses.end_phase()
        sent = uploader.sent
        connected = hold_connections(server, count, seconds, limit)
        phase = witnesses.end_phase()
        sent = uploader.sent - sent
        uploader.stop()
        # Files that were sent wait to be fetched, and need descriptors.
        eventually(lambda: connections_of(server) < connections)
        print(
            f"few descriptors      {count:5d} connections  {connected} of them held  "
            f"{sent} files sent  {phase}\n  {resources_of(server)}"
        )
        assert sent, "who is inside can send files all the time"
        WireClient.joined(server.address, "dave").close()
        return phase.lost


# --- disks ---


def full_spool() -> int:
    """The disk of large contents fills up in the middle of an upload, and stays full for others."""
    with small_disk() as disk:
        return _full_spool(disk)


def _full_spool(disk: Path) -> int:
    with (
        running_server(f"--spool-directory={disk}") as server,
        witnesses_on(server.address[1]) as witnesses,
        WireClient.joined(server.address, "carol", inline=0) as carol,
        carol.open_transfer(server.address) as transfer,
    ):
        before = resources_of(server)
        upload = transfer.encode(FILE, {"nonce": "half"}, bytes(2 * M))
        transfer.send_bytes(upload[:M])
        eventually(lambda: server.temporary_files() == before.temporary_files + 1)
        ballast = Ballast(disk)
        ballast.fill()
        transfer.send_bytes(upload[M:])
        transfer.expect_notice("no-space", nonce="half")
        ballast.fill()
        for _ in range(50):
            transfer.send(FILE, {"nonce": "whole"}, bytes(100_000))
            transfer.expect_notice("no-space", nonce="whole")
        # Messages that need no file still pass.
        transfer.send(FILE, {"nonce": "small"}, bytes(1000))
        transfer.expect(FILE, b"")
        ballast.drop()
        transfer.send(FILE, {"nonce": "again"}, bytes(M))
        transfer.expect(FILE, b"")
        phase = witnesses.end_phase()
        lines = [line for line in server.lines if "spool" in line]
        print(f"full spool            51 files refused  {len(lines)} log lines  {phase}")
        assert 1 <= len(lines) <= 4, server.log
        return phase.lost


def full_database() -> int:
    """The disk of accounts is full when somebody registers; afterwards it works."""
    with small_disk(M) as disk:
        return _full_database(disk)


def _full_database(disk: Path) -> int:
    with (
        running_server(f"--data-directory={disk}/data") as server,
        witnesses_on(server.address[1]) as witnesses,
        WireClient.joined(server.address, "carol") as carol,
    ):
        register = {"command": "register", "password": "correct horse"}
        ballast = Ballast(disk)
        ballast.fill()
        for nonce in ("first", "second"):
            carol.send(UTF8, {**register, "nonce": nonce})
            answer_to(carol, nonce, "no-space")
        ballast.drop()
        carol.send(UTF8, {**register, "nonce": "third"})
        answer_to(carol, "third", "done")
        phase = witnesses.end_phase()
        print(f"full database          2 registrations refused, then one that works  {phase}")
        return phase.lost


def answer_to(client: WireClient, nonce: str, code: str) -> None:
    """Skip other messages until the answer with ``nonce``; it must be a notice with ``code``."""
    while (frame := client.read_frame()).header.get("nonce") != nonce:
        continue
    assert frame.header.get("notice") == code, frame


SCENES = (few_descriptors, full_spool, full_database)
