from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from chat.client.runtime.runtime import Runtime, Stream
from chat.net.address import Address
from tests.client.runtimes import with_both_runtimes

pytestmark = with_both_runtimes


class Line:
    """A stream and the plain socket at its far end."""

    def __init__(self, runtime: Runtime) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.stream: Stream = runtime.connect(
                Address("127.0.0.1", listener.getsockname()[1]), 5
            )
            self.far, _ = listener.accept()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.far.close()

    def receive(self) -> bytes:
        buffer = bytearray(100)
        size = self.stream.recv_into(memoryview(buffer))
        return bytes(buffer[:size])

    def fill(self) -> None:
        """Send until nothing more is taken."""
        with suppress(TimeoutError):
            while True:
                self.stream.send(memoryview(bytes(1 << 20)), 0.05)


def test_carries_bytes_both_ways(runtime: Runtime) -> None:
    with Line(runtime) as line:
        assert line.stream.send(memoryview(b"there"), 1) == 5
        assert line.far.recv(100) == b"there"
        line.far.sendall(b"and back")
        assert line.receive() == b"and back"


def test_knows_whether_there_is_something_to_read(runtime: Runtime) -> None:
    with Line(runtime) as line:
        assert not line.stream.readable()
        line.far.sendall(b"x")
        line.stream.settimeout(30)
        assert line.receive() == b"x"
        line.far.close()
        assert line.receive() == b""
        assert line.stream.readable(), "the end is something to read"


def test_reading_gives_up_after_its_time(runtime: Runtime) -> None:
    with Line(runtime) as line:
        line.stream.settimeout(0.01)
        with pytest.raises(TimeoutError) as caught:
            line.receive()
        assert caught.value.errno is None


def test_a_reader_without_limit_leaves_the_limit_of_the_writer(runtime: Runtime) -> None:
    with Line(runtime) as line:
        read: list[bytes] = []
        reader = runtime.spawn(lambda: read.append(line.receive()))
        runtime.sleep(0.01)
        line.fill()
        line.far.sendall(b"still read")
        reader.join(30)
        assert read == [b"still read"]


def test_a_writer_with_a_limit_leaves_the_reader_without_one(runtime: Runtime) -> None:
    with Line(runtime) as line:
        line.fill()
        threading.Timer(0.2, line.far.sendall, [b"late"]).start()
        assert line.receive() == b"late"


def test_shutting_wakes_the_reader(runtime: Runtime) -> None:
    with Line(runtime) as line:
        read: list[bytes] = []
        reader = runtime.spawn(lambda: read.append(line.receive()))
        runtime.sleep(0.01)
        line.stream.shut()
        reader.join(30)
        assert read == [b""]
        line.stream.shut()


def test_shutting_wakes_the_writer(runtime: Runtime) -> None:
    with Line(runtime) as line:
        line.fill()
        errors: list[OSError] = []

        def write() -> None:
            try:
                while True:  # the kernel may find a little more room
                    line.stream.send(memoryview(bytes(1 << 20)), 60)
            except OSError as error:
                errors.append(error)

        writer = runtime.spawn(write)
        runtime.sleep(0.01)
        line.stream.shut()
        writer.join(30)
        assert len(errors) == 1
        assert not isinstance(errors[0], TimeoutError)


def test_what_has_arrived_can_be_read_after_shutting(runtime: Runtime) -> None:
    with Line(runtime) as line:
        line.far.sendall(b"the last words")
        while not line.stream.readable():
            runtime.pause()
        line.stream.shut()
        assert line.receive() == b"the last words"


def test_signs_of_life(runtime: Runtime) -> None:
    with Line(runtime) as line:
        assert line.stream.pulse() == (0, False, False)
        line.far.sendall(b"hello")
        while not line.stream.readable():
            runtime.pause()
        assert line.stream.pulse() == (0, True, False)
        assert line.receive() == b"hello"
        assert line.stream.pulse() == (5, False, False)
        line.stream.close()
        assert line.stream.pulse() == (5, False, False)


def test_a_dead_peer_is_one(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with Line(runtime) as line:
        monkeypatch.setattr("chat.client.runtime.runtime.is_dead", lambda sock: sock.fileno() > 0)
        assert line.stream.pulse() == (0, False, True)


def test_finishing_ends_one_direction(runtime: Runtime) -> None:
    with Line(runtime) as line:
        line.stream.finish()
        assert line.far.recv(100) == b""
        line.far.sendall(b"goodbye")
        assert line.receive() == b"goodbye"


def test_tcp_is_not_delayed_and_notices_vanished_peers(runtime: Runtime) -> None:
    with Line(runtime) as line:
        # Only the socket tells which options were set.
        sock = line.stream._socket  # type: ignore[attr-defined]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        probes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        interval = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        idle = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        assert idle + probes * interval == 120


def test_unix_sockets(runtime: Runtime, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        stream = runtime.connect(Address(path=path), 5)
        far, _ = listener.accept()
        with far:
            stream.send(memoryview(b"hi"), 1)
            assert far.recv(10) == b"hi"
        stream.close()


def test_no_host_is_this_machine(runtime: Runtime) -> None:
    with socket.create_server(("localhost", 0)) as listener:
        stream = runtime.connect(Address(port=listener.getsockname()[1]), 5)
        stream.close()


@pytest.mark.parametrize("address", [Address("127.0.0.1", 1), Address(path="/nowhere/socket")])
def test_nobody_there(runtime: Runtime, address: Address) -> None:
    with pytest.raises(OSError, match=r"refused|No such file"):
        runtime.connect(address, 5)


def test_a_lock_excludes(runtime: Runtime) -> None:
    lock = runtime.lock()
    with lock:
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=0.01)
    assert lock.acquire(timeout=0.01)
    lock.release()


def test_an_event_wakes(runtime: Runtime) -> None:
    event = runtime.event()
    assert not event.wait(0.01)
    task = runtime.spawn(event.set)
    assert event.wait(30)
    assert event.is_set()
    task.join(30)


def test_offloading_returns_and_raises_as_the_function_does(runtime: Runtime) -> None:
    assert runtime.offload(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        runtime.offload(divmod, 1, 0)


def test_offloading_lets_others_run(runtime: Runtime) -> None:
    ran = runtime.event()
    task = runtime.spawn(ran.set)

    def wait_for_the_other() -> bool:
        deadline = time.monotonic() + 5
        while not ran.is_set() and time.monotonic() < deadline:
            time.sleep(0.001)
        return ran.is_set()

    assert runtime.offload(wait_for_the_other)
    task.join(30)


def test_importing_the_library_loads_no_runtime_but_plain(runtime: Runtime) -> None:
    del runtime
    code = "import sys, chat.client; print({'gevent', 'curses', 'precis_i18n'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout == "set()\n", loaded.stderr
