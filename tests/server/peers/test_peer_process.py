"""Two servers with their processes for peers: copies, contents and keys, and the death of a process in between."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat.net.address import Address
from chat.server.history.files.opened_files import FileDamaged, FileGone
from chat.server.peers.copies import COPY_FILES
from chat.server.peers.faults import (
    ContentMissing,
    DiskFault,
    PeerBusy,
    PeerFault,
    PeerUnreachable,
    PeerUntrusted,
)
from chat.server.peers.peer_client import PeerClient
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.server.peers.peer_process import PeerProcess
from chat.server.peers.peer_server import PeerServer, SharedData
from chat.structs import replace
from tests.server.fakes import wait_until
from tests.server.peers.links_in_test import (
    PATIENT,
    SECRET,
    address_of,
    listening_socket,
    open_descriptors,
)
from tests.tiers import quick_first

MIB = 1 << 20


class OpenContent:
    """A content as the kept files give it."""

    held = 0

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        OpenContent.held += 1

    def fileno(self) -> int:
        return self._file.fileno()

    def release(self) -> None:
        OpenContent.held -= 1
        self._file.close()


class Node:
    """A server of a cluster, as far as its peers see it."""

    def __init__(
        self, directory: Path, name: str, stack: ExitStack, secret: bytes = SECRET
    ) -> None:
        self.directory = directory / name
        self.directory.mkdir()
        self.size = 3 * MIB  # of the history
        self.copies = 0
        self.may_copy = Event()
        self.may_copy.set()
        self.content: Path | Exception = FileGone()
        self.pair: KeyPair | OSError = KeyPair("certificate", "key")
        limits = replace(PATIENT, sign_of_life=0.1)
        self.process = PeerProcess(secret, PeerFacts(name, "1.0", 1), self.directory, limits)
        self.client = PeerClient(self.process)
        self._listening = listening_socket()
        self.address = address_of(self._listening)
        data = SharedData(self._make_copy, self._open, self._read_key)
        self.server = PeerServer(self.process, [self._listening], data)
        self.process.start()
        stack.callback(self.stop)
        self.server.start()

    def stop(self) -> None:
        self.process.stop()
        self.server.stop()

    def _make_copy(self, directory: Path) -> None:
        """In a thread."""
        self.copies += 1
        (directory / "chat.db").write_bytes(b"accounts")
        with (directory / "history.db").open("wb") as file:
            for number in range(self.size // MIB):
                file.write(hashlib.sha256(b"%d" % number).digest() * (MIB // 32))
        while not self.may_copy.is_set():
            time.sleep(0.01)

    def _open(self, digest: bytes, size: int) -> OpenContent:
        if isinstance(self.content, Exception):
            raise self.content
        return OpenContent(self.content)

    def _read_key(self) -> KeyPair:
        if isinstance(self.pair, OSError):
            raise self.pair
        return self.pair

    def temporary(self) -> list[str]:
        return [path.name for path in self.directory.glob("peer-*")]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    with ExitStack() as stack:

        def make(name: str, secret: bytes = SECRET) -> Node:
            return Node(tmp_path, name, stack, secret)

        yield make


def kill(node: Node) -> None:
    """Kill the process of a server, and wait for the next one."""
    number = node.process.number
    assert number is not None
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: node.process.number not in (None, number))


def fetch(node: Node, addresses: list[Address], content: bytes) -> bytes:
    target = node.directory / "fetched"
    with target.open("wb+") as file:
        digest, begun = hashlib.sha256(content).digest(), Event()
        node.client.fetch_content(addresses, digest, len(content), file.fileno(), begun.set)
        assert begun.is_set()
    return target.read_bytes()


def test_servers_tell_each_other_who_they_are(nodes: Callable[..., Node]) -> None:
    a, b = nodes("a"), nodes("b")
    assert b.client.hello(a.address) == PeerFacts("a", "1.0", 1)
    assert a.client.hello(b.address) == PeerFacts("b", "1.0", 1)
    assert b.client.read_key(a.address) == a.pair
    a.pair = PermissionError(13, "Permission denied")
    with pytest.raises(DiskFault, match="cannot read its key: Permission denied"):
        b.client.read_key(a.address)


def test_a_server_with_another_secret_gets_nothing(
    nodes: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    a, b = nodes("a"), nodes("b", b"another secret that is long enough")
    with caplog.at_level(logging.INFO):
        with pytest.raises(PeerUntrusted, match=f"{a.address}: another secret"):
            b.client.take_copy(a.address, b.directory)
        # The process has no log of its own.
        wait_until(lambda: "at the port for peers: another secret" in caplog.text)
    assert not a.copies
    assert not b.temporary()


def test_a_copy_arrives_and_nothing_is_left_of_it_at_its_source(nodes: Callable[..., Node]) -> None:
    a, b = nodes("a"), nodes("b")
    before = open_descriptors()
    copy = b.client.take_copy(a.address, b.directory)
    assert copy.node == "a"
    assert copy.directory.parent == b.directory
    assert [path.name for path in (copy.database, copy.history)] == list(COPY_FILES)
    assert copy.database.read_bytes() == b"accounts"
    assert copy.history.stat().st_size == a.size
    assert not a.temporary()
    assert open_descriptors() == before
    copy.remove()
    assert not b.temporary()


def test_one_server_takes_a_copy_at_a_time(nodes: Callable[..., Node]) -> None:
    a, b, c = nodes("a"), nodes("b"), nodes("c")
    a.may_copy.clear()
    first = gevent.spawn(b.client.take_copy, a.address, b.directory)
    wait_until(lambda: a.copies == 1)
    with pytest.raises(PeerBusy, match="another server takes a copy"):
        c.client.take_copy(a.address, c.directory)
    assert c.client.hello(a.address).node == "a"  # nothing else waits
    a.may_copy.set()
    assert first.get().node == "a"
    assert c.client.take_copy(a.address, c.directory).node == "a"


def test_a_copy_that_cannot_be_made_is_a_fault_on_both_sides(
    nodes: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes("a"), nodes("b")
    (a.directory / "blocked").touch()
    monkeypatch.setattr(a, "size", "no number")
    with pytest.raises(PeerFault, match="it cannot copy its data"):
        b.client.take_copy(a.address, b.directory)
    assert "cannot copy the data for another server" in caplog.text
    assert not a.temporary()
    assert not b.temporary()
    monkeypatch.undo()
    assert b.client.take_copy(a.address, b.directory).node == "a"


def test_a_peer_that_no_longer_waits_for_its_copy(nodes: Callable[..., Node]) -> None:
    """The copy ends, is thrown away, and another one can be made."""
    a, b = nodes("a"), nodes("b")
    before = open_descriptors()
    a.may_copy.clear()
    asker = gevent.spawn(b.client.take_copy, a.address, b.directory)
    wait_until(lambda: a.copies == 1)
    asker.kill()
    assert not b.temporary()
    channel = a.process._channel
    assert channel is not None
    wait_until(lambda: not channel._answering, "the process to notice that the peer has gone")
    a.may_copy.set()
    wait_until(lambda: not a.temporary() and open_descriptors() == before)
    wait_until(lambda: can_take_copy(a, b))


def can_take_copy(a: Node, b: Node) -> bool:
    with suppress(PeerBusy):
        return b.client.take_copy(a.address, b.directory).node == "a"
    return False


@pytest.mark.parametrize("whose", quick_first(["source", "receiver"], "the other end is the same"))
def test_the_death_of_a_process_in_the_middle_of_a_copy_leaves_nothing(
    nodes: Callable[..., Node], whose: str, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = nodes("a"), nodes("b")
    a.size = 100 * MIB
    task = gevent.spawn(b.client.take_copy, a.address, b.directory)
    wait_until(lambda: any(b.directory.glob("peer-incoming-*/history.db")))
    kill(a if whose == "source" else b)
    with pytest.raises(PeerUnreachable, match="was cut" if whose == "source" else "has ended"):
        task.get(timeout=30)
    assert not a.temporary()
    assert not b.temporary()
    assert "it starts again" in caplog.text
    copy = b.client.take_copy(a.address, b.directory)
    assert copy.history.stat().st_size == a.size


@pytest.mark.thorough("test_the_death_of_a_process_in_the_middle_of_a_copy_leaves_nothing")
def test_the_process_answers_again_after_its_death(nodes: Callable[..., Node]) -> None:
    a, b = nodes("a"), nodes("b")
    for _ in range(2):
        kill(a)
        wait_until(lambda: is_there(a, b))


def is_there(a: Node, b: Node) -> bool:
    with suppress(PeerUnreachable):
        return b.client.hello(a.address).node == "a"
    return False


def test_a_content_is_fetched_and_released(nodes: Callable[..., Node], tmp_path: Path) -> None:
    a, b, c = nodes("a"), nodes("b"), nodes("c")
    content = os.urandom(500_000)
    a.content = tmp_path / "content"
    a.content.write_bytes(content)
    before = open_descriptors()
    in_processes = [descriptors_of(node) for node in (a, b)]
    assert fetch(b, [c.address, a.address], content) == content
    assert OpenContent.held == 0
    assert open_descriptors() == before
    wait_until(lambda: [descriptors_of(node) for node in (a, b)] == in_processes)


def descriptors_of(node: Node) -> int:
    return len(list(Path(f"/proc/{node.process.number}/fd").iterdir()))


@pytest.mark.parametrize(
    ("problem", "fault", "sentence"),
    [
        (FileGone(), ContentMissing, "does not have the content any more"),
        (FileDamaged(), ContentMissing, "damaged on its disk"),
        (OSError(5, "Input/output error"), DiskFault, "cannot read its disk: Input/output error"),
    ],
)
def test_a_content_that_cannot_be_opened_is_a_fault(
    nodes: Callable[..., Node], problem: Exception, fault: type[PeerFault], sentence: str
) -> None:
    a, b = nodes("a"), nodes("b")
    a.content = problem
    with pytest.raises(fault, match=sentence):
        fetch(b, [a.address], b"x" * 100)


def test_the_process_comes_behind_those_who_talk(nodes: Callable[..., Node]) -> None:
    number = nodes("a").process.number
    assert number is not None
    assert os.getpriority(os.PRIO_PROCESS, number) >= min(
        19, os.getpriority(os.PRIO_PROCESS, 0) + 10
    )


def test_the_process_has_nothing_secret_in_its_command_line(nodes: Callable[..., Node]) -> None:
    number = nodes("a").process.number
    for name in ("cmdline", "environ"):
        shown = Path(f"/proc/{number}/{name}").read_bytes()
        assert SECRET not in shown
        assert SECRET.hex().encode() not in shown


def test_the_process_ends_with_its_server(nodes: Callable[..., Node]) -> None:
    node = nodes("a")
    number = node.process.number
    node.stop()
    assert not Path(f"/proc/{number}").exists()
    with pytest.raises(PeerUnreachable):
        node.client.hello(Address("127.0.0.1", 1))


_SERVER = """
import sys, time
from pathlib import Path
from chat.server.peers.peer_facts import PeerFacts
from chat.server.peers.peer_process import PeerProcess

process = PeerProcess(b"s" * 32, PeerFacts("a", "1", 1), Path(sys.argv[1]))
process.start()
print(process.number, flush=True)
time.sleep(60)
"""


def test_the_process_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    number = int(server.stdout.readline())
    assert Path(f"/proc/{number}").exists()
    server.kill()
    server.wait()
    server.stdout.close()
    wait_until(lambda: not is_running(number))


def is_running(number: int) -> bool:
    """Return whether a process runs. One that has ended may wait for its parent."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_hangs_ends_with_its_server(nodes: Callable[..., Node]) -> None:
    node = nodes("a")
    number = node.process.number
    assert number is not None
    os.kill(number, signal.SIGSTOP)
    node.stop()
    assert not Path(f"/proc/{number}").exists()


def test_a_directory_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    process = PeerProcess(SECRET, PeerFacts("a", "1", 1), tmp_path / "missing", PATIENT)
    with pytest.raises(PeerFault, match=r"cannot write .*: No such file"):
        process.start()
    assert process.number is None


def peak_memory(node: Node) -> int:
    """The most memory that the process of a server has ever had, in bytes."""
    status = Path(f"/proc/{node.process.number}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    "size",
    [
        24 * MIB,
        pytest.param(300 * MIB, marks=pytest.mark.thorough("a tenth of it shows the same")),
    ],
)
def test_the_memory_does_not_grow_with_a_copy(nodes: Callable[..., Node], size: int) -> None:
    a, b = nodes("a"), nodes("b")
    b.client.take_copy(a.address, b.directory).remove()  # 3 MiB, more than all buffers
    before = [peak_memory(node) for node in (a, b)]
    a.size = size
    b.client.take_copy(a.address, b.directory).remove()
    for node, first in zip((a, b), before, strict=True):
        assert peak_memory(node) - first < 8 * MIB
