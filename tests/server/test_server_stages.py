"""A server looks after its parts, and stops in good order."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server import server as server_module
from chat.server.attachments.offers import OfferStore
from chat.server.composition import Composition
from chat.server.delivery.send_queue import BacklogLimits
from chat.server.process import memory
from chat.server.process.log_folding import FoldingLog
from chat.server.server import raise_descriptor_limit
from chat.server.settings import Settings
from tests.server.fakes import run_ready_greenlets, wait_until
from tests.server.server_in_test import TestServer
from tests.server.test_server import UTF8, OpenTestServer


@pytest.mark.parametrize(
    ("limits", "refusal", "asked"),
    [
        ((256, 4096), None, [(4096, 4096)]),
        ((4096, 4096), None, []),
        ((256, 4096), OSError(errno.EPERM, "no"), [(4096, 4096)]),
        ((256, 4096), ValueError("no"), [(4096, 4096)]),
    ],
)
def test_the_limit_of_descriptors_is_raised_as_far_as_it_may(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    refusal: Exception | None,
    asked: list[tuple[int, int]],
) -> None:
    calls: list[tuple[int, int]] = []

    def set_limit(which: int, limits: tuple[int, int]) -> None:
        calls.append(limits)
        if refusal is not None:
            raise refusal

    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(resource, "setrlimit", set_limit)

    raise_descriptor_limit()

    assert calls == asked


def test_what_has_grown_old_is_looked_after(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    monkeypatch.setattr(server_module, "_HOUSEKEEPING", 0.01)
    looked: list[str] = []
    monkeypatch.setattr(OfferStore, "drop_old", lambda offers: looked.append("offers"))
    monkeypatch.setattr(FoldingLog, "flush_if_due", lambda folding_log: looked.append("log"))
    open_a_chat_server()

    wait_until(lambda: looked.count("log") == 2)

    assert looked[:4] == ["offers", "log"] * 2


@pytest.mark.parametrize(("released", "given_back"), [(1024**2 - 1, False), (1024**2, True)])
def test_memory_that_waited_for_slow_readers_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
    open_a_chat_server: OpenTestServer,
    released: int,
    given_back: bool,
) -> None:
    monkeypatch.setattr(server_module, "_HOUSEKEEPING", 0.01)
    looked: list[str] = []
    monkeypatch.setattr(memory, "give_back_memory", lambda: looked.append("memory"))
    monkeypatch.setattr(BacklogLimits, "pop_released", lambda backlogs: released)
    monkeypatch.setattr(FoldingLog, "flush_if_due", lambda folding_log: looked.append("log"))
    open_a_chat_server()

    wait_until(lambda: "log" in looked)

    assert ("memory" in looked) is given_back


# Stopping


def test_all_that_was_said_reaches_everyone_before_they_are_told(chat_server: TestServer) -> None:
    alice, bob = chat_server.join("alice"), chat_server.join("bob", raw=True)
    alice.expect_joined("bob")
    for number in range(50):
        alice.say(str(number))
    alice.expect_text("0", "alice")

    stopping = gevent.spawn(chat_server.server.stop)

    heard = [[frame.text for frame in alice.read_until(UTF8, b"The server is shutting down.")]]
    heard.append([frame.text for frame in bob.read_until(UTF8, b"The server is shutting down.")])
    assert heard[0] == heard[1][1:]
    for guest in (alice, bob):
        guest.expect_closed()
        guest.close()
    stopping.get(timeout=30)


def test_nobody_is_let_in_any_more(chat_server: TestServer) -> None:
    early = chat_server.connect()
    early.send_bytes(b"\0\1")
    alice = chat_server.join("alice")
    stopping = gevent.spawn(chat_server.server.stop)
    alice.expect_notice("shutting-down")

    with pytest.raises(ConnectionRefusedError):
        chat_server.connect()
    assert early.at_end()

    alice.close()
    stopping.get(timeout=30)


def test_transfers_end_at_once(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)
    transfer.send_bytes(transfer.encode(MessageType.FILE, None, b"x", content_size=100_000))
    chat_server.upload_begins()
    stopping = gevent.spawn(chat_server.server.stop)

    assert transfer.at_end()
    alice.expect_notice("shutting-down")
    alice.close()
    stopping.get(timeout=30)
    chat_server.space_is_given_back()


def test_one_who_does_not_read_is_not_waited_for_longer_than_said(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(rate=None, byte_rate=None, max_backlog=100 * 1024**2)
    alice = chat_server.join("alice")
    chat_server.join("sleepy", receive_buffer=4096)
    alice.expect_joined("sleepy")
    while not chat_server.session("sleepy").send_queue.waiting:
        alice.say("x" * 60_000)
        alice.expect(UTF8)
    stopping = gevent.spawn(chat_server.server.stop, 0.1)
    alice.expect_notice("shutting-down")
    alice.close()

    stopping.get(timeout=30)

    assert not chat_server.connections
    assert chat_server.parts.backlogs.used == 0


def test_offers_are_forgotten(chat_server: TestServer) -> None:
    alice = chat_server.join("alice", inline=0)
    alice.send(MessageType.FILE, None, b"x" * 100_000)
    alice.expect(MessageType.FILE, size=100_000)
    assert chat_server.parts.spool.used == 100_000
    alice.close()
    chat_server.connections_end()

    chat_server.server.stop()

    assert (len(chat_server.parts.offers), chat_server.parts.spool.used) == (0, 0)


def test_a_server_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    Composition(Settings(spool_directory=tmp_path)).server.stop()


def test_no_greenlet_of_a_stopped_server_is_left(chat_server: TestServer) -> None:
    background = chat_server.server._background
    assert len(background) == 2

    chat_server.server.stop()
    run_ready_greenlets()

    assert all(greenlet.dead for greenlet in background)
