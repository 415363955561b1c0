"""The listener accepts as many as there is room for, and survives a lack of descriptors."""

from __future__ import annotations

import errno
import logging
from typing import Any

import pytest
from gevent.server import StreamServer

from tests.server.server_in_test import TestServer


class FailingAccepts:
    """The next accepts of every listener fail as told, before anybody is taken from the queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *problems: int) -> None:
        self.problems = list(problems)
        do_read = StreamServer.do_read

        def fail(listener: StreamServer) -> Any:
            if self.problems:
                raise OSError(self.problems.pop(0), "as told")
            return do_read(listener)

        monkeypatch.setattr(StreamServer, "do_read", fail)


@pytest.mark.parametrize(("room", "at_once"), [(1000, 20), (20, 20), (3, 3), (0, 1), (-2, 1)])
def test_no_more_are_accepted_at_once_than_there_is_room_for(
    chat_server: TestServer, room: int, at_once: int
) -> None:
    [listener] = chat_server.server._listeners
    chat_server.join("alice")

    chat_server.parts.connection_slots.capacity = 1 + room

    assert listener.max_accept == at_once


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_out_of_descriptors_new_connections_are_refused_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
    chat_server: TestServer,
    number: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    FailingAccepts(monkeypatch, number, number, number)

    for _ in range(3):
        assert chat_server.connect().at_end()
    chat_server.join("alice")

    assert caplog.messages[0] == "refused new connections: out of file descriptors"
    assert sum("out of file descriptors" in message for message in caplog.messages) == 1
    assert capfd.readouterr().err == ""


def test_out_of_descriptors_with_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer
) -> None:
    FailingAccepts(monkeypatch, errno.EMFILE)
    [listener] = chat_server.server._listeners

    assert listener.do_read() is None

    chat_server.join("alice")


def test_an_accept_that_fails_for_a_newcomer_who_went_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer, capfd: pytest.CaptureFixture[str]
) -> None:
    FailingAccepts(monkeypatch, errno.ECONNABORTED, errno.EPROTO)

    chat_server.join("alice")

    assert capfd.readouterr().err == ""


def test_what_else_fails_an_accept_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer
) -> None:
    FailingAccepts(monkeypatch, errno.EIO)
    [listener] = chat_server.server._listeners

    with pytest.raises(OSError) as caught:
        listener.do_read()

    assert caught.value.errno == errno.EIO
