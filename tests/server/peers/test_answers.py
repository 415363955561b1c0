"""Requests of a peer over a real connection, good ones and bad ones, and copies that break off."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import pytest

from chat.net.address import Address
from chat.server.peers.copies import COPY_FILES
from chat.server.peers.faults import ContentMissing, DiskFault, PeerBusy, PeerFault, PeerUnreachable
from chat.server.peers.links.copy_arrival import receive_copy
from chat.server.peers.links.link import PeerLink
from chat.server.peers.links.peer_stream import TransferPace
from chat.structs import replace
from tests.server.fakes import wait_until
from tests.server.peers.links_in_test import (
    LIMITS,
    PATIENT,
    Proxy,
    SourceInTest,
    links,
    listening,
    open_descriptors,
)

CONTENT = os.urandom(3_000_001)
DIGEST = hashlib.sha256(CONTENT).digest()


class Served(NamedTuple):
    address: Address
    source: SourceInTest


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    source = source_in(tmp_path)
    with listening(tmp_path, source, PATIENT) as address:
        yield Served(address, source)


def source_in(directory: Path) -> SourceInTest:
    source = SourceInTest()
    content = directory / "content"
    content.write_bytes(CONTENT)
    source.contents[DIGEST] = content
    for name in COPY_FILES:
        path = directory / f"{name}.copy"
        path.write_bytes(name.encode() * 400_000)
        source.files.append((name, path))
    return source


def take_copy(address: Address, directory: Path, limits: Any = PATIENT) -> list[Path]:
    directory.mkdir(exist_ok=True)
    with links(limits).open(address) as link:
        files = link.ask_for_copy()
        return receive_copy(link.stream, files, COPY_FILES, directory)


def content_of(link: PeerLink, size: int = len(CONTENT), offset: int = 0) -> bytes:
    found = bytearray()
    link.receive_content(DIGEST, size, offset, found.extend)
    return bytes(found)


def test_one_connection_answers_several_requests(served: Served) -> None:
    with links(PATIENT).open(served.address) as link:
        assert link.read_key() == served.source.pair
        assert link.hello(SourceInTest("b").facts).node == "a"
        assert content_of(link) == CONTENT
        assert content_of(link, offset=2_999_999) == CONTENT[-2:]
        assert content_of(link, offset=len(CONTENT)) == b""
        assert link.read_key() == served.source.pair


def test_a_key_is_not_shown_in_a_text(served: Served) -> None:
    with links(PATIENT).open(served.address) as link:
        assert "'key'" not in repr(link.read_key())


def test_a_part_of_a_content_has_a_length(served: Served) -> None:
    wanted = {"request": "content", "sha256": DIGEST.hex(), "size": len(CONTENT)}
    with links(PATIENT).open(served.address) as link:
        link.stream.send_line({**wanted, "offset": 5, "length": 10})
        assert link.stream.read_line() == {"answer": "content", "length": 10}
        found = bytearray()
        link.stream.receive(10, found.extend)
        assert bytes(found) == CONTENT[5:15]


@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": "00"},
        {"sha256": None},
        {"size": -1},
        {"size": True},
        {"size": "7"},
        {"size": None},
        {"offset": -1},
        {"offset": len(CONTENT) + 1},
        {"offset": 1, "length": len(CONTENT)},
        {"length": -1},
        {"length": 1.5},
        {"request": "nonsense"},
        {"request": None},
        {"request": ["copy"]},
        {"request": "content", "size": 1},
        {"sha256": "00" * 32},
    ],
)
def test_a_bad_request_is_refused_and_the_connection_goes_on(
    served: Served, changed: dict[str, Any]
) -> None:
    wanted = {"request": "content", "sha256": DIGEST.hex(), "size": len(CONTENT), "offset": 0}
    with links(PATIENT).open(served.address) as link:
        link.stream.send_line({**wanted, **changed})
        answer = link.stream.read_line()
        assert answer is not None
        assert answer["fault"] in ("failed", "missing")
        assert content_of(link) == CONTENT


def test_a_line_that_is_too_long_ends_the_connection(served: Served) -> None:
    with links(PATIENT).open(served.address) as link, pytest.raises(PeerUnreachable):
        link.stream.send(b"x" * 10_000_000)
    with links(PATIENT).open(served.address) as link:
        assert link.read_key() == served.source.pair


def test_a_content_with_another_size_is_missing(served: Served) -> None:
    with links(PATIENT).open(served.address) as link, pytest.raises(ContentMissing):
        content_of(link, size=len(CONTENT) - 1)


def test_a_copy_arrives_as_it_is(served: Served, tmp_path: Path) -> None:
    paths = take_copy(served.address, tmp_path / "arriving")
    for path, (name, original) in zip(paths, served.source.files, strict=True):
        assert path.name == name
        assert path.read_bytes() == original.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_peer_that_waits_for_a_copy_hears_that_it_is_under_way(tmp_path: Path) -> None:
    """The copy takes longer than a silence may last."""
    source = source_in(tmp_path)
    source.may_copy.clear()
    gevent.spawn_later(2 * LIMITS.silence, source.may_copy.set)
    with listening(tmp_path, source, LIMITS) as address:
        assert len(take_copy(address, tmp_path / "arriving", LIMITS)) == 2


def test_a_copy_that_never_becomes_ready_is_given_up(tmp_path: Path) -> None:
    source = source_in(tmp_path)
    source.may_copy.clear()
    limits = replace(LIMITS, preparing=0.3)
    with (
        listening(tmp_path, source, limits) as address,
        pytest.raises(PeerUnreachable, match="not ready"),
    ):
        take_copy(address, tmp_path / "arriving", limits)


def test_a_server_that_hangs_while_it_makes_a_copy_is_given_up(tmp_path: Path) -> None:
    """Its process for connections goes on, and must not tell that the copy is under way."""
    source = source_in(tmp_path)
    source.may_copy.clear()
    source.hangs = True
    limits = replace(LIMITS, hanging=0.1, preparing=2.0)
    with (
        listening(tmp_path, source, limits) as address,
        pytest.raises(PeerUnreachable, match="the server hangs"),
    ):
        take_copy(address, tmp_path / "arriving", limits)


@pytest.mark.parametrize("after", [100_000, 3_500_000, 5_000_000])
def test_a_copy_that_is_cut_is_no_copy(served: Served, tmp_path: Path, after: int) -> None:
    with (
        Proxy(served.address, cuts=1, after=after) as proxy,
        pytest.raises(PeerUnreachable, match="cut"),
    ):
        take_copy(proxy, tmp_path / "arriving")


def test_a_peer_that_sends_no_more_is_given_up(tmp_path: Path) -> None:
    source = source_in(tmp_path)
    with (
        listening(tmp_path, source, PATIENT) as address,
        Proxy(address, cuts=1, after=1_000_000, stalls=True) as proxy,
    ):
        begun = time.monotonic()
        with pytest.raises(PeerUnreachable, match="sends no bytes"):
            take_copy(proxy, tmp_path / "arriving", LIMITS)
        assert time.monotonic() - begun < PATIENT.silence


def test_a_copy_that_is_sent_takes_the_turn_of_others(tmp_path: Path) -> None:
    """Its files take space until the last byte has been sent."""
    source = source_in(tmp_path)
    with (tmp_path / "big").open("wb") as file:
        file.truncate(50_000_000)  # more than the kernel takes
    source.files[1] = ("history.db", tmp_path / "big")
    with (
        listening(tmp_path, source, PATIENT) as address,
        links(PATIENT).open(address) as first,
        links(PATIENT).open(address) as second,
    ):
        files = first.ask_for_copy()
        with pytest.raises(PeerBusy, match="another server takes a copy"):
            second.ask_for_copy()
        first.stream.receive(sum(file.size for file in files), lambda piece: None)
        first.read_key()  # so the listener is done with the copy
        assert second.ask_for_copy() == files


def test_a_bug_ends_the_connection_and_is_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.source, "read_key", lambda: 1 / 0)
    with links(PATIENT).open(served.address) as link, pytest.raises(PeerUnreachable):
        link.read_key()
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    with links(PATIENT).open(served.address) as link:
        assert link.read_key() == served.source.pair


def test_a_peer_that_takes_no_more_costs_the_listener_nothing_for_long(tmp_path: Path) -> None:
    source = source_in(tmp_path)
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(50_000_000)  # more than the kernel takes
    source.files[1] = ("history.db", big)
    with listening(tmp_path, source, LIMITS) as address, links(LIMITS).open(address) as link:
        link.ask_for_copy()
        before = open_descriptors()
        with gevent.Timeout(20):
            while open_descriptors() > before - 3:  # two files and the connection
                gevent.sleep(0.02)


def test_a_file_that_becomes_shorter_ends_the_connection(served: Served) -> None:
    _, path = served.source.files[1]
    with links(PATIENT).open(served.address) as link:
        files = link.ask_for_copy()
        big = files[1].size
        os.truncate(path, 10)
        with pytest.raises(PeerUnreachable, match="cut"):
            link.stream.receive(files[0].size + big, lambda piece: None)


def test_answers_leave_no_descriptor_behind(served: Served, tmp_path: Path) -> None:
    with links(PATIENT).open(served.address) as link:
        link.read_key()
        before = open_descriptors()
        for number in range(3):
            assert content_of(link) == CONTENT
            receive = tmp_path / f"arriving{number}"
            receive.mkdir()
            receive_copy(link.stream, link.ask_for_copy(), COPY_FILES, receive)
            with pytest.raises(ContentMissing):
                content_of(link, size=5)
        link.read_key()
        assert open_descriptors() == before


@pytest.mark.parametrize("is_sender", [True, False])
def test_a_transfer_of_crumbs_ends(tmp_path: Path, is_sender: bool) -> None:
    """The peer is never silent for long, but slower than it may be: it takes crumbs, or sends them."""
    source = source_in(tmp_path)
    with (tmp_path / "big").open("wb") as file:
        file.truncate(50_000_000)
    source.files[1] = ("history.db", tmp_path / "big")
    strict = replace(PATIENT, silence=0.5, slowest=10e6)
    with (
        listening(tmp_path, source, strict if is_sender else PATIENT) as address,
        Proxy(address, rate=1e6) as proxy,
        pytest.raises(PeerUnreachable, match="cut" if is_sender else "too slow"),
        gevent.Timeout(20),
    ):
        take_copy(proxy, tmp_path / "arriving", PATIENT if is_sender else strict)


def test_a_copy_with_other_files_is_refused(served: Served, tmp_path: Path) -> None:
    served.source.files.reverse()
    with pytest.raises(PeerFault, match=r"other files than chat\.db and history\.db"):
        take_copy(served.address, tmp_path / "arriving")
    served.source.files[0] = ("../history.db", served.source.files[0][1])

    def is_refused() -> bool:
        try:
            take_copy(served.address, tmp_path / "arriving")
        except PeerBusy:  # the first copy has not ended yet
            return False
        except PeerFault as fault:
            return "other files" in str(fault)
        raise AssertionError("it was taken")

    wait_until(is_refused)


def test_a_copy_without_space_is_refused_before_it_is_sent(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(NamedTuple):
        free: int = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Full())
    with pytest.raises(DiskFault, match="1000 bytes left"):
        take_copy(served.address, tmp_path / "arriving")
    assert not list((tmp_path / "arriving").iterdir())


def test_a_failing_disk_is_named(served: Served, tmp_path: Path) -> None:
    arriving = tmp_path / "arriving"
    arriving.mkdir()
    (arriving / "history.db").mkdir()
    with pytest.raises(DiskFault, match="cannot write the copy"):
        take_copy(served.address, arriving)


def test_a_transfer_may_be_slow_but_not_for_ever() -> None:
    now = 0.0
    pace = TransferPace(replace(PATIENT, silence=10.0, slowest=100.0), lambda: now)
    now = 9.0
    pace.add(0)
    now = 19.0
    pace.add(1000)
    now = 21.0
    with pytest.raises(PeerUnreachable, match="too slow"):
        pace.add(50)
