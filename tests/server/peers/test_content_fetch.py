"""Fetching of one content: from the first server that can give it, on behind a cut, and never wrong bytes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest
from gevent import socket

from chat.net.address import Address
from chat.server.peers.faults import ContentDamaged, ContentMissing, DiskFault, PeerUnreachable
from chat.server.peers.links.content_fetch import ContentFetch
from chat.server.peers.links.link_limits import LinkLimits
from tests.server.peers.links_in_test import (
    LIMITS,
    PATIENT,
    Proxy,
    SourceInTest,
    links,
    listening,
    pump,
    serving,
)

CONTENT = os.urandom(4_000_000)
DIGEST = hashlib.sha256(CONTENT).digest()
NOBODY = Address("127.0.0.1", 1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Fetched:
    """A file that a content is fetched into."""

    def __init__(self, path: Path, beginning: bytes = b"") -> None:
        path.write_bytes(beginning)
        self.path = path
        self.begun = 0

    def fetch(self, addresses: Sequence[Address], limits: LinkLimits = PATIENT) -> bytes:
        with self.path.open("rb+", buffering=0) as file:
            fetch = ContentFetch(links(limits), DIGEST, len(CONTENT), file.fileno(), self._begin)
            fetch.run(addresses)
        return self.path.read_bytes()

    def _begin(self) -> None:
        self.begun += 1


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    return Fetched(tmp_path / "fetched")


def serve(
    stack: ExitStack, directory: Path, content: bytes | None = CONTENT, node: str = "a"
) -> Address:
    """Run a server that has ``content`` for the content (None: it does not have it)."""
    source = SourceInTest(node)
    if content is not None:
        path = directory / f"content-of-{node}"
        path.write_bytes(content)
        source.contents[DIGEST] = path
    return stack.enter_context(listening(directory, source, PATIENT))


def test_it_comes_from_the_first_server(stack: ExitStack, tmp_path: Path, fetched: Fetched) -> None:
    first, second = (serve(stack, tmp_path, node=node) for node in "ac")
    unused = Proxy(second)
    assert fetched.fetch([first, stack.enter_context(unused)]) == CONTENT
    assert unused.connections == 0
    assert fetched.begun == 1


def test_after_a_cut_it_goes_on_where_it_was(
    stack: ExitStack, tmp_path: Path, fetched: Fetched
) -> None:
    proxy = Proxy(serve(stack, tmp_path), cuts=2, after=1_500_000)
    assert fetched.fetch([stack.enter_context(proxy)]) == CONTENT
    assert proxy.connections == 3
    # No byte of the content came twice: the rest is TLS and the greeting.
    assert sum(proxy.carried) < len(CONTENT) + 100_000
    assert fetched.begun == 1


def test_after_a_cut_another_server_goes_on(
    stack: ExitStack, tmp_path: Path, fetched: Fetched
) -> None:
    cut = stack.enter_context(Proxy(serve(stack, tmp_path), cuts=99, after=1_500_000))
    other = Proxy(serve(stack, tmp_path, node="c"))
    assert fetched.fetch([cut, stack.enter_context(other)]) == CONTENT
    assert sum(other.carried) < len(CONTENT) - 1_000_000


def test_a_server_that_stalls_is_left(stack: ExitStack, tmp_path: Path, fetched: Fetched) -> None:
    stalls = Proxy(serve(stack, tmp_path), cuts=1, after=1_500_000, stalls=True)
    other = serve(stack, tmp_path, node="c")
    begun = time.monotonic()
    assert fetched.fetch([stack.enter_context(stalls), other], LIMITS) == CONTENT
    assert time.monotonic() - begun < 50 * LIMITS.silence


@pytest.mark.parametrize("first", ["dead", "missing", "damaged"])
def test_another_server_helps_out(
    stack: ExitStack, tmp_path: Path, fetched: Fetched, first: str
) -> None:
    damaged = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    address = {
        "dead": lambda: NOBODY,
        "missing": lambda: serve(stack, tmp_path, None),
        "damaged": lambda: serve(stack, tmp_path, damaged),
    }[first]()
    assert fetched.fetch([address, serve(stack, tmp_path, node="c")]) == CONTENT


def test_a_damaged_content_is_refused(
    stack: ExitStack, tmp_path: Path, fetched: Fetched, caplog: pytest.LogCaptureFixture
) -> None:
    address = serve(stack, tmp_path, CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(ContentDamaged, match="other bytes"):
        fetched.fetch([address])
    assert fetched.path.read_bytes() == b""
    assert f"{address} has sent other bytes" in caplog.text


@pytest.mark.parametrize("cuts", [1, 2, 3])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_damaged_part_of_one_server_is_found(
    stack: ExitStack, tmp_path: Path, fetched: Fetched, is_first: bool, cuts: int
) -> None:
    """Both servers give a part, and the parts together are not the content: then each gives all of it."""
    damaged = bytes([CONTENT[0] ^ 1]) + CONTENT[1:-1] + bytes([CONTENT[-1] ^ 1])
    contents = (damaged, CONTENT) if is_first else (CONTENT, damaged)
    first, second = (
        serve(stack, tmp_path, content, node) for content, node in zip(contents, "ac", strict=True)
    )
    cut = stack.enter_context(Proxy(first, cuts=cuts, after=1_500_000))
    assert fetched.fetch([cut, second]) == CONTENT


@pytest.mark.thorough("waits 12 s; test_contents.py shows the same of the layer above")
def test_behind_the_first_byte_a_transfer_may_take_longer(
    stack: ExitStack, tmp_path: Path, fetched: Fetched
) -> None:
    slow = Proxy(serve(stack, tmp_path), rate=len(CONTENT) / 12)
    limits = LinkLimits(first_byte=10.0)
    begun = time.monotonic()
    assert fetched.fetch([stack.enter_context(slow)], limits) == CONTENT
    assert time.monotonic() - begun > limits.first_byte
    assert slow.connections == 1


def test_what_an_earlier_try_has_left_is_not_fetched_again(
    stack: ExitStack, tmp_path: Path
) -> None:
    proxy = Proxy(serve(stack, tmp_path))
    fetched = Fetched(tmp_path / "fetched", CONTENT[:3_500_000])
    assert fetched.fetch([stack.enter_context(proxy)]) == CONTENT
    assert proxy.carried[0] < 1_000_000


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 5])
def test_a_wrong_beginning_does_no_harm(stack: ExitStack, tmp_path: Path, size: int) -> None:
    fetched = Fetched(tmp_path / "fetched", b"x" * size)
    assert fetched.fetch([serve(stack, tmp_path)]) == CONTENT


def test_a_whole_content_needs_no_server(tmp_path: Path) -> None:
    assert Fetched(tmp_path / "fetched", CONTENT).fetch([]) == CONTENT


def test_a_content_that_no_server_has_is_missing(
    stack: ExitStack, tmp_path: Path, fetched: Fetched
) -> None:
    with pytest.raises(ContentMissing):
        fetched.fetch([serve(stack, tmp_path, None), serve(stack, tmp_path, None, "c")])
    # It may come back, and have the content.
    with pytest.raises(PeerUnreachable, match="no other server"):
        fetched.fetch([])
    assert not fetched.begun


def test_servers_that_cannot_be_reached_are_tried_until_the_time_is_over(
    fetched: Fetched,
) -> None:
    begun = time.monotonic()
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:1: cannot connect"):
        fetched.fetch([NOBODY], LIMITS)
    assert LIMITS.first_byte <= time.monotonic() - begun < 50 * LIMITS.first_byte


def test_a_server_that_never_answers_takes_no_more_time_than_allowed(fetched: Fetched) -> None:
    def say_nothing(sock: socket.socket, _: object) -> None:
        gevent.sleep(60)

    limits = LinkLimits(first_byte=0.5, retry=0.01)  # the greeting alone may take 10 s
    begun = time.monotonic()
    with serving(say_nothing) as address, pytest.raises(PeerUnreachable):
        fetched.fetch([address], limits)
    assert time.monotonic() - begun < LinkLimits().greeting


def test_a_server_that_comes_back_in_time_is_found(
    stack: ExitStack, tmp_path: Path, fetched: Fetched
) -> None:
    target = serve(stack, tmp_path)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        late = Address(*sock.getsockname())

    def come_back() -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((late.host, late.port))
        sock.listen()
        near, _ = sock.accept()
        far = socket.create_connection((target.host, target.port))
        gevent.spawn(pump, near, far)
        pump(far, near)

    gevent.spawn_later(0.2, come_back)
    assert fetched.fetch([late]) == CONTENT


def test_our_own_disk_is_not_the_fault_of_a_server(
    stack: ExitStack, tmp_path: Path, fetched: Fetched
) -> None:
    address, other = serve(stack, tmp_path), Proxy(serve(stack, tmp_path, node="c"))
    addresses = [address, stack.enter_context(other)]
    with fetched.path.open("rb") as file, pytest.raises(DiskFault):
        ContentFetch(links(PATIENT), DIGEST, len(CONTENT), file.fileno(), lambda: None).run(
            addresses
        )
    assert other.connections == 0


def test_the_disk_of_a_server_is_no_reason_to_ask_no_other(
    stack: ExitStack, tmp_path: Path, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SourceInTest()

    def fail(digest: bytes, size: int) -> int:
        raise DiskFault("it cannot read its disk")

    monkeypatch.setattr(source, "open_content", fail)
    failing = stack.enter_context(listening(tmp_path, source, PATIENT))
    assert fetched.fetch([failing, serve(stack, tmp_path, node="c")]) == CONTENT
