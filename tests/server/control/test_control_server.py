"""Commands of the operator on real sockets: refused to other users, and not held up by stuck visitors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from chat.server.control import control_server
from chat.server.control.client import ControlFault, NoServer, apply_changes, ask
from chat.server.control.control_server import ControlServer
from chat.server.control.messages import MAX_REQUEST, CommandFailed
from chat.server.control.socket_file import NAME, connect_to, listen_in, remove_from


def echo(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(fields)


def fail(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    raise CommandFailed("It is too late.")


def break_down(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    raise ZeroDivisionError


HANDLERS = {"echo": echo, "fail": fail, "break": break_down, "apply-changes": lambda fields: {}}


@pytest.fixture
def serve() -> Iterator[Callable[[Path], None]]:
    """Serve the commands of ``HANDLERS`` in a directory."""
    servers = []

    def begin(directory: Path) -> None:
        server = ControlServer(listen_in(directory), HANDLERS)
        server.start()
        servers.append(server)

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[ControlServer]:
    """A server that executes only "echo" yet."""
    server = ControlServer(listen_in(tmp_path), HANDLERS)
    server.start(early=["echo"])
    yield server
    server.stop()


def in_thread(function: Callable[..., Any], *arguments: Any, **fields: Any) -> Any:
    """Call what blocks as a command line does, while the server of this thread runs."""

    def call() -> Any:
        try:
            return function(*arguments, **fields)
        except (NoServer, ControlFault, OSError) as problem:
            return problem

    outcome = gevent.get_hub().threadpool.apply(call)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def visit(directory: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(directory / NAME))
    sock.settimeout(30)
    return sock


def answer_of(sock: socket.socket) -> bytes:
    data = b""
    while received := sock.recv(65536):
        data += received
    return data


def test_a_command_has_one_answer(serve: Callable[[Path], None], tmp_path: Path) -> None:
    serve(tmp_path)

    assert in_thread(ask, tmp_path, "echo", text="hello", n=3) == {"text": "hello", "n": 3}
    with pytest.raises(ControlFault, match=r"^It is too late\.$"):
        in_thread(ask, tmp_path, "fail")
    with pytest.raises(ControlFault, match="knows no such command; it knows echo, fail"):
        in_thread(ask, tmp_path, "dance")
    assert in_thread(apply_changes, tmp_path) == "The running server has applied this."


def test_a_command_that_fails_by_a_fault_is_logged_and_the_server_goes_on(
    serve: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serve(tmp_path)

    with pytest.raises(ControlFault, match="the log says why"):
        in_thread(ask, tmp_path, "break")

    assert "ZeroDivisionError" in caplog.text
    assert in_thread(ask, tmp_path, "echo") == {}


def test_without_a_server_that_is_said(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NoServer, match=f"^no server runs on {directory}; start it"):
            ask(directory, "echo")
    listen_in(tmp_path).close()
    assert (tmp_path / NAME).is_socket(), "left behind, as by a server that was killed"
    with pytest.raises(NoServer):
        ask(tmp_path, "echo")
    assert apply_changes(tmp_path).startswith(
        f"No server runs on {tmp_path} now; to change a running one, name "
    )


def test_a_file_of_a_server_that_was_killed_is_replaced(
    serve: Callable[[Path], None], tmp_path: Path
) -> None:
    listen_in(tmp_path).close()
    serve(tmp_path)

    assert in_thread(ask, tmp_path, "echo") == {}
    remove_from(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("precious")

    with pytest.raises(FileExistsError):
        listen_in(tmp_path)

    assert (tmp_path / NAME).read_text() == "precious"


def test_nobody_else_can_connect(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        listening = listen_in(tmp_path)
    finally:
        os.umask(mask)
    with listening:
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_another_user_is_refused_whatever_the_mode_of_the_file(
    serve: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(tmp_path)

    class Stranger:
        size = control_server._CREDENTIALS.size

        def unpack(self, data: bytes) -> tuple[int, int, int]:
            process, user, group = (1, 4711, 4711)
            return process, user, group

    monkeypatch.setattr(control_server, "_CREDENTIALS", Stranger())
    with pytest.raises(ControlFault, match="Only root and the user"):
        in_thread(ask, tmp_path, "echo")

    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert in_thread(ask, tmp_path, "echo") == {}


@pytest.mark.parametrize("length", [60, 103, 104, 108, 200])
def test_a_path_may_be_longer_than_an_address(
    serve: Callable[[Path], None], tmp_path: Path, length: int
) -> None:
    room = length - len(f"{tmp_path}//{NAME}")
    directory = tmp_path / ("d" * max(1, room))
    directory.mkdir()
    serve(directory)

    assert in_thread(ask, directory, "echo") == {}
    assert (directory / NAME).is_socket()


def test_without_proc_a_long_path_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.control.socket_file._DESCRIPTORS", tmp_path / "none")
    directory = tmp_path / ("d" * 100)
    directory.mkdir()

    for use in (listen_in, lambda where: connect_to(where, 1)):
        with pytest.raises(OSError, match="too long") as caught:
            use(directory)
        assert caught.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        (b"hello\n", b"not JSON"),
        (b'{"version":1,"command":"echo"}', b""),
        (b'{"version":7,"command":"echo"}\n', b"different versions"),
        (b"x" * (MAX_REQUEST + 1), b"over 256 KiB"),
    ],
)
def test_a_broken_request_gets_one_line(
    serve: Callable[[Path], None], tmp_path: Path, said: bytes, phrase: bytes
) -> None:
    serve(tmp_path)
    with visit(tmp_path) as sock:
        sock.sendall(said)
        if not said.endswith(b"\n"):
            sock.shutdown(socket.SHUT_WR)
        answer = answer_of(sock)
    assert answer.count(b"\n") == 1
    assert phrase in answer


def test_stuck_visitors_hold_nobody_up(
    serve: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "_PATIENCE", 1000.0)
    serve(tmp_path)
    stuck = []
    for _ in range(3 * control_server._AT_ONCE):
        stuck.append(visit(tmp_path))
        stuck[-1].sendall(b'{"version"')

    assert in_thread(ask, tmp_path, "echo") == {}
    assert stuck[0].recv(1) == b"", "the oldest have made way"
    for sock in stuck:
        sock.close()


def test_a_visitor_that_says_nothing_is_given_up(
    serve: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "_PATIENCE", 0.01)
    serve(tmp_path)
    with visit(tmp_path) as sock:
        assert sock.recv(1) == b""


def test_a_server_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.control.client.TIMEOUT", 0.01)
    with listen_in(tmp_path):
        with pytest.raises(ControlFault, match="does not answer within"):
            ask(tmp_path, "echo")
        assert "within seconds, but not at once" in apply_changes(tmp_path)


def test_a_directory_that_may_not_be_entered_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: Path, timeout: float) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("chat.server.control.client.connect_to", refuse)
    with pytest.raises(ControlFault, match=r"or as root$"):
        ask(tmp_path, "echo")


@pytest.mark.usefixtures("starting")
def test_a_server_that_starts_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "_START", 0.01)
    assert in_thread(ask, tmp_path, "echo", text="here")["text"] == "here"
    with pytest.raises(ControlFault, match="The server is starting"):
        in_thread(ask, tmp_path, "apply-changes")


def test_a_command_waits_for_a_start_that_is_short(
    tmp_path: Path, starting: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "_START", 1000.0)
    asking = gevent.spawn(in_thread, ask, tmp_path, "apply-changes")
    in_thread(ask, tmp_path, "echo")  # by now the other one waits
    starting.admit_all()
    assert asking.get() == {}
