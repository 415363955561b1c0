"""The operator sees the queue to the disk, in the metrics and in the status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat.server.control.client import ask
from chat.server.control.status_report import status_lines
from chat.server.history.faults import HistoryFault
from chat.server.history.queues.committing import CROWDED
from chat.server.history.queues.keeping import MAX_UNWRITTEN, Keeping
from chat.server.history.writer import Writer
from tests.server.fakes import wait_until
from tests.server.monitoring.test_metrics import families, value
from tests.server.server_in_test import TestServer


def line(directory: Path, what: str = "history") -> str:
    """Return what ``chat-server status`` says of history."""
    # In a thread, since it waits for the server.
    status = gevent.get_hub().threadpool.apply(ask, (directory, "status"))
    lines = status_lines(status)
    [found] = [each for each in lines if each.startswith(what)]
    return found


def test_what_waits_for_the_disk_is_seen_until_the_disk_has_it(
    open_a_chat_server: Callable[..., TestServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk_goes_on = Event()
    monkeypatch.setattr(Keeping, "_gather", lambda keeping: disk_goes_on.wait())
    server = open_a_chat_server(data_directory=tmp_path)
    history = server.parts.history
    assert history is not None
    started = value(server, "chat_history_last_write_timestamp_seconds")
    alice = server.join("alice")
    for text in ("one", "three"):
        alice.say(text)
        alice.expect_text(text, "alice")

    assert value(server, "chat_history_waiting_messages") == 2
    assert value(server, "chat_history_waiting_bytes") == 8
    assert value(server, "chat_history_waiting_limit_messages") == MAX_UNWRITTEN
    assert 0 < value(server, "chat_history_waiting_seconds") < 10
    assert value(server, "chat_history_suspended") == 0
    assert history.status(clock=lambda: 4e9).age > 1e9

    disk_goes_on.set()
    wait_until(lambda: value(server, "chat_history_waiting_messages") == 0, "the disk")
    assert value(server, "chat_history_waiting_seconds") == 0
    assert value(server, "chat_history_waiting_bytes") == 0
    assert value(server, "chat_history_last_write_timestamp_seconds") > started
    files = (tmp_path / "history.db", tmp_path / "history.db-wal")
    assert value(server, "chat_history_file_bytes") == sum(path.stat().st_size for path in files)


def test_a_durable_server_tells_its_own_limit(open_durable: Callable[..., TestServer]) -> None:
    assert value(open_durable(), "chat_history_waiting_limit_messages") == CROWDED


def test_the_status_tells_of_history_in_words(
    open_a_chat_server: Callable[..., TestServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(writer: Writer, *batch: object) -> None:
        raise HistoryFault("cannot use history.db: disk full")

    disk_goes_on = Event()
    monkeypatch.setattr(Keeping, "_gather", lambda keeping: disk_goes_on.wait())
    server = open_a_chat_server(data_directory=tmp_path)
    control = server.parts.make_control_server(tmp_path, tuple)
    control.start()
    try:
        assert "; nothing waits for the disk; last written 20" in line(tmp_path)
        alice = server.join("alice")
        alice.say("hello")
        alice.expect_text("hello", "alice")
        assert "; 1 message waits for the disk (5 bytes, for 0." in line(tmp_path)
        monkeypatch.setattr(Writer, "write", fail)
        disk_goes_on.set()
        wait_until(lambda: value(server, "chat_history_suspended") == 1, "the suspension")
        assert "suspended: messages are not kept; the file has " in line(tmp_path)
    finally:
        monkeypatch.undo()
        control.stop()


def test_a_server_without_history_says_so(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    server = open_a_chat_server(data_directory=tmp_path, history=False)
    assert not any(name.startswith("chat_history") for name in families(server))
    control = server.parts.make_control_server(tmp_path, tuple)
    control.start()
    try:
        assert line(tmp_path) == "history      off"
    finally:
        control.stop()


@pytest.mark.usefixtures("eager_index")
def test_the_index_of_the_search_is_seen(
    open_a_chat_server: Callable[..., TestServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = open_a_chat_server(data_directory=tmp_path)
    search = server.parts.path.search
    assert search is not None
    indexer = search.indexer
    wait_until(lambda: indexer.is_idle, "the index")
    with monkeypatch.context() as patches:
        patches.setattr(indexer, "_work", lambda: 0.001)
        alice = server.join("alice")
        for text in ("one", "two"):
            alice.say(text)
            alice.expect_text(text, "alice")
        wait_until(lambda: value(server, "chat_search_waiting_messages") == 2, "the disk")
        control = server.parts.make_control_server(tmp_path, list)
        control.start()
        assert "; 2 messages not indexed yet" in line(tmp_path, "search")
    wait_until(lambda: value(server, "chat_search_waiting_messages") == 0, "the index")
    assert line(tmp_path, "search").endswith("; all messages are indexed")
    control.stop()
    assert value(server, "chat_search_failing") == 0
    files = tmp_path.glob("search.db*")
    assert value(server, "chat_search_file_bytes") >= max(path.stat().st_size for path in files)


def test_without_search_nothing_is_told_of_it(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    server = open_a_chat_server(data_directory=tmp_path, search=False)
    assert not any(name.startswith("chat_search") for name in families(server))
    control = server.parts.make_control_server(tmp_path, list)
    control.start()
    assert line(tmp_path, "search") == "search       off"
    control.stop()
