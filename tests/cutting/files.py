"""A large file that is fetched, or sent, while links are cut, and clients and servers are killed.

It must arrive with its SHA-256, and with few more bytes than it has.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from chat.protocol.descriptor import MessageType
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.reader import Reader
from tests.cutting.evidence import Message
from tests.cutting.final_history import exported
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient

_PIECE = 64 * 1024
# Bytes that the kernel may hold on their way to a program: what it holds is lost with a cut link.
_BUFFER = 64 * 1024
_SHARE = 0.05  # of the size: so many more bytes may travel
# Bytes of texts, and of what the kernel holds when a program is killed, for each cut. On a busy machine the program
# reads late, and the kernel's buffer for it grows.
_SOME = 512 * 1024
_PATIENCE = 120.0  # seconds without progress


_KINDS = ("link", "server", "client")


class CountingProxy:
    """Carry connections to ``target``, and count the bytes; stop at a number of bytes until the test goes on.

    ``up``: those to the server are counted and stopped, else those to the client.
    """

    def __init__(self, target: tuple[str, int], *, up: bool) -> None:
        self.target = target
        self.counted = 0
        self._stop_at: int | None = None
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._up = up
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop_at(self, count: int) -> None:
        """Stop when so many bytes were carried, until ``go_on``."""
        self._stop_at = count

    def go_on(self) -> None:
        self._stop_at = None
        self._goes_on.set()

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=30)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            with self._lock:
                self._open |= {near, far}
            ends = [threading.Event(), threading.Event()]
            for source, sink, counts, end in (
                (near, far, self._up, ends[0]),
                (far, near, not self._up, ends[1]),
            ):
                threading.Thread(
                    target=self._carry, args=(source, sink, counts, end), daemon=True
                ).start()
            threading.Thread(target=self._close, args=(near, far, ends), daemon=True).start()

    def _carry(
        self, source: socket.socket, sink: socket.socket, counts: bool, end: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                sink.sendall(data)
                if counts:
                    self._count(len(data))
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        end.set()

    def _count(self, size: int) -> None:
        with self._lock:
            self.counted += size
        if self._stop_at is not None and self.counted >= self._stop_at:
            self._goes_on.clear()
        self._goes_on.wait()

    def _close(self, near: socket.socket, far: socket.socket, ends: list[threading.Event]) -> None:
        for end in ends:
            end.wait()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()


class FilesRun:
    """Fetch a file of ``size`` bytes over ``cuts`` cuts, or send it, with ``uploads``. Kinds of trouble take turns.

    ``room`` is the name of the room that gets an upload; None: the default room.
    """

    def __init__(
        self,
        directory: Path,
        *,
        size: int,
        cuts: int,
        seed: int,
        uploads: bool = False,
        room: str | None = None,
    ) -> None:
        self._room = room
        self._directory, self._size, self._cuts = directory, size, cuts
        self._rng = random.Random(seed)
        self._uploads = uploads
        self._source = directory / "source.bin"
        self._saved = directory / "saved"
        self._saved.mkdir()
        self._ends = ExitStack()
        self._server: ServerProcess | None = None
        self._client: ClientProcess | None = None
        self._port = 0

    def run(self, told: Callable[[str], object]) -> list[str]:
        """Move the file; return what is wrong."""
        began = time.monotonic()
        digest = self._make_source()
        with self._ends:
            self._ends.callback(self._end)
            self._start_server()
            if not self._uploads:
                self._send_source()
            proxy = CountingProxy(("127.0.0.1", self._port), up=self._uploads)
            self._ends.callback(proxy.close)
            self._start_client(proxy)
            for number in range(1, self._cuts + 1):
                place = self._size * number // (self._cuts + 1)
                proxy.stop_at(place)
                self._wait_while_bytes_come(proxy, lambda: proxy.counted >= place)  # noqa: B023
                self._cause(_KINDS[number % len(_KINDS)], proxy)
            left, found = self._finish(proxy)
        more = proxy.counted - self._size
        told(
            f"{self._cuts} cuts, {more / self._size:.2%} more bytes, {time.monotonic() - began:.1f} s"
        )
        problems = []
        if found != digest:
            problems.append("the content differs")
        if left:
            problems.append(f"files are left: {left}")
        if more > self._size * _SHARE and more > self._cuts * _SOME:
            problems.append(f"{more} more bytes than {self._size} came")
        return problems

    def _finish(self, proxy: CountingProxy) -> tuple[list[str], str]:
        """Wait for the end; return the files that are left beside, and the SHA-256 of what arrived."""
        assert self._client is not None
        output = self._client.output
        end = re.compile(r'"state": ?"(done|failed)"')
        self._wait_while_bytes_come(proxy, lambda: end.search(output.text))
        assert end.search(output.text)[1] == "done", output.text  # type: ignore[index]
        if not self._uploads:
            target = self._saved / "source.bin"
            return [path.name for path in self._saved.iterdir() if path != target], _digest(target)
        assert self._server is not None
        assert self._server.stop() == 0
        files = FileDirectory(self._directory / "data")
        [(digest, size)] = files.sizes().items()
        assert size == self._size
        assert files.is_whole(digest)
        reader = Reader(self._directory / "data")
        messages = reader.totals().messages
        reader.close()
        left = [path.name for path in files.parts.iterdir()]
        if messages != 1:
            left.append("a message too many")
        lobby = [isinstance(each, Message) for each in exported(self._directory / "data")]
        if any(lobby) is (self._room is not None):
            left.append("the message, in another room")
        return left, digest.hex()

    def _make_source(self) -> str:
        with self._source.open("wb") as file:
            for piece in _pieces(self._size):
                file.write(self._rng.randbytes(len(piece)))
        return _digest(self._source)

    def _start_server(self) -> None:
        self._server = ServerProcess(
            "--history=on",
            "--rate=0",
            f"--keep-files={4 * self._size}",
            f"--max-file={2 * self._size}",
            f"--data-directory={self._directory / 'data'}",
            address=f"127.0.0.1:{self._port}",
        )
        self._port = self._server.address[1]

    def _send_source(self) -> None:
        address = ("127.0.0.1", self._port)
        with (
            WireClient.joined(address, "alice", inline=0) as alice,
            alice.open_transfer(address) as transfer,
            self._source.open("rb") as file,
        ):
            header = {"filename": "source.bin"}
            transfer.send_bytes(transfer.encode(MessageType.FILE, header, content_size=self._size))
            while piece := file.read(_PIECE):
                transfer.send_bytes(piece)
            transfer.expect(MessageType.FILE)

    def _start_client(self, proxy: CountingProxy) -> None:
        options = ["--json", f"--save-directory={self._saved}", "--max-save=1K", "--replay=10"]
        if self._uploads:
            options.append(f"--state={self._directory / 'state'}")
        if self._room is not None:
            options.append(f"--room={self._room}")
        is_first = self._client is None
        self._client = ClientProcess(proxy.address, "bob", *options, directory=self._directory)
        self._ends.callback(self._client.__exit__, None, None, None)
        if self._uploads:
            if is_first:
                self._client.ask(type="file", path=str(self._source), room=self._room, id=1)
        elif not any(self._saved.iterdir()):
            number = json.loads(
                self._client.output.wait_for(r'^.*"filename": ?"source.bin".*$')[0]
            )["number"]
            self._client.ask(type="get", number=number)

    def _cause(self, kind: str, proxy: CountingProxy) -> None:
        """Let something go wrong while the bytes stand still, and let them go on."""
        if kind == "link":
            proxy.cut()
        elif kind == "server":
            assert self._server is not None
            self._server.send_signal(signal.SIGKILL)
            self._server.wait()
            self._server.end()
            proxy.cut()
            self._start_server()
        elif kind == "client":
            assert self._client is not None
            self._client.send_signal(signal.SIGKILL)
            self._client.process.wait()
            proxy.cut()
            proxy.go_on()
            self._start_client(proxy)
        proxy.go_on()

    def _wait_while_bytes_come(self, proxy: CountingProxy, condition: Callable[[], object]) -> None:
        last, since = proxy.counted, time.monotonic()
        while not condition():
            if proxy.counted > last:
                last, since = proxy.counted, time.monotonic()
            assert self._client is not None
            assert time.monotonic() - since < _PATIENCE, (
                f"nothing comes: {self._client.output.text}{self._client.errors.text}"
            )
            time.sleep(0.002)

    def _end(self) -> None:
        if self._server is not None:
            self._server.end()


def _pieces(size: int) -> Iterator[range]:
    for start in range(0, size, 1 << 20):
        yield range(start, min(size, start + (1 << 20)))


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
