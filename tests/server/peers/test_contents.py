"""Contents of other servers for users of this one: fetched once for all, kept as uploads are, and never too many."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat.net.address import Address
from chat.protocol.descriptor import MessageType
from chat.protocol.frames import LargeContent
from chat.server.attachments.spool import Spool
from chat.server.history.files.kept_files import KeptFiles
from chat.server.history.stored import DEFAULT_ROOM, StoredRun
from chat.server.history.writer import Writer
from chat.server.peers.contents import AT_ONCE, ContentAway, PeerContents
from chat.server.peers.faults import ContentMissing, PeerFault, PeerUnreachable
from chat.server.peers.peer_client import PeerClient
from tests.server.fakes import wait_until

ORIGIN, OTHER = Address("origin", 8090), Address("other", 8090)
CONTENT = os.urandom(200_000)


def digest_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class ClientInTest(PeerClient):
    """Write contents when a test lets it, and note what was asked for."""

    def __init__(self) -> None:
        self.contents = {digest_of(CONTENT): CONTENT}
        self.asked: list[tuple[Sequence[Address], bytes]] = []
        self.fault: PeerFault | None = None
        self.may_begin, self.may_end = Event(), Event()
        self.may_begin.set()
        self.may_end.set()

    def fetch_content(
        self,
        addresses: Sequence[Address],
        digest: bytes,
        size: int,
        descriptor: int,
        on_begun: Callable[[], object],
    ) -> None:
        self.asked.append((addresses, digest))
        self.may_begin.wait()
        if self.fault is not None:
            raise self.fault
        on_begun()
        self.may_end.wait()
        os.write(descriptor, self.contents[digest])


class Place:
    """A server's spool and kept files, and what it gets from others."""

    def __init__(
        self, directory: Path, *, keep_files: int = 10_000_000, patience: float = 30.0
    ) -> None:
        self.directory = directory
        spool_directory, data = directory / "spool", directory / "data"
        spool_directory.mkdir()
        Writer(data, bound=0).close()
        self.spool = Spool(spool_directory, 100_000_000)
        self.kept = KeptFiles(data, keep_files)
        self.kept.start()
        self.spool.keep_in(self.kept)
        self.client = ClientInTest()
        self.contents = PeerContents(self.client, self.spool, self.kept, patience=patience)

    def get(self, content: bytes = CONTENT) -> LargeContent:
        return self.contents.get(digest_of(content), len(content), [ORIGIN, OTHER])

    def files(self) -> list[Path]:
        return [path for path in (self.directory / "data" / "files").rglob("*") if path.is_file()]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.contents.stop()
    # Whatever a test does, nothing stays reserved.
    wait_until(lambda: place.spool.used == 0)
    wait_until(lambda: place.spool.files == 0)
    place.kept.stop(5)


def bytes_of(content: LargeContent) -> bytes:
    return os.pread(content.fileno(), content.size, 0)


def test_a_content_comes_from_another_server_and_is_kept(place: Place) -> None:
    content = place.get()
    assert bytes_of(content) == CONTENT
    assert place.client.asked == [([ORIGIN, OTHER], digest_of(CONTENT))]
    [path] = place.files()
    assert path.name == digest_of(CONTENT).hex()
    assert place.kept.status().files == 1
    content.release()


def test_a_content_that_is_kept_is_not_fetched_again(place: Place) -> None:
    first = place.get()
    second = place.get()
    assert bytes_of(second) == CONTENT
    assert len(place.client.asked) == 1
    first.release()
    second.release()


def test_a_content_that_no_message_uses_is_not_kept_for_long(place: Place) -> None:
    place.get().release()
    wait_until(lambda: not place.files())
    place.get().release()
    assert len(place.client.asked) == 2


def test_all_who_ask_at_once_share_a_fetch(place: Place) -> None:
    place.client.may_end.clear()
    users = [gevent.spawn(place.get) for _ in range(20)]
    wait_until(lambda: bool(place.client.asked))
    place.client.may_end.set()
    found = [user.get(timeout=30) for user in users]
    assert [bytes_of(content) for content in found] == [CONTENT] * 20
    assert len(place.client.asked) == 1
    for content in found[1:]:
        content.release()
    # Each has a hold of its own.
    assert bytes_of(found[0]) == CONTENT
    found[0].release()


def test_a_user_who_goes_takes_the_content_from_nobody(place: Place) -> None:
    place.client.may_end.clear()
    first, second = gevent.spawn(place.get), gevent.spawn(place.get)
    wait_until(lambda: bool(place.client.asked))
    first.kill()
    place.client.may_end.set()
    content = second.get(timeout=30)
    assert bytes_of(content) == CONTENT
    content.release()


def test_when_all_have_gone_the_content_is_released(place: Place) -> None:
    place.client.may_end.clear()
    user = gevent.spawn(place.get)
    wait_until(lambda: bool(place.client.asked))
    user.kill()
    place.client.may_end.set()
    wait_until(lambda: place.spool.used == 0)


def test_users_wait_a_limited_time_for_the_first_byte(place: Place) -> None:
    place.client.may_begin.clear()
    place.contents._patience = 0.1  # for this user alone
    with pytest.raises(ContentAway, match="cannot be reached now") as caught:
        place.get()
    place.contents._patience = 30.0
    assert not caught.value.is_gone
    # The fetch goes on, and a later user may have it.
    later = gevent.spawn(place.get)
    fetches = place.contents._fetches
    wait_until(lambda: [fetch.waiters for fetch in fetches.values()] == [1], "the later user")
    place.client.may_begin.set()
    content = later.get(timeout=30)
    assert bytes_of(content) == CONTENT
    assert len(place.client.asked) == 1
    content.release()


def test_behind_the_first_byte_the_transfer_has_limits_of_its_own(place: Place) -> None:
    place.contents._patience = 0.5
    place.client.may_end.clear()
    gevent.spawn_later(1.0, place.client.may_end.set)
    content = place.get()
    assert bytes_of(content) == CONTENT
    content.release()


@pytest.mark.parametrize(
    ("fault", "sentence", "is_gone"),
    [
        (ContentMissing("a: not here"), "No server that is here now has", True),
        (PeerUnreachable("a: cannot connect"), "cannot be reached now", False),
    ],
)
def test_a_fault_is_a_sentence_for_the_user_and_a_line_in_the_log(
    place: Place,
    caplog: pytest.LogCaptureFixture,
    fault: PeerFault,
    sentence: str,
    is_gone: bool,
) -> None:
    place.client.fault = fault
    with pytest.raises(ContentAway, match=sentence) as caught:
        place.get()
    assert caught.value.is_gone == is_gone
    assert str(fault) in caplog.text
    wait_until(lambda: not place.files())
    # The next user asks anew.
    place.client.fault = None
    place.get().release()


def test_few_contents_are_fetched_at_a_time(place: Place) -> None:
    contents = [os.urandom(1000) for _ in range(AT_ONCE + 3)]
    place.client.contents.update((digest_of(content), content) for content in contents)
    place.client.may_end.clear()
    users = [gevent.spawn(place.get, content) for content in contents]
    wait_until(lambda: len(place.client.asked) == AT_ONCE)
    gevent.sleep(0.1)
    assert len(place.client.asked) == AT_ONCE
    place.client.may_end.set()
    for user, content in zip(users, contents, strict=True):
        found = user.get(timeout=30)
        assert bytes_of(found) == content
        found.release()


def test_a_server_that_keeps_no_files_gives_them_all_the_same(tmp_path: Path) -> None:
    place = Place(tmp_path, keep_files=1000)
    content = place.get()
    assert bytes_of(content) == CONTENT
    assert not place.files()
    content.release()
    assert place.spool.used == 0
    place.kept.stop(5)


def test_a_content_without_space_is_refused(place: Place) -> None:
    place.spool.adapt(1000)
    with pytest.raises(ContentAway, match="keeps at most"):
        place.get()
    assert not place.client.asked


def test_the_end_of_the_server_ends_what_is_on_its_way(place: Place) -> None:
    place.client.may_end.clear()
    user = gevent.spawn(place.get)
    wait_until(lambda: bool(place.client.asked))
    place.contents.stop()
    with pytest.raises(ContentAway):
        user.get(timeout=30)


def test_a_content_of_a_message_that_came_before_it_is_kept(place: Place) -> None:
    """The log brings the message to all servers. To look for a file that is not here must not change the index."""
    time, name = "2026-11-29T21:00:00.000001Z", "plan.pdf"
    digest, size = digest_of(CONTENT), len(CONTENT)
    run = StoredRun(
        DEFAULT_ROOM, 1, time, "alice", None, b"", MessageType.FILE, [None], [digest], name, size
    )
    place.kept.note(run)
    place.get().release()
    assert not place.kept.find(DEFAULT_ROOM, "other", None, 10)  # all that was asked for is done
    assert place.kept.find(DEFAULT_ROOM, "plan", None, 10) == [1]
    assert [path.name for path in place.files()] == [digest.hex()]
