"""Searches run in a process of their own, which nobody misses: it may be killed or frozen, and the server goes on."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.history.search import message_search, search_process
from chat.server.history.search.search_process import SearchProcess
from chat.server.history.stored import DEFAULT_ROOM
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.history.search.searched import SearchedHistory


@pytest.fixture
def searched(eager_index: None, tmp_path: Path) -> Iterator[SearchedHistory]:
    history = SearchedHistory(tmp_path, random.Random(1), apart=True)
    history.say(DEFAULT_ROOM, "Hello")
    yield history
    history.close()


def process_of(searched: SearchedHistory) -> int:
    searching = searched.searching
    assert isinstance(searching, SearchProcess)
    assert searching._process is not None
    return searching._process.pid


def finds_hello(searched: SearchedHistory) -> bool:
    return searched.check(DEFAULT_ROOM, "hello") == [1]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_it_finds_what_is_said_meanwhile(searched: SearchedHistory) -> None:
    def talk() -> None:
        for _ in range(100):
            searched.say_something()
            gevent.sleep(0)

    for _ in range(3):
        talking = gevent.spawn(talk)
        for _ in range(10):
            searched.check_a_search()
        talking.get()
    first = process_of(searched)
    searched.is_indexed()
    searched.check_a_search()
    assert process_of(searched) == first


def test_it_hears_no_signal_that_is_meant_for_the_server(searched: SearchedHistory) -> None:
    assert finds_hello(searched)
    first = process_of(searched)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(first, number)
    assert finds_hello(searched)
    assert process_of(searched) == first


def test_a_search_whose_process_is_killed_is_done_by_another(searched: SearchedHistory) -> None:
    assert finds_hello(searched)
    first = process_of(searched)
    os.kill(first, signal.SIGSTOP)
    killing = threading.Timer(0.1, os.kill, (first, signal.SIGKILL))
    killing.start()
    assert finds_hello(searched)
    killing.join()
    assert process_of(searched) != first


def test_a_process_that_never_lives_is_told(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_process, "_PROGRAM", "chat.server.no_such_module")
    with pytest.raises(HistoryFault, match="ended unexpectedly"):
        finds_hello(searched)
    monkeypatch.undo()
    assert finds_hello(searched)
    searched.search._close()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(HistoryFault, match="cannot start a search: No such file"):
        finds_hello(searched)


def test_a_process_that_is_frozen_is_given_up(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finds_hello(searched)
    first = process_of(searched)
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(search_process, "_PATIENCE", -searched.budget)
    monkeypatch.setattr(search_process, "REST", 0.05)
    with pytest.raises(HistoryFault, match="did not end in time"):
        finds_hello(searched)
    monkeypatch.undo()
    assert not is_running(first)
    assert finds_hello(searched)


def test_it_ends_when_nobody_searches(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "IDLE", 0.02)
    assert finds_hello(searched)
    searching = searched.searching
    assert isinstance(searching, SearchProcess)
    wait_until(lambda: searching._process is None, "the end of the process")
    assert finds_hello(searched)


def test_searches_at_once_leave_one_end_of_idling(
    searched: SearchedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def spawn_later(*arguments: object) -> gevent.Greenlet[[], None]:
        begun.append(arguments)
        return gevent.Greenlet()

    monkeypatch.setattr(gevent, "spawn_later", spawn_later)
    gevent.joinall([gevent.spawn(finds_hello, searched) for _ in range(3)], raise_error=True)
    assert len(begun) == 1


def children_of(pid: int) -> list[int]:
    # Each thread has its own.
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_server(number: signal.Signals) -> None:
    server = ServerProcess("--history=on")
    try:
        with WireClient.joined(server.address, "alice") as alice:
            alice.say("Hello")
            alice.send(MessageType.UTF8, {"command": "search", "query": "hello", "nonce": "s"})
            alice.expect_text("Hello", "alice")
            alice.expect_text("Hello", "alice", replay=True)
            alice.expect_notice("done", nonce="s", count=1)
        [pid] = children_of(server.pid)
        server.send_signal(number)
        server.wait()
        wait_until(lambda: not is_running(pid), "the end of the process")
    finally:
        server.end()
